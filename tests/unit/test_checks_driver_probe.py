"""From facts to findings, for facts that a test cannot bring about, and for facts that make no sense."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envkit.checks.driver_codes import MEANINGS
from envkit.checks.driver_probe import check_driver
from envkit.models.probe import ProbeOutcome, ProbeState, TraceStep
from envkit.models.report import Finding
from envkit.wire.results import finding_json
from envkit.words.cures import cure
from envkit.words.say import say

NODES = {"/dev/nvidiactl": None, "/dev/nvidia-uvm": None, "/dev/nvidia0": None}


def outcome_of(call: str, check: str, result: int, **facts: object) -> ProbeOutcome:
    record: dict[str, object] = {
        "check": check,
        "device": None,
        "outcome": "error",
        "call": call,
        "result": result,
        "detail": {},
    }
    document = {
        "libcuda": {"path": "/usr/lib64/libcuda.so.1", "owner": "system", "kind": "driver", "loaded_by": "loader"},
        "host": {"nodes": NODES, "modules": ["nvidia"]},
        "checks": [record],
        **facts,
    }
    return ProbeOutcome("done", ("python",), document=document, exit_code=0)


def failure(outcome: ProbeOutcome) -> Finding:
    (finding,) = [finding for finding in check_driver([outcome]) if finding.status == "fail"]
    return finding


def test_one_forbidden_gpu_among_others_is_a_batch_systems_way() -> None:
    nodes = {**NODES, "/dev/nvidia1": "EPERM"}
    finding = failure(outcome_of("cuInit", "init", 999, host={"nodes": nodes, "modules": ["nvidia"]}))
    assert finding.code == "driver-unknown-error"


@pytest.mark.parametrize("error", ["EPERM", "EACCES"])
@pytest.mark.parametrize("result", [100, 304, 999])
def test_device_nodes_that_may_not_be_opened(error: str, result: int) -> None:
    host = {"nodes": {**NODES, "/dev/nvidia0": error}, "modules": ["nvidia"]}
    finding = failure(outcome_of("cuInit", "init", result, host=host))
    assert (finding.code, finding.blames) == ("device-permission", "host")


def test_a_node_without_a_driver_behind_it_is_no_trace_of_a_gpu() -> None:
    host = {"nodes": {"/dev/nvidiactl": "ENXIO", "/dev/nvidia-uvm": "ENOENT"}}
    finding = check_driver([outcome_of("cuInit", "init", 100, host=host)])[-1]
    assert (finding.status, finding.code) == ("skip", "no-gpu")


def test_uvm_of_another_errno_than_missing() -> None:
    host = {"nodes": {**NODES, "/dev/nvidia-uvm": "ENXIO"}, "modules": ["nvidia"]}
    assert failure(outcome_of("cuInit", "init", 999, host=host)).code == "uvm-missing"


def test_without_control_node_it_is_not_uvm() -> None:
    host = {"nodes": {"/dev/nvidiactl": "ENOENT", "/dev/nvidia-uvm": "ENOENT"}, "modules": ["nvidia"]}
    assert failure(outcome_of("cuInit", "init", 999, host=host)).code == "driver-unknown-error"


def test_one_that_cannot_be_killed() -> None:
    step = TraceStep("context", "cuDevicePrimaryCtxRetain", 1)
    finding = failure(ProbeOutcome("timed-out", ("python",), last_step=step, elapsed_s=60.0, reaped=False))
    assert (finding.check, finding.code, finding.blames) == ("driver.context", "hang", "host")
    assert say(finding) == (
        "no end within 60 s: it hangs in cuDevicePrimaryCtxRetain (context on device 1); "
        "it waits inside the kernel and cannot be killed"
    )


def test_a_bug_of_the_probe_blames_nobody() -> None:
    record = {"check": "vadd", "device": 0, "outcome": "bug", "exception": "KeyError: 'x'"}
    finding = failure(ProbeOutcome("done", ("python",), document={"checks": [record]}, exit_code=0))
    assert (finding.code, finding.blames) == ("probe-failed", None)


@pytest.mark.parametrize("state", ["crashed", "timed-out", "garbled", "failed", "not-started"])
def test_a_child_that_never_began_blames_the_environment(state: ProbeState) -> None:
    finding = failure(ProbeOutcome(state, ("python",)))
    assert (finding.code, finding.blames) == ("python-unusable", "environment")


def test_a_failure_blames_somebody_and_says_what_to_do() -> None:
    for result in MEANINGS:
        finding = failure(outcome_of("cuLaunchKernel", "vadd", result))
        assert finding.blames in ("environment", "host")
        assert str(cure(finding)).endswith(".")
        assert finding.code == MEANINGS[result]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "check": st.sampled_from(["init", "devices", "device", "context", "ptx", "vadd", "bandwidth", "release"])
        | JSON,
        "outcome": st.sampled_from(["ok", "error", "wrong", "skipped", "late", "bug"]) | JSON,
        "device": st.integers(0, 2) | st.none() | JSON,
        "call": JSON,
        "result": st.sampled_from(sorted(MEANINGS)) | JSON,
        "detail": JSON,
    },
)
DEVICE = st.fixed_dictionaries({}, optional={"ordinal": st.integers(0, 2) | JSON, "compute_mode": JSON, "uuid": JSON})
DOCUMENT = st.fixed_dictionaries(
    {},
    optional={
        "libcuda": st.dictionaries(st.sampled_from(["path", "owner", "kind", "through", "attempts"]), JSON) | JSON,
        "host": st.dictionaries(st.sampled_from(["nodes", "modules", "pci_gpus", "mig_instances"]), JSON) | JSON,
        "variables": st.dictionaries(st.sampled_from(["CUDA_VISIBLE_DEVICES"]), JSON) | JSON,
        "devices": st.lists(DEVICE | JSON, max_size=3) | JSON,
        "devices_count": JSON,
        "devices_missing": JSON,
        "checks": st.lists(RECORD | JSON, max_size=6) | JSON,
        "figures": JSON,
    },
)
STATES: list[ProbeState] = ["done", "crashed", "timed-out", "garbled", "failed", "not-started"]


@settings(deadline=None)
@given(DOCUMENT, st.sampled_from(STATES), st.none() | st.just(TraceStep("init", "cuInit")))
def test_whatever_a_child_says_becomes_findings(
    document: dict[str, object], state: ProbeState, step: TraceStep | None
) -> None:
    outcome = ProbeOutcome(state, ("python",), document=document, last_step=step, signal="SIGSEGV")
    for finding in check_driver([outcome, outcome]):
        assert finding.check.startswith("driver.")
        assert finding.status in ("pass", "fail", "skip", "warn")
        assert (finding.code is None) == (finding.status == "pass")
        assert (finding.blames is None) or finding.status in ("fail", "warn")
        json.dumps(finding_json(finding))
