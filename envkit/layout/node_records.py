"""Outcomes of validations by node: one file for each generation and node, in the folder of its validations."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from envkit.layout.private import folder, peek
from envkit.layout.refusal import is_refused
from envkit.layout.volume import Volume
from envkit.models.node_record import NodeRecord
from envkit.models.stored import StoredError

_FOLDER = "nodes"
_END = ".json"


def write_node_record(volume: Volume, record: NodeRecord) -> bool:
    """Write an outcome in place of the one before; return False if the volume takes no writes."""
    try:
        with folder(volume.root, _place(volume, str(record.generation)), make=True) as here:
            here.write(_file(record.node), record.to_text())
    except OSError as error:
        if not is_refused(error):
            raise
        return False
    return True


def read_node_records(volume: Volume, generation: str) -> list[NodeRecord]:
    """Read the last outcome on each node, by their names; what cannot be read is left out."""
    found = []
    for name in peek(volume.root, _place(volume, generation)):
        try:
            with folder(volume.root, _place(volume, generation)) as here:
                found.append(NodeRecord.parse(here.read(name)))
        except (OSError, StoredError):
            continue
    return sorted(found, key=lambda record: record.node)


def _place(volume: Volume, generation: str) -> Path:
    return volume.validations / generation / _FOLDER


def _file(node: str) -> str:
    """Return the name of a node's file; it begins with no dot, whatever the node is called."""
    return f"n-{urllib.parse.quote(node, safe='')}{_END}"
