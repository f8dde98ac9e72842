"""CPU, CUDA or Metal: the claims of a record, by trust."""

from __future__ import annotations

from functools import lru_cache

from envkit.builds.buildstring import BuildString
from envkit.builds.families import is_cuda_library
from envkit.builds.flags import read_flags
from envkit.builds.signals import Signal
from envkit.builds.version import version_key
from envkit.frameworks.table import TOOLKIT_PACKAGES, is_core, row_of
from envkit.models.build import Claim, Record, Variant, disagree
from envkit.models.fact import Reason

_FROM_SIGNALS: tuple[Variant, ...] = ("cuda", "cpu")


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


def _claims(record: Record, dependencies: list[Signal], constraints: list[Signal], said: BuildString) -> list[Claim]:
    """List the first claim of each source for each variant, most trusted first; inside a source CUDA before CPU."""
    claims: list[Claim] = []
    for source, signals in (("depends", dependencies), ("constrains", constraints)):
        for variant in _FROM_SIGNALS:
            for signal in signals:
                if signal.variant == variant:
                    claims.append(Claim(f"{source}:", signal.text, variant))
                    break
    flag = read_flags(record.raw) if "flags" in record.raw else None
    if flag is not None and flag.variant is not None:
        claims.append(Claim("flags:", flag.text, flag.variant))
    by_name = _name_variant(record.name)
    if by_name is not None:
        claims.append(Claim("name:", record.name, by_name))
    string_variant = _string_variant(record, said)
    if string_variant is not None:
        claims.append(Claim("build string:", record.build, string_variant))
    return claims


def _has_metal(record: Record) -> bool:
    row = row_of(record.name)
    if record.subdir != "osx-arm64" or row is None or row.metal_since is None or record.name not in row.core:
        return False
    return version_key(record.version) >= version_key(row.metal_since)


def read_variant(
    record: Record, dependencies: list[Signal], constraints: list[Signal], said: BuildString, conflicts: list[Reason]
) -> Variant:
    """Read the variant from the most trusted claim; a claim against it becomes a conflict.

    A framework's compiled package without any claim is a CPU build, everything else ``generic``.
    """
    claims = _claims(record, dependencies, constraints, said)
    if said.variant == "mps":
        claims = [claim for claim in claims if claim.says == "mps"]
    if not claims and not (is_core(record.name) and record.subdir != "noarch"):
        return "generic"
    chosen: Variant = claims[0].says if claims else "cpu"
    against = next((claim for claim in claims if claim.says != chosen), None)
    if against is not None:
        conflicts.append(disagree(claims[0], against))
    return "mps" if chosen == "cpu" and _has_metal(record) else chosen
