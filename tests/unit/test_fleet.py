"""What is odd about a machine beside those that are like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from envkit.checks.fleet import judge_answer, kinds_of, oddities, settled
from envkit.checks.fleet_figures import Figure, figures_of, slow_nodes
from envkit.errors import HostCannotRunError
from envkit.fleet.slurm import SlurmFleet, _node, _option, _read
from envkit.layout.node_records import read_node_records, write_node_record
from envkit.layout.volume import Volume
from envkit.models.fact import Fact
from envkit.models.fleet import Node, NodeAnswer
from envkit.models.host import Gpu, Host
from envkit.models.node_record import NodeRecord
from envkit.models.report import Finding, Recorded
from envkit.models.version import ComputeCapability, DriverVersion
from envkit.words.say import say


def host(driver: str | None = "580.65.06", gpus: int = 8, name: str = "H100", *, mig: bool = False) -> Host:
    one = Gpu(name, ComputeCapability.parse("9.0"), mig=mig)
    version = DriverVersion.parse(driver) if driver else None
    return Host("linux-64", glibc="2.36", driver_version=version, gpus=(one,) * gpus)


TRACED = Host("linux-64", nvidia_traces=("/proc/driver/nvidia",))


@pytest.mark.parametrize(
    ("machines", "counted", "expected"),
    [
        ([host(), host(), host()], {}, []),
        ([host(), host("535.1"), host()], {}, ["b warn driver-differs"]),
        ([host(), host("535.1")], {}, []),  # which of two is odd?
        ([host(), host(), host("535.1"), host("535.1")], {}, []),
        ([host(), host(), host(name="V100", driver="535.1")], {}, []),  # another kind may have another driver
        ([host(), host(), host(gpus=7)], {}, ["c fail node-lacks-gpus"]),
        ([host(gpus=7)], {"a": 8}, ["a fail node-lacks-gpus"]),
        ([host(gpus=0)], {"a": 8}, ["a fail node-lacks-gpus"]),
        ([host(gpus=8)], {"a": 4}, []),
        ([host(gpus=2, mig=True)], {"a": 14}, []),  # a scheduler counts instances, a process sees one
        ([TRACED, host(gpus=0)], {}, ["a fail gpus-unusable"]),
        ([], {}, []),
    ],
)
def test_oddities(machines: list[Host], counted: dict[str, int], expected: list[str]) -> None:
    found = oddities(dict(zip("abcdef", machines, strict=False)), counted)
    assert [f"{one.node} {one.finding.status} {one.finding.code}" for one in found] == expected
    assert all(say(one.finding) for one in found)


def test_kinds_are_told_apart_by_driver_and_number() -> None:
    machines = {"a": host(gpus=4), "b": host(), "c": host(), "d": host("535.1")}
    assert [kind.nodes for kind in kinds_of(machines)] == [("b", "c"), ("a",), ("d",)]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (NodeAnswer("a", "ended", 0), None),
        (NodeAnswer("a", "silent", elapsed_s=5.2), "no answer in 5 s"),
        (NodeAnswer("a", "queued"), "its turn did not come before the deadline"),
        (
            NodeAnswer("a", "queued", said="mixed, Resources"),
            "its turn did not come before the deadline: mixed, Resources",
        ),
        (NodeAnswer("a", "ended", 3, said="no"), "the command ended with exit status 3: no"),
        (NodeAnswer("a", "lost", said="was ended by SIGKILL"), "lost: was ended by SIGKILL"),
    ],
)
def test_what_is_no_answer(answer: NodeAnswer, text: str | None) -> None:
    found = judge_answer(answer)
    assert (found and say(found.finding)) == text


@pytest.mark.parametrize(
    ("line", "node"),
    [
        (
            "n1|idle|gpu:h100:8(S:0-1)|h100,ib",
            Node("n1", "idle", usable=True, gpus=8, features=("h100", "ib"), gpu_types=("h100",)),
        ),
        (
            "n1|mixed|gpu:a100:4,gpu:t4:2,shard:9|(null)|none",
            Node("n1", "mixed", usable=True, gpus=6, gpu_types=("a100", "t4")),
        ),
        ("n1|idle~|gpu:2|x", Node("n1", "idle~", usable=True, gpus=2, features=("x",))),
        ("n1|idle*|(null)|(null)", Node("n1", "idle*", usable=False)),
        ("n1|drained|(null)|(null)|disk, | fan", Node("n1", "drained", usable=False, reason="disk, | fan")),
        ("n1|down*|(null)|(null)", Node("n1", "down*", usable=False)),
    ],
)
def test_nodes_of_sinfo(line: str, node: Node) -> None:
    assert _node(line) == node


@pytest.mark.parametrize("words", [["-p", "gpu"], ["-pgpu"], ["--partition", "gpu"], ["-A", "lab", "--partition=gpu"]])
def test_options_of_srun(words: list[str]) -> None:
    assert _option(words, "-p", "--partition") == "gpu"


def test_a_task_ends_with_the_deadline_whatever_happens_here() -> None:
    inside = SlurmFleet(None, [], {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1"})
    assert {"--time=3", "--overlap"} <= set(inside._srun("n1", "envkit", 90))
    assert "--overlap" not in SlurmFleet(None, [], {"SLURM_JOB_NODELIST": "n1"})._srun("n1", "envkit", 90)
    assert not [word for word in SlurmFleet(None, ["--time=9"], {})._srun("n1", "envkit", 90) if word == "--time=3"]


def test_a_scheduler_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(HostCannotRunError, match="sh ended with exit status 1: no contact"):
        _read(["sh", "-c", "echo no contact >&2; exit 1"])


def figure(value: float, *, check: str = "driver.matmul", name: str = "matmul_flop_per_s", device: int = 0) -> Figure:
    return Figure(check, name, value, device)


@pytest.mark.parametrize(
    ("figures", "behind"),
    [
        ({"a": [figure(100)], "b": [figure(100)], "c": [figure(89)]}, {"c": 89}),
        ({"a": [figure(100)], "b": [figure(100)], "c": [figure(91)]}, {}),
        ({"a": [figure(100)], "b": [figure(50)]}, {}),  # which of two is slow?
        ({"a": [figure(100), figure(100, device=1)], "b": [figure(100), figure(60, device=1)]}, {"b": 60}),
        ({"a": [figure(1, name="context_s")] * 9, "b": [figure(0.1, name="context_s")]}, {}),
        ({"a": [figure(100)] * 3, "b": []}, {}),
        ({"a": [figure(0)], "b": [figure(0)], "c": [figure(0)]}, {}),
        (
            {node: [figure(v, check=f"pytorch.throughput cuda:{i}") for i, v in enumerate([9, 9, v])]
             for node, v in (("a", 9), ("b", 4))},
            {"b": 4},
        ),
    ],
)  # fmt: skip
def test_slow_nodes(figures: dict[str, list[Figure]], behind: dict[str, float]) -> None:
    found = slow_nodes(figures, [["a", "b", "c"], ["d"]])
    assert {one.node: one.finding.fact.params["value"] for one in found if isinstance(one.finding.fact, Fact)} == behind
    assert {one.finding.status for one in found} <= {"warn"}


def test_slow_figures_of_a_node_are_one_finding() -> None:
    slow = [figure(40e12), figure(6e9, check="driver.bandwidth", name="host_to_device_bytes_per_s")]
    usual = [figure(50e12), figure(20e9, check="driver.bandwidth", name="host_to_device_bytes_per_s")]
    (found,) = slow_nodes({"a": usual, "b": usual, "c": slow}, [["a", "b", "c"]])
    assert say(found.finding) == (
        "host to device (driver.bandwidth, GPU 0) is 6 GB/s, 30% of the 20 GB/s of those like it; 1 other figure too"
    )


def test_figures_are_read_from_findings() -> None:
    data = {"figures": {"a_s": 1, "b_per_s": 2.5, "c": None, "d": True}, "device": 3}
    findings = [Finding("x", "pass", Recorded("", None), data=data), Finding("y", "pass", Recorded("", None))]
    assert figures_of(findings) == (Figure("x", "a_s", 1.0, 3), Figure("x", "b_per_s", 2.5, 3))


def test_most_of_equal_nodes_settle_a_verdict() -> None:
    assert settled({"pass": 3, "fail": 1}) == "pass"
    assert settled({"pass": 2, "fail": 2}) == "fail"
    assert settled({"pass": 1, "skip": 1}) == "skip"


@pytest.mark.parametrize("node", ["n1", "../../n1", ".hidden", "ein knoten", "a" * 60])
def test_records_of_nodes_stay_in_their_folder(tmp_path: Path, node: str) -> None:
    volume = Volume(tmp_path)
    record = NodeRecord(node=node, via="local", level="driver", verdict="none", created="now", generation="train-1")
    assert write_node_record(volume, record)
    assert read_node_records(volume, "train-1") == [record]
    (written,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written.parent == volume.validations / "train-1" / "nodes"
    written.write_text("{")
    assert read_node_records(volume, "train-1") == []
    assert read_node_records(volume, "train-2") == []
