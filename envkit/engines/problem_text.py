"""Parse solvers' explanations of unsatisfiable requests into a tree.

Sources of the wording: resolvo's ``DisplayUnsat`` (py-rattler 0.28), libmamba's ``problems_graph.cpp`` (2.8), conda's
``UnsatisfiableError`` and ``PackagesNotFoundError`` (26.7). Any other line becomes a node of kind ``unclear``, so
nothing a solver says is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from envkit.models.problem import Problem, ProblemKind, shortened
from envkit.models.spec import parse_match_spec
from envkit.patterns import regex
from envkit.values import dataclass, field, replace

_BRANCH = regex(r"((?:│  |   )*)[├└]─ (.*)")
_RESOLVO = "Cannot solve the request because of: "
_CELL = 3  # characters of one level
_SPEC = r"(?P<spec>.+?)"
_CANDIDATES = r"(?P<name>[\w.-]+) \[?(?P<versions>[^\s|\]]+(?: ?\| ?[^\s|\]]+)*)\]?"
_WORDS: tuple[tuple[ProblemKind, re.Pattern[str]], ...] = tuple(
    (kind, regex(pattern))  # type: ignore[misc]
    for kind, pattern in (
        ("missing", rf"No candidates were found for {_SPEC}"),
        ("missing", rf"{_SPEC}, for which no candidates were found"),
        ("missing", rf"{_SPEC}(?:, which)? (?:does not exist|is missing on the system).*"),
        ("constraint", rf"the constraint {_SPEC} cannot be fulfilled"),
        ("conflict", rf"{_CANDIDATES}, which conflicts with the versions reported above"),
        ("conflict", rf"{_CANDIDATES} is locked, but another version is required as reported above"),
        ("conflict", rf"{_CANDIDATES} is excluded because .*"),
        ("conflict", rf"{_SPEC}(?:, which| is not installable because it) conflicts with any installable versions .*"),
        ("package", rf"{_CANDIDATES} would (?:require|constrain)"),
        ("package", rf"{_SPEC}(?:, which)? is (?:not )?(?:installable|requested) .*"),
        ("package", rf"{_SPEC}(?:, which)? can(?:not)? be installed(?: .*)?"),
        ("package", rf"{_SPEC} but there are no viable options.*"),
        ("package", rf"{_SPEC}, which requires.*"),
        ("package", _CANDIDATES),
    )
)
_CLASSIC_NAME = regex(r"Package (\S+) conflicts for:")
_NOT_FOUND = regex(r"\s+- (\S.*)")


@dataclass(slots=True)
class _Node:
    kind: ProblemKind
    text: str
    name: str = ""
    spec: str = ""
    versions: tuple[str, ...] = ()
    children: list[_Node] = field(default_factory=list)

    def frozen(self) -> Problem:
        return Problem(self.kind, self.text, self.name, self.spec, self.versions, children=self._below())

    def _below(self) -> tuple[Problem, ...]:
        """Return the children without repetitions: resolvo repeats causes, and lists equal versions one by one."""
        alike: dict[object, Problem] = {}
        for child in (node.frozen() for node in self.children):
            named = f"{child.name} {' | '.join(child.versions)}"
            rest = child.text.removeprefix(named) if child.versions else child.text
            key = (child.kind, child.name, child.spec, rest, child.children)
            found = alike.get(key)
            if found is None or not child.versions:
                alike[key] = child
            else:
                versions = tuple(dict.fromkeys((*found.versions, *child.versions)))
                alike[key] = replace(child, text=f"{child.name} {shortened(versions)}{rest}", versions=versions)
        return tuple(alike.values())


def _node(line: str) -> _Node:
    text = " ".join(line.split()).rstrip(":;.")
    for kind, pattern in _WORDS:
        match = pattern.fullmatch(text)
        if match is not None:
            said = match.groupdict()
            spec = re.sub(r"(?: =?\*)+$", "", said.get("spec") or "")
            versions = tuple(re.split(r" ?\| ?", said["versions"])) if said.get("versions") else ()
            return _Node(kind, text, said.get("name") or _name(spec), spec, versions)
    return _Node("unclear", text)


def parse_tree(text: str) -> Problem:
    """Parse the drawn tree of rattler or libmamba; the last line before its first branch is its root."""
    root = _Node("request", "")
    path = [root]
    for line in text.splitlines():
        branch = _BRANCH.fullmatch(line)
        if branch is not None:
            del path[len(branch[1]) // _CELL + 1 :]
            path[-1].children.append(node := _node(branch[2]))
            path.append(node)
        elif line.strip() and len(path) == 1:
            root.text = " ".join(line.split()).rstrip(":")
    # Resolvo draws no tree for a missing package, and starts with the package itself if there is only one.
    root.text = root.text.removeprefix(_RESOLVO)
    cause = _node(root.text)
    if cause.spec:
        cause.children = root.children
        root = _Node("request", "the following package cannot be installed", children=[cause])
    return root.frozen()


def parse_not_found(text: str) -> Problem:
    """Parse conda's list of packages that no channel has."""
    specs = _listed(text.partition("Current channels")[0].splitlines())
    missing = tuple(Problem("missing", f"{spec}: no channel has it", _name(spec), spec) for spec in specs)
    return Problem("request", "the following packages are not in the channels that were asked", children=missing)


def _name(spec: str) -> str:
    return parse_match_spec(spec).name


def _listed(lines: Iterable[str]) -> list[str]:
    return [match[1].strip() for line in lines if (match := _NOT_FOUND.fullmatch(line))]


def parse_classic(text: str, request_name: str) -> Problem:
    """Parse the message of conda's classic solver: chains of contradicting specs, by package.

    Its second list, packages "incompatible with your system", names every requirement on a virtual package, met or not.
    It is used only when there is nothing else, and without `request_name`, the record that carries the target.
    """
    chains, _, system = text.partition("The following specifications were found to be incompatible with your system:")
    conflicts: list[Problem] = []
    name, lines = "", list[str]()
    for line in [*chains.splitlines(), ""]:
        named = _CLASSIC_NAME.fullmatch(line.strip())
        if (named or not line.strip()) and name:
            ends = tuple(Problem("package", chain, _name(chain.partition(" -> ")[0])) for chain in lines)
            conflicts.append(
                Problem("conflict", f"{name}: asked for in ways that exclude each other", name, children=ends)
            )
            name, lines = "", []
        if named:
            name = named[1]
        elif name:
            lines.append(line.strip())
    if not conflicts:
        for chain in _listed(system.splitlines()):
            if not chain.startswith(request_name):
                last = chain.rpartition("-> ")[2]
                conflicts.append(Problem("missing", f"{chain}: the target has none", _name(last), last))
    if not conflicts:
        return Problem(
            "request", "conda's classic solver does not say why; its libmamba solver and --engine rattler do"
        )
    return Problem("request", "the following specs exclude each other", children=tuple(conflicts))
