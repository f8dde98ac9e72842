"""envkit history, diff, rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from envkit.cli import options, which
from envkit.cli.declared import argument

if TYPE_CHECKING:
    from envkit.cli.output import Console
    from envkit.models.changes import Difference, PackageChange
    from envkit.models.package_state import PackageState

_ROOM_FOR_BUILDS = 60  # columns


def history_command(
    *,
    name: which.Argument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    as_json: options.Json = False,
) -> None:
    """Show the generations of an environment and what each changed."""
    from envkit.api.history import history as read_history
    from envkit.cli.output import console, fitting, mark, print_json, table, without
    from envkit.wire.volume import history_json

    name, persist = which.environment(name, given, prefix, persist)
    found = read_history(options.session_of(persist, name=name).find_volume(), name)
    if as_json:
        print_json(history_json(found))
        return
    columns = ("", "n", "made", "by", "packages", "changed", "profiles", "validated", "generation")
    view = table(*columns, right=("n", "packages"), whole=("n", "by", "packages", "validated", "generation"))
    for info in found.generations:
        view.add_row(
            mark("[green]*[/green]") if info.active else "",
            str(info.number),
            info.created[:19].replace("T", " "),
            info.verb,
            str(info.packages),
            _short(info.difference, info.parent),
            ", ".join(info.profiles),
            info.validated or "never",
            info.generation,
        )
    out = console()
    if not any(info.profiles for info in found.generations):
        view.drop("profiles")
    out.print(fitting(out, without(out, view, "generation"), "packages", "by", "made"))


def _short(change: Difference | None, parent: int | None) -> str:
    if change is None:
        return ""
    signs = {"added": "+", "removed": "-", "changed": "~"}
    words = [signs[c.kind] + c.name for c in change.changes]
    more = f" and {len(words) - 4} more" if len(words) > 4 else ""
    return f"{' '.join(words[:4]) or 'nothing'}{more} (from {parent})"


def diff_command(
    *,
    before: Annotated[str, argument(metavar="A", help="NAME, NAME@N, or the path of a conda environment.")],
    after: Annotated[
        str | None,
        argument(metavar="[B]", help="The same; without it, A against the generation before it."),
    ] = None,
    persist: options.Persist = None,
    as_json: options.Json = False,
) -> None:
    """Compare the packages of two environments or generations."""
    from envkit.api.history import diff as compare
    from envkit.cli.output import console, print_json
    from envkit.wire.volume import difference_json

    volume = None
    if persist is not None or not all(text and "/" in text for text in (before, after)):
        volume = options.session_of(persist, name=before).find_volume()
    found = compare(volume, before, after)
    if as_json:
        print_json(difference_json(found))
        return
    render_difference(console(), found)


def rollback_command(
    *,
    name: which.Argument = None,
    number: Annotated[
        int | None,
        argument(metavar="[N]", show_default="the one before", help="Number in `envkit history`."),
    ] = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    as_json: options.Json = False,
) -> None:
    """Go back to an earlier generation, or forward again."""
    from envkit.api.history import rollback as roll_back
    from envkit.cli.output import console, mark, print_json
    from envkit.wire.volume import switch_json

    if name is not None and number is None and name.isdigit() and (given or prefix or which.is_active()):
        number, name = int(name), None
    name, persist = which.environment(name, given, prefix, persist)
    result = roll_back(options.session_of(persist, name=name, as_json=as_json), name, number)
    if as_json:
        print_json(switch_json(result))
        return
    out = console()
    if result.before == result.number:
        out.print(mark("[green]{}[/green] is at generation {} already", name, result.number))
        return
    if result.difference is not None:
        render_difference(out, result.difference)
    out.print(mark("[green]{}[/green] is at generation {} again ({})", name, result.number, result.prefix))
    if not result.validated:
        out.print(mark("[yellow]note[/yellow]  not validated on a host like this one: envkit validate {}", name))


def render_difference(out: Console, change: Difference) -> None:
    """Print the packages that differ, as a table."""
    from envkit.cli.output import fitting, mark, table
    from envkit.words.values import plural, size_words

    if not change.changes:
        out.print(f"{change.before} and {change.after}: the same {change.same} packages")
        return
    builds = out.width >= _ROOM_FOR_BUILDS or any(map(_same_version, change.changes))
    style = {"added": "green", "removed": "red", "changed": "yellow"}
    view = table("", "package", change.before, change.after, "size", right=("size",))
    for item in change.changes:
        grown = (item.after.size_bytes or 0 if item.after else 0) - (item.before.size_bytes or 0 if item.before else 0)
        sign = "+" if grown > 0 else "-" if grown < 0 else ""
        view.add_row(
            mark("[{0}]{1}[/{0}]", style[item.kind], item.kind),
            item.name,
            _words(item.before, builds=builds),
            _words(item.after, builds=builds),
            f"{sign}{size_words(abs(grown))}",
        )
    out.print(fitting(out, view, "size"))
    out.print(
        f"{plural(len(change.changes), 'package')} {'differs' if len(change.changes) == 1 else 'differ'}, "
        f"{change.same} {'is' if change.same == 1 else 'are'} the same; archives "
        f"{size_words(change.before_bytes)} and {size_words(change.after_bytes)}"
    )


def _same_version(change: PackageChange) -> bool:
    return change.before is not None and change.after is not None and change.before.version == change.after.version


def _words(state: PackageState | None, *, builds: bool) -> str:
    if state is None:
        return ""
    return f"{state.version} {state.build}" if builds else state.version
