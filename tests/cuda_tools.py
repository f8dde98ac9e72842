"""NVIDIA's own tools, from PyPI: what assembles and lists GPU code. They run without a GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from envkit.models.gpucode import GpuLibrary

CUOBJDUMP = "nvidia-cuda-cuobjdump==13.5.*"
OLD_CUOBJDUMP = "triton==3.0.0"  # carries that of CUDA 12.4, which still lists sm_35
UNREACHABLE = re.compile(
    r"connection broken|Failed to establish|resolve|Max retries|timed out|ProxyError", re.IGNORECASE
)
_FIRST_ACCELERATED = 90
_LISTED = re.compile(r"^(ELF|PTX) file +\d+: .*\.sm_(\d+[af]?)\.(?:cubin|ptx)$", re.MULTILINE)


def fetch_wheel(folder: Path, requirement: str) -> Path:
    """The wheel of a requirement, kept in a folder from run to run; the test is skipped where PyPI is not reached."""
    kept = folder / re.sub(r"[^\w.]+", "-", requirement)
    if not kept.is_dir():
        partial = kept.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        command = ["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11"]
        command += ["--dest", str(partial), requirement]
        ran = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True)
        if ran.returncode and UNREACHABLE.search(ran.stderr):
            pytest.skip(f"PyPI cannot be reached for {requirement}")
        assert ran.returncode == 0, ran.stderr
        partial.rename(kept)
    (wheel,) = kept.glob("*.whl")
    return wheel


def fetch_tool(folder: Path, requirement: str, name: str) -> Path:
    """A program of a wheel; the wheel itself is not kept."""
    kept = folder / re.sub(r"[^\w.]+", "-", requirement) / name
    if not kept.exists():
        wheel = fetch_wheel(folder / "wheels", requirement)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            (member,) = [member for member in archive.namelist() if member.endswith(f"/bin/{name}")]
            partial = kept.with_suffix(".partial")
            with archive.open(member) as source, partial.open("wb") as target:
                shutil.copyfileobj(source, target)
        partial.chmod(0o755)  # a wheel is a zip: it keeps no mode
        partial.rename(kept)
    return kept


def listed_by_cuobjdump(cuobjdump: Path, library: Path) -> tuple[Counter[str], Counter[str]] | None:
    """Machine code and PTX by architecture, as cuobjdump lists them; None where it gives up in the middle.

    It writes the machine code of the family 100f as sm_100, and that of some cubins in cuBLAS 11 as sm_60a, which is no
    architecture.
    """
    command = [str(cuobjdump), "--list-elf", "--list-ptx", "-all", str(library)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        return None
    found: dict[str, Counter[str]] = {"ELF": Counter(), "PTX": Counter()}
    for kind, architecture in _LISTED.findall(ran.stdout):
        found[kind][
            architecture.rstrip("a") if int(architecture.rstrip("af")) < _FIRST_ACCELERATED else architecture
        ] += 1
    return found["ELF"], found["PTX"]


def told_like_cuobjdump(library: GpuLibrary) -> tuple[Counter[str], Counter[str]]:
    """What envkit read, in the names of cuobjdump."""
    sass: Counter[str] = Counter()
    ptx: Counter[str] = Counter()
    for arch, number in library.sass.items():
        sass[f"{arch.capability.sm}{arch.suffix.replace('f', '')}"] += number
    for arch, code in library.ptx.items():
        ptx[f"{arch.capability.sm}{arch.suffix}"] += code.entries
    return sass, ptx
