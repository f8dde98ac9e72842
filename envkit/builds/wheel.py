"""From a wheel to a `Build`: its local version, its name and the wheels beside it say which CUDA it is for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from envkit.builds.knowledge import Knowledge, shipped_knowledge
from envkit.cuda.tables import load_table
from envkit.frameworks.table import wheel_row
from envkit.models.build import ArchList, Build, Record, Variant
from envkit.models.version import CudaVersion
from envkit.patterns import regex
from envkit.tuples import NamedTuple

CHANNEL = "pypi"
"""The channel of wheels, in tables and verdicts."""

_LOCAL = regex(r"cu(\d{2,3})(?!\d)")  # +cu121, +cu118torch2.1
_NAME = regex(r"[-_]cu(?:da)?(\d{2})x?(?:[-_]|\Z)")  # nvidia-cudnn-cu12, cupy-cuda12x, jax-cuda12-plugin
_RUNTIMES = ("nvidia-cuda-runtime-cu11", "nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime")
_WITH_TORCH = frozenset({"torchvision", "torchaudio", "flash-attn", "xformers", "vllm"})
_CPU = frozenset({"tensorflow-cpu", "onnxruntime", "jaxlib", "faiss-cpu"})
_CUDA = frozenset({"onnxruntime-gpu"})


class Wheel(NamedTuple):
    """A wheel by what its name and its lock say.

    Attributes:
        name: Normalised name of the project (PEP 503).
        version: Its version, with the local part.
        fn: File name.
        subdir: Platform that it is installed on, as conda calls it.
        sha256: Hex digest of the file, where it is known.
    """

    name: str
    version: str
    fn: str = ""
    subdir: str = "linux-64"
    sha256: str | None = None

    @property
    def base(self) -> str:
        """The version without the local part."""
        return self.version.partition("+")[0]

    @property
    def local(self) -> str:
        """The local part of the version: ``cu121`` of ``2.5.1+cu121``."""
        return self.version.partition("+")[2]


def classify_wheel(wheel: Wheel, beside: Mapping[str, str], knowledge: Knowledge | None = None) -> Build | None:
    """Return what a wheel means for a GPU; None for one that has nothing to do with any.

    Args:
        beside: Names and versions of the wheels that are installed with it.
        knowledge: What is known of GPU code; that of this release where None.
    """
    row = wheel_row(wheel.name)
    framework = row.key if row is not None else None
    cuda, major_only = _cuda(wheel, beside)
    known = framework is not None or cuda is not None or wheel.name in _WITH_TORCH | _CPU | _CUDA
    if not known or wheel.name.startswith("nvidia-"):
        return None  # the libraries of CUDA are judged by what needs them, and by their bytes
    variant: Variant = "cuda" if cuda is not None else "generic"
    if cuda is None and (wheel.name in {"torch", "tensorflow"} or wheel.name in _CPU or wheel.local == "cpu"):
        variant = "cpu"
    record = Record(
        name=wheel.name,
        version=wheel.base,
        build=wheel.local,
        subdir=wheel.subdir,
        fn=wheel.fn or f"{wheel.name}=={wheel.version}",
        channel=CHANNEL,
        sha256=wheel.sha256,
    )
    arch = None if cuda is None else _arch_list(knowledge or shipped_knowledge(), record, cuda)
    return Build(record, framework, variant, build_cuda=cuda, cuda_major_only=major_only, arch=arch)


def _arch_list(knowledge: Knowledge, record: Record, cuda: CudaVersion) -> ArchList | None:
    """Return what is known of a wheel: measured, else typed from build scripts, else inferred."""
    # Without a local part it is the wheel of PyPI, of which there is one for a version.
    found = knowledge.wheel(record.name, record.version, cuda if record.build else None, record.sha256)
    if found is not None and found.origin == "measured":
        return found
    typed = knowledge.find(record, cuda)
    return typed if typed is not None and typed.origin != "inferred" else found or typed


def _cuda(wheel: Wheel, beside: Mapping[str, str]) -> tuple[CudaVersion | None, bool]:
    """Return the CUDA toolkit of a wheel, and whether only its major is known; None where it has none."""
    local = _LOCAL.search(wheel.local)
    if local is not None:
        digits = local[1]
        return CudaVersion(int(digits[:2]), int(digits[2:] or 0)), len(digits) == 2
    if wheel.local:
        return None, False  # +cpu, +rocm6.4, +xpu
    named = _NAME.search(wheel.name)
    if named is not None:
        return CudaVersion(int(named[1]), 0), True
    if wheel.name == "torch":
        return _torch(wheel, beside), False
    if wheel.name in _WITH_TORCH and "torch" in beside:
        return _cuda(wheel._replace(name="torch", version=beside["torch"]), beside)
    if wheel.name == "tensorflow" or wheel.name in _CUDA:
        return _runtime(beside), False
    return None, False


def _torch(wheel: Wheel, beside: Mapping[str, str]) -> CudaVersion | None:
    """Return the CUDA of PyTorch's wheel on PyPI: of the runtime that it brings, else by the table."""
    found = _runtime(beside)
    if found is not None or wheel.subdir != "linux-64":
        return found  # PyPI has CPU builds of it for the other platforms
    return next((CudaVersion.parse(r["default"]) for r in torch_rows() if wheel.base in r["versions"]), None)


def _runtime(beside: Mapping[str, str]) -> CudaVersion | None:
    for name in _RUNTIMES:
        if name in beside:
            return CudaVersion.parse(beside[name])
    return None


@cache
def torch_rows() -> tuple[dict[str, Any], ...]:
    """Return the rows of ``envkit/builds/data/wheels.json`` for PyTorch, the newest versions first."""
    return tuple(load_table("wheels", "envkit.builds")["torch"])


def wheels_date() -> str:
    """Return the day of the table."""
    return str(load_table("wheels", "envkit.builds")["as_of"])


def torch_tag(cuda: CudaVersion | None) -> str:
    """Return the folder of PyTorch's index for a CUDA: ``cu121``, or ``cpu``."""
    return "cpu" if cuda is None else f"cu{cuda.major}{cuda.minor}"


def torch_wheels(subdir: str, knowledge: Knowledge | None = None) -> list[Build]:
    """List the published wheels of PyTorch for a platform, by the table, newest first; CPU wheels are among them."""
    builds = []
    for row in torch_rows():
        tags = [torch_tag(CudaVersion.parse(text)) for text in row["cuda"]] if subdir in {"linux-64", "win-64"} else []
        for version in row["versions"]:
            for tag in (*reversed(tags), "cpu"):
                build = classify_wheel(Wheel("torch", f"{version}+{tag}", subdir=subdir), {}, knowledge)
                builds += [build] if build is not None else []
    return builds
