"""Nodes that compute together: who meets whom, how a meeting ends, and who is at fault."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import combinations
from types import ModuleType
from typing import Any

import pytest

from envkit.checks.fleet_groups import judge_group, rounds_of, worst_of
from envkit.models.fleet_group import FleetGroup, Meeting, MeetingPlan, MeetingState
from envkit.probe import PROBES_DIR
from envkit.words.say import say


@pytest.mark.parametrize("count", range(2, 10))
def test_each_two_meet_once_and_disjoint_pairs_side_by_side(count: int) -> None:
    nodes = [f"n{number}" for number in range(count)]
    met = rounds_of(nodes)
    assert sorted(map(sorted, met)) == sorted(map(sorted, combinations(nodes, 2)))
    size = count // 2
    rounds = [met[start : start + size] for start in range(0, len(met), size)]
    assert all(len({node for pair in one for node in pair}) == 2 * len(one) for one in rounds)


def seen(nodes: str, state: MeetingState, said: str = "") -> Meeting:
    return Meeting(nodes=tuple(nodes), state=state, said=said)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"a": "right", "b": "right"}, "right"),
        ({"a": "right", "b": "wrong"}, "wrong"),
        ({"a": "hangs", "b": "failed"}, "failed"),
        ({"a": "apart", "b": "hangs"}, "apart"),
        ({"a": "apart"}, "untried"),  # b was kept by another
        ({"a": "hangs"}, "hangs"),
        ({}, "untried"),
    ],
)
def test_the_side_that_knows_more_counts(told: dict[str, MeetingState], state: str) -> None:
    assert worst_of("ab", {node: [seen("ab", one)] for node, one in told.items()}).state == state


def judged(nodes: str, whole: MeetingState, **pairs: MeetingState) -> list[str]:
    group = FleetGroup(
        "gloo",
        "train-1",
        tuple(nodes),
        seen(nodes, whole, "why"),
        tuple(seen(pair, state, "why") for pair, state in pairs.items()),
    )
    return [f"{one.node} {one.finding.code}: {say(one.finding)}" for one in judge_group(group)]


def test_who_is_at_fault() -> None:
    assert judged("abc", "right") == []
    assert judged("ab", "untried") == []
    assert judged("ab", "apart") == ["a nodes-apart: it does not find b over the network: why"]
    # One node meets nobody: it is named once, with all whom it met.
    assert judged("abc", "wrong", ab="wrong", bc="wrong", ac="right") == [
        "b nodes-wrong: an all-reduce by gloo with any of a, c comes out wrong: why"
    ]
    # A cable between two.
    assert judged("abc", "hangs", ab="hangs", bc="right", ac="right") == [
        "a nodes-hang: an all-reduce by gloo with b does not end: why"
    ]
    # Two at once fail nowhere: it takes all.
    assert judged("abc", "failed", ab="right", bc="right", ac="right") == [
        "a nodes-failed: an all-reduce by gloo with any of b, c fails: why"
    ]
    # c told nothing, which is a finding of its own.
    assert judged("abc", "apart", ab="right") == []
    assert judged("abc", "hangs", ab="hangs", bc="untried", ac="right") == [
        "a nodes-hang: an all-reduce by gloo with b does not end: why",
        "a nodes-untried: 1 pair of nodes not tried by gloo before the deadline",
    ]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The probe, as `session.py` loads it."""
    loaded = {}
    for name in ("session", "pytorch_nodes"):
        spec = importlib.util.spec_from_file_location(f"envkit_{name}", PROBES_DIR / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded[name] = module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, f"envkit_{name}", module)
        spec.loader.exec_module(module)
    monkeypatch.setattr(loaded["pytorch_nodes"], "GRACE_S", 0.2)
    return loaded["pytorch_nodes"]


def tells(*lines: dict[str, object], then: Callable[[], object] = lambda: None) -> Callable[[Any], None]:
    def run(meeting: Any) -> None:
        for line in lines:
            meeting.tell(line)
        then()

    return run


def raises(text: str) -> Callable[[Any], None]:
    def run(_: Any) -> None:
        raise RuntimeError(text)

    return run


def sleep() -> None:
    time.sleep(60)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


CLOSED = "[/src/tcp/pair.cc:53] Connection closed. This is typically"


@pytest.mark.parametrize(
    ("run", "state", "said"),
    [
        (tells({"state": "right", "bytes_per_s": 5.0}), "right", ""),
        (tells({"met": True, "said": "over eth0"}, then=sleep), "hangs", "over eth0"),
        (tells({"said": "b did not come"}, then=sleep), "apart", "b did not come"),
        (tells(then=die), "failed", "it was ended by signal 9"),
        (tells({"state": "right"}, then=sleep), "right", ""),  # it hangs when it leaves
        (raises(CLOSED), "failed", "RuntimeError: Connection closed."),
        (raises("Timed out waiting 20000ms"), "hangs", "RuntimeError: Timed out waiting 20000ms"),
    ],
)
def test_a_meeting_ends_whatever_happens_in_it(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, run: Callable[[Any], None], state: str, said: str
) -> None:
    monkeypatch.setattr(script.Meeting, "run", run)
    plan = MeetingPlan(meetings=(("a", "b"),), backend="gloo", wait_s=1, patience_s=0.3).to_probe(
        "a", "/nonexistent", 9
    )
    assert json.loads(json.dumps(plan)) == plan
    found = Meeting.from_json(script.meet(None, plan, 0, ["a", "b"], 0.3))
    assert (found.nodes, found.state, found.said) == (("a", "b"), state, said)


def test_interfaces_are_known_by_their_addresses(script: ModuleType) -> None:
    assert script.interface_of("127.0.0.1") == "lo"
    assert script.interface_of("192.0.2.1") is None
    assert "127.0.0.1" not in script.addresses()
