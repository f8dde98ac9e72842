"""envkit tree, why."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated

from envkit.cli import options, which
from envkit.cli.declared import argument, option

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.cli.tables import Twig
    from envkit.models.request import Inquiry
    from envkit.plan.graph import DependencyGraph

_Channels = Annotated[
    list[str] | None,
    option("-c", "--channel", metavar="CHANNEL", help="Look into this channel instead; repeatable."),
]


def tree_command(
    *,
    what: Annotated[
        str | None,
        argument(metavar="[NAME|SPEC]", show_default="the active one", help="An environment; with -c a package of it."),
    ] = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    channel: _Channels = None,
    platform: options.Platform = None,
    depth: Annotated[int | None, option("--depth", minimum=1, metavar="N", help="Show N levels.")] = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
) -> None:
    """Show what needs what: the packages of an environment, or below a package of a channel."""
    from envkit.api.graph import environment_graph, index_graph
    from envkit.cli.output import console, print_json
    from envkit.errors import UsageError
    from envkit.wire.graph import tree_json

    if channel:
        if what is None:
            raise UsageError("no package is given", hint="For example: envkit tree pytorch -c conda-forge.")
        graph = index_graph(*_inquiry(what, channel, platform, offline=offline, as_json=as_json))
    else:
        name, persist = which.environment(what, given, prefix, persist)
        graph = environment_graph(options.session_of(persist, name=name, as_json=as_json), name)
    if as_json:
        print_json(tree_json(graph))
        return
    out, shown, repeated = console(), set[str](), set[str]()
    for root in graph.roots:
        out.print(_tree(graph, root, shown, repeated, depth))
    if repeated:
        out.print("(*) what it needs is shown above", style="dim")


def why_command(
    *,
    package: Annotated[str, argument(metavar="PACKAGE", help="The package to explain.")],
    name: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    channel: _Channels = None,
    platform: options.Platform = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
) -> None:
    """Say why a package is in an environment, or who needs it in a channel."""
    from envkit.api.graph import environment_graph, index_users
    from envkit.cli.output import console, fitting, literal, print_json, table
    from envkit.errors import PackageNotFoundError
    from envkit.wire.graph import why_json

    package = package.lower()
    if channel:
        graph = index_users(*_inquiry(package, channel, platform, offline=offline, as_json=as_json))
        where = ", ".join(channel)
    else:
        where, persist = which.environment(None, name, prefix, persist)
        graph = environment_graph(options.session_of(persist, name=where, as_json=as_json), where)
    if package not in graph.versions:
        near = difflib.get_close_matches(package, graph.versions, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"See `envkit tree {where}`."
        raise PackageNotFoundError(f"there is no package {package!r} in {where}", hint=hint)
    if as_json:
        print_json(why_json(graph, package))
        return
    out = console()
    out.print(literal(f"{package} {graph.versions[package]}:", "bold"), end=" ")
    users = graph.needed_by(package)
    asked = "was asked for" if package in graph.roots else ""
    count = f"{len(users)} {'package needs' if len(users) == 1 else 'packages need'} it" if users else ""
    out.print(literal(", and ".join(filter(None, (asked, count))) or "is needed by none"))
    if users:
        view = table("package", "version", "needs", whole=("package", "version"))
        for user in users:
            view.add_row(*map(literal, (user.name, graph.versions[user.name], user.spec)))
        out.print(fitting(out, view, "version"))
    for chain in graph.chains(package):
        if len(chain) > 2:  # two are in the table
            out.print(literal("  " + " > ".join(chain), "dim"))


def _inquiry(
    spec: str, channel: list[str], platform: str | None, *, offline: bool, as_json: bool
) -> tuple[Session, Inquiry]:
    from envkit.cli.target import Described, describe
    from envkit.models.request import Inquiry

    session = options.session_of(None, offline=offline, as_json=as_json)
    explicit = options.parse_channels(channel, session.settings, override=True)
    request = options.parse_request((spec,), explicit, cuda="auto", python=None, prefer="version")
    target, _ = describe(session, None, Described(options.parse_platform(platform), None, (), (), None, no_gpu=True))
    return session, Inquiry(request, target, {}, explicit, override_channels=True)


def _tree(graph: DependencyGraph, root: str, shown: set[str], repeated: set[str], depth: int | None) -> Twig:
    """Return a package with what it needs; what was shown before has a mark instead of its own branch."""
    from envkit.cli.output import literal
    from envkit.cli.tables import Twig

    tree = Twig(literal(f"{root} {graph.versions[root]}", "bold"))
    shown.add(root)
    _grow(tree, graph, root, shown, repeated, depth)
    return tree


def _grow(
    tree: Twig, graph: DependencyGraph, name: str, shown: set[str], repeated: set[str], depth: int | None
) -> None:
    from envkit.cli.output import literal

    for need in graph.needs[name]:
        seen = need.name in shown and bool(graph.needs[need.name])
        text = f"{need.name} {graph.versions[need.name]}{' (*)' if seen else ''}"
        if seen:
            repeated.add(need.name)
        branch = tree.add(literal(text, "dim" if seen else ""))
        if not seen and depth != 1:
            shown.add(need.name)
            _grow(branch, graph, need.name, shown, repeated, None if depth is None else depth - 1)
