"""What a node asks of its file system to import PyTorch, in three ways, and how long that takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulating.queues import cycle_times
from simulating.storage import LOCAL, Storage

COUNTS = Path(__file__).parent / "counts.json"
NODES = tuple(1 << power for power in range(13))  # 1 to 4,096


@dataclass(frozen=True, slots=True)
class Work:
    """Operations of one node.

    Attributes:
        lookups: Names that it has to ask the server for, each once: a client caches what it was told.
        opens: Files that it opens.
        listings: Directories that it lists.
        requests: Reads that reach the server.
        size_bytes: What they bring.
        processor_s: Processor time of the node itself.
    """

    lookups: int
    opens: int
    listings: int
    requests: int
    size_bytes: int
    processor_s: float

    @property
    def operations(self) -> int:
        """All operations that wait for an answer."""
        return self.lookups + self.opens + self.listings + self.requests


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted; see `simulating.count`."""

    direct: Work  # import from the shared file system
    copy: Work  # read the pack, once a node
    unpacked_bytes: int  # and write it to the local disk
    packed: Work  # import from an image on the shared file system that the node has mounted
    made: Mapping[str, Any]  # how: programs, versions, date


def read_counts(path: Path = COUNTS) -> Counts:
    """Read the file of counts."""
    data = json.loads(path.read_text(encoding="utf-8"))
    works = {name: Work(**data[name]) for name in ("direct", "copy", "packed")}
    return Counts(**works, unpacked_bytes=data["unpacked_bytes"], made=data["made"])


def seconds(work: Work, storage: Storage, nodes: int) -> list[float]:
    """Return the seconds of a work for 1 to `nodes` nodes that do it at the same time.

    Servers are two queues, one of operations and one of bytes. Beside them a node waits for the latency of each
    operation, receives at its own rate and computes.
    """
    delay_s = work.operations * storage.latency_s + work.size_bytes / storage.node_bytes_per_s + work.processor_s
    demands = (work.operations / storage.operations_per_s, work.size_bytes / storage.bytes_per_s)
    if not storage.is_shared:
        return [delay_s] * nodes
    return cycle_times(delay_s, demands, nodes)


def ways(counts: Counts, storage: Storage, nodes: int) -> dict[str, list[float]]:
    """Return the seconds of each way to import, by the number of nodes from 1."""
    local = seconds(counts.direct, LOCAL, nodes)
    written_s = counts.unpacked_bytes / LOCAL.node_write_bytes_per_s
    copied = [copy + written_s for copy in seconds(counts.copy, storage, nodes)]
    return {
        "direct": seconds(counts.direct, storage, nodes),
        "packed": seconds(counts.packed, storage, nodes),
        "staged, first import": [copy + own for copy, own in zip(copied, local, strict=True)],
        "staged, later imports": local,
    }
