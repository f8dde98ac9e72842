"""Facts inside, words at the edge: codes, sayings and calls agree, and no code reads a sentence."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import string
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import envkit
from envkit.models import codes
from envkit.models.fact import REGISTRY, Code, Fact, FactKind
from envkit.models.report import Finding, Recorded
from envkit.words.cures import CURES, cure
from envkit.words.say import say, sayings

ROOT = Path(envkit.__file__).parent
MODULES = {
    f"envkit.models.codes.{found.name}": importlib.import_module(f"envkit.models.codes.{found.name}")
    for found in pkgutil.iter_modules(codes.__path__)
}
FACTS = {"Reason", "Advice", "Fact"}
ALWAYS = {"on"}
"""Parameters that every fact may have: the machines that it is about."""

READS = {"startswith", "endswith", "split", "rsplit", "partition", "rpartition", "removeprefix", "removesuffix", "find"}
SENTENCES = {"text", "hint", "message"}
OUTSIDE = {
    "cli/app.py": "the first line of a message, whose tree is drawn below it",
    "engines/conda.py": "what conda prints",
    "engines/libmamba.py": "what the solver says",
    "engines/problem_text.py": "what solvers say",
    "engines/rattler_native.py": "what a server says",
    "host/driver_facts.py": "what nvidia-smi says",
}
"""Modules that read texts from outside envkit, and whose."""

SOURCES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.rglob("*.py"))
    if "probes" not in path.parts  # programs of other Pythons
}
USERS = {
    name: tree for name, tree in SOURCES.items() if not name.startswith(("models/codes/", "words/", "models/fact.py"))
}


def takes(saying: str | Callable[..., str]) -> tuple[set[str], set[str]]:
    """The parameters that a saying takes, and those of them that it needs."""
    if isinstance(saying, str):
        fields = {field for _, field, _, _ in string.Formatter().parse(saying) if field}
        return fields, fields
    found = inspect.signature(saying).parameters
    return set(found), {name for name, parameter in found.items() if parameter.default is parameter.empty}


def imported(tree: ast.AST) -> dict[str, object]:
    """The codes, and the modules of codes, that a module imports, by the names that it gives them."""
    found: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "envkit.models.codes":
            found |= {alias.asname or alias.name: MODULES[f"{node.module}.{alias.name}"] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            found |= {alias.asname or alias.name: getattr(MODULES[node.module], alias.name) for alias in node.names}
    return found


def in_order(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, as they stand in the source: the latest assignment of a name is that of its function."""
    for child in ast.iter_child_nodes(node):
        yield child
        yield from in_order(child)


def code_of(node: ast.expr, names: Mapping[str, object]) -> Code | None:
    """The code that an expression names: ``X``, ``codes.X``, or ``X.of(...)``."""
    match node:
        case ast.Call(func=ast.Attribute(value=inner, attr="of")):
            return code_of(inner, names)
        case ast.Attribute(value=ast.Name(id=module), attr=attr) if module in names:
            found = getattr(names[module], attr, None)
        case ast.Name(id=name):
            found = names.get(name)
        case _:
            return None
    return found if isinstance(found, Code) else None


def facts_made() -> Iterator[tuple[str, ast.Call, Code | None, dict[str, list[str]]]]:
    """Each call that makes a fact: where, the call, its code, and the dict literals of its function by name."""
    for path, tree in SOURCES.items():
        names = imported(tree)
        literals: dict[str, list[str]] = {}
        for node in in_order(tree):
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys))
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys))
                ):
                    literals[name] = [str(key.value) for key in keys if isinstance(key, ast.Constant)]
                case ast.Call(func=ast.Name(id=maker), args=[first, *_]) if maker in FACTS:
                    yield f"{path}:{node.lineno}", node, code_of(first, names), literals


def passed(call: ast.Call, literals: Mapping[str, list[str]]) -> set[str]:
    """The names of the parameters that a call passes."""
    found: set[str] = set()
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg=str(name)):
                found.add(name)
            case ast.keyword(value=ast.Dict(keys=keys)):
                found |= {str(key.value) for key in keys if isinstance(key, ast.Constant)}
            case ast.keyword(value=ast.Name(id=name)):
                found |= set(literals[name])
            case _:
                raise AssertionError(ast.unparse(keyword))
    return found


@pytest.mark.parametrize("kind", sorted(REGISTRY))
def test_each_code_has_a_saying_and_each_saying_a_code(kind: FactKind) -> None:
    known = [code for code in sayings(kind) if kind not in {"finding", "seen"} or getattr(code, "kind", None) == kind]
    assert set(map(str, known)) == set(map(str, REGISTRY[kind]))


def test_each_finding_has_one_cure() -> None:
    assert set(CURES) == set(REGISTRY["finding"])


def test_a_fact_has_the_parameters_of_its_saying() -> None:
    of_any_cure = set().union(*(takes(saying)[0] for saying in CURES.values()))
    wrong = []
    for where, call, code, literals in facts_made():
        if code is None:
            copies = isinstance(call.args[0], ast.Attribute) and call.args[0].attr == "code"  # of another fact
            if call.keywords and not copies:
                wrong.append(f"{where}: parameters of a code that is not named in place")
            continue
        given = passed(call, literals) - ALWAYS
        known, needed = takes(sayings(code.kind)[code.family])
        cured = (
            takes(CURES[code.family])[0] if code.kind == "finding" else of_any_cure if code.kind == "seen" else set()
        )
        if not needed <= given <= known | cured:
            wrong.append(f"{where}: {code} has {sorted(given)} and takes {sorted(known | cured)}")
    assert not wrong, "\n".join(wrong)


def test_each_code_is_used() -> None:
    used: set[str] = set()
    for tree in USERS.values():
        names = imported(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and (code := code_of(node, names)) is not None:
                used.add(f"{code.kind} {code.family}")
    assert {f"{kind} {name}" for kind, known in REGISTRY.items() for name in known} == used


def is_sentence(node: ast.expr) -> bool:
    """Whether an expression is a rendered sentence: what a function of words returns, or a text of a value."""
    match node:
        case ast.Call(func=ast.Name(id="say" | "cure")):
            return True
        case ast.Attribute(attr=attr):
            return attr in SENTENCES
        case ast.BoolOp(values=values):
            return any(map(is_sentence, values))
        case _:
            return False


def reads_a_sentence(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in READS:
            return is_sentence(value)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re")), args=args):
            return any(map(is_sentence, args))
        case ast.Compare(left=left, ops=ops, comparators=others):
            compares = any(isinstance(op, ast.In | ast.NotIn | ast.Eq | ast.NotEq) for op in ops)
            return compares and any(map(is_sentence, [left, *others]))
        case _:
            return False


def test_no_code_reads_a_sentence() -> None:
    found = {
        f"{path}:{node.lineno}: {ast.unparse(node)}"  # type: ignore[attr-defined]
        for path, tree in SOURCES.items()
        if not path.startswith("words/") and path not in OUTSIDE
        for node in ast.walk(tree)
        if reads_a_sentence(node)
    }
    assert not found, "\n".join(sorted(found))


def test_no_fact_holds_a_sentence() -> None:
    told = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
    found = [
        f"{path}:{call.lineno}: {part.value}"
        for path, tree in USERS.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {*FACTS, "Finding"}
        for part in ast.walk(call)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and told.search(part.value)
    ]
    assert not found, "\n".join(found)


def test_a_member_of_a_family_has_its_saying() -> None:
    crashed = MODULES["envkit.models.codes.frameworks"].FRAMEWORK_CRASHED.of(framework="jax")
    finding = Finding("jax.matmul", "fail", Fact(crashed, title="JAX", ending="crashed", call="jit", said=None))
    assert (finding.code, finding.blames, say(finding)) == ("jax-crashed", "environment", "JAX crashed in jit")
    assert cure(finding) == "See the findings above."


def test_what_was_recorded_is_said_again() -> None:
    finding = Finding("x", "fail", Recorded("it broke", "Mend it."), code="a-code-of-an-older-envkit")
    assert (say(finding), cure(finding)) == ("it broke", "Mend it.")


@pytest.mark.parametrize("name", sorted(USERS))
def test_a_code_that_is_not_registered_does_not_import(name: str) -> None:
    """Codes are imported by name; those of a whole module are looked up in tables, at import."""
    spaces = {
        alias.asname or alias.name
        for node in USERS[name].body
        if isinstance(node, ast.ImportFrom) and node.module == "envkit.models.codes"
        for alias in node.names
    }
    functions = [node for node in ast.walk(USERS[name]) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    late = [
        ast.unparse(node)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in spaces
    ]
    assert late == []
