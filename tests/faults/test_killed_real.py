"""envkit killed while it makes environments of real packages: CPython, rich, PyTorch.

After each kill: `list` tells the truth, the active environment runs, the same command goes on, `doctor` finds nothing,
and no archive that was whole on the disk is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bench import Bench, spread
from harness import build_wheel_channel

ALL_POINTS = 50
TORCH_POINTS = 6
NAME = "demo"


@dataclass(frozen=True)
class Program:
    """What an environment is for: Python that uses a package, and its version last."""

    package: str
    code: str
    version: str

    def said(self, bench: Bench) -> str | None:
        """The version that the active environment computes with; None where there is none."""
        listing = bench.shell.ok("list", "--json").json["environments"]
        if not listing:
            assert not (bench.shell.volume / NAME).is_symlink()
            return None
        assert [(entry["name"], entry["problem"]) for entry in listing] == [(NAME, None)]
        code = f"{self.code}; import sys; print(sys.prefix, {self.version})"
        prefix, version = bench.shell.ok("run", NAME, "--", "python", "-c", code).out.split()
        assert prefix == listing[0]["prefix"]
        return version


IDNA = Program("idna", "import idna; assert idna.encode('ä.example') == b'xn--4ca.example'", "idna.__version__")
RICH = Program("rich", "import importlib.metadata, rich.table, pygments.lexers", "importlib.metadata.version('rich')")
TORCH = Program(
    "pytorch",
    "import torch; a = torch.arange(9.0).reshape(3, 3); assert (a @ a).trace().item() == 180.0",
    "torch.__version__",
)


def command(bench: Bench, program: Program, *flags: str) -> tuple[str, ...]:
    return ("create", "python", program.package, "-n", NAME, "-c", bench.url, "--override-channels", *flags)


def empty(bench: Bench) -> None:
    """A volume without environment and packages."""
    if (bench.shell.volume / NAME).is_symlink():
        bench.shell.ok("remove", NAME)
    bench.shell.ok("clean", "--keep", "0", "--older-than", "0")


def kill_create(bench: Bench, program: Program, points: int, *flags: str) -> None:
    create = command(bench, program, *flags)
    _, total = bench.faulty(*create)
    version = program.said(bench)
    for at in spread(total, points + 2)[1:-1]:
        empty(bench)
        code, count = bench.faulty(*create, at=at)
        assert code or count < at, f"not killed at {at} of {count}"
        assert program.said(bench) in {None, version}, at
        bench.recover(*create)
        assert program.said(bench) == version, at


def kill_upgrade(bench: Bench, program: Program, releases: tuple[Path, Path], points: int, *flags: str) -> None:
    old, new = releases
    bench.show(old)
    bench.shell.ok(*command(bench, program, *flags))
    before = program.said(bench)
    bench.show(new)
    upgrade = ("upgrade", "-n", NAME, *flags)
    _, total = bench.faulty(*upgrade)
    after = program.said(bench)
    assert after != before
    for at in spread(total, points + 2)[1:-1]:
        bench.shell.ok("rollback", NAME, "1")
        bench.shell.ok("clean", "--keep", "0", "--older-than", "0")
        code, count = bench.faulty(*upgrade, at=at)
        assert code or count < at, f"not killed at {at} of {count}"
        assert program.said(bench) in {before, after}, at
        bench.recover(*upgrade)
        assert program.said(bench) == after, at


@pytest.mark.timeout(240)
def test_create_killed(bench: Bench, releases: tuple[Path, Path]) -> None:
    bench.show(releases[0])
    kill_create(bench, IDNA, 2, "--no-validate")


@pytest.mark.timeout(240)
def test_upgrade_killed(bench: Bench, releases: tuple[Path, Path]) -> None:
    kill_upgrade(bench, IDNA, releases, 3, "--no-validate")


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_create_killed_at_fifty_points(bench: Bench, releases: tuple[Path, Path]) -> None:
    bench.show(releases[0])
    kill_create(bench, RICH, ALL_POINTS)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_upgrade_killed_at_fifty_points(bench: Bench, releases: tuple[Path, Path]) -> None:
    kill_upgrade(bench, RICH, releases, ALL_POINTS)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_create_of_pytorch_killed(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    bench.show(build_wheel_channel(tmp_path_factory.mktemp("torch") / "channel", [], "--with-torch"))
    patient = replace(bench, shell=replace(bench.shell, timeout_s=900))  # on a busy machine
    kill_create(patient, TORCH, TORCH_POINTS, "--cuda", "none", "--no-validate")
