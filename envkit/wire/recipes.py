"""The documents of ``envkit recipes``."""

from __future__ import annotations

from typing import Any

from envkit.models.inputs import Recipe
from envkit.models.recipe import RecipeOutcome
from envkit.values import asdict


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe."""
    document: dict[str, Any] = {
        "name": recipe.name,
        "channels": list(recipe.channels),
        "dependencies": list(recipe.dependencies),
    }
    block = recipe.block
    if block is None:
        return document
    return {
        **document,
        "pip": list(recipe.pip.lines),
        "for": block.audience,
        "note": block.note,
        "frameworks": list(block.frameworks),
        "cuda": recipe.flags.get("cuda", "auto"),
        "validate": block.level or "framework",
        "kernel": block.kernel,
        "ports": dict(block.ports),
        "runs_on": [machine.text for machine in block.machines if machine.refusal is None],
        "refused_on": {machine.text: machine.refusal for machine in block.machines if machine.refusal is not None},
    }


def outcome_json(outcome: RecipeOutcome) -> dict[str, Any]:
    """Return what came of a recipe on one machine."""
    return {**asdict(outcome), "ok": outcome.ok}
