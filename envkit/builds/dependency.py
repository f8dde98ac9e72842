"""Dependencies as records write them: a MatchSpec split into its parts (CEP 29)."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from envkit.builds.version import version_matches
from envkit.models.version import CudaVersion

__all__ = ["MatchSpec", "VersionBounds", "parse_match_spec", "spec_matches", "version_bounds"]

_BRACKET = re.compile(r"\[([^\]]*)\]")
_KEY = re.compile(r"(\w+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^,]*)")
_PLAIN = re.compile(
    r"([A-Za-z0-9_][\w.-]*)"  # name
    r"(?: ([<>!~]=?[\w.*+!-]+(?:[,|][<>!=]{0,2}[\w.*+!-]+)*|[\w.*+!-]+(?:[,|][<>!=]{0,2}[\w.*+!-]+)*)"  # version
    r"(?: ([\w.*+-]+))?)?\Z",  # build
    re.ASCII,
)
_NAME = re.compile(r"[A-Za-z0-9_][\w.*-]*|\*")
_NUMBER = re.compile(r"(\d+)(?:\.(\d+))?")


class MatchSpec(NamedTuple):
    """The parts of a MatchSpec that a choice looks at; None where the spec leaves one open."""

    name: str
    version: str | None = None
    build: str | None = None
    channel: str | None = None


@lru_cache(maxsize=65536)
def parse_match_spec(text: str) -> MatchSpec:
    """Split a MatchSpec; what cannot be read becomes a spec of an empty name, never an error.

    ``name``, ``name 1.2 build*``, ``name=1.2=build``, ``name>=1,<2``, ``channel::name[version=">=1"]``.
    """
    plain = _PLAIN.match(text)
    if plain is not None:  # nearly every dependency of an index: three words need no more than this
        return MatchSpec(plain[1].lower(), plain[2], plain[3])
    return _parse(text)


def _parse(text: str) -> MatchSpec:
    """Any form of a MatchSpec."""
    text = text.split("#", 1)[0].split(" if ", 1)[0].strip()
    keys: dict[str, str] = {}
    for inner in _BRACKET.findall(text):
        keys.update({key: value.strip("\"'") for key, value in _KEY.findall(inner)})
    text = _BRACKET.sub("", text).strip()
    channel = keys.get("channel")
    if "::" in text:
        channel, text = text.rsplit("::", 1)
        channel = channel.split(":")[0] or None
    match = _NAME.match(text)
    if match is None:
        return MatchSpec("")
    name, rest = match[0].lower(), text[match.end() :].strip()
    version: str | None = None
    build: str | None = None
    if rest.startswith("=") and not rest.startswith("=="):
        body = rest[1:]
        version, mark, tail = body.partition("=")
        build = tail.strip() or None
        version = version.strip()
        if mark and version and not version.endswith("*") and build is not None:
            version = f"=={version}" if " " not in rest else version
        elif version and not version.endswith("*") and not mark:
            version = f"={version}"
    elif rest:
        joined = re.sub(r"\s*([,|])\s*", r"\1", re.sub(r"([<>=!~])\s+", r"\1", rest))
        words = joined.split()
        version = words[0]
        build = words[1] if len(words) > 1 else None
        if build is None and re.match(r"==[^=,|]+=[^=]+\Z", version):
            version, build = version[: version.rindex("=")], version[version.rindex("=") + 1 :]
    return MatchSpec(name, keys.get("version", version) or None, keys.get("build", build) or None, channel)


def spec_matches(spec: MatchSpec, name: str, version: str, build: str) -> bool:
    """Whether a package satisfies a spec; the channel is not looked at."""
    if spec.name not in {name, "*"}:
        return False
    if spec.version is not None and not version_matches(spec.version, version):
        return False
    return spec.build is None or fnmatchcase(build, spec.build)


class VersionBounds(NamedTuple):
    """A range of CUDA versions that a spec admits.

    Attributes:
        low: Lower bound, included; None when there is none.
        high: Upper bound, excluded; None when there is none.
        low_has_minor: Whether the spec wrote the lower bound's minor (``>=12.0``), rather than ``>=12``.
        one_minor: Whether exactly one ``major.minor`` fits.
    """

    low: CudaVersion | None
    high: CudaVersion | None
    low_has_minor: bool = False
    one_minor: bool = False


@lru_cache(maxsize=4096)
def version_bounds(spec: str) -> VersionBounds:
    """The ``major.minor`` range of a version spec, for CUDA's own packages; of alternatives the first counts."""
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
