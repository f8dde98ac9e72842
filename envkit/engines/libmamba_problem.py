"""Read libmamba's graph of problems into a tree of values.

libmamba compresses the graph: candidates with the same problems are one node. The walk is depth first; a node that is
reached again is named but not unfolded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from envkit.models.problem import Problem, ProblemKind, shortened

if TYPE_CHECKING:
    from libmambapy.solver.libsolv import Database, UnSolvable


_PIN = "pin on "  # libmamba's name for the package that carries a pin


def explain_conflict(outcome: UnSolvable, database: Database) -> Problem:
    """Return the tree of a request that the solver could not satisfy."""
    from libmambapy.solver import CompressedProblemsGraph, ProblemsGraph

    graph = ProblemsGraph.simplify_conflicts(outcome.problems_graph(database))
    return _Walk(CompressedProblemsGraph.from_problems_graph(graph)).root()


class _Walk:
    """One walk over libmambapy's ``CompressedProblemsGraph``."""

    def __init__(self, compressed: Any) -> None:
        self._root: int = compressed.root_node()
        nodes, edges = compressed.graph()
        self._nodes: Mapping[int, Any] = nodes
        self._below: dict[int, list[tuple[int, str]]] = {}
        for (start, end), dependencies in sorted(edges.items(), key=lambda item: item[0]):
            spec = " or ".join(dict.fromkeys(_spec(dependency) for dependency in dependencies))
            self._below.setdefault(start, []).append((end, spec))
        self._against = {int(node): sorted(others) for node, others in compressed.conflicts()}
        self._seen: set[int] = set()

    def root(self) -> Problem:
        children = self._children(self._root)
        several = len(children) > 1
        text = "the following packages cannot be together" if several else "the following package cannot be installed"
        return Problem("request", text, children=children)

    def _children(self, node: int) -> tuple[Problem, ...]:
        return tuple(self._problem(end, spec) for end, spec in self._below.get(node, ()))

    def _problem(self, key: int, spec: str) -> Problem:
        node = self._nodes[key]
        name, kind = str(node.name()), type(node).__name__
        again = key in self._seen
        self._seen.add(key)
        if kind == "UnresolvedDependencyListNode":
            nobody = "the target has none" if name.startswith("__") else "no channel has it"
            return Problem("missing", f"{spec}: {nobody}", name, spec)
        met = [other for other in self._against.get(key, ()) if other in self._seen]
        others = [self._words(other, builds=self._versions(key) == self._versions(other)) for other in met]
        against = " and ".join(dict.fromkeys(others))
        if kind == "ConstraintListNode":
            text = f"only {spec} is allowed" + (f", which excludes {against}" if against else "")
            return Problem("constraint", text, name, spec)
        if name.startswith(_PIN):
            [limit] = self._children(key) or [Problem("constraint", f"only {spec} is allowed", name, spec)]
            return Problem("constraint", f"by the request, {limit.text}", limit.name, limit.spec)
        versions = tuple(self._versions(key))
        builds = tuple(dict.fromkeys(str(package.build_string) for package in node))
        candidates = f"{spec}: {self._words(key)}"
        if name.startswith("__"):
            candidates = f"the target has {self._words(key)}, which"
        children: tuple[Problem, ...] = ()
        sort: ProblemKind = "package"
        if again:
            text = f"{candidates} (see above)"
        elif self._below.get(key):
            text = f"{candidates} needs"
            children = self._children(key)
        elif against:
            sort, text = "conflict", f"{candidates} cannot be beside {against}"
        else:
            text = f"{candidates} could be installed"
            if name.startswith("__"):
                text = f"the target has {self._words(key)}"
        return Problem(sort, text, name, spec, versions, builds, children)

    def _versions(self, key: int) -> list[str]:
        return list(dict.fromkeys(str(member.version) for member in self._nodes[key]))

    def _words(self, key: int, *, builds: bool = True) -> str:
        """Describe the candidates of a node: their versions, or the builds of a single version."""
        node = self._nodes[key]
        name = str(node.name())
        if type(node).__name__ != "PackageListNode":
            return " or ".join(dict.fromkeys(_spec(dependency) for dependency in node))
        if name.startswith(_PIN):
            return "the request's limits"
        versions = self._versions(key)
        if len(versions) > 1 or not builds or name.startswith("__"):
            return f"{name} {shortened(versions)}"
        return f"{name} {versions[0]} {shortened(list(dict.fromkeys(str(package.build_string) for package in node)))}"


def _spec(dependency: Any) -> str:
    """Write a MatchSpec as channel indexes do: ``lib >=1.2,<1.10``, ``tool * cpu*``."""
    version, build = str(dependency.version), str(dependency.build_string)
    version = "" if version in {"=*", "*"} else version
    build = "" if build == "*" else build
    return " ".join(part for part in (str(dependency.name), version or ("*" if build else ""), build) if part)
