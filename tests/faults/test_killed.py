"""envkit killed at any of its calls: the volume shows the old state or the new one, and the next command goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import Bench, spread
from channels import Package
from harness import Shell

DEFAULT_POINTS = 4
ALL_POINTS = 50


def app(number: int) -> Package:
    return Package(
        "app",
        f"{number}.0",
        depends=["lib"],
        files={
            "bin/app": f"#!/bin/sh\necho app {number}\n".encode(),
            **{f"share/app/{n}.txt": f"{number} {n}".encode() for n in range(4)},
        },
    )


def lib(number: int) -> Package:
    return Package("lib", f"{number}.0", files={"share/lib.txt": b"lib" * number * 10, "share/link": "lib.txt"})


def state(shell: Shell) -> str | None:
    """What `list` says of the environment; that nothing is wrong with it; and that it runs."""
    listing = shell.ok("list", "--json").json["environments"]
    if not listing:
        return None
    assert [(e["name"], e["problem"]) for e in listing] == [("demo", None)]
    said = shell.ok("run", "demo", "--", "app").out.strip()
    version = next(p["version"] for p in shell.ok("show", "demo", "--json").json["packages"] if p["name"] == "app")
    assert said == f"app {version.split('.')[0]}"
    return said


def kill_create(bench: Bench, points: int) -> None:
    shell = bench.shell
    shell.publish(lib(1), app(1))
    command = ("create", "app", "-n", "demo", "-c", bench.url, "--override-channels")
    _, total = bench.faulty(*command)
    assert total > 50
    for at in spread(total, points):
        shell.ok("remove", "demo") if state(shell) else None
        shell.ok("clean", "--keep", "0", "--older-than", "0")
        code, count = bench.faulty(*command, at=at)
        assert code or count < at, f"not killed at {at} of {count}"
        before = state(shell)
        assert before in {None, "app 1"}, at
        bench.recover(*command)
        assert state(shell) == "app 1", at


def kill_upgrade(bench: Bench, points: int) -> None:
    shell = bench.shell
    shell.publish(lib(1), app(1))
    shell.ok("create", "app", "-n", "demo", "-c", bench.url, "--override-channels")
    shell.publish(lib(1), lib(2), app(1), app(2))
    command = ("upgrade", "-n", "demo")
    _, total = bench.faulty(*command)
    for at in spread(total, points):
        shell.ok("rollback", "demo", "1")
        shell.ok("clean", "--keep", "0", "--older-than", "0")
        assert state(shell) == "app 1", at
        code, count = bench.faulty(*command, at=at)
        assert code or count < at, f"not killed at {at} of {count}"
        assert state(shell) in {"app 1", "app 2"}, at
        bench.recover(*command)
        assert state(shell) == "app 2", at


def test_create_killed(bench: Bench) -> None:
    kill_create(bench, DEFAULT_POINTS)


def test_upgrade_killed(bench: Bench) -> None:
    kill_upgrade(bench, DEFAULT_POINTS)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_create_killed_at_fifty_points(bench: Bench) -> None:
    kill_create(bench, ALL_POINTS)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_upgrade_killed_at_fifty_points(bench: Bench) -> None:
    kill_upgrade(bench, ALL_POINTS)


def test_a_first_use_killed(bench: Bench, tmp_path: Path) -> None:
    """While the volume itself is being made."""
    bench.shell.publish(lib(1), app(1))
    command = ("create", "app", "-n", "demo", "-c", bench.url, "--override-channels")
    for at in (1, 5, 20):
        volume = tmp_path / f"volume{at}"
        shell = Shell(volume, bench.shell.channel, bench.shell.home)
        there = Bench(shell, bench.url, bench.log, bench.library, bench.folder)
        assert there.faulty(*command, at=at)[0]
        there.recover(*command)
        assert state(shell) == "app 1"
