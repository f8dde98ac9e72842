"""The embedded engine: py-rattler's resolvo solver, over indexes that its gateway fetches and the index store reads.

What the store can answer needs no native library.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.engines.base import Capabilities, ChannelAccess, QueryResult, in_channel, named_package
from envkit.engines.memory import check_memory
from envkit.engines.stored import ask_servers, is_simple_spec, simple_matches
from envkit.errors import UnsatisfiableError
from envkit.index.solved import SolvedTask
from envkit.index.store import IndexStore, Rests
from envkit.index.subset import Subset
from envkit.models.build import Record
from envkit.models.problem import Problem, problem_of, unsatisfiable
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec, with_channel

if TYPE_CHECKING:
    from envkit.engines.rattler_native import NativeGateway


class RattlerEngine:
    """py-rattler as an `Engine`."""

    def __init__(self) -> None:
        self._gateways: dict[ChannelAccess, NativeGateway] = {}
        self._stores: dict[ChannelAccess, IndexStore] = {}
        self._answers: dict[tuple[str, tuple[str, ...], ChannelAccess], QueryResult] = {}
        self._current: set[Path] = set()
        self._was_native = False
        self._told = False

    @property
    def index(self) -> RattlerEngine:
        """The reader of indexes by name, as other engines have it: itself."""
        return self

    def query(self, spec: str, *, platforms: Sequence[str], access: ChannelAccess) -> QueryResult:
        """See `Engine.query`."""
        asked = spec, tuple(platforms), access
        if asked not in self._answers:
            self._answers[asked] = self._query(spec, platforms, access)
        return self._answers[asked]

    def _query(self, spec: str, platforms: Sequence[str], access: ChannelAccess) -> QueryResult:
        name = named_package(spec)
        parsed = parse_match_spec(spec)
        if is_simple_spec(with_channel(spec, None)):
            known = self._store(access).records([name], platforms)
            if known is not None:
                fits = [simple_matches(parsed, one) and in_channel(parsed.channel, one.channel) for one in known]
                return QueryResult(name, *_parted(known, fits))
        from envkit.engines.rattler_native import match_spec

        matcher = match_spec(spec)
        # By name: for the spec, the gateway would return matching records only.
        found = self._gateway(access).records([name], platforms, recursive=False)
        # py-rattler's own `matches` does not look at the channel.
        fits = [matcher.matches(native) and in_channel(parsed.channel, record.channel) for native, record in found]
        records = [record for _, record in found]
        del found
        self._fill(access, platforms)
        return QueryResult(name, *_parted(records, fits))

    def names(self, *, platforms: Sequence[str], access: ChannelAccess) -> frozenset[str]:
        """Return the name of every package."""
        known = self._store(access).names(platforms)
        if known is None:
            known = self._gateway(access).names(platforms)
            self._fill(access, platforms)
        return known

    def records(self, names: Sequence[str], *, platforms: Sequence[str], access: ChannelAccess) -> tuple[Record, ...]:
        """Return every record of these names."""
        known = self._store(access).records(names, platforms)
        return tuple(self._fetched(names, platforms, access, recursive=False) if known is None else known)

    def closure(self, names: Sequence[str], *, platforms: Sequence[str], access: ChannelAccess) -> tuple[Record, ...]:
        """Return every record of these names and of all their possible dependencies, for another solver."""
        store = self._store(access)
        reached = store.reach(names, platforms)
        known = None if reached is None else store.records(reached, platforms)
        return tuple(self._fetched(names, platforms, access, recursive=True) if known is None else known)

    @contextmanager
    def subsets(
        self, names: Sequence[str], *, platforms: Sequence[str], access: ChannelAccess
    ) -> Iterator[list[Subset] | None]:
        """Write what these names may need of each index, as `IndexStore.subsets` does, after fetching what is missing.

        Raises:
            ChannelError: A channel cannot be read.
        """
        store = self._store(access)
        if store.reach(names, platforms) is None:
            self._fetched(names, platforms, access, recursive=True)
        with store.subsets(names, platforms) as found:
            yield found

    def _fetched(
        self, names: Sequence[str], platforms: Sequence[str], access: ChannelAccess, *, recursive: bool
    ) -> list[Record]:
        found = [record for _, record in self._gateway(access).records(names, platforms, recursive=recursive)]
        self._fill(access, platforms)
        return found

    def solve(self, task: SolveTask, *, access: ChannelAccess) -> tuple[Record, ...]:
        """See `Engine.solve`."""
        store = self._store(access)
        names = [parse_match_spec(spec).name for spec in task.specs]
        # Most changes of an index are about other packages than those of a request.
        part = store.reach_identity(names, task.platforms)
        identity = part or store.identity(task.platforms)
        solved = SolvedTask(access.index_dir, task, identity) if identity and not task.installed else None
        known = solved.read() if solved is not None else None
        if isinstance(known, Problem):
            raise unsatisfiable(known)
        if known is not None:
            return known
        try:
            with store.subsets(names, task.platforms) as subsets:
                if subsets is None and part is not None:
                    solved = None  # the index changed meanwhile
                found = self._solve(task, subsets, access, store)
        except UnsatisfiableError as error:
            problem = problem_of(error)
            if solved is not None and problem is not None:
                solved.keep(problem)
            raise
        if solved is not None:
            solved.keep(found)
        return found

    def _solve(
        self, task: SolveTask, subsets: Sequence[Subset] | None, access: ChannelAccess, store: IndexStore
    ) -> tuple[Record, ...]:
        if subsets is not None:
            check_memory()
            from envkit.engines.rattler_native import solve_subsets

            return solve_subsets(task, subsets, access)
        try:
            found = self._gateway(access).solve(task)
        except UnsatisfiableError:  # of any other error, it is not known what was read
            store.fill(task.platforms)
            raise
        store.fill(task.platforms)
        return found

    def rests_on(self) -> Rests | None:
        """Return what all answers rest on; None if the native engine read an index, or one changed since."""
        found = [store.rests_on() for store in self._stores.values()]
        known = [rests for rests in found if rests is not None]
        if self._was_native or not known or len(known) < len(found):
            return None
        states = {path: state for rests in known for path, state in rests.states.items()}
        return Rests(states, min(rests.until_s for rests in known))

    def _fill(self, access: ChannelAccess, platforms: Sequence[str]) -> None:
        """Split what the gateway has just fetched, without the gateway: it holds the whole of large indexes."""
        store = self._store(access)
        if not store.is_split(platforms):
            self._gateways.pop(access, None)
        store.fill(platforms)

    def _gateway(self, access: ChannelAccess) -> NativeGateway:
        """Return the gateway for `access`; one is kept for each, since it holds the indexes that it has read."""
        if access not in self._gateways:
            check_memory()
            from envkit.engines.rattler_native import NativeGateway

            self._was_native = True
            self._gateways[access] = NativeGateway(access)
        return self._gateways[access]

    def _store(self, access: ChannelAccess) -> IndexStore:
        """Return the indexes of `access` on this machine; one is kept for each, as of gateways."""
        if access not in self._stores:
            ask = partial(ask_servers, access=access)
            self._stores[access] = IndexStore(
                access.urls, access.index_dir, ask, offline=access.policy.offline, current=self._current
            )
        return self._stores[access]

    def trouble(self) -> OSError | None:
        """See `Engine.trouble`."""
        found = [store.trouble for store in self._stores.values() if store.trouble is not None]
        if not found or self._told:
            return None
        self._told = True
        return found[0]

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        import rattler

        return Capabilities("rattler", str(rattler.__version__), exclude_newer=True, flexible_priority=True)


def _parted(records: Sequence[Record], fits: Sequence[bool]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Return the records that fit, and the others."""
    pairs = list(zip(records, fits, strict=True))
    return tuple(record for record, fit in pairs if fit), tuple(record for record, fit in pairs if not fit)
