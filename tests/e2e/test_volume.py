from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from channels import Package
from harness import Shell
from mounts import mounted

from envkit.layout.filesystem import concerns, missing_abilities, parse_mountinfo
from envkit.words.say import say

MOUNTS = """\
22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/l
30 22 0:30 / /data rw,relatime shared:1 - nfs4 server:/export rw,vers=4.2
31 30 0:31 / /data/my\\040bucket rw - fuse.s3fs s3fs rw
32 22 0:32 / /memory rw - tmpfs shm rw
33 22 259:1 / /disk rw - ext4 /dev/nvme0n1 rw
"""


@pytest.mark.parametrize(
    ("path", "fs_type", "network", "object_store", "ephemeral"),
    [
        ("/home/user/envs", "overlay", False, False, True),
        ("/data/envs", "nfs4", True, False, False),
        ("/data/my bucket/envs", "fuse.s3fs", False, True, False),
        ("/memory/envs", "tmpfs", False, False, True),
        ("/disk", "ext4", False, False, False),
        ("/diskette", "overlay", False, False, True),
    ],
)
def test_the_mount_of_a_path(path: str, fs_type: str, network: bool, object_store: bool, ephemeral: bool) -> None:
    mount = parse_mountinfo(MOUNTS, path)
    assert mount is not None
    found = (mount.fs_type, mount.network, mount.object_store, mount.memory or mount.layer)
    assert found == (fs_type, network, object_store, ephemeral)


def test_what_is_missing_is_said_with_its_cost() -> None:
    mount = parse_mountinfo(MOUNTS, "/data")
    assert mount is not None
    able = {"hard_link": False, "flock": False, "rename": False}
    assert missing_abilities(able) == ["rename"]
    texts = " ".join(map(say, concerns(mount, able, copied_bytes=5_000_000_000)))
    assert "5.0 GB more" in texts
    assert "no locks" in texts
    assert "network file system" in texts


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(Package("app", files={"bin/app": b"#!/bin/sh\necho app\n"}))
    return shell


def test_volume_shows_where_and_why(shell: Shell, tmp_path: Path) -> None:
    before = shell.ok("volume", "--json").json
    assert before["exists"] is False
    assert before["settings"]["volume"]["origin"] == "CONDA_ENVS_PATH"
    assert not shell.volume.exists()
    shell.create("app")
    after = shell.ok("volume", "--json").json
    assert after["exists"]
    assert after["abilities"]["hard_link"]
    assert after["abilities"]["rename_over_symlink"]
    assert after["use"]["environments"] == 1
    other = tmp_path / "other"
    told = shell.ok("volume", "--persist", str(other), "--json").json
    assert told["settings"]["volume"] == {"value": str(other), "origin": "--persist"}
    assert any("CONDA_ENVS_PATH names" in note and "--persist comes first" in note for note in told["notes"])


def test_a_name_is_looked_up_in_every_directory_that_is_named(shell: Shell, tmp_path: Path) -> None:
    shell.create("app")
    both = f"{tmp_path / 'first'}{os.pathsep}{shell.volume}"
    assert shell.ok("show", "demo", "--json", CONDA_ENVS_PATH=both).json["path"] == str(shell.volume / "demo")


def test_env_sh_can_be_sourced_twice(shell: Shell) -> None:
    shell.create("app")
    script = f". {shell.volume}/env.sh; . {shell.volume}/env.sh; echo $CONDA_ENVS_PATH; echo $PATH; echo $JUPYTER_PATH"
    env = {"PATH": "/usr/bin:/bin", "CONDA_ENVS_PATH": "/theirs"}
    lines = subprocess.run(["sh", "-euc", script], env=env, capture_output=True, text=True, check=True).stdout.split()
    root = str(shell.volume)
    assert lines == [f"{root}:/theirs", f"{root}/.envkit/bin:/usr/bin:/bin", f"{root}/.envkit/jupyter"]


def test_what_cannot_carry_an_environment_is_refused(shell: Shell, tmp_path: Path) -> None:
    with mounted(tmp_path / "noexec", "-t", "tmpfs", "-o", "noexec", "tmpfs") as place:
        outcome = shell.run("create", "app", "-c", str(shell.channel), "--override-channels", "--persist", f"{place}/v")
        assert outcome.code == 7
        assert "noexec" in outcome.err


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_restart_needs_no_pip_and_no_python(wheel_channel: Path, tmp_path: Path) -> None:
    made = Shell.below(tmp_path)
    shell = Shell(made.volume, wheel_channel, made.home)
    shell.create("python", args=("--no-validate",))
    done = shell.ok("volume", "bootstrap", "--json").json
    assert Path(done["launcher"]).is_file()
    moved = tmp_path / "moved"  # nothing in the launcher knows where the volume is
    shell.volume.rename(moved)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CONDA_ENVS_PATH": str(moved)}
    said = subprocess.run([moved / ".envkit/bin/envkit", "list"], env=env, capture_output=True, text=True, check=True)
    assert "demo" in said.stdout
    assert sys.prefix not in said.stdout
    shutil.move(moved, shell.volume)
    shell.ok("clean", "--keep", "0", "--older-than", "0")  # its Python is in use by the launcher
    env["CONDA_ENVS_PATH"] = str(shell.volume)
    subprocess.run([shell.volume / ".envkit/bin/envkit", "list"], env=env, check=True, capture_output=True)
    # The nodes of a fleet start the launcher; without it they start what runs here, which no `-m envkit` would find.
    own = (shell.volume / ".envkit/self/current").resolve()
    asks = [
        str(own / "python/bin/python"),
        "-I",
        str(own / "run.py"),
        "fleet",
        "detect",
        "--via",
        "local",
        "--nodes",
        "a",
    ]
    subprocess.run(asks, env=env, check=True, capture_output=True)
    launcher = Path(done["launcher"])
    launcher.chmod(0o644)
    told = subprocess.run(asks, env=env, check=False, capture_output=True, text=True)
    assert (told.returncode, "there is no" in told.stdout) == (4, True)
    (shell.volume / ".envkit/self/current").rename(shell.volume / ".envkit/self/other-0")
    subprocess.run(asks, env=env, check=True, capture_output=True)
