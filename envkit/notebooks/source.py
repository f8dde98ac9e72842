"""Read the source of a notebook: Markdown, whose fenced blocks of Python are code cells.

The words after ``python`` say which frameworks a block is for; without any, it is for all. A block ``python answers``
names functions of `envkit.probes.exercises`; their source takes its place, so that a notebook compares with the numbers
that `envkit validate` compares with. ``@FRAMEWORK@`` in a text becomes the framework's title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from envkit.errors import RecipeError
from envkit.notebooks.excerpt import excerpt
from envkit.values import dataclass

FRAMEWORKS = ("pytorch", "tensorflow", "jax", "numpy")
"""The frameworks that notebooks are written for, in the order of choice; numpy is for environments without the rest."""

_TITLES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX", "numpy": "numpy"}
_FENCE = re.compile(r"^```(?:python(?P<words>[^\n`]*))?$")
_ANSWERS = "answers"
_NAMESPACE = "known"


@dataclass(frozen=True, slots=True)
class NotebookCell:
    """A cell of a notebook.

    Attributes:
        kind: As nbformat calls it.
        text: Its text, without a newline at the end.
        hidden: Whether JupyterLab shows it folded.
    """

    kind: Literal["markdown", "code"]
    text: str
    hidden: bool = False


def title_of(framework: str) -> str:
    """Return the name of a framework as people write it."""
    return _TITLES[framework]


def cells_for(source: str, framework: str, exercises: str) -> list[NotebookCell]:
    """Return the cells of a notebook for one framework.

    Args:
        source: The Markdown.
        framework: One of `FRAMEWORKS`.
        exercises: The source of `envkit.probes.exercises`.

    Raises:
        RecipeError: A block is not closed, or names what is not known.
    """
    cells = []
    for words, text in _blocks(source):
        if words is None:
            body = text.strip("\n").replace("@FRAMEWORK@", _TITLES[framework])
            cells += [NotebookCell("markdown", part) for part in _sections(body)]
        elif words[:1] == [_ANSWERS]:
            cells.append(NotebookCell("code", _answers(exercises, words[1:]), hidden=True))
        elif unknown := [word for word in words if word not in FRAMEWORKS]:
            raise RecipeError(f"the notebook has a block for {unknown[0]!r}", hint=f"Known: {', '.join(FRAMEWORKS)}.")
        elif not words or framework in words:
            cells.append(NotebookCell("code", text.strip("\n")))
    return cells


def _blocks(source: str) -> Iterator[tuple[list[str] | None, str]]:
    """Yield texts (None) and blocks of Python with the words of their fences."""
    words: list[str] | None = None
    lines: list[str] = []
    for line in source.splitlines():
        fence = _FENCE.match(line)
        if fence is None or (words is None and fence["words"] is None):
            lines.append(line)
            continue
        if any(lines) or words:
            yield words, "\n".join(lines)
        words, lines = (fence["words"].split(), []) if words is None else (None, [])
    if words is not None:
        raise RecipeError("the notebook's last block of code is not closed", hint="End it with a line ```.")
    if any(lines):
        yield None, "\n".join(lines)


def _sections(text: str) -> list[str]:
    """Split a text before each heading, so that JupyterLab can fold what belongs to it."""
    return [part.strip("\n") for part in re.split(r"(?m)^(?=#+ )", text) if part.strip()]


def _answers(exercises: str, names: list[str]) -> str:
    code = excerpt(exercises, names)
    constants = re.findall(r"(?m)^([A-Z][A-Z_]*) = ", code)
    listed = "".join(f"    {name}={name},\n" for name in (*names, *constants))
    head = "# Of envkit/probes/exercises.py: the inputs and answers of `envkit validate`.\n"
    return f"{head}import types\n\n{code}\n\n{_NAMESPACE} = types.SimpleNamespace(\n{listed})"
