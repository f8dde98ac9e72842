"""recipes check: solve recipes for machines, and compare with what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from envkit.api.session import Session
from envkit.api.sources import read_source
from envkit.api.wheels import solve_with_pip
from envkit.errors import ChannelError, HostCannotRunError, NoAnswerError, RecipeError, UsageError
from envkit.frameworks.table import ROWS
from envkit.inputs.machine import parse_machine
from envkit.models.codes.inputs import FILE_PLATFORMS
from envkit.models.fact import Advice
from envkit.models.host import Target
from envkit.models.inputs import LockFile, Recipe
from envkit.models.problem import cause_of, problem_of
from envkit.models.progress import Reporter
from envkit.models.recipe import Expected, RecipeOutcome
from envkit.models.request import Inquiry
from envkit.values import replace
from envkit.words.say import say
from envkit.words.values import exact_words, plural

STANDARD_MACHINES = (
    *("a100/470", "t4/535", "a100/550", "rtx 5090/570", "h100/580", "gb10/580/linux-aarch64"),
    *("cpu", "cpu/osx-arm64"),
)
"""Machines of recipes that name none: a driver branch and a GPU generation each, and those without a GPU."""

_GLIBC = "2.35"  # of the machines that recipes name: Ubuntu 22.04, newer than any build asks for


def read_recipes(place: Path) -> list[Recipe]:
    """Read the recipes of a folder, or one file.

    Raises:
        RecipeError: One cannot be read or is a lock, or the folder has none or is not there.
    """
    if not place.exists():
        raise RecipeError(f"there is nothing at {place}", hint="Give a folder of recipes, or one: NAME.yml.")
    paths = sorted((*place.glob("*.yml"), *place.glob("*.yaml"))) if place.is_dir() else [place]
    found = []
    for path in paths:
        source = read_source(path)
        if isinstance(source, LockFile):
            raise RecipeError(f"{path} is a lock ({source.format})", hint="Give the file that it was made from.")
        found.append(replace(source, name=path.stem))
    if not found:
        raise RecipeError(f"{place} has no recipes", hint="A recipe is an environment.yml (CEP 24): NAME.yml.")
    return found


def machines_of(recipe: Recipe, given: Mapping[str, Target]) -> dict[str, Target]:
    """Return the machines to solve a recipe for: those that are given, else its own, else a standard set.

    Raises:
        UsageError: A machine of the recipe cannot be read.
    """
    if given:
        return dict(given)
    named = recipe.block.machines if recipe.block is not None else ()
    found = {}
    for text in [machine.text for machine in named] or STANDARD_MACHINES:
        name, target = parse_machine(text, _GLIBC, origin=f"{recipe.path}: the machine")
        if name in found:
            raise RecipeError(f"{recipe.path} names the machine {text} twice", hint="Put it into one list.")
        found[name] = target
    return found


def refuse_platform(recipe: Recipe, platform: str) -> UsageError | None:
    """Return the error of a recipe that does not name a platform among its own, with the reason that it gives."""
    if not recipe.platforms or platform in recipe.platforms:
        return None
    fact = Advice(FILE_PLATFORMS, path=recipe.path, platforms=list(recipe.platforms), platform=platform)
    reason = _documented(recipe, platform)
    cure = "Name one of these with --platform, add this one to the file, or take its `platforms:` out."
    return UsageError(say(fact), hint=f"{reason} {cure}" if reason else cure)


def _documented(recipe: Recipe, platform: str) -> str:
    """Return why a recipe says that it does not run on a platform."""
    for machine in recipe.block.machines if recipe.block is not None else ():
        if machine.refusal is not None and parse_machine(machine.text)[1].subdir == platform:
            return machine.refusal
    return ""


def check_recipe(
    session: Session, recipe: Recipe, inquiries: Mapping[str, Inquiry], *, required: bool
) -> list[RecipeOutcome]:
    """Solve a recipe for machines; nothing is downloaded or made. Each answer advances the reporter's phase ``solve``.

    Args:
        inquiries: The recipe's request for each machine, by the machine's name.
        required: Whether it has to run on each of them, whatever it says itself.
    """
    said = {parse_machine(m.text)[0]: m.refusal for m in (recipe.block.machines if recipe.block is not None else ())}
    quiet = Session(session.settings, session.policy, Reporter(), session.engine)
    found = []
    for name, inquiry in inquiries.items():
        outcome = _solved(quiet, recipe, name, inquiry)
        session.reporter.advance("solve", 1, text=f"{recipe.name} for {name}")
        session.reporter.detail(f"{recipe.name} for {name}: {outcome.state}")
        documented = said.get(name) or ""
        expected: Expected | None = "refused" if documented else "runs" if name in said else None
        expected = "runs" if required else expected
        found.append(replace(outcome, expected=expected, documented=documented))
    return found


def _solved(session: Session, recipe: Recipe, machine: str, inquiry: Inquiry) -> RecipeOutcome:
    outcome = RecipeOutcome(recipe.name or "", machine, "refused", None)
    refusal = refuse_platform(recipe, inquiry.target.subdir)
    if refusal is not None:
        return replace(outcome, code=refusal.code, text=refusal.message)
    try:
        plan = solve_with_pip(session, inquiry)
    except ChannelError as error:
        return replace(outcome, state="unanswered", code=error.code, text=error.message)
    except (HostCannotRunError, NoAnswerError, UsageError) as error:
        problem = problem_of(error)
        return replace(outcome, code=error.code, text=error.message if problem is None else cause_of(problem))
    count = len(plan.records) + (len(plan.pip.packages) if plan.pip is not None else 0)
    names = {record.name for record in plan.records}
    wanted = recipe.block.frameworks if recipe.block is not None else ()
    lacking = [ROWS[key].title for key in wanted if not names.intersection(ROWS[key].packages)]
    if lacking:
        return replace(outcome, state="lacking", text=", ".join(lacking), packages=count)
    tier = plan.pick.tier.value if plan.pick is not None else ""
    text = exact_words(plan.pick) if plan.pick is not None else plural(count, "package")
    return replace(outcome, state="runs", code=tier, text=text, packages=count)


def wrong_recipes(outcomes: Sequence[RecipeOutcome]) -> list[str]:
    """Return the recipes that do not do what they say, or that run nowhere though they name no machine."""
    by_recipe: dict[str, list[RecipeOutcome]] = {}
    for outcome in outcomes:
        by_recipe.setdefault(outcome.recipe, []).append(outcome)
    return [
        name
        for name, found in by_recipe.items()
        if any(not outcome.ok and outcome.state != "unanswered" for outcome in found)
        or not any(outcome.state in {"runs", "unanswered"} for outcome in found)
    ]
