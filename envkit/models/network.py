"""How the network may be used, as a value."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NetworkPolicy"]


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """How the network may be used.

    Attributes:
        offline: Use caches only.
        retries: How often a failed transfer is tried again.
        backoff_s: Seconds before the first of these; each later one waits twice as long.
        stall_s: A transfer that brings no byte for this long is given up.
        use_index_cache: Whether an index that is fresh by its HTTP headers may be used without asking.
    """

    offline: bool = False
    retries: int = 3
    backoff_s: float = 1.0
    stall_s: float = 60.0
    use_index_cache: bool = True
