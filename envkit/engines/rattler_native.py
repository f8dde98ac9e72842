"""Calls of py-rattler: its gateway and its solver, their records and their exceptions.

py-rattler 0.x sometimes crashes at interpreter exit after a solve, so the command line leaves by `os._exit`.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import warnings
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import rattler
from rattler import exceptions

from envkit.builds.record import record_from_repodata
from envkit.engines.base import ChannelAccess, unreadable_spec
from envkit.engines.network import make_client
from envkit.engines.problem_text import parse_tree
from envkit.engines.rattler_problem import channel_error, given_up, of_disk
from envkit.engines.watch import Patience, TransferFault, watched
from envkit.errors import ChannelError, EnvkitError, SpecError, UnsatisfiableError
from envkit.index.subset import Subset
from envkit.models.build import Record
from envkit.models.channel import redact
from envkit.models.problem import unsatisfiable
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec
from envkit.scratch import scratch

if TYPE_CHECKING:
    from rattler.networking.fetch_repo_data import CacheAction

T = TypeVar("T")
_SOLVE_S = 300.0
_UTC = datetime.timezone.utc


class NativeGateway:
    """py-rattler's gateway for some channels: it fetches their indexes and holds those that it has read."""

    def __init__(self, access: ChannelAccess) -> None:
        self._access = access
        self._made: rattler.Gateway | None = None

    def names(self, platforms: Sequence[str]) -> frozenset[str]:
        """Return the name of every package."""

        async def run(gateway: rattler.Gateway) -> frozenset[str]:
            found = await gateway.names(self._access.urls, list(platforms))  # type: ignore[arg-type]
            return frozenset(name.normalized for name in found)

        return self._run(run)

    def records(
        self, names: Sequence[str], platforms: Sequence[str], *, recursive: bool
    ) -> list[tuple[rattler.RepoDataRecord, Record]]:
        """Return the records of these names, each converted too, in the order of the index store."""
        specs = [match_spec(name) for name in names]
        urls = self._access.urls

        async def run(gateway: rattler.Gateway) -> list[rattler.RepoDataRecord]:
            found = await gateway.query(urls, list(platforms), specs, recursive=recursive)  # type: ignore[arg-type]
            return [record for records in found for record in records]

        return _ordered([(native, from_rattler(native)) for native in self._run(run)], urls, platforms)

    def solve(self, task: SolveTask) -> tuple[Record, ...]:
        """Solve over the whole indexes."""
        how = _solver_options(task)

        async def run(gateway: rattler.Gateway) -> tuple[Record, ...]:
            platforms: Any = list(task.platforms)
            return _solution(await rattler.solve(self._access.urls, gateway=gateway, platforms=platforms, **how))

        return self._run(run)

    def _run(self, action: Callable[[rattler.Gateway], Coroutine[Any, Any, T]]) -> T:
        """Run with the index cache, and once more without it if a server's answer confuses the cache.

        A server may answer 304 without a validator (RFC 9110, 15.4.5, requires only those of the 200; Python's own
        http.server sends none). py-rattler 0.28 treats that as an error.
        """
        offline = self._access.policy.offline
        if self._made is None:
            self._made = self._make("force-cache-only" if offline else "cache-or-fetch")
        try:
            return _translated(action(self._made), self._access)
        except ChannelError as error:
            if "304 Not Modified" not in error.message or offline:
                raise
        return _translated(action(self._make("no-cache")), self._access)

    def _make(self, action: CacheAction) -> rattler.Gateway:
        return rattler.Gateway(
            cache_dir=self._access.index_dir,
            default_config=rattler.SourceConfig(cache_action=action),
            client=make_client(self._access.policy, self._access.channels),
        )


def solve_subsets(task: SolveTask, subsets: Sequence[Subset], access: ChannelAccess) -> tuple[Record, ...]:
    """Solve over parts of indexes, which hold all that the request may need."""

    async def run() -> tuple[Record, ...]:
        read = [rattler.SparseRepoData(rattler.Channel(s.channel), s.subdir, s.path) for s in subsets]
        try:
            return _solution(await rattler.solve_with_sparse_repodata(sparse_repodata=read, **_solver_options(task)))
        finally:
            for one in read:
                one.close()

    return _translated(run(), access)


def _solver_options(task: SolveTask) -> dict[str, Any]:
    """Return the arguments of a solve, but for the indexes."""
    # For a requested name the gateway returns only matching records, so strict priority would not see that an
    # earlier channel has the name. Request the bare name too, to get all records.
    texts = dict.fromkeys([*task.specs, *(_bare(spec) for spec in task.specs)])
    newest = task.exclude_newer
    return {
        "specs": [match_spec(spec) for spec in texts],
        "constraints": [match_spec(spec) for spec in task.constraints],
        "virtual_packages": [
            rattler.GenericVirtualPackage(
                rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
            )
            for name, version, build in task.virtual_packages
        ],
        "locked_packages": to_rattler(task.installed),
        "channel_priority": {
            "strict": rattler.ChannelPriority.Strict,
            "flexible": rattler.ChannelPriority.Flexible,
            "disabled": rattler.ChannelPriority.Disabled,
        }[task.channel_priority],
        "timeout": datetime.timedelta(seconds=task.timeout_s or _SOLVE_S),
        "exclude_newer": None if newest is None else datetime.datetime.fromtimestamp(newest / 1000, tz=_UTC),
    }


def _solution(found: Sequence[rattler.RepoDataRecord]) -> tuple[Record, ...]:
    return tuple(sorted((from_rattler(record) for record in found), key=lambda record: record.name))


def match_spec(text: str) -> rattler.MatchSpec:
    """Parse a MatchSpec.

    Raises:
        SpecError: It cannot be read.
    """
    try:
        return rattler.MatchSpec(text, strict=False)
    except (exceptions.InvalidMatchSpecError, ValueError) as error:
        raise unreadable_spec(text, error) from error


def _bare(text: str) -> str:
    """Return the name of a spec; a spec with a channel stays as it is, since it means that channel only."""
    spec = parse_match_spec(text)
    return text if spec.channel else spec.name


def _ordered(
    found: Sequence[tuple[rattler.RepoDataRecord, Record]], urls: Sequence[str], platforms: Sequence[str]
) -> list[tuple[rattler.RepoDataRecord, Record]]:
    """Sort records by channel, platform, name and file; of two formats of a package, keep the ``.conda``.

    py-rattler 0.28 sorts the files of an index by name with an unstable sort, and merges formats as if it were stable.
    """
    places = {url: at for at, url in enumerate(urls)}
    subdirs = {subdir: at for at, subdir in enumerate(platforms)}
    last = len(found)
    kept: dict[tuple[Any, ...], tuple[rattler.RepoDataRecord, Record]] = {}
    for native, record in found:
        stem = record.fn.removesuffix(".conda").removesuffix(".tar.bz2")
        key = places.get(record.channel, last), subdirs.get(record.subdir, last), record.name, stem
        if key not in kept or record.fn.endswith(".conda"):
            kept[key] = native, record
    return [kept[key] for key in sorted(kept)]


def from_rattler(record: rattler.RepoDataRecord) -> Record:
    """Convert a record of the native engine."""
    raw: dict[str, Any] = json.loads(record.to_json())
    for derived in ("fn", "url", "channel"):
        raw.pop(derived, None)
    return record_from_repodata(raw, record.file_name, (record.channel or "").rstrip("/"), record.subdir)


def to_rattler(records: Sequence[Record]) -> list[rattler.RepoDataRecord]:
    """Convert records to the native engine's, which it reads from a file."""
    result = []
    with scratch() as folder:
        path = folder / "index.json"
        for record in records:
            path.write_text(json.dumps(dict(record.raw)), encoding="utf-8")
            inner = rattler.PackageRecord.from_index_json(path, record.size, record.sha256, record.raw.get("md5"))
            result.append(rattler.RepoDataRecord(inner, record.fn, record.url, record.channel))
    return result


def _translated(coroutine: Coroutine[Any, Any, T], access: ChannelAccess) -> T:
    """Run to the end and translate the native engine's exceptions, which share no base."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", exceptions.GatewayWarning)  # channel relations are not followed here
            return asyncio.run(watched(coroutine, access.index_dir, _patience(access)))
    except EnvkitError:
        raise
    except TransferFault as fault:
        raise given_up(fault, access) from None
    except exceptions.SolverError as error:
        text = redact(str(error).strip(), access.secrets)
        if "timeout" in text.lower():
            raise UnsatisfiableError(
                f"the solver found no answer in time: {text}", hint="Pin more versions: fewer choices, faster answer."
            ) from None
        raise unsatisfiable(parse_tree(text)) from None
    except (exceptions.GatewayError, exceptions.FetchRepoDataError, exceptions.InvalidChannelError) as error:
        raise channel_error(redact(str(error), access.secrets), access) from None
    except (exceptions.InvalidMatchSpecError, exceptions.InvalidVersionError) as error:
        raise SpecError(redact(str(error), access.secrets)) from None
    except (exceptions.IoError, exceptions.CacheDirError, OSError) as error:
        text = redact(str(error), access.secrets)
        if (refused := of_disk(text, access.index_dir)) is not None:
            raise refused from None
        raise ChannelError(f"the channel index cannot be read: {text}", hint="Try again.") from None


def _patience(access: ChannelAccess) -> Patience | None:
    """Return how long to wait for a channel; None where all are on this machine. Each mirror has its own time."""
    if all(urlsplit(url).scheme == "file" for url in access.urls):
        return None
    tries = 1 + max((len(channel.mirrors) for channel in access.channels), default=0)
    connect_s = access.policy.connect_s if tries == 1 else access.policy.stall_s * tries
    return Patience(access.policy.stall_s * tries, connect_s)
