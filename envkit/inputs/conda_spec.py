"""Read package specifications that conda takes, though they are not as CEP 29 writes them."""

from __future__ import annotations

from envkit.patterns import regex

# ``black[jupyter]``: conda reads words in brackets that are no ``key=value`` as nothing.
_EXTRAS = regex(r"\[\s*[A-Za-z0-9._-]+(?:\s*,\s*[A-Za-z0-9._-]+)*\s*\]")
# ``python=>3.11``: conda takes the first ``=`` for the separator, and ``>3.11*`` for the version; ``>=`` is meant.
_EQUALS_FIRST = regex(r"(?<![<>=!~])=\s*([<>])(=?)\s*([^\s,|*]+)\*?")
_ONE_BUILD = regex(r"[A-Za-z0-9_.-]+=[^=<>!~|,\s*]+=[^=<>!~|,\s*]+\Z")


def read_as_conda(spec: str) -> str:
    """Return a spec as conda understands it; most are returned as they are."""
    text = _EXTRAS.sub("", spec).strip()
    text = _EQUALS_FIRST.sub(lambda found: f"{found[1]}{found[2]}{found[3]}", text)
    return text if text != spec.strip() else spec.strip()


def names_one_build(spec: str) -> bool:
    """Return whether a spec is ``name=version=build`` without a pattern, as conda exports it."""
    return _ONE_BUILD.match(spec) is not None
