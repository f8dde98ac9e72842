"""Quotas: what a limit leaves, as arithmetic on what the kernel says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Quota", "free_bytes", "free_inodes", "tightest"]


@dataclass(frozen=True, slots=True)
class Quota:
    """What one quota limits, and what is used of it; the members of ``struct if_dqblk``, quotactl(2).

    Attributes:
        whose: Whose it is, in words: ``user 1000``, ``group 100``.
        used_bytes: What is used.
        hard_bytes: What cannot be exceeded; 0 for no limit.
        soft_bytes: What may be exceeded for a time of grace; 0 for no limit.
        bytes_until: When that time ends (seconds since the epoch); 0 while nothing is exceeded.
        used_inodes: The same in inodes.
        hard_inodes: The same in inodes.
        soft_inodes: The same in inodes.
        inodes_until: The same in inodes.
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
    """How many bytes it leaves at `now` (seconds since the epoch); None where it limits none."""
    return _left(quota.used_bytes, quota.hard_bytes, quota.soft_bytes, quota.bytes_until, now)


def free_inodes(quota: Quota, now: float) -> int | None:
    """How many inodes it leaves at `now` (seconds since the epoch); None where it limits none."""
    return _left(quota.used_inodes, quota.hard_inodes, quota.soft_inodes, quota.inodes_until, now)


def _left(used: int, hard: int, soft: int, until: int, now: float) -> int | None:
    if soft and used > soft and until and now >= until:
        return 0  # the time of grace is over: the soft limit is a hard one now
    return max(0, hard - used) if hard else None


def tightest(
    volume_bytes: int, volume_inodes: int | None, quotas: Iterable[Quota], now: float
) -> tuple[int, int | None, str | None]:
    """The least that volume and quotas leave.

    Args:
        volume_bytes: What is free on the file system.
        volume_inodes: The same in inodes; None where they are not counted.
        quotas: Those that apply.
        now: Seconds since the epoch.

    Returns:
        Bytes, inodes, and whose quota leaves less than the file system; None where none does.
    """
    size, inodes, whose = volume_bytes, volume_inodes, None
    for quota in quotas:
        left_bytes, left_inodes = free_bytes(quota, now), free_inodes(quota, now)
        if left_bytes is not None and left_bytes < size:
            size, whose = left_bytes, quota.whose
        if left_inodes is not None and (inodes is None or left_inodes < inodes):
            inodes, whose = left_inodes, quota.whose
    return size, inodes, whose
