"""How the network may be used, as a value."""

from __future__ import annotations

from envkit.values import dataclass, field


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """Permissions and limits for the use of the network."""

    offline: bool = False  # use caches only
    retries: int = 3  # how often a failed transfer is tried again
    backoff_s: float = 1.0  # seconds before the first of these; each later one waits twice as long
    stall_s: float = 30.0  # a transfer that brings (next to) nothing for this long is given up
    connect_s: float = 10.0  # and one without a connection after this long
    use_index_cache: bool = True  # whether an index that is fresh by its HTTP headers may be used without asking
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # of ``http``, ``https``, ``all``: its URL
    verify: bool = True  # whether certificates are checked
    ca: str | None = None  # certificates that take the place of the system's: a file, or a folder if it ends in /
