"""Builds the driver library of ``tests/fakecuda`` and reads what it counted."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "fakecuda" / "fakecuda.c"
COUNTERS = ("calls", "contexts", "modules", "events", "allocations", "pinned", "launches", "bytes", "misuses")


@dataclass(frozen=True, slots=True)
class FakeDriver:
    """A built library; `path` ends in ``libcuda.so.1``."""

    path: Path

    def copy_to(self, folder: Path, name: str = "libcuda.so.1") -> Path:
        """Put a copy into `folder`, as another installation of libcuda."""
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(self.path, folder / name))


def build(folder: Path) -> FakeDriver:
    """Compile it; warnings are errors."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("the tests of the driver level need a C compiler (cc)")
    target = folder / "libcuda.so.1"
    flags = ["-std=gnu11", "-O2", "-ftree-vectorize", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-fPIC"]
    command = [compiler, *flags, "-shared", "-Wl,-soname,libcuda.so.1", "-o", str(target), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return FakeDriver(target)


def read_counters(report: Path) -> dict[str, int]:
    """What the library counted: calls and misuses in all, everything else what is alive at the end."""
    return dict(zip(COUNTERS, struct.unpack(f"{len(COUNTERS)}q", report.read_bytes()), strict=True))
