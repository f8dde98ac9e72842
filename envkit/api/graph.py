"""why, tree: who needs what, in an environment and in the indexes of channels."""

from __future__ import annotations

from collections.abc import Iterable

from envkit.api.choose import channels_for
from envkit.api.indexes import channel_access
from envkit.api.records import records_of
from envkit.api.session import Session, user_index_dir
from envkit.api.spelling import nearest_name
from envkit.builds.dependency import dependency_names, record_matches
from envkit.builds.version import version_key
from envkit.engines.base import ChannelAccess
from envkit.errors import PackageNotFoundError, UnknownEnvironmentError
from envkit.layout.generation import read_manifest, resolve
from envkit.models.build import Record
from envkit.models.request import Inquiry
from envkit.plan.graph import DependencyGraph, make_graph
from envkit.words.values import plural


def environment_graph(session: Session, name: str) -> DependencyGraph:
    """Return the graph of an environment's packages; its roots are those of the request.

    Raises:
        UnknownEnvironmentError: There is no such environment, or it has no manifest.
    """
    manifest = read_manifest(resolve(session.find_volume(), name))
    if manifest is None:
        raise UnknownEnvironmentError(
            f"the generation that {name} points to has no manifest", hint=f"See `envkit doctor {name}`."
        )
    return make_graph(records_of(manifest), dependency_names(manifest.request.specs))


def index_graph(session: Session, inquiry: Inquiry) -> DependencyGraph:
    """Return the graph below one package of the channels: of each name its newest record.

    A solver takes other versions where these do not go together.

    Raises:
        PackageNotFoundError: No channel has the package.
        ChannelError: A channel cannot be read.
    """
    spec, target = inquiry.request.parsed[0], inquiry.target
    platforms, access = [target.subdir, "noarch"], _access(session, inquiry)
    session.reporter.start("index", _names(access))
    every = session.index.closure([spec.name], platforms=platforms, access=access)
    session.reporter.finish("index", f"{_names(access)}: {len(every)} builds")
    fitting = [r for r in every if r.name != spec.name or record_matches(spec, r)]
    graph = make_graph(_newest(fitting), [spec.name])
    if not graph.roots:
        raise _unknown(session, spec.name, platforms, access)
    return _below(graph, spec.name)


def index_users(session: Session, inquiry: Inquiry) -> DependencyGraph:
    """Return the graph of everything in the channels, the newest record of each name, to see who needs a package.

    Raises:
        PackageNotFoundError: No channel has the package.
        ChannelError: A channel cannot be read.
    """
    name, target = inquiry.request.parsed[0].name, inquiry.target
    platforms, access = [target.subdir, "noarch"], _access(session, inquiry)
    engine, reporter = session.index, session.reporter
    reporter.start("index", _names(access))
    names = engine.names(platforms=platforms, access=access)
    if name not in names:
        raise _unknown(session, name, platforms, access)
    records = engine.records(sorted(names), platforms=platforms, access=access)
    reporter.finish("index", f"{_names(access)}: {plural(len(names), 'package')}")
    return make_graph(_newest(records), [])


def _names(access: ChannelAccess) -> str:
    """Return the names of the channels."""
    return ", ".join(channel.name for channel in access.channels)


def _access(session: Session, inquiry: Inquiry) -> ChannelAccess:
    channels, _ = channels_for(
        [], explicit=inquiry.channels, override=inquiry.override_channels, settings=session.settings
    )
    return channel_access(channels, session.policy, user_index_dir())


def _unknown(session: Session, name: str, platforms: list[str], access: ChannelAccess) -> PackageNotFoundError:
    near = nearest_name(session, name, platforms=platforms, access=access)
    meant = f"Did you mean {near}? " if near is not None else ""
    return PackageNotFoundError(
        f"no package {name!r} for {platforms[0]} in {_names(access)}",
        hint=f"{meant}Name another channel with -c, or look for names: envkit find '{name[:4]}*'.",
    )


def _newest(records: Iterable[Record]) -> list[Record]:
    newest: dict[str, Record] = {}
    for record in records:
        known = newest.get(record.name)
        if known is None or _age(record) > _age(known):
            newest[record.name] = record
    return list(newest.values())


def _age(record: Record) -> tuple[object, int, int]:
    return (version_key(record.version), record.build_number, record.timestamp or 0)


def _below(graph: DependencyGraph, root: str) -> DependencyGraph:
    """Return the part of a graph that a package needs."""
    seen, waiting = {root}, [root]
    while waiting:
        for need in graph.needs[waiting.pop()]:
            if need.name not in seen:
                seen.add(need.name)
                waiting.append(need.name)
    return DependencyGraph(
        graph.roots,
        {name: version for name, version in graph.versions.items() if name in seen},
        {name: needs for name, needs in graph.needs.items() if name in seen},
    )
