"""Dependencies as a graph: who needs what among packages of which each name is there once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from envkit.builds.dependency import dependency_names
from envkit.models.build import Record
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class Dependency:
    """A package that another one needs.

    Attributes:
        name: The package.
        spec: The demand, as the record writes it.
    """

    name: str
    spec: str


@dataclass(frozen=True, slots=True)
class DependencyGraph:
    """Packages and their dependencies; those that are not among the packages, such as ``__glibc``, are left out.

    Attributes:
        roots: The packages that were asked for, in their order.
        versions: The version of each package.
        needs: The dependencies of each package, by name.
    """

    roots: tuple[str, ...]
    versions: Mapping[str, str]
    needs: Mapping[str, tuple[Dependency, ...]]

    def needed_by(self, name: str) -> tuple[Dependency, ...]:
        """Return the packages that need `name` themselves, by name, each with its demand."""
        found = ((user, need) for user, needs in sorted(self.needs.items()) for need in needs if need.name == name)
        return tuple(Dependency(user, need.spec) for user, need in found)

    def chains(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Return, for each root that needs `name`, the shortest way to it: the root first, `name` last."""
        return tuple(chain for root in self.roots if (chain := self._shortest(root, name)))

    def _shortest(self, start: str, goal: str) -> tuple[str, ...]:
        before: dict[str, str | None] = {start: None}
        queue = deque([start])
        while queue:
            current = queue.popleft()
            if current == goal:
                chain: list[str] = []
                step: str | None = current
                while step is not None:
                    chain.append(step)
                    step = before[step]
                return tuple(reversed(chain))
            for need in self.needs.get(current, ()):
                if need.name not in before:
                    before[need.name] = current
                    queue.append(need.name)
        return ()


def make_graph(records: Iterable[Record], roots: Sequence[str]) -> DependencyGraph:
    """Return the graph of records, one for each name."""
    known = {record.name: record for record in records}
    needs: dict[str, tuple[Dependency, ...]] = {}
    for name, record in known.items():
        specs = dict(zip(dependency_names(record.depends), record.depends, strict=True))
        needs[name] = tuple(Dependency(need, text) for need, text in sorted(specs.items()) if need in known)
    versions = {name: record.version for name, record in sorted(known.items())}
    return DependencyGraph(tuple(root for root in dict.fromkeys(roots) if root in known), versions, needs)
