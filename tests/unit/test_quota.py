"""What quotas leave of what a file system leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from envkit.checks.quota import Quota, free_bytes, free_inodes, tightest
from envkit.layout.quota import read_quotas

NOW = 1000.0


def quota(
    used: int = 0,
    hard: int = 0,
    soft: int = 0,
    until: int = 0,
    *,
    inodes: tuple[int, int] = (0, 0),
    whose: str = "user 7",
) -> Quota:
    return Quota(whose, used, hard, soft, until, inodes[0], inodes[1], 0, 0)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (quota(used=10), None),
        (quota(used=10, hard=30), 20),
        (quota(used=40, hard=30), 0),
        (quota(used=10, hard=30, soft=20), 20),
        (quota(used=25, hard=30, soft=20, until=1001), 5),
        (quota(used=25, hard=30, soft=20, until=1000), 0),
        (quota(used=25, soft=20, until=1001), None),
        (quota(used=25, soft=20, until=999), 0),
        (quota(used=15, hard=30, soft=20, until=999), 15),  # below it again: the time does not count
    ],
)
def test_a_hard_limit_and_a_soft_one_whose_time_is_over_hold(given: Quota, left: int | None) -> None:
    assert free_bytes(given, NOW) == left


def test_inodes_are_limited_likewise() -> None:
    assert free_inodes(quota(inodes=(3, 10)), NOW) == 7
    assert free_inodes(quota(inodes=(3, 0)), NOW) is None


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ([], (100, 50, None)),
        ([quota(hard=200)], (100, 50, None)),
        ([quota(hard=80), quota(hard=60, whose="group 8")], (60, 50, "group 8")),
        ([quota(hard=60), quota(hard=80, whose="group 8")], (60, 50, "user 7")),
        ([quota(inodes=(0, 20))], (100, 20, "user 7")),
    ],
)
def test_the_tightest_of_all_counts(quotas: list[Quota], expected: tuple[int, int | None, str | None]) -> None:
    assert tightest(100, 50, quotas, NOW) == expected


def test_a_quota_may_count_inodes_where_the_file_system_does_not() -> None:
    assert tightest(100, None, [quota(inodes=(1, 20))], NOW) == (100, 19, "user 7")


def test_no_quota_is_no_error(tmp_path: Path) -> None:
    for folder in (tmp_path, Path("/proc"), Path("/"), tmp_path / "none"):
        assert isinstance(read_quotas(folder), tuple)
