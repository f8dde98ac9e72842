"""Locks against their files: ``lock --check``, ``create --locked`` and ``--frozen``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.cli import options
from envkit.errors import RecipeError, UsageError

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.models.inputs import LockFile, Recipe

_BESIDE = ("pixi.lock", "conda-lock.yml", "conda-lock.yaml", "explicit.txt")


def check_fits(session: Session, recipe: Recipe, path: str) -> LockFile:
    """Return a lock that fits a recipe.

    Raises:
        RecipeError: It does not, or cannot be read.
    """
    from envkit.api.sources import read_source
    from envkit.checks.locks import drift_of
    from envkit.inputs.made_for import content_of
    from envkit.inputs.selectors import select
    from envkit.models.inputs import LockFile
    from envkit.words.refusals import lock_drift

    lock = read_source(path, session.policy)
    if not isinstance(lock, LockFile):
        raise RecipeError(f"{path} is no lock: it is read as {lock.format}", hint="Write one with envkit lock.")
    requests = {}
    for platform in {part.platform for part in lock.parts if part.platform}:
        selected = select(recipe, platform)
        requests[platform] = options.parse_request(
            selected.dependencies, (), cuda="auto", python=None, prefer="version"
        )
    drift = drift_of(lock, content_of(recipe), requests)
    if drift:
        raise RecipeError(
            lock_drift(lock, recipe.path, drift), hint=f"Lock again: envkit lock -f {recipe.path} -o {path}"
        )
    return lock


def locked_source(session: Session, files: Sequence[str], *, frozen: bool) -> LockFile:
    """Return the lock of ``--locked`` or ``--frozen``: the one among the files, or the one beside them.

    With a lock and files, it has to fit these; with a lock alone, the files that it names as its sources.

    Raises:
        UsageError: There is no lock, or more than one.
        RecipeError: The lock does not fit.
    """
    from envkit.api.sources import read_source
    from envkit.inputs.merge import merge_recipes
    from envkit.models.inputs import LockFile, Recipe

    found = {text: read_source(text, session.policy) for text in dict.fromkeys(files)}
    locks = {text: item for text, item in found.items() if isinstance(item, LockFile)}
    recipes = [item for item in found.values() if isinstance(item, Recipe)]
    if len(locks) > 1:
        raise UsageError(f"{' and '.join(locks)} are two locks", hint="Give one of them.")
    if not locks:
        beside = [Path(text).parent / name for text in found for name in _BESIDE]
        there = [path for path in dict.fromkeys(beside) if path.is_file()]
        if len(there) != 1:
            what = f"{' and '.join(map(str, there))} are" if there else f"no lock ({', '.join(_BESIDE)}) is"
            raise UsageError(f"{what} beside {', '.join(files)}", hint="Name the lock with another -f.")
        locks = {str(there[0]): _lock(session, there[0])}
    (text, lock), *_ = locks.items()
    if frozen:
        return lock
    if not recipes:
        recipes = _sources(session, lock)
    return check_fits(session, merge_recipes(recipes), text)


def _lock(session: Session, path: Path) -> LockFile:
    from envkit.api.sources import read_source
    from envkit.models.inputs import LockFile

    found = read_source(path, session.policy)
    if not isinstance(found, LockFile):
        raise RecipeError(f"{path} is no lock: it is read as {found.format}", hint="Name the lock with another -f.")
    return found


def _sources(session: Session, lock: LockFile) -> list[Recipe]:
    """Read the files that a lock names as its sources."""
    from envkit.api.sources import read_source
    from envkit.models.inputs import Recipe

    names = lock.made_for.get("sources")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    found = [read_source(Path(lock.path).parent / name, session.policy) for name in names]
    recipes = [item for item in found if isinstance(item, Recipe)]
    if not recipes:
        raise UsageError(
            f"{lock.path} names no file that it has to fit",
            hint="Name it with another -f, or take the lock as it is: --frozen.",
        )
    return recipes
