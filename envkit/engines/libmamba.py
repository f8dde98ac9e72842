"""libmambapy 2.x as an engine: its database and its solver, fed with records; no Context, no global state.

libmambapy reads channels only through its global Context, so the embedded engine's gateway reads the records;
libmamba matches and solves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from envkit.engines.base import Capabilities, ChannelAccess, QueryResult, in_channel, named_package, unreadable_spec
from envkit.engines.keep import solve_keeping
from envkit.engines.libmamba_problem import explain_conflict
from envkit.engines.rattler import RattlerEngine
from envkit.models.build import Record
from envkit.models.problem import unsatisfiable
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec, with_channel
from envkit.values import replace

if TYPE_CHECKING:
    from libmambapy.solver import Request
    from libmambapy.solver.libsolv import Database
    from libmambapy.specs import MatchSpec, PackageInfo


class LibmambaEngine:
    """libmambapy as an `Engine`."""

    def __init__(self, index: RattlerEngine | None = None) -> None:
        self.index = index or RattlerEngine()

    def query(self, spec: str, *, platforms: Sequence[str], access: ChannelAccess) -> QueryResult:
        """See `Engine.query`."""
        channel = parse_match_spec(spec).channel
        match_spec = _match_spec(with_channel(spec, None))
        name = named_package(spec)
        found = self.index.query(name, platforms=platforms, access=access)
        matching: list[Record] = []
        others: list[Record] = []
        for record in found.matching:
            fits = match_spec.contains_except_channel(_package(record)) and in_channel(channel, record.channel)
            (matching if fits else others).append(record)
        return QueryResult(name, tuple(matching), tuple(others))

    def solve(self, task: SolveTask, *, access: ChannelAccess) -> tuple[Record, ...]:
        """See `Engine.solve`. `SolveTask.timeout_s` is ignored: libmamba's solver cannot be stopped from within."""
        return solve_keeping(task, lambda attempt: self._solve(attempt, access))

    def _solve(self, task: SolveTask, access: ChannelAccess) -> tuple[Record, ...]:
        from libmambapy.solver.libsolv import Database, MatchSpecParser, Solver, UnSolvable
        from libmambapy.specs import ChannelResolveParams, PackageInfo

        named = {spec.name: spec.channel for text in task.specs if (spec := parse_match_spec(text)).channel}
        request = _request(replace(task, specs=tuple(with_channel(text, None) for text in task.specs)))
        names = dict.fromkeys(parse_match_spec(spec).name for spec in task.specs)
        records = [
            record
            for record in self.index.closure(tuple(names), platforms=task.platforms, access=access)
            if (task.exclude_newer is None or record.timestamp is None or record.timestamp <= task.exclude_newer)
            # A spec with a channel means this one only, whatever the priority.
            and in_channel(named.get(record.name), record.channel)
        ]
        # Use libsolv's own parser: with libmamba's (2.8.1), ``constrains`` has no effect.
        database = Database(ChannelResolveParams(), MatchSpecParser.Libsolv)
        virtual = [
            PackageInfo(name=p.name, version=p.version, build_string=p.build, build_number=0, channel="virtual")
            for p in task.virtual_packages
        ]
        database.add_repo_from_packages(virtual, name="virtual")
        _add_channels(database, records, access.urls, task)
        outcome = Solver().solve(database, request, MatchSpecParser.Mixed)
        if isinstance(outcome, UnSolvable):
            raise unsatisfiable(explain_conflict(outcome, database))
        by_url = {record.url: record for record in records}
        chosen = [action.install for action in outcome.actions if hasattr(action, "install")]
        kept = [by_url[package.package_url] for package in chosen if not package.name.startswith("__")]
        return tuple(sorted(kept, key=lambda record: record.name))

    def trouble(self) -> OSError | None:
        """See `Engine.trouble`."""
        return self.index.trouble()

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        import libmambapy

        return Capabilities("libmamba", str(libmambapy.__version__), exclude_newer=True, flexible_priority=True)


def _match_spec(text: str) -> MatchSpec:
    from libmambapy.specs import MatchSpec

    try:
        return MatchSpec.parse(text)
    except Exception as error:  # noqa: BLE001 - the bindings raise one class for everything
        raise unreadable_spec(text, error) from None


def _request(task: SolveTask) -> Request:
    """Convert the task to jobs.

    Virtual packages are requested and pinned: as merely installed packages, libmamba before 2.9 does not check
    ``constrains: __cuda`` against them. A constraint is a pin, which binds a package only if the solution has it.
    """
    from libmambapy.solver import Request

    jobs: list[Any] = [Request.Install(_match_spec(spec)) for spec in task.specs]
    jobs += [Request.Install(_match_spec(f"{p.name}=={p.version}={p.build}")) for p in task.virtual_packages]
    jobs += [Request.Pin(_match_spec(spec)) for spec in task.constraints]
    flags = Request.Flags(strict_repo_priority=task.channel_priority == "strict", order_request=False)
    return Request(jobs=jobs, flags=flags)


def _package(record: Record) -> PackageInfo:
    from libmambapy.specs import PackageInfo

    features = record.raw.get("track_features") or ()
    return PackageInfo(
        name=record.name,
        version=record.version,
        build_string=record.build,
        build_number=record.build_number,
        channel=record.channel,
        package_url=record.url,
        platform=record.subdir,
        filename=record.fn,
        depends=list(record.depends),
        constrains=list(record.constrains),
        track_features=features.split() if isinstance(features, str) else list(features),
        md5=str(record.raw.get("md5") or ""),
        sha256=record.sha256 or "",
        size=record.size or 0,
        timestamp=(record.timestamp or 0) // 1000,
    )


def _add_channels(database: Database, records: Sequence[Record], urls: Sequence[str], task: SolveTask) -> None:
    """Add a repository for each subdir of each channel; of two archive formats of a record, the .conda wins.

    The order is fixed, however the network delivered the records: libsolv breaks ties by position.
    """
    from libmambapy.solver.libsolv import Priorities

    by_repo: dict[tuple[int, int], dict[str, Record]] = {}
    for record in sorted(records, key=lambda record: record.fn):
        stem = record.fn.removesuffix(".conda").removesuffix(".tar.bz2")
        repo = by_repo.setdefault((_place(record.channel, urls), _place(record.subdir, task.platforms)), {})
        if stem not in repo or record.fn.endswith(".conda"):
            repo[stem] = record
    for (channel, subdir), members in sorted(by_repo.items()):
        added = database.add_repo_from_packages([_package(r) for r in members.values()], name=f"{channel}/{subdir}")
        # The same for all subdirs: a package that became noarch is newer than its last one of the platform.
        rank = 0 if task.channel_priority == "disabled" else len(urls) - channel
        database.set_repo_priority(added, Priorities(rank, 0))


def _place(text: str, texts: Sequence[str]) -> int:
    return texts.index(text) if text in texts else len(texts)
