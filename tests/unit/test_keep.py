"""Keeping what is installed by asking again for less."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from channels import Package, write_channel
from fake_engine import FakeEngine

from envkit.engines.base import ChannelAccess
from envkit.engines.keep import solve_keeping
from envkit.errors import UnsatisfiableError
from envkit.models.build import Record
from envkit.models.channel import parse_channel
from envkit.models.network import NetworkPolicy
from envkit.models.solve import SolveTask

Solve = Callable[..., list[str]]


@pytest.fixture
def asked() -> list[tuple[str, ...]]:
    """The constraints of each attempt."""
    return []


@pytest.fixture
def solve(tmp_path: Path, asked: list[tuple[str, ...]]) -> Solve:
    versions = [Package(name, version) for name in ("lib", "tool") for version in ("1.0", "2.0")]
    channel = write_channel(tmp_path / "channel", [*versions, Package("app", depends=["lib >=2", "tool"])])
    access = ChannelAccess((parse_channel(str(channel)),), NetworkPolicy(), tmp_path)

    def attempt(task: SolveTask) -> tuple[Record, ...]:
        asked.append(task.constraints)
        return FakeEngine().solve(task, access=access)

    def run(*specs: str, installed: tuple[str, ...]) -> list[str]:
        records = tuple(Record(name, version, "0") for name, version in (text.split() for text in installed))
        task = SolveTask(specs, platforms=("linux-64", "noarch"), installed=records)
        return [f"{r.name} {r.version}" for r in solve_keeping(task, attempt)]

    return run


def test_all_of_it_where_that_is_possible(solve: Solve, asked: list[tuple[str, ...]]) -> None:
    assert solve("app", installed=("lib 2.0", "tool 1.0")) == ["app 1.0", "lib 2.0", "tool 1.0"]
    assert asked == [("lib ==2.0 0", "tool ==1.0 0")]


def test_else_what_was_asked_for_else_nothing(solve: Solve, asked: list[tuple[str, ...]]) -> None:
    assert solve("app", "tool", installed=("lib 1.0", "tool 1.0")) == ["app 1.0", "lib 2.0", "tool 1.0"]
    assert asked == [("lib ==1.0 0", "tool ==1.0 0"), ("tool ==1.0 0",)]
    asked.clear()
    assert solve("app", "lib", installed=("lib 1.0",)) == ["app 1.0", "lib 2.0", "tool 2.0"]
    assert asked == [("lib ==1.0 0",), ()]


def test_what_the_request_forbids_is_not_held(solve: Solve, asked: list[tuple[str, ...]]) -> None:
    assert solve("tool >=2", installed=("tool 1.0",)) == ["tool 2.0"]
    assert asked == [()]
    with pytest.raises(UnsatisfiableError):
        solve("nothing", installed=("tool 1.0",))
