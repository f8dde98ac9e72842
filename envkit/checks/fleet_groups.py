"""Judge the all-reduces of nodes: which node, or which two, do not compute with the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from envkit.models.codes.fleet import NODES_APART, NODES_FAILED, NODES_HANG, NODES_UNTRIED, NODES_WRONG
from envkit.models.fact import Fact
from envkit.models.fleet import NodeFinding
from envkit.models.fleet_group import FleetGroup, Meeting, MeetingState
from envkit.models.report import Finding

# One side of a meeting knows more than the other, which only waits: the first of these counts.
_TELLING: tuple[MeetingState, ...] = ("wrong", "failed", "apart", "hangs", "untried", "right")
_ENOUGH = 2  # bad meetings of a node, and no good one: it is at fault rather than those that it met


def rounds_of(nodes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return each two of some nodes once, in an order in which disjoint pairs can meet at the same time.

    This is the circle method of round-robin tournaments.
    """
    circle: list[str | None] = [*nodes, *([None] if len(nodes) % 2 else [])]
    found: list[tuple[str, str]] = []
    for _ in range(len(circle) - 1):
        for left, right in zip(circle[: len(circle) // 2], reversed(circle), strict=False):
            if left is not None and right is not None:
                found.append((left, right))
        circle.insert(1, circle.pop())
    return tuple(found)


def worst_of(nodes: Sequence[str], seen: Mapping[str, Iterable[Meeting]]) -> Meeting:
    """Return a meeting as that node saw it which has the most to tell.

    It is ``untried`` if none saw it, or if some waited for others that never got there. A right sum is as slow as for
    the slowest of them.

    Args:
        nodes: Those who were to meet.
        seen: What each node saw.
    """
    members = tuple(nodes)
    mine = {node: meeting for node in members for meeting in seen.get(node, ()) if meeting.nodes == members}
    if not mine or (len(mine) < len(members) and all(meeting.state == "apart" for meeting in mine.values())):
        return Meeting(nodes=members, state="untried")
    told = mine.values()
    return min(told, key=lambda one: (_TELLING.index(one.state), one.bytes_per_s or 0.0, -len(one.said)))


def judge_group(group: FleetGroup) -> tuple[NodeFinding, ...]:
    """Return a finding on each node that computes with none of the others, and on each other pair that does not.

    Where each two compute together and all at once do not, one finding has them all.
    """
    if group.whole.state in {"right", "untried"}:
        return ()
    if len(group.nodes) <= _ENOUGH:
        return (_finding(group, group.nodes[0], group.nodes[1:], group.whole),)
    tried = [pair for pair in group.pairs if pair.state != "untried"]
    bad = [pair for pair in tried if pair.state != "right"]
    alone = _alone(tried)
    found = [_finding(group, node, peers, _first(bad, node)) for node, peers in alone.items()]
    found += [
        _finding(group, pair.nodes[0], pair.nodes[1:], pair) for pair in bad if not alone.keys() & set(pair.nodes)
    ]
    if not bad and {node for pair in tried for node in pair.nodes} == set(group.nodes):
        found.append(_finding(group, group.nodes[0], group.nodes[1:], group.whole))
    if left := len(group.pairs) - len(tried):
        fact = Fact(NODES_UNTRIED, pairs=left, backend=group.backend)
        found.append(NodeFinding(group.nodes[0], Finding("collective", "warn", fact)))
    return tuple(found)


def _alone(tried: Iterable[Meeting]) -> Mapping[str, list[str]]:
    """Return the nodes with no good meeting, and whom they met."""
    met: dict[str, list[str]] = defaultdict(list)
    good: set[str] = set()
    for pair in tried:
        left, right = pair.nodes
        met[left].append(right)
        met[right].append(left)
        good |= set(pair.nodes) if pair.state == "right" else set()
    return {node: peers for node, peers in met.items() if node not in good and len(peers) >= _ENOUGH}


def _first(bad: Iterable[Meeting], node: str) -> Meeting:
    mine = [pair for pair in bad if node in pair.nodes]
    return min(mine, key=lambda pair: _TELLING.index(pair.state))


def _finding(group: FleetGroup, node: str, peers: Sequence[str], meeting: Meeting) -> NodeFinding:
    backend, with_, said = group.backend, list(peers), meeting.said
    match meeting.state:
        case "wrong":
            fact = Fact(NODES_WRONG, backend=backend, peers=with_, said=said)
        case "apart":
            fact = Fact(NODES_APART, peers=with_, said=said)
        case "hangs":
            fact = Fact(NODES_HANG, backend=backend, peers=with_, said=said)
        case _:
            fact = Fact(NODES_FAILED, backend=backend, peers=with_, said=said)
    return NodeFinding(node, Finding("collective", "fail", fact))
