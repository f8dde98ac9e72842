"""What conda's packages say of CUDA and wheels do not: `cuda-version`, `__cuda`, a build string. All pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from wheelchannel.artifact import Package

if TYPE_CHECKING:
    from wheelchannel.wheels import Wheel

# nvidia-ml-py is Python alone, and asks the driver: it runs where there is none.
GPU_ONLY: Final = re.compile(r"(nvidia-(?!ml-py$)|cuda-|(pytorch-)?triton\b)")
FRAMEWORKS: Final = frozenset({"torch", "torchvision", "torchaudio"})
"""Projects whose wheels hold GPU code of their own and whose conda packages name their CUDA in the build string."""

_RUNTIME: Final = "nvidia-cuda-runtime"
_RELEASED_MS: Final = 1_700_000_000_000  # any time will do: the package holds no files


def toolkit_of(wheels: Sequence[Wheel]) -> str | None:
    """The CUDA toolkit of a resolution, such as `13.0`: that of NVIDIA's runtime library, which all the others serve.

    None where no wheel brings the library: then nothing in it is for a GPU.
    """
    versions = [wheel.version for wheel in wheels if re.fullmatch(rf"{_RUNTIME}(-cu\d+)?", wheel.name)]
    return ".".join(versions[0].split(".")[:2]) if versions else None


def cuda_depends(name: str, toolkit: str) -> list[str]:
    """What the package of a wheel needs besides its requirements, as conda-forge writes it.

    Args:
        name: The project, normalised.
        toolkit: The toolkit of the resolution.
    """
    major = int(toolkit.partition(".")[0])
    if name in FRAMEWORKS:
        return ["__cuda", f"cuda-version >={toolkit},<{major + 1}"]
    if name.startswith("nvidia-") and GPU_ONLY.match(name):
        # Their own versions follow other toolkits of the same major: nvJitLink is the newest that there is.
        return [f"cuda-version >={major},<{major + 1}"]
    return []


def build_prefix(toolkit: str) -> str:
    """The start of a CUDA build's build string, such as `cuda130_`."""
    return f"cuda{toolkit.replace('.', '')}_"


def version_package(toolkit: str) -> Package:
    """The package `cuda-version`: no files, but the driver that its toolkit needs."""
    major = toolkit.partition(".")[0]
    index = {
        "name": "cuda-version",
        "version": toolkit,
        "build": "0",
        "build_number": 0,
        "subdir": "noarch",
        "noarch": "generic",
        "depends": [],
        "constrains": [f"cudatoolkit {toolkit}|{toolkit}.*", f"__cuda >={major}"],
        "license": "BSD-3-Clause",
        "timestamp": _RELEASED_MS,
    }
    return Package(index, {"summary": "Keeps packages on one CUDA"}, origin={"toolkit": toolkit})
