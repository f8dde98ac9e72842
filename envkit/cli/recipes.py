"""envkit recipes, recipes show, recipes check."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import complete, options
from envkit.cli.declared import argument, option
from envkit.errors import UsageError

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.models.host import Target
    from envkit.models.inputs import Recipe
    from envkit.models.recipe import RecipeOutcome
    from envkit.models.request import Inquiry

_STYLES = {"runs": "green", "refused": "yellow", "lacking": "red", "unanswered": "red"}


def recipes_command(*, as_json: options.Json = False) -> None:
    """List the recipes that envkit brings; show one, check your own."""
    from envkit.cli.output import console, fitting, print_json, table
    from envkit.recipes import builtin_names, builtin_rows, load_builtin

    if as_json:
        from envkit.wire.recipes import recipe_json

        print_json({"recipes": [recipe_json(load_builtin(name)) for name in builtin_names()]})
        return
    view = table("recipe", "for", "packages", whole=("recipe",))
    for row in builtin_rows():
        view.add_row(*row)
    out = console()
    out.print(fitting(out, view, "packages"))
    out.print("Make one with `envkit create --recipe NAME`; `envkit recipes show NAME` says where it runs.")


def recipes_show_command(
    *,
    recipe: Annotated[str, argument(metavar="NAME", help="One of `envkit recipes`.", complete=complete.recipe_names)],
    raw: Annotated[bool, option("--raw", help="Print the file itself, to copy and change.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show a recipe: for whom it is, what it holds, where it runs and where not."""
    from envkit.cli.output import console, labelled, print_json
    from envkit.recipes import builtin_path, load_builtin
    from envkit.wire.recipes import recipe_json

    found = load_builtin(recipe)
    if raw:
        sys.stdout.write(builtin_path(recipe).read_text(encoding="utf-8"))
        return
    if as_json:
        print_json({"recipe": recipe_json(found)})
        return
    rows = [("recipe", "bold", found.name or "")]
    rows += recipe_rows(found)
    console().print(labelled(*rows))


def recipe_rows(recipe: Recipe) -> list[tuple[str, str, str]]:
    """Return what is to tell of a recipe, as rows of `envkit.cli.output.labelled`."""
    block = recipe.block
    rows = [("packages", "", " ".join(recipe.dependencies))]
    if recipe.pip.lines:
        rows.append(("pip", "", " ".join(recipe.pip.lines)))
    rows.append(("channels", "", ", ".join(recipe.channels) or "as configured, else conda-forge"))
    if block is None:
        return rows
    rows = [("for", "", block.audience), *rows]
    rows.append(("CUDA", "", recipe.flags.get("cuda", "auto")))
    rows.append(("validate", "", block.level or "framework"))
    rows.append(("kernel", "", "a Jupyter kernel is registered" if block.kernel else "none"))
    rows += [("ports", "", ports_words(recipe))] if block.ports else []
    rows += [("runs on", "green", machine.text) for machine in block.machines if machine.refusal is None]
    rows += [
        ("refused", "yellow", f"{machine.text}: {machine.refusal}")
        for machine in block.machines
        if machine.refusal is not None
    ]
    return rows + ([("note", "yellow", block.note)] if block.note else [])


def ports_words(recipe: Recipe) -> str:
    """Return the ports of a recipe in words: ``jupyter 8888, ssh 2222``."""
    return ", ".join(f"{service} {port}" for service, port in (recipe.block.ports if recipe.block else ()))


def recipes_check_command(
    *,
    place: Annotated[
        Path | None,
        argument(metavar="DIR|FILE", help="Your own recipes: environment.yml files.", show_default="those of envkit"),
    ] = None,
    only: Annotated[list[str] | None, option("--only", metavar="NAME", help="Only this recipe; repeatable.")] = None,
    machines: Annotated[
        list[str] | None,
        option(
            "--for",
            metavar="GPU/DRIVER",
            help="A machine where each has to run: a100/550, cpu/osx-arm64; repeatable.",
            show_default="those of the recipe, else a standard set",
        ),
    ] = None,
    hosts: Annotated[
        list[Path] | None,
        option("--hosts", metavar="FILE", help="Machines where each has to run: output of `envkit detect --json`."),
    ] = None,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Solve recipes for every machine where they must run; see that they are refused where they say so.

    Nothing is downloaded but the channels' indexes. Exit code 1: a recipe does not do what it says.
    """
    from envkit.api.recipes import check_recipe, machines_of, read_recipes, wrong_recipes
    from envkit.cli.output import print_json
    from envkit.models.progress import working
    from envkit.recipes import builtin_names, load_builtin
    from envkit.wire.recipes import outcome_json
    from envkit.words.values import plural

    session = options.session_of(None, engine=engine, offline=offline, as_json=as_json, progress=progress)
    found = read_recipes(place) if place is not None else [load_builtin(name) for name in builtin_names()]
    if only:
        unknown = set(only) - {recipe.name for recipe in found}
        if unknown:
            names = ", ".join(sorted(recipe.name or "" for recipe in found))
            raise UsageError(f"--only {min(unknown)}: there is no such recipe", hint=f"One of {names}.")
        found = [recipe for recipe in found if recipe.name in only]
    given = _given(machines, hosts)
    asked = [
        (recipe, {name: _inquiry(session, recipe, target) for name, target in machines_of(recipe, given).items()})
        for recipe in found
    ]
    total = sum(len(inquiries) for _, inquiries in asked)
    outcomes = []
    with working(
        session.reporter, "solve", f"{plural(total, 'answer')} of {plural(len(found), 'recipe')}", total=total
    ):
        for recipe, inquiries in asked:
            outcomes += check_recipe(session, recipe, inquiries, required=bool(given))
    wrong = wrong_recipes(outcomes)
    unanswered = any(outcome.state == "unanswered" for outcome in outcomes)
    if as_json:
        print_json({"outcomes": [outcome_json(outcome) for outcome in outcomes], "wrong": wrong})
    else:
        _render(outcomes, wrong)
    return 1 if wrong else 5 if unanswered else 0


def recipes_container_command(
    *,
    folder: Annotated[Path, argument(metavar="DIR", help="The folder; it is made.")],
    force: Annotated[bool, option("--force", help="Replace files that are there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write the files of a container for JupyterLab and SSH: Dockerfile, compose file, entrypoint.

    Its image holds no environment: the volume keeps it, and `envkit ensure` makes it at the first start.
    """
    from envkit.cli.output import console, mark, print_json
    from envkit.layout.atomic import write_atomic
    from envkit.recipes import container_files

    targets = {file: folder.absolute() / file.name for file in container_files()}
    there = [target.name for target in targets.values() if target.exists()]
    if there and not force:
        raise UsageError(f"{folder} has {', '.join(there)} already", hint="Give another folder, or --force.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, target in targets.items():
            write_atomic(target, file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "Give another folder."
        raise UsageError(f"{folder} cannot be written: {error.strerror}", hint=hint) from error
    if as_json:
        print_json({"files": [str(target) for target in targets.values()]})
        return
    out = console()
    for target in targets.values():
        out.print(mark("wrote {}", str(target)))
    out.print("Start it there with `docker compose up --build`; the first lines of compose.yml say where it listens.")


def _given(machines: list[str] | None, hosts: list[Path] | None) -> Mapping[str, Target]:
    if machines and hosts:
        raise UsageError("--for and --hosts exclude each other", hint="Give one of them.")
    if hosts:
        from envkit.inputs.pool import read_pool

        return read_pool(hosts)
    from envkit.inputs.machine import parse_machine

    return dict(parse_machine(text, "2.35") for text in machines or ())


def _inquiry(session: Session, recipe: Recipe, target: Target) -> Inquiry:
    from envkit.inputs.selectors import select
    from envkit.models.request import Inquiry

    recipe = select(recipe, target.subdir)
    texts = options.channels_of(None, recipe, session.settings, override=False)
    channels = options.parse_channels(list(texts), session.settings, override=False)
    request = options.parse_request(
        recipe.dependencies,
        channels,
        cuda=recipe.flags.get("cuda", "auto"),
        python=recipe.flags.get("python"),
        prefer=recipe.flags.get("prefer", "version"),
    )
    wish = options.parse_pip(recipe.pip, None, None, None, local=False)
    return Inquiry(request, target, {}, channels, bool(recipe.channels), wish)


def _render(outcomes: list[RecipeOutcome], wrong: list[str]) -> None:
    from envkit.cli.output import console, literal, mark, table
    from envkit.words.values import plural

    out = console()
    view = table("recipe", "machine", "", "build, or why not", whole=("recipe", "machine"))
    for outcome in outcomes:
        style = _STYLES[outcome.state] if outcome.ok else "red"
        word = outcome.state if outcome.ok else f"{outcome.state}!"
        text = outcome.text
        if outcome.state == "refused" and outcome.ok and outcome.documented:
            text = outcome.documented
        view.add_row(outcome.recipe, outcome.machine, literal(word, style), text)
    out.print(view)
    if wrong:
        out.print(mark("[red]{}[/red] not as said: {}", plural(len(wrong), "recipe"), ", ".join(wrong)))
    elif any(outcome.state == "unanswered" for outcome in outcomes):
        out.print(mark("[red]{}[/red]", "not every channel answered"))
    else:
        out.print(mark("[green]{}[/green]", f"{plural(len(outcomes), 'answer')}, all as said"))
