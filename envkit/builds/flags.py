"""Flags of a record, by which newer indexes name a variant (CEP 45): ``cuda``, ``cpu``, ``gpu:cuda``, ``cuda:12_9``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.build import Variant
from envkit.models.version import CudaVersion
from envkit.patterns import regex
from envkit.tuples import NamedTuple

# CEP 45: ^[a-z0-9_]+(:[a-z0-9_]+)?$. Dots and dashes are not allowed; they are read all the same.
_CUDA = regex(r"(?:gpu:|variant:)?cuda(?:[:=_-]?(\d{1,2})(?:[._](\d{1,2}))?)?\Z")
_DIGITS = regex(r"(?:gpu:|variant:)?cuda[:_]?(\d{2})(\d)\Z")
_PLAIN: dict[str, Variant] = {"cpu": "cpu", "gpu:none": "cpu", "gpu:cpu": "cpu", "variant:cpu": "cpu", "gpu": "cuda"}
_METAL: dict[str, Variant] = {"mps": "mps", "metal": "mps", "gpu:mps": "mps", "gpu:metal": "mps"}


class Flags(NamedTuple):
    """The variant and CUDA of a record's flags; `text` is the flag that said it."""

    variant: Variant | None = None
    cuda: CudaVersion | None = None
    cuda_major_only: bool = False
    text: str = ""


def _read(flag: str) -> Flags | None:
    text = flag.strip().lower()
    digits = _DIGITS.match(text)
    if digits is not None:
        return Flags("cuda", CudaVersion(int(digits[1]), int(digits[2])), text=flag)
    match = _CUDA.match(text)
    if match is not None:
        if match[1] is None:
            return Flags("cuda", text=flag)
        return Flags("cuda", CudaVersion(int(match[1]), int(match[2] or 0)), match[2] is None, flag)
    variant = _PLAIN.get(text) or _METAL.get(text)
    return Flags(variant, text=flag) if variant is not None else None


def read_flags(raw: Mapping[str, Any]) -> Flags:
    """Read ``flags``; the one that says most counts, and anything else, broken values too, is ignored."""
    flags = raw.get("flags")
    if not isinstance(flags, list | tuple):
        return Flags()
    found = [said for flag in flags if isinstance(flag, str) and (said := _read(flag)) is not None]
    return max(found, key=lambda said: (said.cuda is not None, said.variant == "cuda"), default=Flags())
