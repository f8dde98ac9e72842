"""The page of environment variables, and the variables that the code names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from referring.markdown import code, load_data, page, table

__all__ = ["described_variables", "named_variables", "variables_page"]

_SOURCES = Path(__file__).parent.parent.parent / "envkit"
_LONG = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+_?\Z")
_SHORT = re.compile(r"[A-Z]{2,}\Z|container\Z")
_ENVIRONMENTS = re.compile(r"(.*\W)?(env|environ|variables|base|os\.environ)\Z")
# Names of other things: constants of the operating system, what CONDA_OVERRIDE_ is put before.
_OTHERS = {"CS_GNU_LIBC_VERSION", "CUDA_ARCH", "O_CLOEXEC", "O_NONBLOCK", "ST_NOEXEC"}


def variables_page() -> str:
    """Return the page of environment variables."""
    parts: list[str] = []
    for group in _groups():
        parts += [f"## {group['title']}", group["about"]]
        rows = (
            (
                ", ".join(map(code, names.split(", "))),
                f"{meaning} Default: {default}." if default else meaning,
                commands or "all",
            )
            for names, (meaning, default, commands) in group["variables"].items()
        )
        parts.append(table(("variable", "meaning", "commands"), rows))
    return page("variables", groups="\n\n".join(parts))


def _groups() -> list[dict[str, Any]]:
    return [group for group in load_data("variables.yml").values() if isinstance(group, dict)]


def described_variables() -> tuple[set[str], set[str]]:
    """Return the variables that the code must name, and those that only libraries read. ``*`` is cut off."""
    here: set[str] = set()
    elsewhere: set[str] = set()
    for group in _groups():
        names = {name.rstrip("*") for names in group["variables"] for name in names.split(", ")}
        (elsewhere if group.get("elsewhere") else here).update(names)
    data = load_data("variables.yml")
    return here | set(data["probes"]) | set(data["ignored"]), elsewhere


def named_variables() -> dict[str, str]:
    """Return each variable that the code names, and where first.

    Names with an underscore are found in every text that is one, shorter names where environment variables are read:
    ``env.get("HOME")``, ``env["HOME"]``, ``"HOME" in env``, or beside a longer one in a collection. A name that ends
    with ``_`` begins the names of several. Probes of frameworks are left out: a child of its own runs them.
    """
    found: dict[str, str] = {}
    probes = set(_SOURCES.glob("probes/*.py")) - {_SOURCES / "probes" / "cuda_driver.py"}
    for path in sorted(set(_SOURCES.rglob("*.py")) - probes):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for name, line in _names(tree):
            if name not in _OTHERS | constants:
                found.setdefault(name, f"{path.relative_to(_SOURCES)}:{line}")
    return found


def _names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _LONG.match(node.value):
            yield node.value, node.lineno
        elif isinstance(node, ast.JoinedStr) and isinstance(first := node.values[0], ast.Constant):
            start = re.match(r"_*[A-Z]+(_[A-Z]+)+_\Z", str(first.value))
            if start:
                yield start[0], node.lineno
        elif isinstance(node, (ast.List, ast.Set, ast.Tuple)):
            names = {item.value for item in node.elts if isinstance(item, ast.Constant)}
            if any(isinstance(name, str) and _LONG.match(name) and name not in _OTHERS for name in names):
                yield from ((name, node.lineno) for name in names if isinstance(name, str) and _SHORT.match(name))
        elif isinstance(node, (ast.Call, ast.Subscript, ast.Compare)):
            name = _asked(node)
            if name is not None and _SHORT.match(name):
                yield name, node.lineno


def _asked(node: ast.Call | ast.Subscript | ast.Compare) -> str | None:
    """Return the text by which a mapping of environment variables is asked, or None."""
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Attribute) and node.func.attr in {"get", "pop", "setdefault"} and node.args):
            return None
        mapping, name = node.func.value, node.args[0]
    elif isinstance(node, ast.Subscript):
        mapping, name = node.value, node.slice
    else:
        mapping, name = node.comparators[0], node.left
    if not _ENVIRONMENTS.match(ast.unparse(mapping)):
        return None
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
