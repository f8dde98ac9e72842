"""MatchSpecs: the packages and the ranges of CUDA versions that they admit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from envkit.builds.version import version_matches
from envkit.models.build import Record
from envkit.models.spec import MatchSpec, parse_match_spec
from envkit.models.version import CudaVersion
from envkit.patterns import regex
from envkit.tuples import NamedTuple

_NUMBER = regex(r"(\d+)(?:\.(\d+))?")


def spec_matches(spec: MatchSpec, name: str, version: str, build: str) -> bool:
    """Return whether a package satisfies a spec; the channel is not looked at."""
    if spec.name not in {name, "*"}:
        return False
    if spec.version is not None and not version_matches(spec.version, version):
        return False
    return spec.build is None or fnmatchcase(build, spec.build)


def record_matches(spec: MatchSpec, record: Record) -> bool:
    """Return whether a record satisfies a spec, its flags included; the channel is not looked at."""
    return spec_matches(spec, record.name, record.version, record.build) and flags_match(spec, record.raw)


def flags_match(spec: MatchSpec, raw: Mapping[str, Any]) -> bool:
    """Return whether a channel's record has each flag that a spec asks for (CEP 45)."""
    if not spec.flags:
        return True
    flags = raw.get("flags")
    has = [flag for flag in flags if isinstance(flag, str)] if isinstance(flags, list | tuple) else []
    return all(any(fnmatchcase(flag, wanted) for flag in has) for wanted in spec.flags)


def dependency_names(depends: Iterable[str]) -> list[str]:
    """Return the names of the packages that a record depends on."""
    return [parse_match_spec(text).name for text in depends]


def demands_on(texts: Iterable[str], name: str) -> Iterator[tuple[str, MatchSpec]]:
    """Yield the specs that are about a package, as text and parsed."""
    for text in texts:
        spec = parse_match_spec(text)
        if spec.name == name:
            yield text, spec


def dependency_pairs(depends: Iterable[str]) -> list[tuple[str, MatchSpec]]:
    """Return the dependencies of a record, each as its text and split into parts."""
    return [(text, parse_match_spec(text)) for text in depends]


class VersionBounds(NamedTuple):
    """A range of CUDA versions that a spec admits."""

    low: CudaVersion | None  # lower bound, included; None when there is none
    high: CudaVersion | None  # upper bound, excluded; None when there is none
    low_has_minor: bool = False  # whether the spec wrote the lower bound's minor (``>=12.0``), rather than ``>=12``
    one_minor: bool = False  # whether exactly one ``major.minor`` fits


@lru_cache(maxsize=4096)
def version_bounds(spec: str) -> VersionBounds:
    """Return the ``major.minor`` range of a version spec, for CUDA's own packages; of alternatives the first counts."""
    low: CudaVersion | None = None
    high: CudaVersion | None = None
    has_minor = False
    for clause in spec.split("|", 1)[0].split(","):
        match = _NUMBER.search(clause)
        if match is None:
            continue
        value = CudaVersion(int(match[1]), int(match[2] or 0))
        operator = clause.strip()[: match.start()].strip()
        if operator.startswith("<"):
            high = CudaVersion(value.major, value.minor + 1) if operator == "<=" else value
        elif operator.startswith(">"):
            low, has_minor = value, match[2] is not None
        elif operator != "!=":
            low, has_minor = value, match[2] is not None
            high = CudaVersion(value.major, value.minor + 1) if has_minor else CudaVersion(value.major + 1, 0)
    one_minor = low is not None and high == CudaVersion(low.major, low.minor + 1)
    return VersionBounds(low, high, has_minor, one_minor)
