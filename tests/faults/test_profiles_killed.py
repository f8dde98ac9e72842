"""A change of profiles killed at any of its calls: all machines have the old ones, or all have the new ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import Bench
from channels import Package
from harness import Shell
from pools import HOSTS, PACKAGES, write_pool

from envkit.layout.profiles import read_profiles
from envkit.models.manifest import Manifest
from envkit.paths import MANIFEST

_CHANGE = ("install", "-n", "train", "extra=2")


def _state(shell: Shell) -> set[str]:
    """The versions of ``extra`` in the profiles, each of which is whole."""
    prefix = shell.prefix("train")
    profiles = read_profiles(str(prefix))
    assert len(profiles) == len(HOSTS)
    found = set()
    for profile in profiles:
        place = prefix.parent / profile.generation
        manifest = Manifest.parse((place / MANIFEST).read_bytes())
        assert manifest.profile == profile.name
        version = next(package.version for package in manifest.packages if package.name == "extra")
        assert (place / "share" / "extra").read_text() == version[0]
        found.add(version)
    return found


def _kill(bench: Bench, tmp_path: Path, points: int) -> None:
    shell = bench.shell
    shell.publish(*PACKAGES, Package("extra", "2.0", files={"share/extra": b"2"}))
    pool = write_pool(tmp_path / "pool.jsonl")
    words = ("create", "pytorch", "extra=1", "-n", "train", "-c", bench.url, "--override-channels")
    shell.ok(*words, "--hosts", str(pool))
    _, total = bench.faulty(*_CHANGE)
    assert _state(shell) == {"2.0"}
    for number in range(points):  # the generations are made in the last third
        at = total - 1 - (total // 3) * number // points
        shell.ok("rollback", "train", "1")
        assert _state(shell) == {"1.0"}
        code, count = bench.faulty(*_CHANGE, at=at)
        assert code or count < at, f"not killed at {at} of {count}"
        assert len(_state(shell)) == 1, at
        shell.ok("clean", "--keep", "99", "--older-than", "0")  # what died goes, what is history stays
        assert len(_state(shell)) == 1, at
        bench.recover(*_CHANGE)
        assert _state(shell) == {"2.0"}, at


def test_profiles_change_together_or_not_at_all(bench: Bench, tmp_path: Path) -> None:
    _kill(bench, tmp_path, 2)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_profiles_change_together_or_not_at_all_at_thirty_points(bench: Bench, tmp_path: Path) -> None:
    _kill(bench, tmp_path, 30)
