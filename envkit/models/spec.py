"""Package specifications: a MatchSpec split into its parts (CEP 29)."""

from __future__ import annotations

import re
from functools import lru_cache

from envkit.patterns import regex
from envkit.tuples import NamedTuple

_BRACKET = regex(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]")  # with lists in it: ``[flags=["cuda", "blas:*"]]``
_KEY = regex(r"(\w+)\s*=\s*(\"[^\"]*\"|'[^']*'|\[[^\]]*\]|[^,]*)")
_FLAG = regex(r"[^\s,\"'\[\]]+")
_PLAIN = regex(
    r"([A-Za-z0-9_][\w.-]*)"  # name
    r"(?: ([<>!~]=?[\w.*+!-]+(?:[,|][<>!=]{0,2}[\w.*+!-]+)*|[\w.*+!-]+(?:[,|][<>!=]{0,2}[\w.*+!-]+)*)"  # version
    r"(?: ([\w.*+-]+))?)?\Z",  # build
    re.ASCII,
)
_NAMESPACE = regex(r"(?<!:):(?!//|\d)[^:/]*\Z")  # `channel:namespace:name`, which conda ignores
_CHANNEL_KEY = regex(r"\bchannel\s*=\s*(\"[^\"]*\"|'[^']*'|[^,\]]*),?\s*")
_NAME = regex(r"[A-Za-z0-9_][\w.*-]*|\*")


class MatchSpec(NamedTuple):
    """The parts of a MatchSpec that a choice looks at; None where the spec leaves one open."""

    name: str
    version: str | None = None
    build: str | None = None
    channel: str | None = None
    flags: tuple[str, ...] = ()  # patterns of the flags that a record needs (CEP 45)


@lru_cache(maxsize=65536)
def parse_match_spec(text: str) -> MatchSpec:
    """Split a MatchSpec; what cannot be read becomes a spec of an empty name, never an error.

    ``name``, ``name 1.2 build*``, ``name=1.2=build``, ``name>=1,<2``, ``channel::name[version=">=1"]``,
    ``name[flags=["cuda", "blas:*"]]``.
    """
    plain = _PLAIN.match(text)
    if plain is not None:  # nearly every dependency of an index: three words need no more than this
        return MatchSpec(plain[1].lower(), plain[2], plain[3])
    return _parse(text)


def with_channel(text: str, url: str | None) -> str:
    """Return a MatchSpec for the channel of a URL, whatever channel it named; None for any channel."""
    head, bracket, tail = text.partition("[")
    head = head.rsplit("::", 1)[-1].strip()
    inner = _CHANNEL_KEY.sub("", f"{bracket}{tail}").replace(",]", "]")
    rest = head + ("" if inner.strip() == "[]" else inner)
    return rest if url is None else f"{url}::{rest}"


def _parse(text: str) -> MatchSpec:
    """Split any form of a MatchSpec."""
    text = text.split("#", 1)[0].split(" if ", 1)[0].strip()
    keys: dict[str, str] = {}
    for inner in _BRACKET.findall(text):
        keys.update({key: value.strip("\"'") for key, value in _KEY.findall(inner)})
    text = _BRACKET.sub("", text).strip()
    channel = keys.get("channel")
    flags = tuple(_FLAG.findall(keys.get("flags", "")))
    if "::" in text:
        channel, text = text.rsplit("::", 1)
        channel = _NAMESPACE.sub("", channel) or None
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
    return MatchSpec(name, keys.get("version", version) or None, keys.get("build", build) or None, channel, flags)


def is_pattern(text: str) -> bool:
    """Return whether a text is a pattern of names, such as ``torch*``, and no spec of one package."""
    return "*" in text and not set(text) & set(" =<>!~[")
