"""Mean value analysis of a closed network: nodes that ask servers, each with one request under way at a time.

M. Reiser, S. S. Lavenberg, "Mean-Value Analysis of Closed Multichain Queuing Networks", JACM 27 (1980). Exact for
stations with exponential service, first come, first served, or shared processors, and a delay that nobody shares.
"""

from __future__ import annotations

from collections.abc import Sequence


def cycle_times(delay_s: float, demands_s: Sequence[float], nodes: int) -> list[float]:
    """Return how long one import takes with 1, 2, ... `nodes` nodes that import at the same time.

    Args:
        delay_s: Seconds that an import takes beside the servers: latency of the network, the node's own work.
        demands_s: Seconds that each server works for one import.
        nodes: The most nodes.
    """
    queues = [0.0] * len(demands_s)
    found = []
    for number in range(1, nodes + 1):
        waits = [demand * (1 + queue) for demand, queue in zip(demands_s, queues, strict=True)]
        total = delay_s + sum(waits)
        queues = [number * wait / total if total else 0.0 for wait in waits]
        found.append(total)
    return found
