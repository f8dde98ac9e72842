"""Calls that the file system refuses: the volume keeps its old state, the error names the disk, nothing is lost."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from bench import Bench, app, runs
from harness import Shell


@pytest.fixture
def demo(bench: Bench) -> Bench:
    """An environment of the first release, and the second one in the channel."""
    bench.shell.publish(app(1))
    bench.shell.ok("create", "app", "-n", "demo", "-c", bench.url, "--override-channels")
    bench.shell.publish(app(1), app(2))
    return bench


NUMBERS = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
PUBLICATION = [
    *(("syncfs", number, "") for number in NUMBERS),
    ("fsync", errno.EIO, "/.envkit/g/"),
    ("fsync", errno.EIO, ""),
    ("rename", errno.EIO, ".envkit.json"),
    ("rename", errno.EIO, "/.envkit/pkgs/"),
    ("write", errno.EIO, ".envkit.json"),
    ("write", errno.EIO, "/.incoming/"),
    ("create", errno.EROFS, "/.incoming/"),
    ("create", errno.EIO, "/share/app/1.txt"),
    ("mkdir", errno.EIO, "/.envkit/g/"),
    ("symlink", errno.EIO, "/.demo."),
]


@pytest.mark.parametrize(("call", "number", "part"), PUBLICATION)
def test_an_upgrade_that_is_refused_leaves_the_old_state(demo: Bench, call: str, number: int, part: str) -> None:
    done = demo.failing("upgrade", "-n", "demo", call=call, number=number, part=part)
    assert done.code == 7, done.err
    assert "Traceback" not in done.err
    assert "maintainers" not in done.err
    assert runs(demo.shell) == "app 1"
    demo.shell.ok("upgrade", "-n", "demo")
    assert runs(demo.shell) == "app 2"
    assert demo.shell.ok("doctor", "--full", "--json").json["healthy"]


def test_files_that_cannot_be_linked_are_copied(demo: Bench) -> None:
    assert demo.failing("upgrade", "-n", "demo", call="link", number=errno.EIO, part="/share/app/").code == 0
    assert runs(demo.shell) == "app 2"


def test_a_link_whose_sync_fails_goes_back(demo: Bench) -> None:
    """The rename is done, and may not be on the disk."""
    demo.shell.ok("upgrade", "-n", "demo")
    before = (demo.shell.volume / "demo").readlink()
    done = demo.failing("rollback", "demo", "1", call="fsync", number=errno.EIO, part=str(demo.shell.volume))
    assert done.code == 7, done.err
    assert (demo.shell.volume / "demo").readlink() == before


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(bench: Bench, number: int) -> None:
    bench.shell.publish(app(1))
    create = ("create", "app", "-n", "demo", "-c", bench.url, "--override-channels")
    done = bench.failing(*create, call="flock", number=number)
    assert done.code == 0, done.err
    assert runs(bench.shell) == "app 1"
    again = bench.failing(*create, "--replace", call="flock", number=number)
    assert again.code == 0, again.err
    assert bench.failing("clean", call="flock", number=number).code == 0


def test_validations_of_a_volume_that_moved(demo: Bench, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    demo.shell.volume.rename(moved)
    there = Shell(moved, demo.shell.channel, demo.shell.home)
    for words in (("run", "demo", "--", "app"), ("validate", "demo")):
        done = there.run(*words)
        assert done.code == 7, done.out
        assert "was made" in done.err
