"""Flags of a record, by which newer indexes name a variant (CEP 45)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from envkit.models.build import Variant
from envkit.models.version import CudaVersion

__all__ = ["Flags", "read_flags"]

_CUDA = re.compile(r"cuda(?:[:=_-]?(\d{1,2})(?:\.(\d{1,2}))?)?\Z")


class Flags(NamedTuple):
    """What the flags say; `text` is the flag that said it."""

    variant: Variant | None = None
    cuda: CudaVersion | None = None
    cuda_major_only: bool = False
    text: str = ""


def read_flags(raw: Mapping[str, Any]) -> Flags:
    """Read ``flags``: ``cuda``, ``gpu:cuda``, ``cuda:12.9``, ``cpu``; anything else, broken values too, is ignored."""
    flags = raw.get("flags")
    if not isinstance(flags, list | tuple):
        return Flags()
    found = Flags()
    for flag in flags:
        if not isinstance(flag, str):
            continue
        text = flag.strip().lower()
        text = text.removeprefix("gpu:").removeprefix("variant:")
        match = _CUDA.match(text)
        if match is not None:
            if match[1] is not None:
                return Flags("cuda", CudaVersion(int(match[1]), int(match[2] or 0)), match[2] is None, flag)
            found = Flags("cuda", None, False, flag)
        elif text == "gpu" and found.variant is None:
            found = Flags("cuda", None, False, flag)
        elif text in {"cpu", "cpuonly", "none"} and found.variant is None and (text != "none" or flag != text):
            found = Flags("cpu", None, False, flag)
        elif text in {"mps", "metal"} and found.variant is None:
            found = Flags("mps", None, False, flag)
    return found
