"""Files and recipes that `create` is given beside packages, and the flags that they stand for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.errors import UsageError

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.models.inputs import LockFile, Recipe
    from envkit.models.probe import Level
    from envkit.models.recipe import RecipeBlock
    from envkit.models.results import CreateResult


def tell_notes(session: Session, recipe: Recipe, platform: str) -> Recipe:
    """Say how a file was read, where that is not plain; return it.

    Raises:
        UsageError: It names its platforms, and this one is not among them.
    """
    from envkit.words.say import say

    for note in recipe.notes:
        session.reporter.note(say(note))
    if recipe.platforms and platform not in recipe.platforms:
        from envkit.api.recipes import refuse_platform

        refusal = refuse_platform(recipe, platform)
        if refusal is not None:
            raise refusal
    return recipe


def locked_file(session: Session, files: list[str] | None, *, frozen: bool) -> LockFile:
    """Return the lock of a file."""
    from envkit.cli.fits import locked_source

    if not files:
        if not Path("environment.yml").is_file():
            raise UsageError("--locked and --frozen need a file", hint="Name it with -f.")
        files = ["environment.yml"]
    return locked_source(session, files, frozen=frozen)


def given_source(
    session: Session, specs: list[str] | None, files: list[str] | None, recipe: str | None
) -> Recipe | LockFile | None:
    """Return what `create` reads: a file, a recipe, else ./environment.yml or recipe pytorch; None for SPEC alone."""
    if files and recipe is not None:
        raise UsageError("-f and --recipe exclude each other", hint="Give one of them.")
    if specs and not files and recipe is None:
        return None
    from envkit.api.sources import read_source, read_sources
    from envkit.recipes import load_builtin

    if files:
        return read_sources(files, session.policy)
    if recipe is not None:
        return load_builtin(recipe)
    local = Path("environment.yml")
    return read_source(local) if local.is_file() else load_builtin("pytorch")


def block_level(block: RecipeBlock | None) -> Level:
    """Return how thoroughly the environment of a file is validated."""
    return (block.level if block is not None else None) or "framework"


def with_block(session: Session, result: CreateResult, block: RecipeBlock | None) -> CreateResult:
    """Do what a recipe asks for beside its environment: tell its note and ports, and register its Jupyter kernel."""
    if block is None:
        return result
    from envkit import values
    from envkit.api.kernel import shown_name
    from envkit.errors import EnvkitError
    from envkit.kernels import install_kernel

    if block.note:
        session.reporter.note(block.note)
    kernel = None
    if block.kernel and not result.dry_run:
        try:
            shown = shown_name(session.volume, result.environment, session.host)
            kernel = install_kernel(result.volume, result.environment, shown=shown, env=os.environ).display_name
        except EnvkitError as error:  # the environment is there and works without it
            session.reporter.note(f"no Jupyter kernel was registered: {error.message}. {error.hint or ''}".strip())
    return values.replace(result, kernel=kernel, ports=block.ports)
