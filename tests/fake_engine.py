"""An engine of few lines: reads `file://` channels itself and searches by trying. The contract's yardstick."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cmp_to_key
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envkit.builds.dependency import spec_matches
from envkit.builds.record import record_from_repodata
from envkit.builds.version import version_key
from envkit.engines.base import Capabilities, ChannelAccess, QueryResult, in_channel
from envkit.errors import ChannelError, SpecError
from envkit.models.build import Record
from envkit.models.channel import Channel
from envkit.models.problem import Problem, ProblemKind, unsatisfiable
from envkit.models.solve import SolveTask
from envkit.models.spec import MatchSpec, parse_match_spec


class FakeEngine:
    """An `Engine` for channels of a few dozen records."""

    def query(self, spec: str, *, platforms: Sequence[str], access: ChannelAccess) -> QueryResult:
        parsed = _parse(spec)
        records = [r for r in _read(access.channels, platforms) if r.name == parsed.name]
        fitting = [r for r in records if spec_matches(parsed, r.name, r.version, r.build)]
        matching = [r for r in fitting if in_channel(parsed.channel, r.channel)]
        return QueryResult(parsed.name, tuple(matching), tuple(r for r in records if r not in matching))

    def solve(self, task: SolveTask, *, access: ChannelAccess) -> tuple[Record, ...]:
        wanted = [_parse(spec) for spec in task.specs]
        limits = [_parse(spec) for spec in task.constraints]
        by_name: dict[str, list[Record]] = {}
        for record in _read(access.channels, task.platforms):
            if task.exclude_newer is None or (record.timestamp or 0) <= task.exclude_newer:
                by_name.setdefault(record.name, []).append(record)
        rank = {channel.url: position for position, channel in enumerate(access.channels)}
        for name, records in by_name.items():
            named = next((spec.channel for spec in wanted if spec.name == name and spec.channel), None)
            records[:] = [record for record in records if in_channel(named, record.channel)]
            first = min((rank[record.channel] for record in records), default=0)
            if task.channel_priority == "strict":
                records[:] = [record for record in records if rank[record.channel] == first]
            records.sort(key=cmp_to_key(_newer_first))
            if task.channel_priority != "disabled":
                records.sort(key=lambda record: rank[record.channel])
            records.sort(key=lambda record: record not in task.installed)
            by_name[name] = records
        virtual = {p.name: Record(p.name, p.version, p.build) for p in task.virtual_packages}
        for chosen in _search(wanted, dict(virtual), limits, by_name):
            return tuple(sorted((r for n, r in chosen.items() if n not in virtual), key=lambda r: r.name))
        raise unsatisfiable(_why(wanted, by_name))

    def trouble(self) -> OSError | None:
        return None

    def capabilities(self) -> Capabilities:
        return Capabilities("fake", "1.0", exclude_newer=True, flexible_priority=True)


def _why(wanted: Sequence[MatchSpec], by_name: Mapping[str, Sequence[Record]]) -> Problem:
    """What was asked, and one level of what that needs: missing, or else in conflict with something."""

    def node(spec: MatchSpec, *, deep: bool) -> Problem:
        text = " ".join(part for part in (spec.name, spec.version, spec.build) if part)
        found = [r for r in by_name.get(spec.name, ()) if spec_matches(spec, r.name, r.version, r.build)]
        if not found:
            return Problem("missing", f"{text}: no channel has it", spec.name, text)
        below = [node(parse_match_spec(depends), deep=False) for depends in found[0].depends] if deep else []
        kind: ProblemKind = "package" if below else "conflict"
        return Problem(kind, f"{text}: {spec.name} {found[0].version}", spec.name, text, children=tuple(below))

    return Problem("request", "these cannot be together", children=tuple(node(spec, deep=True) for spec in wanted))


def _newer_first(left: Record, right: Record) -> int:
    mine = (version_key(left.version), left.build_number, left.timestamp or 0)
    theirs = (version_key(right.version), right.build_number, right.timestamp or 0)
    return -1 if mine > theirs else int(mine < theirs)


def _search(
    open_specs: list[MatchSpec], chosen: dict[str, Record], limits: list[MatchSpec], by_name: dict[str, list[Record]]
) -> Iterator[dict[str, Record]]:
    """Every solution, the newest of each name in the order of the request first."""
    if not all(_allows(limit, chosen.values()) for limit in limits):
        return
    missing = [spec for spec in open_specs if spec.name not in chosen]
    for spec in open_specs:
        there = chosen.get(spec.name)
        if there is not None and not spec_matches(spec, there.name, there.version, there.build):
            return
    if not missing:
        yield chosen
        return
    spec = missing[0]
    for record in by_name.get(spec.name, ()):
        if spec_matches(spec, record.name, record.version, record.build):
            more = [parse_match_spec(text) for text in record.constrains]
            depends = [parse_match_spec(text) for text in record.depends]
            yield from _search([*open_specs, *depends], {**chosen, record.name: record}, [*limits, *more], by_name)


def _allows(limit: MatchSpec, records: object) -> bool:
    assert hasattr(records, "__iter__")
    return all(spec_matches(limit, r.name, r.version, r.build) for r in records if r.name == limit.name)


def _parse(text: str) -> MatchSpec:
    spec = parse_match_spec(text)
    if not spec.name or "*" in spec.name or (spec.version or "")[-1:] in {"<", ">", "=", ",", "|"}:
        raise SpecError(f"cannot read {text!r}", hint="Write it as conda does.")
    return spec


def _read(channels: Sequence[Channel], platforms: Sequence[str]) -> Iterator[Record]:
    for channel in channels:
        root = Path(unquote(urlsplit(channel.url).path))
        if not root.is_dir():
            raise ChannelError(f"there is no channel {channel.name}", hint="Check the path.")
        for subdir in platforms:
            index = root / subdir / "repodata.json"
            if index.is_file():
                for fn, raw in json.loads(index.read_text())["packages.conda"].items():
                    yield record_from_repodata(raw, fn, channel.url, subdir)
