"""Have nodes compute together: all at once, and if that goes wrong each two of them."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from envkit.api.join import PLAN
from envkit.api.nodes import ask_nodes, judge_node, read_document, unreadable
from envkit.checks.fleet_groups import judge_group, rounds_of, worst_of
from envkit.errors import SettingsError
from envkit.fleet.base import Fleet
from envkit.frameworks.table import ROWS
from envkit.layout.private import folder
from envkit.layout.volume import Volume
from envkit.models.codes.fleet import NODES_NOT_ASKED
from envkit.models.fact import Fact
from envkit.models.fleet import NodeFinding
from envkit.models.fleet_group import Backend, FleetGroup, Meeting, MeetingPlan
from envkit.models.node_record import NodeRecord
from envkit.models.progress import Reporter
from envkit.models.report import Finding
from envkit.models.stored import StoredError
from envkit.values import dataclass

_FOLDER = "meetings"
_WAIT_S = 120.0  # to find one another: schedulers start nodes one after another
_PATIENCE_S = 60.0  # for all at once
_PAIR_S = 20.0  # for two
_TWO = 2
_OLD_S = 86400.0


@dataclass(frozen=True, slots=True)
class Groups:
    """The asking of nodes that compute together."""

    fleet: Fleet
    volume: Volume
    reporter: Reporter
    ends: float  # by time.monotonic()

    def compute(self, records: Sequence[NodeRecord]) -> tuple[list[FleetGroup], list[NodeFinding]]:
        """Have nodes that pass with the same generation compute together: by gloo, by NCCL where all used a GPU."""
        groups: list[FleetGroup] = []
        findings: list[NodeFinding] = []
        alike: dict[str, list[NodeRecord]] = defaultdict(list)
        for record in records:
            if record.generation is not None and _computes(record):
                alike[record.generation].append(record)
        for generation, same in ((name, same) for name, same in alike.items() if len(same) >= _TWO):
            names = tuple(record.node for record in same)
            backends: list[Backend] = ["gloo", "nccl"] if all(map(_on_gpu, same)) else ["gloo"]
            for backend in backends:
                group, failures = self._group(generation, names, backend)
                groups.append(group)
                # That two do not meet is explained where one of them told nothing.
                findings += [*failures, *(judge_group(group) if not failures or len(names) > _TWO else ())]
                if failures:
                    break
        if not groups and records:
            findings.append(NodeFinding(records[0].node, Finding("collective", "skip", Fact(NODES_NOT_ASKED))))
        return groups, findings

    def _group(self, generation: str, names: tuple[str, ...], backend: Backend) -> tuple[FleetGroup, list[NodeFinding]]:
        """Have all compute at once; if the sum is not right, each two of those that answered."""
        seen, failures = self._meet(generation, (names,), backend)
        whole = worst_of(names, seen)
        silent = {failure.node for failure in failures}
        left = tuple(name for name in names if name not in silent)
        pairs: tuple[Meeting, ...] = ()
        if whole.state != "right" and len(names) > _TWO and len(left) >= _TWO:
            planned = rounds_of(left)
            seen, more = self._meet(generation, planned, backend)
            failures += more
            pairs = tuple(worst_of(pair, seen) for pair in planned)
        return FleetGroup(backend, generation, names, whole, pairs), failures

    def _meet(
        self, generation: str, meetings: Sequence[tuple[str, ...]], backend: Backend
    ) -> tuple[dict[str, list[Meeting]], list[NodeFinding]]:
        """Have nodes join meetings; return the outcomes as each saw them, and a finding on each that told nothing."""
        left_s = self.ends - time.monotonic()
        if left_s < 1:
            return {}, []
        two = len(meetings[0]) == _TWO
        plan = MeetingPlan(
            meetings=tuple(meetings),
            backend=backend,
            wait_s=min(_PAIR_S if two else _WAIT_S, left_s / 2),
            patience_s=min(_PAIR_S if two else _PATIENCE_S, left_s / 3),
        )
        seen: dict[str, list[Meeting]] = {}
        findings: list[NodeFinding] = []
        prefix = str(self.volume.generations / generation)
        with self._place(generation, plan) as place:
            words = ("fleet", "join", prefix, "--persist", str(self.volume.root), "--at", str(place), "--json")
            limit = ("--deadline", f"{left_s:.0f}")
            asked = {node: (*words, "--node", node, *limit) for node in dict.fromkeys(sum(meetings, ()))}
            for answer in ask_nodes(self.fleet, asked, volume=self.volume, deadline_s=left_s, reporter=self.reporter):
                finding = judge_node(answer, volume=self.volume)
                if finding is None:
                    try:
                        told = read_document(answer)["meetings"]
                        seen[answer.node] = [Meeting.from_json(meeting) for meeting in told]
                    except (SettingsError, StoredError, LookupError, TypeError):
                        finding = unreadable(answer)
                if finding is not None:
                    findings.append(finding)
        return seen, findings

    @contextlib.contextmanager
    def _place(self, generation: str, plan: MeetingPlan) -> Iterator[Path]:
        """Make a folder with a plan, in which nodes find one another; remove it in the end."""
        home = self.volume.validations / generation / _FOLDER
        name = secrets.token_hex(6)
        with folder(self.volume.root, home, make=True) as here:
            for old in here.names():  # of a run that was interrupted
                with contextlib.suppress(OSError):
                    if time.time() - here.state(old).st_mtime > _OLD_S:
                        here.remove_tree(old)
            with here.enter(name, new=True) as place:
                place.write(PLAN, plan.to_text())
            try:
                yield home / name
            finally:
                with contextlib.suppress(OSError):
                    here.remove_tree(name)


def _computes(record: NodeRecord) -> bool:
    """Return whether a framework that computes over nodes works on a node."""
    titles = {row.key for row in ROWS.values() if row.nodes}
    passed = {str(finding.get("check")) for finding in record.findings if finding.get("status") == "pass"}
    return record.verdict in {"pass", "skip"} and bool(titles & passed)


def _on_gpu(record: NodeRecord) -> bool:
    """Return whether such a framework computed on a GPU there."""
    keys = tuple(f"{row.key}." for row in ROWS.values() if row.nodes)
    return any(
        str(finding.get("check")).startswith(keys) and finding.get("status") == "pass" and finding["data"].get("gpu")
        for finding in record.findings
    )
