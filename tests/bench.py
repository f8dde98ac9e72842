"""A bench on which envkit is killed at chosen calls."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from commands import Shell


@dataclass(frozen=True)
class Bench:
    """A volume, a channel behind HTTP that logs what is asked for, and the library."""

    shell: Shell
    url: str
    log: Path
    library: Path
    folder: Path

    def faulty(self, *args: str, at: int = 0, trace: Path | None = None) -> tuple[int, int]:
        """Run envkit under the library; return its exit code (negative for a signal) and the count of calls."""
        counter = self.folder / "counter"
        counter.write_bytes(bytes(16))
        env = self.shell.env(
            LD_PRELOAD=str(self.library),
            FAULTS_ROOT=str(self.shell.volume),
            FAULTS_FILE=str(counter),
            FAULTS_AT=str(at),
            **({"FAULTS_LOG": str(trace)} if trace else {}),
        )
        done = subprocess.run(
            [sys.executable, "-m", "envkit", *args],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=240,
        )
        if at == 0:
            assert done.returncode == 0, done.stderr.decode()
        else:
            assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
        return done.returncode, struct.unpack("QQ", counter.read_bytes())[0]

    def fetched(self) -> list[str]:
        """Archives that were asked for since the last call."""
        names = self.log.read_text().split()
        self.log.write_text("")
        return names

    def on_disk(self) -> set[str]:
        """Archives that are whole on the volume, as extracted packages or as verified-to-be downloads."""
        packages = self.shell.volume / ".envkit" / "pkgs"
        names = {
            f"{p.parent.parent.name}.conda" for p in packages.glob("*/*/info/index.json")
        }  # pkgs/<sha256>/<stem>/info
        sizes = {p.name: p.stat().st_size for p in self.shell.channel.glob("*/*.conda")}
        by_size = {size: name for name, size in sizes.items()}
        waiting = (p.stat().st_size for p in packages.glob(".incoming/*/*.conda"))
        return names | {by_size[size] for size in waiting if size in by_size}


def spread(total: int, points: int) -> list[int]:
    """`points` numbers from 1 to `total`, evenly spread, both ends among them."""
    return sorted({1 + round(i * (total - 1) / max(1, points - 1)) for i in range(points)})
