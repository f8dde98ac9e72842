"""A volume that several users share: what its directory lets them do, everything in it lets them do."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels import Package
from harness import ENVKIT, Outcome, Shell, run_program

from envkit.errors import VolumeError
from envkit.layout.opening import check_own
from envkit.layout.volume import Volume

APP = Package("app", "1.0", files={"bin/app": b"#!/bin/sh\necho hello\n", "share/app.txt": b"app"})
GROUP = 54321
OTHER = 54322
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(APP)
    return shell


def findings(shell: Shell, subject: str = "volume") -> dict[str, dict[str, Any]]:
    """What doctor warns of, by code."""
    [found] = [s for s in shell.ok("doctor", "--json").json["subjects"] if s["name"] == subject]
    return {f["code"]: f for f in found["findings"] if f["check"] == "permissions" and f["status"] != "pass"}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_volume_as_it_is_made_is_in_order(shell: Shell) -> None:
    shell.create("app")
    assert findings(shell) == findings(shell, "demo") == {}


def test_folders_of_a_volume_are_made_for_all_who_share_it(shell: Shell) -> None:
    shell.volume.mkdir()
    shell.volume.chmod(0o2775)
    os.umask(0o077)
    shell.create("app")
    for name in ("", "g", "pkgs", "pkgs/.incoming", "pyc", "index", "validations", "leases", "trash"):
        assert mode(shell.volume / ".envkit" / name) & 0o075 == 0o075, name


def test_a_folder_that_others_cannot_write_is_found_and_opened(shell: Shell) -> None:
    shell.create("app")
    for path in (shell.volume, shell.volume / ".envkit"):
        path.chmod(0o775)
    leases = shell.volume / ".envkit/leases"
    found = findings(shell)
    assert set(found) == {"volume-barred"}
    assert str(leases) in found["volume-barred"]["data"]["paths"]
    assert "drwxrwxr-x" in found["volume-barred"]["text"]
    assert "files and folders of the volume to those who share it" in shell.ok("doctor", "--fix").out
    assert mode(leases) == 0o775
    assert findings(shell) == {}


def test_in_a_sticky_directory_everybody_keeps_to_his_own(shell: Shell) -> None:
    shell.create("app")
    shell.volume.chmod(0o1777)
    assert findings(shell) == {}


def test_a_private_volume_may_be_closed(shell: Shell) -> None:
    shell.volume.mkdir(mode=0o700)
    os.umask(0o077)
    shell.create("app")
    assert findings(shell) == findings(shell, "demo") == {}


def test_an_environment_is_made_for_all_whom_the_volume_lets_in(shell: Shell) -> None:
    shell.volume.mkdir()
    os.umask(0o077)
    shell.create("app")
    assert mode(shell.prefix()) == mode(shell.prefix() / "share") == 0o755
    assert mode(next(shell.volume.glob(".envkit/pkgs/*/app-1.0-0"))) == 0o755
    assert findings(shell) == findings(shell, "demo") == {}


def test_an_environment_that_others_cannot_read_is_found_and_opened(shell: Shell) -> None:
    shell.create("app")
    shell.prefix().chmod(0o700)
    (shell.prefix() / "bin/app").chmod(0o500)
    found = findings(shell, "demo")
    assert set(found) == {"barred"}
    assert found["barred"]["data"]["paths"] == [str(shell.prefix()), str(shell.prefix() / "bin/app")]
    shell.ok("doctor", "demo", "--fix")
    assert findings(shell, "demo") == {}
    assert mode(shell.prefix()) == 0o755
    assert mode(shell.prefix() / "bin/app") == 0o555


def test_a_record_that_the_group_cannot_read(shell: Shell) -> None:
    shell.create("app")
    record = next((shell.prefix() / "conda-meta").glob("app-*.json"))
    record.chmod(0o600)
    assert findings(shell, "demo")["barred"]["data"]["paths"] == [str(record)]
    shell.ok("doctor", "--fix")
    assert mode(record) == 0o644


def test_files_of_the_cache_that_can_be_written_are_sealed_again(shell: Shell) -> None:
    shell.create("app")
    path = next(shell.volume.glob(".envkit/pkgs/*/app-1.0-0/share/app.txt"))
    path.chmod(0o644)
    assert findings(shell)["cache-writable"]["data"]["paths"] == [str(path)]
    shell.ok("doctor", "--fix")
    assert mode(path) == 0o444
    assert findings(shell) == {}


@needs_root
def test_what_belongs_to_another_group_is_given_to_the_volumes(shell: Shell) -> None:
    shell.volume.mkdir()
    os.chown(shell.volume, -1, GROUP)
    shell.volume.chmod(0o2775)
    shell.create("app")
    assert findings(shell) == {}  # the bit on the directory hands the group on
    leases = shell.volume / ".envkit/leases"
    os.chown(leases, -1, 0)
    leases.chmod(0o775)
    assert findings(shell)["volume-barred"]["data"]["paths"] == [str(leases)]
    shell.ok("doctor", "--fix")
    assert (leases.stat().st_gid, mode(leases)) == (GROUP, 0o2775)


@pytest.fixture
def team(shell: Shell) -> Shell:
    """A volume that a group shares, and an environment of somebody else's in it."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv of util-linux")
    shell.volume.mkdir()
    os.chown(shell.volume, -1, GROUP)
    shell.volume.chmod(0o2775)
    os.umask(0o077)
    shell.create("app")
    os.umask(0o022)
    subprocess.run(["chown", "-hR", str(OTHER), shell.volume], check=True)
    return shell


def as_member(shell: Shell, *args: str) -> Outcome:
    """envkit as a member of the group: root without its powers, since the interpreter need not be anybody else's."""
    member = ("setpriv", "--groups", f"0,{GROUP}", "--bounding-set", "-all", "--inh-caps", "-all")
    return run_program([*member, *ENVKIT, *args], env=shell.env())


def new(shell: Shell) -> tuple[str, ...]:
    return ("create", "app", "-n", "mine", "-c", str(shell.channel), "--override-channels")


@needs_root
def test_two_users_make_run_and_clean_on_one_volume(team: Shell) -> None:
    assert as_member(team, "run", "demo", "--", "app").out == "hello\n"
    made = as_member(team, *new(team))
    assert made.code == 0, made.err
    assert as_member(team, "create", "app", "-n", "demo", "--replace", *new(team)[4:]).code == 0
    assert as_member(team, "clean", "--keep", "0", "--older-than", "0").code == 0
    assert len(list(team.volume.glob(".envkit/g/*"))) == 2
    assert findings(team) == findings(team, "demo") == findings(team, "mine") == {}


@needs_root
def test_on_a_sticky_volume_what_is_anothers_stays(team: Shell) -> None:
    team.volume.chmod(0o3775)
    os.chown(team.volume, 12345, GROUP)
    for words in (("remove", "demo"), ("create", "app", "-n", "demo", "--replace", *new(team)[4:])):
        refused = as_member(team, *words)
        assert (refused.code, "is sticky: members change and remove only what is their own" in refused.err) == (7, True)
    assert as_member(team, "clone", "demo", "mine").code == 0
    assert as_member(team, "remove", "mine").code == 0


@needs_root
def test_what_is_anothers_is_refused_before_anything_is_made() -> None:
    with tempfile.TemporaryDirectory() as place:  # pytest's folders are root's alone
        volume = Volume(Path(place))
        volume.link("theirs").symlink_to(".envkit/g/theirs-00000000")
        os.lchown(volume.link("theirs"), OTHER, -1)
        for mode, refused in ((0o1777, True), (0o777, False)):
            volume.root.chmod(mode)
            child = os.fork()
            if child == 0:
                os.setuid(54323)
                try:
                    check_own(volume, "theirs")
                except VolumeError as error:
                    os._exit(7 if f"this is user {OTHER}'s" in error.message else 1)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (7 if refused else 0)


@needs_root
def test_what_a_member_left_when_he_was_killed_hinders_nobody(team: Shell) -> None:
    """A generation is closed until it is published."""
    left = team.volume / ".envkit/g/theirs-00000000"
    left.mkdir(mode=0o700)
    os.chown(left, OTHER, GROUP)
    assert as_member(team, *new(team)).code == 0
    told = as_member(team, "doctor", "--json")
    assert told.code == 0, told.out
    codes = {f["code"]: f for f in told.json["subjects"][0]["findings"]}
    assert str(left) in codes["not-removable"]["data"]["paths"]
    assert as_member(team, "remove", "mine").code == 0
    cleaned = as_member(team, "clean", "--keep", "0", "--older-than", "0", "--json")
    assert cleaned.code == 0
    assert "packages" not in [kept["what"] for kept in cleaned.json["kept"]], cleaned.out
    assert left.is_dir()


@needs_root
def test_a_volume_that_shuts_the_other_out_says_so_and_is_mended_by_its_owner(team: Shell) -> None:
    """As volumes were made under a umask of 077, with the native engine's locks for one user only."""
    for path in (team.prefix(), *team.volume.glob(".envkit/pkgs/*/*.lock"), *team.volume.glob(".envkit/pkgs/*/")):
        path.chmod(mode(path) & 0o700)
    made = as_member(team, *new(team))
    assert made.code == 7
    assert "ermission denied" in made.err
    listed = as_member(team, "list", "--json")
    assert listed.code == 0, listed.err
    assert "cannot be read: Permission denied" in listed.json["environments"][0]["problem"]
    told = as_member(team, "doctor", "--json")
    assert told.code == 6, told.out
    assert [f["code"] for f in told.json["subjects"][1]["findings"]] == ["closed"]
    assert "closed" in [f["code"] for f in told.json["subjects"][0]["findings"]]
    assert set(findings(team)) == {"volume-barred"}
    team.ok("doctor", "--fix")
    assert as_member(team, "run", "demo", "--", "app").out == "hello\n"
    assert as_member(team, *new(team)).code == 0


@needs_root
def test_what_one_cannot_remove(team: Shell) -> None:
    team.prefix().chmod(0o755)
    told = as_member(team, "doctor", "--json").json["subjects"][0]["findings"]
    [found] = [f for f in told if f["code"] == "not-removable"]
    assert found["data"]["paths"] == [str(team.prefix())]
    assert f"belong to user {OTHER}" in found["text"]
    assert as_member(team, "remove", "demo").code == 0  # the link is the volume's
    kept = as_member(team, "clean", "--keep", "0", "--older-than", "0", "--json").json["kept"]
    assert [entry["what"] for entry in kept][:1] == [Path(found["data"]["paths"][0]).name]
