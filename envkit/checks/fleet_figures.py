"""Compare the figures that equal nodes measured: which of them are behind."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from envkit.models.codes.fleet import NODE_SLOW
from envkit.models.fact import Fact
from envkit.models.fleet import NodeFinding
from envkit.models.report import Finding
from envkit.tuples import NamedTuple

TOLERATED = 0.10  # behind the median; equal GPUs are within a few percent of each other
_LEAST = 3  # samples of which a median says something
_RATE = "_per_s"  # what is measured in seconds happens once, and says nothing
_NUMBER = re.compile(r":\d+\Z")


class Figure(NamedTuple):
    """One figure that a node measured."""

    check: str  # such as ``driver.matmul`` or ``pytorch.throughput cuda:1``
    name: str  # with its unit at the end
    value: float
    device: int | None = None  # where the check does not name it


class _Sample(NamedTuple):
    node: str
    figure: Figure
    usual: float

    @property
    def share(self) -> float:
        return self.figure.value / self.usual


def figures_of(findings: Iterable[Finding]) -> tuple[Figure, ...]:
    """Return the figures of a report."""
    found = []
    for finding in findings:
        figures, device = finding.data.get("figures"), finding.data.get("device")
        for name, value in figures.items() if isinstance(figures, Mapping) else ():
            if isinstance(value, int | float) and not isinstance(value, bool):
                number = device if isinstance(device, int) else None
                found.append(Figure(finding.check, str(name), float(value), number))
    return tuple(found)


def slow_nodes(figures: Mapping[str, Sequence[Figure]], alike: Iterable[Sequence[str]]) -> tuple[NodeFinding, ...]:
    """Return a finding on each node with a GPU or processor that is more than 10 % behind the median of its kind.

    Args:
        figures: The figures of nodes by their names.
        alike: Nodes that are equal, kind by kind. All GPUs of a kind count alike, on whatever node.
    """
    found = []
    for names in alike:
        behind: dict[str, list[_Sample]] = defaultdict(list)
        for samples in _samples(names, figures):
            usual = statistics.median(figure.value for _, figure in samples)
            if len(samples) >= _LEAST and usual > 0:
                for node, figure in samples:
                    if figure.value < usual * (1 - TOLERATED):
                        behind[node].append(_Sample(node, figure, usual))
        found += [_finding(node, samples) for node, samples in behind.items()]
    return tuple(found)


def _samples(names: Sequence[str], figures: Mapping[str, Sequence[Figure]]) -> Iterable[Sequence[tuple[str, Figure]]]:
    by_name: dict[tuple[str, str], list[tuple[str, Figure]]] = defaultdict(list)
    for node in names:
        for figure in figures.get(node, ()):
            if figure.name.endswith(_RATE):
                by_name[_NUMBER.sub("", figure.check), figure.name].append((node, figure))
    return by_name.values()


def _finding(node: str, samples: Sequence[_Sample]) -> NodeFinding:
    worst = min(samples, key=lambda sample: sample.share)
    others = {(sample.figure.check, sample.figure.name) for sample in samples} - {worst.figure[:2]}
    fact = Fact(
        NODE_SLOW,
        check=worst.figure.check,
        device=worst.figure.device,
        figure=worst.figure.name,
        value=worst.figure.value,
        usual=worst.usual,
        others=len(others),
    )
    return NodeFinding(node, Finding("figures", "warn", fact))
