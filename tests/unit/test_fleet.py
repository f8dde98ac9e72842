"""What is odd about a machine beside those that are like it."""

from __future__ import annotations

import pytest

from envkit.checks.fleet import judge_answer, kinds_of, oddities
from envkit.errors import HostCannotRunError
from envkit.fleet.slurm import SlurmFleet, _node, _option, _read
from envkit.models.fleet import Node, NodeAnswer
from envkit.models.host import Gpu, Host
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
        ("n1|idle|gpu:h100:8(S:0-1)|h100,ib", Node("n1", "idle", usable=True, gpus=8, features=("h100", "ib"))),
        ("n1|mixed|gpu:a100:4,gpu:t4:2,shard:9|(null)|none", Node("n1", "mixed", usable=True, gpus=6)),
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
