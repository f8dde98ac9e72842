"""Build strings: variant, CUDA and Python. Read second, after the dependencies.

The grammars (conda recipes of pytorch/builder, the conda-forge feedstocks and AnacondaRecipes):

- channel ``pytorch``: ``py3.9_cuda12.1_cudnn9.1.0_0``, ``py3.9_cpu_0``, ``py3.11_0`` (macOS), ``py39_cu121``,
  ``py36_cuda9.0.176_cudnn7.1.2_1``, ``py27_cuda0.0_cudnn0.0_1`` (a CPU build), ``py310_cpu``, ``py36``,
  ``py3.8_hc0239a3_0_cuda11.4``;
- conda-forge: ``cuda126_mkl_py312_h30b5a27_300``, ``cuda120_py312h26b3cf7_300``, ``cuda112py39ha9981d0_200``,
  ``cpu_generic_py311_hd55f619_9``, ``cuda_py312_h4a51b5c_1``, ``py311h546fdd5_200_cuda129``,
  ``py311cuda126h4491dc0_0_cuda``, ``cpu_pyhe781eb1_1``;
- ``pkgs/main``: ``gpu_cuda118py311h..._0``, ``gpu_py38h..._0``, ``gpu_mps_py312h..._0``, ``cuda101py38h..._0``,
  ``eigen_py37h..._0``, ``mkl_py38h..._0``.
"""

from __future__ import annotations

from functools import lru_cache

from envkit.models.build import Variant
from envkit.models.version import CudaVersion
from envkit.patterns import regex
from envkit.tuples import NamedTuple

_DOTTED = regex(r"cuda(\d{1,2})\.(\d{1,2})(?:\.\d+)?")
_PLAIN = regex(r"(?:cuda|(?<![a-z])cu)(\d{2,3})(?![\d.])")
_BARE = regex(r"(?:^|_)cuda(?=_|$|py\d|\*)")
_GPU = regex(r"(?:^|_)gpu(?=_|$|py\d|\*)")
_MPS = regex(r"(?:^|_)mps(?=_|$|py\d|\*)")
_CPU = regex(r"(?:^|_)cpu(?=_|$|py|h[0-9a-f]{6}|\*)")
_PYTHON = regex(r"(?:^|_|cuda\d{2,3}|cpu|gpu)py(\d)\.?(\d{1,2})(?=_|$|h[0-9a-f]{6}|cuda|\*)")
_MATH = regex(r"^(eigen|mkl|openblas)(?=_|$)")
_ROCM = regex(r"(?:^|_)rocm")
_FIRST_THREE_DIGIT_MAJOR = 8  # "cuda92" is 9.2, "cuda12" is some 12.x: no CUDA before 8 is built by conda


class BuildString(NamedTuple):
    """The parts of a build string; None where it says nothing."""

    variant: Variant | None = None
    cuda: CudaVersion | None = None
    cuda_major_only: bool = False  # only the toolkit's major was written
    python: str | None = None  # such as ``3.11``
    math: str | None = None  # the CPU variants of TensorFlow and MXNet on defaults: eigen, mkl, openblas
    rocm: bool = False  # a build for AMD's GPUs


def _cuda(text: str) -> tuple[CudaVersion | None, bool]:
    if match := _DOTTED.search(text):
        return CudaVersion(int(match[1]), int(match[2])), False
    if match := _PLAIN.search(text):
        digits = match[1]
        major, minor = int(digits[:-1]), int(digits[-1])
        if major >= _FIRST_THREE_DIGIT_MAJOR:
            return CudaVersion(major, minor), False
        if int(digits) >= _FIRST_THREE_DIGIT_MAJOR:
            return CudaVersion(int(digits), 0), True
    return None, False


def _variant(text: str, cuda: CudaVersion | None) -> Variant | None:
    if cuda is not None or ("cuda" in text and _BARE.search(text)):
        return "cuda"
    if "mps" in text and _MPS.search(text):
        return "mps"
    if "gpu" in text and _GPU.search(text):
        return "cuda"
    return "cpu" if "cpu" in text and _CPU.search(text) else None


@lru_cache(maxsize=65536)
def parse_build_string(text: str) -> BuildString:
    """Read a build string, or a pattern of one as dependencies carry (``cuda*_mkl*300``)."""
    # A word is looked for before its pattern: most build strings hold two of them, and thousands are read.
    lowered = text.lower()
    python = _PYTHON.search(lowered) if "py" in lowered else None
    python_text = f"{python[1]}.{python[2]}" if python else None
    math = _MATH.match(lowered)
    math_text = math[1] if math else None
    if "rocm" in lowered and _ROCM.search(lowered):
        return BuildString(python=python_text, math=math_text, rocm=True)
    cuda, major_only = _cuda(lowered) if "cu" in lowered else (None, False)
    if cuda == CudaVersion(0, 0):  # "cuda0.0" of the pytorch channel before 1.0 is a CPU build
        return BuildString("cpu", python=python_text, math=math_text)
    return BuildString(_variant(lowered, cuda), cuda, major_only, python_text, math_text)
