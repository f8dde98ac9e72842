"""A bench on which envkit is killed at chosen calls."""

from __future__ import annotations

import hashlib
import signal
import struct
from dataclasses import dataclass
from pathlib import Path

from channels import Package
from harness import ENVKIT, Outcome, Shell, run_program


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
        counter.write_bytes(bytes(24))
        env = self.shell.env(
            LD_PRELOAD=str(self.library),
            FAULTS_ROOT=str(self.shell.volume),
            FAULTS_FILE=str(counter),
            FAULTS_AT=str(at),
            **({"FAULTS_LOG": str(trace)} if trace else {}),
        )
        done = run_program([*ENVKIT, *args], env=env, timeout_s=2 * self.shell.timeout_s)
        assert done.code == 0 or (at and done.code == -signal.SIGKILL), done.err
        return done.code, struct.unpack("QQQ", counter.read_bytes())[0]

    def failing(self, *args: str, call: str, number: int, nth: int = 0, part: str = "") -> Outcome:
        """Run envkit while calls of one kind below the volume fail, all or the nth, where their path holds `part`."""
        counter = self.folder / "counter"
        counter.write_bytes(bytes(24))
        env = self.shell.env(
            LD_PRELOAD=str(self.library),
            FAULTS_ROOT=str(self.shell.volume),
            FAULTS_FILE=str(counter),
            FAULTS_CALL=call,
            FAULTS_ERRNO=str(number),
            FAULTS_NTH=str(nth),
            **({"FAULTS_PART": part} if part else {}),
        )
        return run_program([*ENVKIT, *args], env=env, timeout_s=self.shell.timeout_s)

    def show(self, channel: Path) -> None:
        """Let the server show this channel."""
        place = self.shell.channel
        place.unlink() if place.is_symlink() else place.rmdir()
        place.symlink_to(channel)

    def fetched(self) -> list[str]:
        """Archives that were asked for since the last call."""
        names = self.log.read_text().split()
        self.log.write_text("")
        return names

    def on_disk(self) -> set[str]:
        """Archives that are whole on the volume, as extracted packages or as downloads of a run that died."""
        packages = self.shell.volume / ".envkit" / "pkgs"
        digests = {_sha256(path): path.name for path in self.shell.channel.glob("*/*.conda")}
        extracted = {path.parent.parent.parent.name for path in packages.glob("*/*/info/index.json")}
        waiting = {_sha256(path) for path in packages.glob(".incoming/*/*.conda")}
        return {digests[digest] for digest in extracted | waiting if digest in digests}

    def recover(self, *command: str) -> None:
        """The same command again succeeds, downloads nothing twice and leaves nothing behind."""
        had = self.on_disk()
        self.fetched()
        self.shell.ok(*command)
        again = had & set(self.fetched())
        assert not again, f"downloaded again: {again}"
        assert self.shell.ok("doctor", "--full", "--json").json["healthy"]
        private = self.shell.volume / ".envkit"
        assert all((path / ".envkit.json").is_file() for path in (private / "g").iterdir())
        assert not list((private / "trash").iterdir())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def spread(total: int, points: int) -> list[int]:
    """`points` numbers from 1 to `total`, evenly spread, both ends among them."""
    return sorted({1 + round(i * (total - 1) / max(1, points - 1)) for i in range(points)})


def app(number: int) -> Package:
    """A release of a program that says which it is."""
    content = {f"share/app/{n}.txt": f"{number} {n}".encode() for n in range(3)}
    return Package("app", f"{number}.0", files={"bin/app": f"#!/bin/sh\necho app {number}\n".encode(), **content})


def runs(shell: Shell) -> str:
    """What the program of the environment says."""
    return shell.ok("run", "demo", "--", "app").out.strip()
