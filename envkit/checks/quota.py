"""Compute the space that quotas leave, from the kernel's counts."""

from __future__ import annotations

from collections.abc import Iterable

from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota and its use: the members of ``struct if_dqblk``, quotactl(2).

    Attributes:
        whose: Its owner: ``user 1000``, ``group 100``.
        used_bytes: Bytes in use.
        hard_bytes: Limit that cannot be exceeded; 0 for none.
        soft_bytes: Limit that may be exceeded for a grace period; 0 for none.
        bytes_until: End of that period (seconds since the epoch); 0 while the limit is not exceeded.
        used_inodes: Inodes in use; the other members likewise.
    """

    whose: str
    used_bytes: int
    hard_bytes: int
    soft_bytes: int
    bytes_until: int
    used_inodes: int
    hard_inodes: int
    soft_inodes: int
    inodes_until: int


def free_bytes(quota: Quota, now: float) -> int | None:
    """Return the bytes that a quota leaves at `now` (seconds since the epoch); None if it sets no limit."""
    return _left(quota.used_bytes, quota.hard_bytes, quota.soft_bytes, quota.bytes_until, now)


def free_inodes(quota: Quota, now: float) -> int | None:
    """Return the inodes that a quota leaves at `now` (seconds since the epoch); None if it sets no limit."""
    return _left(quota.used_inodes, quota.hard_inodes, quota.soft_inodes, quota.inodes_until, now)


def _left(used: int, hard: int, soft: int, until: int, now: float) -> int | None:
    if soft and used > soft and until and now >= until:
        return 0  # after the grace period the soft limit is a hard one
    return max(0, hard - used) if hard else None


def tightest(
    volume_bytes: int, volume_inodes: int | None, quotas: Iterable[Quota], now: float
) -> tuple[int, int | None, str | None]:
    """Return the least that file system and quotas leave.

    Args:
        volume_bytes: Free bytes of the file system.
        volume_inodes: Its free inodes; None if they are not counted.
        quotas: The quotas that apply.
        now: Seconds since the epoch.

    Returns:
        Bytes, inodes, and the owner of the quota that leaves less than the file system, or None.
    """
    size, inodes, whose = volume_bytes, volume_inodes, None
    for quota in quotas:
        left_bytes, left_inodes = free_bytes(quota, now), free_inodes(quota, now)
        if left_bytes is not None and left_bytes < size:
            size, whose = left_bytes, quota.whose
        if left_inodes is not None and (inodes is None or left_inodes < inodes):
            inodes, whose = left_inodes, quota.whose
    return size, inodes, whose
