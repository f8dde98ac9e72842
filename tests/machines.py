"""A machine to detect: files below a folder, and NVIDIA libraries that a C compiler makes."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from envkit.host.detect import detect_host
from envkit.models.host import Host

SOURCE = Path(__file__).parent / "nvidia" / "stand_in.c"
UUIDS = tuple(f"GPU-{digit * 8}-{digit * 4}-{digit * 4}-{digit * 4}-{digit * 12}" for digit in "abcd")


def gpu(name: str, capability: str, *, index: int = 0, bytes_: int = 80 << 30, instances: int = -1) -> str:
    """One entry of STAND_IN_GPUS."""
    major, minor = capability.split(".")
    return f"{name},{major},{minor},{bytes_},{UUIDS[index]},{instances}"


def _compile(folder: Path, name: str, define: str) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc) to build NVIDIA libraries that stand in for real ones")
    command = [
        compiler,
        "-shared",
        "-fPIC",
        f"-D{define}",
        f"-Wl,-soname,{name}",
        str(SOURCE),
        "-o",
        str(folder / name),
    ]
    subprocess.run(command, check=True)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with libnvidia-ml.so.1 and libcuda.so.1."""
    folder = tmp_path_factory.mktemp("libraries")
    _compile(folder, "libnvidia-ml.so.1", "NVML")
    _compile(folder, "libcuda.so.1", "CUDA")
    return folder


@dataclass
class Machine:
    """A machine that a test describes, and detects in real processes."""

    root: Path
    libraries: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str | bytes = "") -> Path:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def driver(self, version: str, *, gpus: int = 1) -> None:
        """The kernel's side: module and nodes."""
        self.write(
            "/proc/driver/nvidia/version",
            f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Thu Feb 22 01:44:30 UTC 2024\n"
            "GCC version:  gcc version 12.2.0\n",
        )
        self.write("/sys/module/nvidia/version", f"{version}\n")
        for node in ("nvidiactl", "nvidia-uvm", *(f"nvidia{index}" for index in range(gpus))):
            self.write(f"/dev/{node}")

    def library(self, target: str, name: str = "libcuda.so.1") -> Path:
        """Put a stand-in at a place below the root, such as a compat folder, for LD_LIBRARY_PATH."""
        path = self.write(target, (self.libraries / name).read_bytes())
        link = path.with_name(name)
        if link != path:
            link.symlink_to(path.name)
        return path

    def only(self, *names: str) -> None:
        """Have only these of the libraries; the others are there and cannot be loaded (nor can real ones behind)."""
        folder = self.root / "only"
        for name in ("libnvidia-ml.so.1", "libcuda.so.1", "libcuda.so"):
            if name in names:
                self.write(f"/only/{name}", (self.libraries / name).read_bytes())
        self.env["LD_LIBRARY_PATH"] = str(folder)

    def variables(self) -> dict[str, str]:
        foreign = ("CUDA", "NVIDIA", "CONDA", "SLURM", "SBATCH", "STAND_IN", "XDG")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        home = {"HOME": str(self.root / "home"), "LD_LIBRARY_PATH": str(self.libraries)}
        return {**kept, **home, **self.env}

    def detect(self, *, timeout_s: float = 20.0, refresh: bool = False, cache_dir: Path | None = None) -> Host:
        return detect_host(
            env=self.variables(), root=self.root, timeout_s=timeout_s, refresh=refresh, cache_dir=cache_dir
        )


@pytest.fixture
def machine(tmp_path: Path, libraries: Path) -> Machine:
    root = tmp_path / "root"
    root.mkdir()
    return Machine(root, libraries)
