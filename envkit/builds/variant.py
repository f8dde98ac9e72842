"""CPU, CUDA or Metal: the claims of a record, by trust."""

from __future__ import annotations

from functools import lru_cache

from envkit.builds.buildstring import BuildString
from envkit.builds.families import TOOLKIT_PACKAGES, is_cuda_library
from envkit.builds.flags import read_flags
from envkit.builds.notes import Notes
from envkit.builds.signals import Signal
from envkit.builds.version import version_key
from envkit.frameworks.table import is_core, row_of
from envkit.models.build import Record, Variant

__all__ = ["read_variant"]

_FROM_SIGNALS: tuple[Variant, ...] = ("cuda", "cpu")
_Claim = tuple[Variant, str, str]  # what is claimed, by which source, in which words


@lru_cache(maxsize=16384)
def _name_variant(name: str) -> Variant | None:
    row = row_of(name)
    always = row is not None and name in row.always_cuda
    if always or name in TOOLKIT_PACKAGES or is_cuda_library(name) or name.endswith("-gpu"):
        return "cuda"
    return "cpu" if (row is not None and name in row.cpu_packages) or name.endswith("-cpu") else None


def _string_variant(record: Record, said: BuildString) -> Variant | None:
    if said.variant is None and said.math and (row := row_of(record.name)) is not None and row.math_is_cpu:
        return "cpu"
    return said.variant


def _claims(record: Record, dependencies: list[Signal], constraints: list[Signal], said: BuildString) -> list[_Claim]:
    """The first claim of each source for each variant, the most trusted first; inside a source CUDA before CPU."""
    claims: list[_Claim] = []
    for source, signals in (("depends", dependencies), ("constrains", constraints)):
        for variant in _FROM_SIGNALS:
            for signal in signals:
                if signal.variant == variant:
                    claims.append((variant, source, signal.text))
                    break
    flag = read_flags(record.raw) if "flags" in record.raw else None
    if flag is not None and flag.variant is not None:
        claims.append((flag.variant, "flags", flag.text))
    by_name = _name_variant(record.name)
    if by_name is not None:
        claims.append((by_name, "name", record.name))
    string_variant = _string_variant(record, said)
    if string_variant is not None:
        claims.append((string_variant, "build string", record.build))
    return claims


def _has_metal(record: Record) -> bool:
    row = row_of(record.name)
    if record.subdir != "osx-arm64" or row is None or row.metal_since is None or record.name not in row.core:
        return False
    return version_key(record.version) >= version_key(row.metal_since)


def read_variant(
    record: Record, dependencies: list[Signal], constraints: list[Signal], said: BuildString, notes: Notes
) -> Variant:
    """The variant by the most trusted claim; a claim against it becomes a conflict.

    A framework's compiled package without any claim is a CPU build, everything else ``generic``.
    """
    claims = _claims(record, dependencies, constraints, said)
    if said.variant == "mps":
        claims = [claim for claim in claims if claim[0] == "mps"]
    if claims:
        chosen, why = claims[0][0], f"{claims[0][1]}: {claims[0][2]}"
    elif is_core(record.name) and record.subdir != "noarch":
        chosen, why = "cpu", "no sign of CUDA in a compiled package"
    else:
        return "generic"
    notes.evidence.append(why)
    for against, source, text in claims:
        if against != chosen:
            notes.conflicts.append(f"{why} says {chosen}, {source}: {text} says {against}")
            break
    if chosen == "cpu" and _has_metal(record):
        notes.evidence.append("PyTorch for Apple silicon has Metal (MPS) since 1.12")
        return "mps"
    return chosen
