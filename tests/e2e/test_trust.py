"""The package cache is checked when it is used; what a stranger put there is fetched again."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from channels import Package
from harness import Outcome, Shell

APP = Package("app", "1.0", files={"bin/app": b"#!/bin/sh\necho hello\n", "share/app.txt": b"app"})
GROUP = 54321
MEMBER = 54322
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(APP)
    shell.create("app")
    return shell


@pytest.fixture
def team(tmp_path: Path) -> Shell:
    """A volume that a group may write; a member has put the package into the cache."""
    shell = Shell.below(tmp_path)
    shell.publish(APP)
    shell.volume.mkdir()
    os.chown(shell.volume, -1, GROUP)
    shell.volume.chmod(0o2775)
    shell.create("app")
    subprocess.run(["chown", "-hR", str(MEMBER), home(shell)], check=True)
    return shell


def home(shell: Shell) -> Path:
    """The shared one: the package that one user has for himself ends in ``.u`` and his number."""
    return next(path.parent for path in shell.volume.glob(".envkit/pkgs/*/app-1.0-0") if not path.parent.suffix)


def again(shell: Shell) -> Outcome:
    """A new generation; how it went."""
    words = ("create", "app", "-n", "demo", "--replace", "-c", str(shell.channel), "--override-channels")
    done = shell.ok(*words)
    assert shell.ok("run", "demo", "--", "app").out == "hello\n"
    return done


def fetches(done: Outcome) -> bool:
    return "download" in done.err


def test_an_untouched_package_is_used(shell: Shell) -> None:
    assert not fetches(again(shell))


def test_a_missing_file_is_fetched_again(shell: Shell) -> None:
    (home(shell) / "app-1.0-0/share/app.txt").unlink()
    done = again(shell)
    assert done.err.count("1 package in the cache is not what was verified; fetched again: app") == 1
    assert (shell.prefix() / "share/app.txt").read_bytes() == b"app"
    assert not fetches(again(shell))
    assert shell.ok("doctor", "--full", "--json").json["healthy"]


def test_an_edit_of_the_same_size_is_fetched_again(shell: Shell) -> None:
    path = home(shell) / "app-1.0-0/bin/app"
    path.chmod(0o755)
    path.write_bytes(b"#!/bin/sh\necho HELLO\n")
    path.chmod(0o555)
    assert fetches(again(shell))
    assert path.read_bytes() == b"#!/bin/sh\necho hello\n"


def test_an_edit_that_sets_the_time_back_is_fetched_again(shell: Shell) -> None:
    """It moves the change time, as links do."""
    path = home(shell) / "app-1.0-0/bin/app"
    before = path.stat()
    path.chmod(0o755)
    path.write_bytes(b"#!/bin/sh\necho HELLO\n")
    path.chmod(0o555)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    shell.ok("clean", "--keep", "0", "--older-than", "0")  # does not hide it
    assert fetches(again(shell))
    assert path.read_bytes() == b"#!/bin/sh\necho hello\n"


def test_links_of_ones_own_are_no_edits(shell: Shell) -> None:
    """What is not as it was recorded is read and recorded again."""
    recorded = home(shell) / ".verified.json"
    before = recorded.read_bytes()
    for words in ((), (), ("clean", "--keep", "0", "--older-than", "0"), ()):
        shell.ok(*words) if words else again(shell)
        assert recorded.read_bytes() == before
    os.link(home(shell) / "app-1.0-0/share/app.txt", shell.volume / "somebody's")
    assert not fetches(again(shell))
    assert recorded.read_bytes() != before


def test_a_copy_of_a_volume_is_read_once_and_not_fetched(shell: Shell) -> None:
    copy = shell.volume.with_name("copy")
    subprocess.run(["cp", "-a", shell.volume, copy], check=True)
    shutil.rmtree(shell.volume)
    copy.rename(shell.volume)
    before = (home(shell) / ".verified.json").read_bytes()
    assert not fetches(again(shell))
    assert (home(shell) / ".verified.json").read_bytes() != before


def test_a_cache_of_before_is_read_once_and_not_fetched(shell: Shell) -> None:
    (home(shell) / ".verified.json").unlink()
    assert not fetches(again(shell))
    assert (home(shell) / ".verified.json").exists()
    (home(shell) / ".verified.json").unlink()
    (home(shell) / "app-1.0-0/share/app.txt").chmod(0o644)
    (home(shell) / "app-1.0-0/share/app.txt").write_bytes(b"APP")
    assert fetches(again(shell))


@needs_root
def test_what_a_member_put_into_the_cache_is_fetched_once_by_each_other_user(team: Shell) -> None:
    theirs = home(team)
    assert fetches(again(team))
    mine = theirs.with_name(f"{theirs.name}.u0")
    assert mine.stat().st_uid == 0
    assert (team.prefix() / "bin/app").samefile(mine / "app-1.0-0/bin/app")
    assert (theirs / "app-1.0-0/bin/app").stat().st_uid == MEMBER
    assert not fetches(again(team))
    team.ok("clean", "--keep", "0", "--older-than", "0")
    assert mine.is_dir()  # the environment holds it


@needs_root
def test_a_file_of_a_member_in_a_package_of_ones_own(team: Shell) -> None:
    """He may write its folders; the digests beside it are his as well."""
    package = home(team)
    subprocess.run(["chown", "-hR", "0", package], check=True)
    (package / "app-1.0-0/bin/app").unlink()
    (package / "app-1.0-0/bin/app").write_bytes(b"#!/bin/sh\nevil yes\n\n")
    (package / "app-1.0-0/bin/app").chmod(0o555)
    (package / ".verified.json").unlink()
    for path in (package / "app-1.0-0/bin/app", package / "app-1.0-0/info/paths.json"):
        os.chown(path, MEMBER, GROUP)
    assert fetches(again(team))
    assert home(team).stat().st_uid == 0


@needs_root
def test_nobody_else_may_write_in_a_package(team: Shell) -> None:
    """It could be swapped between the look at it and its use."""
    again(team)
    mine = home(team).with_name(f"{home(team).name}.u0")
    assert [p for p in (mine, *mine.rglob("*")) if not p.is_symlink() and p.stat().st_mode & 0o022] == []
    os.chown(home(team), 0, GROUP)
    shutil.rmtree(mine)
    home(team).chmod(0o2775)
    assert fetches(again(team))
    assert mine.is_dir()


@needs_root
def test_where_each_removes_his_own_nobody_else_may_write_in_a_generation(shell: Shell) -> None:
    shell.ok("volume", "share", "--group", str(GROUP), "--sticky")
    older = shell.prefix()
    again(shell)
    for path in (older, older / "share", shell.prefix() / "share", shell.prefix() / "conda-meta"):
        assert path.stat().st_mode & 0o022 == 0, path
    (older / "share").chmod(0o770)
    (shell.prefix() / "share").chmod(0o770)
    codes = [f["code"] for s in shell.run("doctor", "--json").json["subjects"] for f in s["findings"]]
    assert "too-open" in codes


@needs_root
def test_root_is_told_whose_volume_it_is_once_a_day_and_by_doctor(team: Shell) -> None:
    told = "you are root, and"
    os.chown(team.volume, MEMBER, GROUP)
    assert again(team).err.count(told) == 1
    assert told not in again(team).err
    for _ in range(2):
        found = team.ok("doctor", "--json").json["subjects"][0]["findings"]
        assert [f["code"] for f in found if f["status"] == "warn"] == ["root-on-others"]


@needs_root
def test_a_group_that_the_owner_trusts(team: Shell) -> None:
    shown = team.ok("volume", "share", "--group", str(GROUP), "--trust", "group").out
    assert f"shared with group {GROUP} (drwxrws" in shown
    assert not fetches(again(team))
    told = team.ok("doctor").out
    assert "its group may write it" in told
    assert "used by all" in " ".join(told.split())
    os.chown(team.volume / ".envkit/volume.json", MEMBER, GROUP)  # who says it is not the owner
    assert fetches(again(team))


@needs_root
@pytest.mark.parametrize("sticky", [False, True])
def test_share_sets_group_modes_and_bits(shell: Shell, sticky: bool) -> None:
    shell.volume.chmod(0o750)
    shell.ok("volume", "share", "--group", str(GROUP), *(["--sticky"] if sticky else []))
    wanted = 0o3770 if sticky else 0o2770
    for name in ("", ".envkit", ".envkit/g", ".envkit/trash", ".envkit/pkgs", ".envkit/leases"):
        state = (shell.volume / name).stat()
        assert (stat.S_IMODE(state.st_mode), state.st_gid) == (wanted, GROUP), name
    assert (shell.prefix() / "bin/app").stat().st_gid == GROUP
    assert stat.S_IMODE((shell.prefix() / "bin/app").stat().st_mode) == 0o555
    assert not fetches(again(shell))
    found = shell.ok("doctor", "--json").json["subjects"][0]["findings"]
    assert [f["code"] for f in found if f["status"] != "pass"] == []


def test_share_refuses(shell: Shell) -> None:
    assert shell.run("volume", "share", "--group", "no-such-group").code == 2
    assert shell.run("volume", "share", "--group", str(GROUP), "--trust", "all").code == 2
    assert shell.run("volume", "share").code == 2


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("root", [0o750, 0o755, 0o700, 0o2775])
def test_modes_are_those_of_the_root_whatever_the_umask(tmp_path: Path, umask: int, root: int) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(APP)
    shell.volume.mkdir()
    shell.volume.chmod(root)
    before = os.umask(umask)
    try:
        shell.create("app")
    finally:
        os.umask(before)
    for path in (shell.volume / ".envkit").rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink() or path.parent.name == "leases":
            continue
        assert not mode & 0o022 & ~root, f"{path} is {mode:o}"
        if path.is_dir() and path.parent.name != ".incoming" and "index/u" not in str(path):
            assert not root & 0o055 & ~mode, f"{path} is {mode:o}"
    found = shell.ok("doctor", "--json").json
    assert [f["code"] for s in found["subjects"] for f in s["findings"] if f["check"] == "permissions"].count(
        "too-open"
    ) == 0


def test_what_is_too_open_is_found_and_closed(shell: Shell) -> None:
    shell.volume.chmod(0o750)
    for path in (shell.volume / ".envkit/g", shell.prefix(), shell.prefix() / "share"):
        path.chmod(0o777)
    codes = [f["code"] for s in shell.run("doctor", "--json").json["subjects"] for f in s["findings"]]
    assert codes.count("too-open") == 2
    shell.ok("doctor", "--fix")
    assert stat.S_IMODE(shell.prefix().stat().st_mode) & 0o022 == 0
    codes = [f["code"] for s in shell.ok("doctor", "--json").json["subjects"] for f in s["findings"]]
    assert "too-open" not in codes
