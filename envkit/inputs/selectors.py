"""Selectors: lines of an environment.yml that hold for some platforms only (CEP 24)."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.errors import RecipeError
from envkit.models.codes.inputs import LINE_DROPPED
from envkit.models.fact import Advice
from envkit.models.host import Target
from envkit.models.inputs import Recipe
from envkit.patterns import regex
from envkit.values import replace

_COMMENT = regex(r"#\s*\[([^\]#]+)\]\s*$")
_TOKEN = regex(r"\s*(\(|\)|[A-Za-z0-9_]+)")
_LONGEST = 200  # characters; parentheses nest
_OF_SYSTEM = {
    "linux": {"linux", "unix"},
    "osx": {"osx", "unix"},
    "win": {"win"},
}
# Words of conda-build for a processor, by the second part of a subdir.
_OF_PROCESSOR = {
    "64": {"x86", "x86_64", "x64"},
    "32": {"x86", "x86_32"},
    "arm64": {"arm64"},
    "aarch64": {"aarch64", "arm64"},
    "ppc64le": {"ppc64le", "ppc64"},
}
_KNOWN = {
    *("linux", "osx", "win", "unix", "x86", "x86_64", "x64", "x86_32", "arm64", "aarch64", "ppc64le", "ppc64"),
    *("linux64", "linux32", "osx64", "win64", "win32", "armv6l", "armv7l", "s390x"),
}


def comment_selector(line: str) -> str | None:
    """Return the selector in the comment of a line, ``- pywin32  # [win]``; None where there is none."""
    found = _COMMENT.search(line)
    return found[1].strip() if found is not None and is_selector(found[1]) else None


def is_selector(expression: str) -> bool:
    """Return whether a text is an expression over platforms, and not a remark in brackets."""
    if len(expression) > _LONGEST:
        return False
    try:
        _holds(expression, frozenset())
    except ValueError:
        return False
    return True


def select_for_pool(recipe: Recipe, platform: str, pool: Mapping[str, Target]) -> Recipe:
    """Return a recipe for one platform, which machines of a pool share, of other platforms too.

    Raises:
        RecipeError: The lines of the recipe differ between the platforms, so that no one request holds for all.
    """
    chosen = select(recipe, platform)
    for other in sorted({machine.subdir for machine in pool.values()} - {platform}):
        if _lines(select(recipe, other)) != _lines(chosen):
            raise RecipeError(
                f"lines of {recipe.path} hold for {platform} and not for {other}, and the machines have both",
                hint="Give the machines of each platform apart (two files for --hosts), or name them: lock --for "
                "a100/550 --for cpu/osx-arm64.",
            )
    return chosen


def _lines(recipe: Recipe) -> tuple[object, ...]:
    return recipe.dependencies, recipe.pip


def select(recipe: Recipe, platform: str) -> Recipe:
    """Return a recipe for one platform: its selectors are gone, and lines of other platforms with them."""
    if not recipe.selected:
        return recipe
    words = _words(platform)
    kept = [item.spec for item in recipe.selected if _holds(item.selector, words)]
    dropped = [
        Advice(LINE_DROPPED, path=recipe.path, spec=item.spec, selector=item.selector, platform=platform)
        for item in recipe.selected
        if not _holds(item.selector, words)
    ]
    notes = (*recipe.notes, *dropped)
    return replace(recipe, dependencies=(*recipe.dependencies, *kept), selected=(), notes=notes)


def _words(platform: str) -> frozenset[str]:
    """Return the words that are true for a platform."""
    system, _, processor = platform.partition("-")
    bits = "32" if processor == "32" else "64" if processor == "64" else ""
    processors = _OF_PROCESSOR.get(processor, {processor})
    return frozenset({*_OF_SYSTEM.get(system, set()), *processors, *({f"{system}{bits}"} if bits else set())})


def _holds(expression: str, true: frozenset[str]) -> bool:
    """Evaluate words, ``not``, ``and``, ``or`` and parentheses.

    Raises:
        ValueError: It is no such expression.
    """
    tokens: list[str] = []
    at = 0
    while at < len(expression.rstrip()):
        found = _TOKEN.match(expression, at)
        if found is None:
            raise ValueError(expression)
        tokens.append(found[1])
        at = found.end()
    tokens.reverse()
    value = _any_of(tokens, true)
    if tokens:
        raise ValueError(expression)
    return value


def _any_of(tokens: list[str], true: frozenset[str]) -> bool:
    value = _all_of(tokens, true)
    while tokens and tokens[-1] == "or":
        tokens.pop()
        value = _all_of(tokens, true) or value
    return value


def _all_of(tokens: list[str], true: frozenset[str]) -> bool:
    value = _one(tokens, true)
    while tokens and tokens[-1] == "and":
        tokens.pop()
        value = _one(tokens, true) and value
    return value


def _one(tokens: list[str], true: frozenset[str]) -> bool:
    if not tokens:
        raise ValueError("an operand is missing")
    token = tokens.pop()
    if token == "not":  # noqa: S105 - an operator
        return not _one(tokens, true)
    if token == "(":  # noqa: S105 - a parenthesis
        value = _any_of(tokens, true)
        if not tokens or tokens.pop() != ")":
            raise ValueError("a parenthesis is open")
        return value
    if token not in _KNOWN:
        raise ValueError(token)
    return token in true
