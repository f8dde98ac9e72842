"""Cut functions out of a Python module, with everything of the module that they use."""

from __future__ import annotations

import ast
from collections.abc import Sequence


def excerpt(source: str, names: Sequence[str]) -> str:
    """Return the statements of a module that define `names` and what they use, in the module's order.

    Raises:
        LookupError: The module does not define one of them.
    """
    lines = source.splitlines()
    nodes = [(node, _defined(node)) for node in ast.parse(source).body]
    home = {name: node for node, defined in nodes for name in defined}
    wanted, waiting = set[ast.stmt](), list(names)
    for name in names:
        if name not in home:
            raise LookupError(f"the module does not define {name}")
    while waiting:
        node = home.get(waiting.pop())
        if node is not None and node not in wanted:
            wanted.add(node)
            waiting += [used.id for used in ast.walk(node) if isinstance(used, ast.Name)]
    parts = ["\n".join(lines[node.lineno - 1 : node.end_lineno]) for node, _ in nodes if node in wanted]
    text = ""
    for before, part in zip(["", *parts], parts, strict=False):
        blank = "\n\n\n" if part.startswith(("def ", "class ")) or before.startswith(("def ", "class ")) else "\n"
        text += (blank if text else "") + part
    return text


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module defines."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.Import(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
    return []
