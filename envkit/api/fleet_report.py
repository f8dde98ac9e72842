"""fleet report: what a volume knows of the machines that use it; nobody is asked."""

from __future__ import annotations

import datetime
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from envkit.api.environments import list_environments
from envkit.checks.fleet import oddities
from envkit.checks.fleet_figures import figures_of, slow_nodes
from envkit.errors import EnvkitError, SettingsError
from envkit.host.wire import host_from_json
from envkit.layout.node_records import read_node_records
from envkit.layout.profiles import read_profiles
from envkit.layout.space import free_space
from envkit.layout.validations import read_all_validations
from envkit.layout.volume import Volume
from envkit.models.codes.fleet import ENVIRONMENT_BROKEN, NEVER_PROVEN
from envkit.models.fact import Fact
from envkit.models.fleet_report import (
    FleetReport,
    ReportEnvironment,
    ReportFigure,
    ReportKind,
    ReportNode,
    ReportTask,
    Standing,
)
from envkit.models.host import Host, Target
from envkit.models.listing import EnvironmentInfo
from envkit.models.manifest import ValidationRecord
from envkit.models.node_record import NodeRecord
from envkit.models.report import Finding
from envkit.tuples import NamedTuple
from envkit.values import replace
from envkit.wire.results import finding_from_json, target_json

_PAST = 30  # outcomes in a strip
_RATE = "_per_s"
_GRAVITY = ("fail", "warn", "skip", "pass")

_Key = tuple[object, ...]


class _Known(NamedTuple):
    """Validations of one environment that the volume has."""

    info: EnvironmentInfo
    generations: tuple[str, ...]
    validations: list[ValidationRecord]
    records: list[NodeRecord]


def report_fleet(volume: Volume, *, machines: Mapping[str, Target]) -> FleetReport:
    """Gather what is known of a volume's environments on the machines that use it.

    Args:
        volume: The volume.
        machines: Machines by name that ``fleet detect`` found; those that validated nothing are shown, too.
    """
    listing = list_environments(volume)
    known = [_read(volume, info) for info in listing.environments]
    kinds = _kinds(known, machines)
    places = {_key(kind.host): index for index, kind in enumerate(kinds)}
    return FleetReport(
        root=str(volume.root),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        size_bytes=listing.size_bytes,
        free_bytes=free_space(volume.root).free_bytes,
        kinds=kinds,
        environments=tuple(_environment(each, kinds) for each in known),
        nodes=tuple(_nodes(known, places)),
        figures=tuple(figure for each in known for figure in _figures(each, places)),
        tasks=tuple(sorted(_tasks(known, kinds), key=lambda task: _GRAVITY.index(task.finding.status))),
    )


def _read(volume: Volume, info: EnvironmentInfo) -> _Known:
    first = info.prefix.rpartition("/")[2]
    try:
        others = [profile.generation for profile in read_profiles(info.prefix)]
    except EnvkitError:  # doctor says more
        others = []
    generations = tuple(dict.fromkeys([first, *others]))
    return _Known(
        info,
        generations,
        [
            replace(record, host=_sound(record.host))
            for generation in generations
            for record in read_all_validations(volume, generation)
        ],
        [
            replace(record, host=_sound(record.host))
            for generation in generations
            for record in read_node_records(volume, generation)
        ],
    )


def _sound(host: dict[str, Any]) -> dict[str, Any]:
    """Return a machine, or nothing if what is said of it cannot be: members of a volume write what they like."""
    try:
        host_from_json(host, where="")
    except SettingsError:
        return {}
    return host


def _key(host: Mapping[str, Any]) -> _Key:
    gpus = {(str(gpu.get("name")), str(gpu.get("compute_capability"))) for gpu in host.get("gpus") or ()}
    return (host.get("subdir"), host.get("glibc"), str(host.get("driver_version")), frozenset(gpus))


def _kinds(known: Sequence[_Known], machines: Mapping[str, Target]) -> tuple[ReportKind, ...]:
    hosts: dict[_Key, Mapping[str, Any]] = {}
    names: dict[_Key, set[str]] = defaultdict(set)
    for each in known:
        for record in each.records:
            if record.host:
                hosts.setdefault(_key(record.host), record.host)
                names[_key(record.host)].add(record.node)
        for validation in each.validations:
            if validation.host:
                hosts.setdefault(_key(validation.host), validation.host)
    for name, target in machines.items():
        host = target_json(target)
        hosts.setdefault(_key(host), host)
        names[_key(host)].add(name)
    found = [ReportKind(host, tuple(sorted(names[key]))) for key, host in hosts.items()]
    return tuple(sorted(found, key=lambda kind: (-len(kind.nodes), str(_key(kind.host)))))


def _environment(each: _Known, kinds: Sequence[ReportKind]) -> ReportEnvironment:
    info = each.info
    return ReportEnvironment(
        name=info.name,
        generations=each.generations,
        packages=info.packages,
        size_bytes=info.size_bytes,
        created=info.created,
        standings=tuple(_standing(each, _key(kind.host)) for kind in kinds),
    )


def _standing(each: _Known, key: _Key) -> Standing | None:
    alike = [record for record in each.validations if record.host and _key(record.host) == key]
    nodes = [record for record in each.records if record.host and _key(record.host) == key]
    past: dict[str, Any] = {}
    for record in alike:
        past |= {one.created: one.verdict for one in (record, *record.history)}
    for node in nodes:
        past.setdefault(node.created, node.verdict)
    if not past:
        return None
    ordered = tuple(sorted(past.items()))[-_PAST:]
    failed = tuple(node.node for node in nodes if node.verdict in {"fail", "none"})
    return Standing("fail" if failed else ordered[-1][1], ordered[-1][0], ordered, failed)


def _nodes(known: Sequence[_Known], places: Mapping[_Key, int]) -> Iterator[ReportNode]:
    for each in known:
        for one in each.records:
            kind = places.get(_key(one.host)) if one.host else None
            yield ReportNode(one.node, each.info.name, kind, one.verdict, one.created, one.seconds)


def _figures(each: _Known, places: Mapping[_Key, int]) -> Iterator[ReportFigure]:
    points: dict[tuple[int, str, str], list[tuple[str, float]]] = defaultdict(list)
    for record in each.records:
        if not record.host:
            continue
        for figure in figures_of(_findings(record.findings)):
            if figure.name.endswith(_RATE) and math.isfinite(figure.value):
                device = "" if figure.device is None else f" {figure.device}"
                points[places[_key(record.host)], figure.check, figure.name].append(
                    (record.node + device, figure.value)
                )
    for (kind, check, name), measured in sorted(points.items()):
        usual = statistics.median(value for _, value in measured)
        yield ReportFigure(each.info.name, kind, check, name, usual, tuple(sorted(measured)))


def _tasks(known: Sequence[_Known], kinds: Sequence[ReportKind]) -> Iterator[ReportTask]:
    hosts: dict[str, Host] = {}
    for each in known:
        name = each.info.name
        if each.info.problem is not None:
            fact = Fact(ENVIRONMENT_BROKEN, problem=each.info.problem, name=name)
            yield ReportTask(name, "", Finding("environment", "fail", fact))
        seen = {record.fingerprint for record in each.records}
        for record in each.records:
            yield from (ReportTask(name, record.node, one) for one in _bad(record.findings))
            if record.host:
                hosts[record.node] = host_from_json(record.host, where=record.node)
        for validation in each.validations:
            if validation.fingerprint not in seen:  # on a machine that no fleet command asked
                yield from (ReportTask(name, "", one) for one in _bad(validation.findings))
        alike = [kind.nodes for kind in kinds]
        measured = {record.node: figures_of(_findings(record.findings)) for record in each.records}
        yield from (ReportTask(name, *found) for found in slow_nodes(measured, alike))
        if each.info.problem is None and not each.validations and not each.records:
            yield ReportTask(name, "", Finding("environment", "warn", Fact(NEVER_PROVEN, name=name)))
    yield from (ReportTask("", *found) for found in oddities(hosts, {}))


def _bad(findings: Iterable[Mapping[str, Any]]) -> list[Finding]:
    return [finding for finding in _findings(findings) if finding.status in {"fail", "warn"}]


def _findings(documents: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Read findings; one that cannot be read is left out."""
    found = []
    for document in documents:
        try:
            finding = finding_from_json(document)
        except (LookupError, TypeError, ValueError):
            continue
        if finding.status in _GRAVITY:
            found.append(finding)
    return found
