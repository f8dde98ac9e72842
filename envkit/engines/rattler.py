"""The embedded engine: py-rattler's gateway and its resolvo solver.

py-rattler 0.x sometimes crashes at interpreter exit after a solve, so the command line leaves by `os._exit`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import re
import socket
import warnings
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from envkit.builds.record import record_from_repodata
from envkit.engines.base import Capabilities, ChannelAccess, QueryResult, in_channel, named_package, unreadable_spec
from envkit.engines.network import make_client, proxy_for
from envkit.engines.outage import describe_outage
from envkit.engines.problem_text import parse_tree
from envkit.engines.watch import Patience, TransferFault, watched
from envkit.errors import ChannelError, EnvkitError, NoSpaceError, SpecError, UnsatisfiableError, VolumeError
from envkit.models.build import Record
from envkit.models.channel import Channel, redact
from envkit.models.problem import unsatisfiable
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec
from envkit.scratch import scratch
from envkit.words.values import size_words

if TYPE_CHECKING:
    import rattler
    from rattler.networking.fetch_repo_data import CacheAction


T = TypeVar("T")
_SOLVE_S = 300.0
_UTC = datetime.timezone.utc
_CAUSE = " Caused by: "
# Errors of the native engine have no number. A channel of files can be unreadable for the second kind of reasons, too.
_FULL = re.compile(r"no space left|quota exceeded|\(os error (?:28|122)\)", re.IGNORECASE)
_NOT_WRITTEN = re.compile(r"(?:write|cache|temporary|create).*\(os error (?:5|30)\)", re.IGNORECASE | re.DOTALL)


class RattlerEngine:
    """py-rattler as an `Engine`."""

    def __init__(self) -> None:
        self._gateways: dict[ChannelAccess, rattler.Gateway] = {}

    def query(self, spec: str, *, platforms: Sequence[str], access: ChannelAccess) -> QueryResult:
        """See `Engine.query`."""
        match_spec = _match_spec(spec)
        name = named_package(spec)
        channel = parse_match_spec(spec).channel  # py-rattler's own `matches` does not look at it
        matching: list[Record] = []
        others: list[Record] = []
        # By name: for the spec, the gateway would return matching records only.
        for record in self._records([name], platforms, access, recursive=False):
            found = from_rattler(record)
            fits = match_spec.matches(record) and in_channel(channel, found.channel)
            (matching if fits else others).append(found)
        return QueryResult(name, tuple(matching), tuple(others))

    def names(self, *, platforms: Sequence[str], access: ChannelAccess) -> frozenset[str]:
        """Return the name of every package."""

        async def run(gateway: rattler.Gateway) -> frozenset[str]:
            found = await gateway.names(access.urls, list(platforms))  # type: ignore[arg-type]
            return frozenset(name.normalized for name in found)

        return self._run(run, access)

    def records(self, names: Sequence[str], *, platforms: Sequence[str], access: ChannelAccess) -> tuple[Record, ...]:
        """Return every record of these names."""
        return tuple(map(from_rattler, self._records(names, platforms, access, recursive=False)))

    def closure(self, names: Sequence[str], *, platforms: Sequence[str], access: ChannelAccess) -> tuple[Record, ...]:
        """Return every record of these names and of all their possible dependencies, for another solver."""
        return tuple(map(from_rattler, self._records(names, platforms, access, recursive=True)))

    def _records(
        self, names: Sequence[str], platforms: Sequence[str], access: ChannelAccess, *, recursive: bool
    ) -> list[rattler.RepoDataRecord]:
        specs = [_match_spec(name) for name in names]

        async def run(gateway: rattler.Gateway) -> list[rattler.RepoDataRecord]:
            found = await gateway.query(access.urls, list(platforms), specs, recursive=recursive)  # type: ignore[arg-type]
            return [record for records in found for record in records]

        return self._run(run, access)

    def solve(self, task: SolveTask, *, access: ChannelAccess) -> tuple[Record, ...]:
        """See `Engine.solve`."""
        import rattler

        # For a requested name the gateway returns only matching records, so strict priority would not see that an
        # earlier channel has the name. Request the bare name too, to get all records.
        texts = dict.fromkeys([*task.specs, *(_bare(spec) for spec in task.specs)])
        specs = [_match_spec(spec) for spec in texts]
        constraints = [_match_spec(spec) for spec in task.constraints]
        virtual = [
            rattler.GenericVirtualPackage(
                rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
            )
            for name, version, build in task.virtual_packages
        ]
        locked = to_rattler(task.installed)
        priority = {
            "strict": rattler.ChannelPriority.Strict,
            "flexible": rattler.ChannelPriority.Flexible,
            "disabled": rattler.ChannelPriority.Disabled,
        }[task.channel_priority]
        newest = task.exclude_newer

        async def run(gateway: rattler.Gateway) -> tuple[Record, ...]:
            found = await rattler.solve(
                access.urls,
                specs,
                gateway=gateway,
                platforms=list(task.platforms),  # type: ignore[arg-type]
                locked_packages=locked,
                virtual_packages=virtual,
                constraints=constraints,
                channel_priority=priority,
                timeout=datetime.timedelta(seconds=task.timeout_s or _SOLVE_S),
                exclude_newer=None if newest is None else datetime.datetime.fromtimestamp(newest / 1000, tz=_UTC),
            )
            return tuple(sorted((from_rattler(record) for record in found), key=lambda r: r.name))

        return self._run(run, access)

    def _run(self, action: Callable[[rattler.Gateway], Coroutine[Any, Any, T]], access: ChannelAccess) -> T:
        """Run with the index cache, and once more without it if a server's answer confuses the cache.

        A server may answer 304 without a validator (RFC 9110, 15.4.5, requires only those of the 200; Python's own
        http.server sends none). py-rattler 0.28 treats that as an error.
        """
        try:
            return _translated(action(self._gateway(access)), access)
        except ChannelError as error:
            if "304 Not Modified" not in error.message or access.policy.offline:
                raise
        return _translated(action(self._make_gateway(access, "no-cache")), access)

    def _gateway(self, access: ChannelAccess) -> rattler.Gateway:
        """Return the gateway for `access`; one is kept for each, since it holds the indexes that it has read."""
        if access not in self._gateways:
            action: CacheAction = "force-cache-only" if access.policy.offline else "cache-or-fetch"
            self._gateways[access] = self._make_gateway(access, action)
        return self._gateways[access]

    @staticmethod
    def _make_gateway(access: ChannelAccess, action: CacheAction) -> rattler.Gateway:
        import rattler

        return rattler.Gateway(
            cache_dir=access.index_dir,
            default_config=rattler.SourceConfig(cache_action=action),
            client=make_client(access.policy, access.channels),
        )

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        import rattler

        return Capabilities("rattler", str(rattler.__version__), exclude_newer=True, flexible_priority=True)


def _match_spec(text: str) -> rattler.MatchSpec:
    import rattler
    from rattler.exceptions import InvalidMatchSpecError

    try:
        return rattler.MatchSpec(text, strict=False)
    except (InvalidMatchSpecError, ValueError) as error:
        raise unreadable_spec(text, error) from error


def _bare(text: str) -> str:
    """Return the name of a spec; a spec with a channel stays as it is, since it means that channel only."""
    spec = parse_match_spec(text)
    return text if spec.channel else spec.name


def from_rattler(record: rattler.RepoDataRecord) -> Record:
    """Convert a record of the native engine."""
    raw: dict[str, Any] = json.loads(record.to_json())
    for derived in ("fn", "url", "channel"):
        raw.pop(derived, None)
    return record_from_repodata(raw, record.file_name, (record.channel or "").rstrip("/"), record.subdir)


def to_rattler(records: Sequence[Record]) -> list[rattler.RepoDataRecord]:
    """Convert records to the native engine's, which it reads from a file."""
    import rattler

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
    from rattler import exceptions

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", exceptions.GatewayWarning)  # channel relations are not followed here
            return asyncio.run(watched(coroutine, access.index_dir, _patience(access)))
    except EnvkitError:
        raise
    except TransferFault as fault:
        raise _given_up(fault, access) from None
    except exceptions.SolverError as error:
        text = redact(str(error).strip(), access.secrets)
        if "timeout" in text.lower():
            raise UnsatisfiableError(
                f"the solver found no answer in time: {text}", hint="Pin more versions: fewer choices, faster answer."
            ) from None
        raise unsatisfiable(parse_tree(text)) from None
    except (exceptions.GatewayError, exceptions.FetchRepoDataError, exceptions.InvalidChannelError) as error:
        raise _channel_error(redact(str(error), access.secrets), access) from None
    except (exceptions.InvalidMatchSpecError, exceptions.InvalidVersionError) as error:
        raise SpecError(redact(str(error), access.secrets)) from None
    except (exceptions.IoError, exceptions.CacheDirError, OSError) as error:
        text = redact(str(error), access.secrets)
        if (refused := _of_disk(text, access.index_dir)) is not None:
            raise refused from None
        raise ChannelError(f"the channel index cannot be read: {text}", hint="Try again.") from None


def _patience(access: ChannelAccess) -> Patience | None:
    """Return how long to wait for a channel; None where all are on this machine. Each mirror has its own time."""
    if all(urlsplit(url).scheme == "file" for url in access.urls):
        return None
    tries = 1 + max((len(channel.mirrors) for channel in access.channels), default=0)
    connect_s = access.policy.connect_s if tries == 1 else access.policy.stall_s * tries
    return Patience(access.policy.stall_s * tries, connect_s)


def _given_up(fault: TransferFault, access: ChannelAccess) -> EnvkitError:
    """Make the error of a transfer that was given up."""
    distant = [channel for channel in access.channels if urlsplit(channel.url).scheme != "file"] or access.channels
    if fault.peer and len(distant) > 1:
        distant = [channel for channel in distant if fault.peer in _addresses(channel)] or distant
    where = ", ".join(channel.name for channel in distant)
    if fault.kind in {"expands", "memory"}:
        what = "expands to more than" if fault.kind == "expands" else "takes more memory than"
        return ChannelError(
            f"the index of {where} is refused: it {what} {size_words(fault.size_bytes)}",
            hint="No index is so large: the server is broken, or hostile. Nothing of it was kept. Another channel: "
            "-c NAME --override-channels.",
        )
    hosts = ", ".join(dict.fromkeys(urlsplit(channel.url).netloc for channel in distant))
    cause = (
        f"{hosts} accepts no connection within {fault.seconds:.0f} s"
        if fault.kind == "unconnected"
        else f"{hosts} sent next to nothing for {fault.seconds:.0f} s"
    )
    error = ChannelError(
        f"channel {where} cannot be read: {cause}",
        hint="Check the network, proxy and URL; --timeout SECONDS waits longer. Indexes that were read before: "
        "--offline. Another channel: -c NAME --override-channels.",
    )
    error.unreachable, error.cause = distant[0].url, cause
    return error


def _addresses(channel: Channel) -> set[str]:
    """Return the addresses of a channel's host, which the resolver knows by now."""
    with contextlib.suppress(OSError, UnicodeError):
        return {str(found[4][0]) for found in socket.getaddrinfo(urlsplit(channel.url).hostname, None)}
    return set()


def _channel_error(text: str, access: ChannelAccess) -> EnvkitError:
    """Make the error of a channel: both ends of the native engine's chain of causes, all of it for ``--json``."""
    flat = " ".join(text.split())
    causes = flat.split(_CAUSE)
    error = _of_channel(flat, ": ".join(dict.fromkeys((causes[0], causes[-1]))), access)
    if len(causes) > 2:
        error.members["causes"] = causes
    return error


def _of_disk(text: str, index_dir: Path) -> VolumeError | None:
    """Return the error of an index cache that cannot be written; None where the text tells of something else."""
    if _FULL.search(text):
        return NoSpaceError(f"no space is left for channel indexes in {index_dir}", hint="Free some space there.")
    if _NOT_WRITTEN.search(text):
        return VolumeError(
            f"channel indexes cannot be written to {index_dir}: {text.rpartition(': ')[2]}",
            hint="Look at the disk or the mount of that folder; another volume: --persist DIR.",
        )
    return None


_CREDENTIALS = (
    "It needs a token or password, or another one: in ~/.netrc, in the file that RATTLER_AUTH_FILE names, or in the "
    "URL of the channel in ~/.condarc (https://HOST/t/TOKEN/NAME, https://USER:PASSWORD@HOST/NAME)."
)
_ELSEWHERE = "Indexes that were read before: --offline. Another channel: -c NAME --override-channels."


def _cure(outage: str | None) -> str:
    if outage is not None and "the proxy" in outage:
        return "Check HTTP_PROXY, HTTPS_PROXY, NO_PROXY and condarc's proxy_servers (`envkit config show`)."
    if outage is not None and "certificate" in outage:
        return (
            "Name a file with the certificate authority of your network: SSL_CERT_FILE, or ssl_verify in ~/.condarc "
            "(`ssl_verify: false` checks none)."
        )
    return "Check the network, proxy and URL."


def _of_channel(flat: str, short: str, access: ChannelAccess) -> EnvkitError:
    if (refused := _of_disk(flat, access.index_dir)) is not None:
        return refused
    named = [c for c in access.channels if c.url in flat]
    named += [c for c in access.channels if urlsplit(c.url).netloc and urlsplit(c.url).netloc in flat]
    where = named[0].name if named else ", ".join(c.name for c in access.channels)
    if access.policy.offline:
        return ChannelError(
            f"the index of {where} is not in the cache and --offline forbids to fetch it",
            hint="Run once without --offline.",
        )
    proxy = proxy_for(access.policy, named[0].url, os.environ) if named else None
    outage = describe_outage(flat, named[0].url, proxy) if named else None
    if outage is None and ("could not find subdir" in flat or "404" in flat):
        return ChannelError(
            f"there is no channel {where}: {short}",
            hint="Check the name or URL of the channel; a channel has at least a noarch/repodata.json.",
        )
    if outage is None and ("401" in flat or "403" in flat):
        return ChannelError(f"channel {where} refuses: {short}", hint=_CREDENTIALS)
    error = ChannelError(f"channel {where} cannot be read: {outage or short}", hint=f"{_cure(outage)} {_ELSEWHERE}")
    if outage is not None:
        error.unreachable, error.cause = named[0].url, outage
    return error
