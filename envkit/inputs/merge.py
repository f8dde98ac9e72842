"""Merge several files of packages into one recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envkit.errors import UsageError
from envkit.models.inputs import Recipe
from envkit.models.pip import PipSection
from envkit.models.spec import parse_match_spec
from envkit.values import replace


def merge_recipes(recipes: Sequence[Recipe]) -> Recipe:
    """Merge recipes in their order: the first name, all channels, packages, requirements and variables.

    Raises:
        UsageError: Two name different versions of a package, values of a variable, or flags.
    """
    if len(recipes) == 1:
        return recipes[0]
    pinned: dict[str, tuple[str, Recipe]] = {}
    given: dict[str, tuple[str, Recipe]] = {}
    for recipe in recipes:
        for text in recipe.dependencies:
            spec = parse_match_spec(text)
            version = (spec.version or "").lstrip("=")
            if version and not set(version) & set("<>!~|,*"):
                before, other = pinned.setdefault(spec.name, (version, recipe))
                if not _agree(version, before):
                    raise _contradiction(f"{spec.name} {before}", other, f"{spec.name} {version}", recipe)
        for kind, pairs in (("variable ", recipe.variables), ("--", tuple(recipe.flags.items()))):
            for name, value in pairs:
                before, other = given.setdefault(f"{kind}{name}", (value, recipe))
                if before != value:
                    raise _contradiction(f"{kind}{name} {before}", other, value, recipe)
    first = recipes[0]
    return replace(
        first,
        path=", ".join(recipe.path for recipe in recipes),
        name=next((recipe.name for recipe in recipes if recipe.name), None),
        channels=tuple(dict.fromkeys(channel for recipe in recipes for channel in recipe.channels)),
        dependencies=tuple(dict.fromkeys(spec for recipe in recipes for spec in recipe.dependencies)),
        pip=_merge_pip([recipe.pip for recipe in recipes]),
        platforms=tuple(dict.fromkeys(platform for recipe in recipes for platform in recipe.platforms)),
        variables=tuple(sorted({pair for recipe in recipes for pair in recipe.variables})),
        sha256=None,
        format="files of packages",
        selected=tuple(item for recipe in recipes for item in recipe.selected),
        exact=any(recipe.exact for recipe in recipes),
        flags={name: value for recipe in recipes for name, value in recipe.flags.items()},
        block=next((recipe.block for recipe in recipes if recipe.block is not None), None),
        notes=tuple(note for recipe in recipes for note in recipe.notes),
    )


def _agree(one: str, other: str) -> bool:
    """Return whether two versions can be one: equal, or one a shorter form of the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _contradiction(one: str, first: Recipe, other: str, second: Recipe) -> UsageError:
    return UsageError(
        f"{first.path} asks for {one}, {second.path} for {other}", hint="Make them agree, or leave one of them out."
    )


def _merge_pip(sections: Sequence[PipSection]) -> PipSection:
    filled = [section for section in sections if section != PipSection()]
    if len(filled) < 2:
        return filled[0] if filled else PipSection()
    indexes = list(dict.fromkeys(section.index for section in filled if section.index is not None))
    if len(indexes) > 1:
        raise UsageError(
            f"two files name an index for pip: {indexes[0].url} and {indexes[1].url}",
            hint="Name one with --index-url, the other with --extra-index-url.",
        )
    lists = ("requirements", "constraints", "extra_indexes", "find_links", "no_binary", "only_binary", "notes")
    merged: dict[str, Any] = {
        name: tuple(dict.fromkeys(item for section in filled for item in getattr(section, name))) for name in lists
    }
    merged |= {name: any(getattr(s, name) for s in filled) for name in ("no_index", "pre", "require_hashes")}
    return PipSection(index=indexes[0] if indexes else None, **merged)
