"""Judge the machines of a fleet: kinds, and what is odd about one beside those that are like it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from envkit.models.codes.fleet import (
    DRIVER_DIFFERS,
    GPUS_UNUSABLE,
    NODE_DOWN,
    NODE_FAILED,
    NODE_LACKS_GPUS,
    NODE_NOT_GIVEN,
    NODE_SILENT,
    NODE_UNPROVEN,
    NODE_WITHOUT_ENVKIT,
)
from envkit.models.fact import Fact
from envkit.models.fleet import HostKind, Node, NodeAnswer, NodeFinding
from envkit.models.host import Gpu, Host
from envkit.models.node_record import NodeVerdict
from envkit.models.report import Finding

_WORSE: tuple[NodeVerdict, ...] = ("pass", "skip", "fail", "none")
_LIKE = 3  # machines of which most can be right about one

T = TypeVar("T")


def kinds_of(machines: Mapping[str, Host]) -> tuple[HostKind, ...]:
    """Group machines that are alike in driver, GPUs and their number, platform and C library; most frequent first."""
    alike: dict[object, list[str]] = defaultdict(list)
    for name, host in machines.items():
        key = (host.subdir, host.glibc, str(host.driver_version), str(host.driver_cuda), _models(host), len(host.gpus))
        alike[key].append(name)
    ranked = sorted(alike.values(), key=len, reverse=True)
    return tuple(HostKind(tuple(names), machines[names[0]]) for names in ranked)


def judge_answer(answer: NodeAnswer) -> NodeFinding | None:
    """Return the finding on a node that gave no answer that can be read; None if its command ended well."""
    if answer.state == "silent":
        fact = Fact(NODE_SILENT, seconds=round(answer.elapsed_s), said=answer.said)
        return NodeFinding(answer.node, Finding("node", "fail", fact))
    if answer.state == "queued":
        return NodeFinding(answer.node, Finding("node", "fail", Fact(NODE_NOT_GIVEN, said=answer.said)))
    if answer.state == "lost" or answer.exit_code != 0:
        return failed(answer)
    return None


def lacks_envkit(node: str, program: str) -> NodeFinding:
    """Return the finding on a node where there is no such program."""
    return NodeFinding(node, Finding("node", "fail", Fact(NODE_WITHOUT_ENVKIT, program=program)))


def failed(answer: NodeAnswer) -> NodeFinding:
    """Return the finding on a node whose command did not give what it should have."""
    fact = Fact(NODE_FAILED, exit_code=answer.exit_code, said=answer.said)
    return NodeFinding(answer.node, Finding("node", "fail", fact))


def unproven(node: str, *, required: bool) -> NodeFinding:
    """Return the finding on a node without the GPU that an environment needs to be proven."""
    return NodeFinding(node, Finding("node", "fail" if required else "skip", Fact(NODE_UNPROVEN)))


def settled(verdicts: Mapping[NodeVerdict, int]) -> NodeVerdict:
    """Return the verdict that most of some equal nodes came to; the worse one of two that are as frequent."""
    return max(verdicts, key=lambda verdict: (verdicts[verdict], _WORSE.index(verdict)))


def down(node: Node) -> NodeFinding:
    """Return the finding on a node that its scheduler gives no work to."""
    return NodeFinding(node.name, Finding("node", "fail", Fact(NODE_DOWN, state=node.state, reason=node.reason)))


def oddities(machines: Mapping[str, Host], counted: Mapping[str, int]) -> tuple[NodeFinding, ...]:
    """Return what is odd about machines, each beside those with the same models of GPU.

    Args:
        machines: The machines by name.
        counted: How many GPUs a scheduler counts on them, where it does.
    """
    alike: dict[object, list[str]] = defaultdict(list)
    for name, host in machines.items():
        alike[_models(host)].append(name)
    found: list[NodeFinding] = []
    for names in alike.values():
        usual_driver = _usual(str(machines[name].driver_version) for name in names)
        usual_count = _usual(len(machines[name].gpus) for name in names)
        for name in names:
            host = machines[name]
            driver, gpus = str(host.driver_version), len(host.gpus)
            expected = None if any(gpu.mig for gpu in host.gpus) else counted.get(name, usual_count)
            if host.gpus and usual_driver is not None and driver != usual_driver:
                fact = Fact(DRIVER_DIFFERS, driver=driver, usual=usual_driver, gpu=host.gpus[0])
                found.append(NodeFinding(name, Finding("driver", "warn", fact)))
            if expected is not None and gpus < expected:
                fact = Fact(NODE_LACKS_GPUS, gpus=gpus, expected=expected)
                found.append(NodeFinding(name, Finding("gpus", "fail", fact)))
            elif not host.gpus and host.nvidia_traces:
                fact = Fact(GPUS_UNUSABLE, traces=host.nvidia_traces)
                found.append(NodeFinding(name, Finding("gpus", "fail", fact)))
    return tuple(found)


def _models(host: Host) -> frozenset[Gpu]:
    return frozenset(Gpu(gpu.name, gpu.compute_capability, mig=gpu.mig) for gpu in host.gpus)


def _usual(values: Iterable[T]) -> T | None:
    """Return the value that more than half of at least three have."""
    counts = Counter(values)
    value, times = counts.most_common(1)[0]
    total = sum(counts.values())
    return value if total >= _LIKE and times * 2 > total else None
