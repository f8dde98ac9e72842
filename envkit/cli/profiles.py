"""The profiles of an environment, as text."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.cli.carried import volume_flag
from envkit.cli.ink import Text
from envkit.cli.output import Console, console, labelled, literal, mark, table
from envkit.cli.pool_table import is_worth_a_table, machines_words, print_pool
from envkit.models.listing import EnvironmentInfo
from envkit.models.pool import ProfileInfo
from envkit.models.results import CreateResult
from envkit.words.profiles import need_words
from envkit.words.say import say
from envkit.words.values import build_words, join, plural, size_words

_NAMES = 3


def print_profiles(out: Console, profiles: Sequence[ProfileInfo]) -> None:
    """Print the profiles of an environment, each with its machines."""
    numbers = ("packages", "download")
    view = table("profile", "build", *numbers, "machines", right=numbers, whole=("profile",))
    for info in profiles:
        words = [word for word, holds in (("link", info.is_main), ("here", info.here)) if holds]
        name = literal(info.name, "bold")
        view.add_row(
            name.append(Text(f" ({', '.join(words)})", "dim")) if words else name,
            literal(build_words(info.pick.build) if info.pick else ""),
            str(len(info.records)),
            size_words(info.download_bytes),
            literal(machines_words(info.kinds)),
        )
    if not any(info.pick for info in profiles):  # of a lock file
        view.drop("build")
    out.print(view)


def render_profiles(result: CreateResult, fixes: Sequence[tuple[str, str, str]]) -> None:
    """Print the result of `create` where machines choose among several generations."""
    out = console()
    rows = [*fixes] + [("note", "yellow", say(advice)) for advice in result.advice if not result.dry_run]
    if rows:
        out.print(labelled(*rows))
    if result.dry_run and result.machines is not None and is_worth_a_table(result.machines):
        print_pool(out, result.machines)
    print_profiles(out, result.profiles)
    if result.dry_run:
        size = size_words(result.download_bytes)
        out.print(f"{plural(len(result.profiles), 'profile')}, {size} to download; nothing was made")
        return
    here = next((info for info in result.profiles if info.here), None)
    verdict = f", validated: {result.report.verdict}" if here and result.report else ""
    told = f"{plural(len(result.profiles), 'profile')}; this machine gets {here.name if here else 'none'}{verdict}"
    out.print(mark("[green]{}[/green] is ready in {} ({})", result.environment, result.path, told))
    volume = volume_flag(str(result.volume), result.environment)
    out.print(f"  run   envkit run{volume} {result.environment} -- python")
    out.print(f"  show  envkit show{volume} {result.environment}")
    main = next(info for info in result.profiles if info.is_main)
    out.print(f"  else  {result.path}/bin/python, which is {main.name} on every machine")


def print_states(out: Console, info: EnvironmentInfo) -> None:
    """Print the profiles of an environment that is there: what a machine has to be to get one."""
    view = table("profile", "for", "needs", "validated", whole=("profile",))
    for state in info.profiles:
        words = [word for word, holds in (("link", state.is_main), ("here", state.here)) if holds]
        name = literal(state.rule.name, "bold" if state.rule.name == info.profile else "")
        outcome = state.info.validated
        view.add_row(
            name.append(Text(f" ({', '.join(words)})", "dim")) if words else name,
            literal(join(state.rule.names, most=_NAMES)),
            literal(need_words(state.rule)),
            literal(f"{outcome.verdict} {outcome.created[:10]}" if outcome else "never"),
        )
    out.print(view)
