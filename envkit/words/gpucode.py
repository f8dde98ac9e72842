"""The sayings of findings about GPU code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from envkit.models.codes import gpucode as codes
from envkit.words.values import join, size_words

_SHOWN = 4


def _copies(library: str, copies: Sequence[tuple[str, int]]) -> str:
    places = join([f"{path} ({size_words(size)})" for path, size in copies], " and ", most=_SHOWN)
    twice = "twice" if len(copies) == 2 else f"{len(copies)} times"
    return f"{library} is there {twice}: {places}"


GPUCODE: dict[str, str | Callable[..., str]] = {
    codes.DRIVER_REFUSES: "{package}: {reason}",
    codes.DRIVER_RUNS: "{package}: {reason}",
    codes.DUPLICATE_CUDA_LIBRARY: _copies,
    codes.GPU_CODE_COVERS: "{reason}",
    codes.GPU_CODE_MISSING: "{reason}",
    codes.GPU_CODE_PARTLY: "{reason}",
    codes.NOTHING_FOR_GPUS: "no library here holds code for GPUs: the environment computes on the CPU",
}
