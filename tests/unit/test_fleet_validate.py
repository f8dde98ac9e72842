"""What nodes say of an environment is kept by node and by kind; what is no report is a finding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from envkit.api.fleet_validate import FleetCheck, validate_fleet
from envkit.api.join import PLAN, join_nodes
from envkit.cli.fleet_validate import exit_code_of
from envkit.errors import HostCannotRunError, UsageError
from envkit.fleet.base import Commands, Heard
from envkit.host.wire import host_to_json
from envkit.layout.node_records import read_node_records
from envkit.layout.validations import read_validation, write_validation
from envkit.layout.volume import Volume
from envkit.models.fleet import FleetValidation, Node, NodeAnswer
from envkit.models.fleet_group import MeetingPlan
from envkit.models.host import Host
from envkit.models.manifest import ValidationRecord
from envkit.models.progress import Reporter

HOST = Host("linux-64", glibc="2.36")
GENERATION = "train-0123abcd"


class Told:
    """A fleet whose nodes say what they are told to."""

    name = "told"

    def __init__(self, answers: Mapping[str, NodeAnswer]) -> None:
        self.answers = answers
        self.asked: list[Commands] = []

    def nodes(self) -> tuple[Node, ...]:
        return tuple(map(Node, self.answers))

    def ask(self, commands: Commands, *, deadline_s: float, heard: Heard) -> tuple[NodeAnswer, ...]:
        self.asked.append(commands)
        assert deadline_s <= 60
        for node in commands:
            heard(self.answers[node])
        return tuple(self.answers[node] for node in commands)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    found = Volume(tmp_path)
    (found.generations / GENERATION).mkdir(parents=True)
    found.link("train").symlink_to(found.generations / GENERATION)
    return found


def report(volume: Volume, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    failure = {"check": "driver.vadd", "status": "fail", "blames": "host", "code": "wrong-result"}
    said = {"text": "results are wrong", "hint": "do not trust it", "data": {}}
    return {
        "verdict": verdict,
        "prefix": str(volume.generations / GENERATION),
        "fingerprint": HOST.fingerprint,
        "created": "2026-01-02T00:00:00+00:00",
        "seconds": 1.5,
        "host": host_to_json(HOST),
        "findings": [{**failure, **said}] if verdict == "fail" else [],
        **more,
    }


def answer(node: str, document: Any, code: int = 0) -> NodeAnswer:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return NodeAnswer(node, "ended", code, text, "the last line")


def validated(volume: Volume, *answers: NodeAnswer, require_gpu: bool = False) -> FleetValidation:
    fleet = Told({one.node: one for one in answers})
    check = FleetCheck("train", deadline_s=60, require_gpu=require_gpu)
    found = validate_fleet(fleet, check, volume=volume, reporter=Reporter())
    assert all("--timeout" in words and "60" in words for words in fleet.asked[0].values())
    return found


def test_a_kind_is_judged_by_most_of_its_nodes_and_each_node_by_itself(volume: Volume) -> None:
    # The node that failed was the last to write the record that the kind has.
    last = report(volume, "fail")
    record = {name: last[name] for name in ("verdict", "created", "fingerprint", "host", "findings")}
    write_validation(volume, ValidationRecord.from_json({**record, "generation": GENERATION, "tokens": ["t"]}))
    found = validated(
        volume,
        answer("a", report(volume)),
        answer("b", report(volume, "fail"), 4),
        answer("c", report(volume)),
    )
    assert [(one.node, one.finding.code) for one in found.findings] == [("b", "wrong-result")]
    assert {one.node: one.verdict for one in read_node_records(volume, GENERATION)} == {
        "a": "pass",
        "b": "fail",
        "c": "pass",
    }
    kept = read_validation(volume, GENERATION, HOST.fingerprint)
    assert kept is not None
    assert (kept.verdict, kept.findings, kept.tokens) == ("pass", (), ("t",))


@pytest.mark.parametrize(
    ("document", "code", "finding"),
    [
        (b"", 0, "node-failed"),
        (b"[]", 0, "node-failed"),
        (b"[" * 100_000, 0, "node-failed"),
        (b'{"verdict": "pass"}', 0, "node-failed"),
        ({"error": {"code": "volume", "message": "there is no volume"}}, 7, "node-failed"),
        (b"", 127, "node-without-envkit"),
    ],
)
def test_what_is_no_report_is_a_finding(volume: Volume, document: Any, code: int, finding: str) -> None:
    found = validated(volume, answer("a", document, code), answer("b", report(volume)))
    assert [(one.node, one.finding.code) for one in found.findings] == [("a", finding)]
    assert [(one.node, one.verdict) for one in found.nodes] == [("a", "none"), ("b", "pass")]


@pytest.mark.parametrize(
    "changes",
    [
        {"host": {"subdir": 5}},
        {"findings": [{"check": "x"}]},
        {"findings": "none"},
        {"verdict": "fine"},
        {"seconds": "long"},
        {"prefix": None},
    ],
)
def test_a_report_that_is_not_ours_is_a_finding(volume: Volume, changes: dict[str, Any]) -> None:
    found = validated(volume, answer("a", report(volume, **changes)))
    assert [one.finding.code for one in found.findings] == ["node-failed"]


def test_a_node_without_gpu_fails_where_one_is_required(volume: Volume) -> None:
    for required, status, code in ((False, "skip", 0), (True, "fail", 4)):
        found = validated(volume, answer("a", report(volume, "skip")), require_gpu=required)
        assert [(one.finding.status, one.finding.code) for one in found.findings] == [(status, "node-unproven")]
        assert exit_code_of(found.findings) == code


def test_joining_takes_a_plan_with_this_node(volume: Volume) -> None:
    def join(place: Path, node: str = "a") -> None:
        join_nodes(volume, "train", place, node, deadline_s=5)

    place = volume.validations / "x"
    for missing in (place, Path("/tmp"), volume.root / ".." / "other"):
        with pytest.raises(UsageError, match="no plan to join"):
            join(missing)
    place.mkdir(parents=True)
    (place / PLAN).write_text('{"meetings": [["a", "b"]], "backend": "smoke", "wait_s": 1, "patience_s": 1}')
    with pytest.raises(UsageError, match="backend"):
        join(place)
    plan = MeetingPlan(meetings=(("a", "b"),), backend="gloo", wait_s=1, patience_s=1)
    (place / PLAN).write_text(plan.to_text())
    with pytest.raises(UsageError, match="no node 'z'"):
        join(place, "z")
    with pytest.raises(HostCannotRunError, match="computes over nodes"):
        join(place)


def test_a_prefix_elsewhere_is_recorded_nowhere(volume: Volume, tmp_path: Path) -> None:
    found = validated(volume, answer("a", report(volume, prefix="/opt/elsewhere")))
    assert (found.nodes[0].generation, found.findings) == (None, ())
    assert not list(tmp_path.rglob("nodes"))
