"""A volume that several users share: what its directory lets them do, everything in it lets them do."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels import Package
from commands import Shell

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
    assert set(found) == {"folders-barred"}
    assert str(leases) in found["folders-barred"]["data"]["paths"]
    assert "drwxrwxr-x" in found["folders-barred"]["text"]
    assert "opened 9 folders" in shell.ok("doctor", "--fix").out
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


def test_an_environment_that_others_cannot_read_is_found_and_opened(shell: Shell) -> None:
    shell.volume.mkdir()
    os.umask(0o077)
    shell.create("app")
    os.umask(0o022)
    assert mode(shell.prefix()) == 0o700
    found = findings(shell, "demo")
    assert set(found) == {"barred"}
    assert str(shell.prefix()) in found["barred"]["data"]["paths"]
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
    assert findings(shell)["folders-barred"]["data"]["paths"] == [str(leases)]
    shell.ok("doctor", "--fix")
    assert (leases.stat().st_gid, mode(leases)) == (GROUP, 0o2775)


@needs_root
def test_what_somebody_else_made_and_one_cannot_remove(shell: Shell, tmp_path: Path) -> None:
    """Another user in the same group: he reads and runs everything, makes his own, and cannot take what is not his."""
    for folder in (tmp_path, *tmp_path.parents):
        if not mode(folder) & 0o001:
            folder.chmod(mode(folder) | 0o011)
    shell.volume.mkdir()
    os.chown(shell.volume, -1, GROUP)
    shell.volume.chmod(0o2775)
    shell.create("app")
    code = (
        "import json, os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from envkit.layout.volume import Volume\n"
        "from envkit.layout.permissions import check_sharing\n"
        "from envkit.layout import lease\n"
        "import envkit.models.wire\n"
        f"os.setgroups([]); os.setgid({GROUP}); os.setuid({OTHER})\n"
        "volume = Volume(Path(sys.argv[2]))\n"
        "with lease.hold(volume, 'cache', shared=True): pass\n"
        "print(json.dumps([[f.code, f.text] for f in check_sharing(volume, [])]))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, root, shell.volume], capture_output=True, text=True, check=True)
    assert '"not-removable", "2 generations and packages belong to root' in done.stdout
