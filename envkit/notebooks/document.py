"""Write the JSON of a notebook (nbformat 4.5, https://nbformat.readthedocs.io/en/latest/format_description.html)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from envkit.notebooks.source import NotebookCell


def notebook_text(cells: Iterable[NotebookCell], *, kernel: str, shown: str) -> str:
    """Return a notebook without outputs, the same for the same cells.

    Args:
        cells: Its cells.
        kernel: Name of its kernel in Jupyter.
        shown: The kernel's name for people.
    """
    document = {
        "cells": [_cell(cell, number) for number, cell in enumerate(cells, 1)],
        "metadata": {
            "kernelspec": {"display_name": shown, "language": "python", "name": kernel},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(cell: NotebookCell, number: int) -> dict[str, Any]:
    metadata = {"jupyter": {"source_hidden": True}} if cell.hidden else {}
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if cell.kind == "code" else {}
    made = {"cell_type": cell.kind, "id": f"cell-{number:02}", "metadata": metadata, **code}
    return {**made, "source": cell.text.splitlines(keepends=True)}
