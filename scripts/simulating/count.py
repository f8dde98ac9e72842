"""Count what an import asks of the file system: strace(1) for names and reads, the kernel for mapped and mounted files.

A client of NFS or Lustre keeps what it was told (attributes, names, that there is no such name), so each name counts
once, however often Python asks for it. Mapped libraries are read page by page: what is resident in the end
(/proc/PID/smaps) was read, in requests of 128 KiB, the kernel's read-ahead. An image's reads are those of its loop
device (/sys/block/loopN/stat) while its own cache is empty.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_REQUEST = 128 << 10
_SECTOR = 512
_CODE = "import torch"
_CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_RESULT = re.compile(r"\) = (-?\d+)")


class Trace:
    """The operations below a folder, from the output of ``strace -f``."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open: dict[int, str] = {}
        self.names: set[str] = set()
        self.opens = 0
        self.listings = 0
        self.read_bytes: dict[str, int] = {}

    def add(self, line: str) -> None:
        """Read one line."""
        call, result = _CALL.match(line), _RESULT.search(line)
        if call is None or result is None:
            return
        name, arguments, value = call[1], call[2], int(result[1])
        if name in {"read", "pread64", "getdents64", "close"}:
            self._on_descriptor(name, int(arguments.partition(",")[0].partition(")")[0]), value)
            return
        named = _NAME.search(arguments)
        if named is None or not named[1].startswith(self._folder):
            if name in {"openat", "open"}:
                self._open.pop(value, None)
            return
        self.names.add(named[1])
        if name in {"openat", "open"} and value >= 0:
            self._open[value] = named[1]
            self.opens += "O_DIRECTORY" not in arguments

    def _on_descriptor(self, name: str, descriptor: int, value: int) -> None:
        path = self._open.get(descriptor)
        if path is None:
            return
        if name == "close":
            del self._open[descriptor]
        elif name == "getdents64":
            self.listings += value > 0
        elif value > 0:
            self.read_bytes[path] = self.read_bytes.get(path, 0) + value


def mapped_bytes(smaps: str, folder: str) -> dict[str, int]:
    """Return the resident bytes of each mapped file below a folder, from ``/proc/PID/smaps``."""
    found: dict[str, int] = {}
    path = ""
    for line in filter(None, smaps.splitlines()):
        words = line.split(maxsplit=5)
        if "-" in words[0] and not words[0].endswith(":"):
            path = words[5] if len(words) > 5 else ""
        elif words[0] == "Rss:" and path.startswith(folder):
            found[path] = found.get(path, 0) + int(words[1]) * 1024
    return found


def requests_for(sizes: dict[str, int]) -> int:
    """Return how many reads bring these bytes of these files."""
    return sum(max(1, -(-size // _REQUEST)) for size in sizes.values())


def count(work: Path) -> dict[str, Any]:
    """Make an environment with PyTorch for the CPU from PyPI below a folder, and count its import.

    Raises:
        SystemExit: A program is missing, or this is not root.
    """
    missing = [name for name in ("strace", "mount", "mksquashfs") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        raise SystemExit(f"simulate_fleet: --count takes root and {', '.join(missing or ['a loop device'])}")
    prefix = _make(work)
    python = str(prefix / "bin" / "python")
    _run([python, "-c", _CODE])  # bytecode and caches are there
    traced = work / "trace"
    _run(["strace", "-f", "-qq", "-e", "trace=%file,read,pread64,getdents64,close", "-o", traced, python, "-c", _CODE])
    trace = Trace(str(prefix))
    for line in traced.read_text(errors="replace").splitlines():
        trace.add(line)
    smaps = _run([python, "-c", f"{_CODE}; print(open('/proc/self/smaps').read())"])
    sizes = {**trace.read_bytes}
    for path, size in mapped_bytes(smaps, str(prefix)).items():
        sizes[path] = sizes.get(path, 0) + size
    processor_s = _processor_s([python, "-c", _CODE])
    direct = {
        "lookups": len(trace.names),
        "opens": trace.opens,
        "listings": trace.listings,
        "requests": requests_for(sizes),
        "size_bytes": sum(sizes.values()),
        "processor_s": processor_s,
    }
    pack, image = work / "t.tar.zst", work / "t.squashfs"
    for file in (pack, image):
        _envkit(work, "pack", "t", "-o", str(file))
    stage_s = _processor_s([*_ENVKIT, "stage", str(pack), "--to", str(work / "stage")])
    files = [path for path in prefix.rglob("*") if path.is_file() and not path.is_symlink()]
    size = pack.stat().st_size
    return {
        "made": _made(python, len(files)),
        "direct": direct,
        "copy": _work(requests=-(-size // (1 << 20)), size_bytes=size, processor_s=stage_s),
        "unpacked_bytes": sum(path.stat().st_size for path in files),
        "packed": {**_image(image, work, prefix), "processor_s": processor_s},
    }


_ENVKIT = (sys.executable, "-m", "envkit")


def _work(*, requests: int, size_bytes: int, processor_s: float) -> dict[str, Any]:
    """Return the work of reading one file."""
    return {
        "lookups": 1,
        "opens": 1,
        "listings": 0,
        "requests": requests,
        "size_bytes": size_bytes,
        "processor_s": processor_s,
    }


def _make(work: Path) -> Path:
    channel = work / "channel"
    script = Path(__file__).parents[1] / "wheel_channel.py"
    _run([sys.executable, script, channel, "--with-torch", "numpy"])
    _envkit(work, "create", "pytorch", "numpy", "-n", "t", "--no-validate", "-c", str(channel), "--override-channels")
    return (work / "envs" / "t").resolve()


def _envkit(work: Path, *words: str) -> None:
    _run([*_ENVKIT, *words, "--persist", work / "envs"])


def _image(image: Path, work: Path, prefix: Path) -> dict[str, Any]:
    """Count the reads of a loop device while an import runs from it, at the path of the environment."""
    place = work / "mounted"
    script = 'mount --bind "$1" "$2" && exec "$2/bin/python" -c "$3"'
    with _mounted(image, place) as device:
        statistics = Path("/sys/block") / Path(device).name / "stat"

        def reads() -> tuple[int, int]:
            fields = statistics.read_text().split()
            return int(fields[0]), int(fields[2]) * _SECTOR

        before = reads()
        _run(["unshare", "--mount", "sh", "-c", script, "sh", place, prefix, _CODE])
        after = reads()
    return _work(requests=after[0] - before[0], size_bytes=after[1] - before[1], processor_s=0.0)


@contextlib.contextmanager
def _mounted(image: Path, place: Path) -> Iterator[str]:
    place.mkdir()
    _run(["mount", "-o", "loop,ro", image, place])
    try:
        yield _run(["findmnt", "-no", "SOURCE", place]).strip()
    finally:
        _run(["umount", place])


def _made(python: str, files: int) -> dict[str, Any]:
    version = _run([python, "-c", f"{_CODE}; print(torch.__version__)"]).strip()
    return {
        "what": f"python -c '{_CODE}', PyTorch {version} of PyPI, {files:,} files, bytecode compiled",
        "python": _run([python, "--version"]).strip(),
        "kernel": platform.release().partition("-")[0],
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "how": "scripts/simulate_fleet --count: strace -f for names and reads, /proc/PID/smaps for mapped files, "
        "/sys/block/loopN/stat for the mounted image, rusage for processor time",
    }


def _processor_s(words: Sequence[str | Path]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2)


def _run(words: Sequence[str | Path]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"simulate_fleet: {' '.join(map(str, words))[:300]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def write_counts(path: Path) -> None:
    """Count, and write the file of counts."""
    with tempfile.TemporaryDirectory(prefix="simulate-fleet-") as folder:
        path.write_text(json.dumps(count(Path(folder)), indent=1) + "\n", encoding="utf-8")
