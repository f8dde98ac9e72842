"""Staged copies: one for each node however many ask; the copier may die, and the volume may go."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness import ENVKIT, Shell, run_program
from mounts import mounted
from packages import strings_of, travelling


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(travelling())
    shell.create("tool")
    return shell


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A directory of the node's own disk."""
    place = tmp_path / "node"
    place.mkdir()
    return place


def copies(node: Path) -> list[Path]:
    return sorted(node.glob("envkit-*/.envkit/g/*"))


def test_a_copy_runs_at_its_own_path(shell: Shell, node: Path) -> None:
    document = shell.ok("stage", "demo", "--to", str(node), "--json").json
    (copy,) = copies(node)
    assert (document["prefix"], document["reused"], document["environment"]) == (str(copy), False, "demo")
    assert (copy / "bin/where").read_text() == f"#!/bin/sh\necho {copy}/share\n"
    data = (copy / "lib/tool.bin").read_bytes()
    assert b"|".join(part for part in data.split(b"\0") if part) == strings_of(str(copy))
    assert shell.ok("stage", "demo", "--to", str(node), "--json").json["reused"]
    for run in (
        shell.ok("run", "--stage", str(node), "demo", "--", "where"),
        shell.ok("run", "-n", "demo", "where", ENVKIT_STAGE=str(node)),
    ):
        assert run.out == f"{copy}/share\n"
    assert not shell.run("doctor", str(copy), "--full").code
    # The first use makes the copy, and the next generation has one of its own.
    shell.publish(travelling(), travelling("2.0"))
    shell.ok("upgrade", "-n", "demo")
    assert shell.ok("run", "--stage", str(node), "demo", "--", "where").out != f"{copy}/share\n"
    assert len(copies(node)) == 2
    assert shell.ok("run", "demo", "--", "where").out == f"{shell.prefix()}/share\n"


def test_sixteen_at_once_make_one_copy(shell: Shell, node: Path) -> None:
    words = [*ENVKIT, "stage", "demo", "--to", str(node), "--json"]
    children = [
        subprocess.Popen(words, env=shell.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(16)
    ]
    ends = [(child.communicate(), child.returncode) for child in children]
    assert [code for _, code in ends] == [0] * 16, ends
    made = [out for (out, _), _ in ends if b'"reused": false' in out]
    assert len(made) == 1
    assert len(copies(node)) == 1


def test_another_takes_over_when_the_copier_is_killed(tmp_path: Path, node: Path) -> None:
    shell = Shell.below(tmp_path / "large")
    shell.publish(travelling(files=6000))
    shell.create("tool")
    words = [*ENVKIT, "stage", "demo", "--to", str(node)]
    first = subprocess.Popen(words, env=shell.env(), stderr=subprocess.DEVNULL)
    while first.poll() is None and not list(node.glob("envkit-*/.envkit/g/.*/share/many/0*")):
        time.sleep(0.005)
    second = subprocess.Popen(words, env=shell.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first.kill()
    assert first.wait() == -signal.SIGKILL
    _, said = second.communicate()
    assert second.returncode == 0, said
    (copy,) = copies(node)  # nothing is left of the first
    assert copy.name == shell.prefix().name
    assert len(list((copy / "share/many").iterdir())) == 6000


def test_it_runs_with_the_volume_gone(tmp_path: Path, node: Path) -> None:
    if os.geteuid() or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare of util-linux to unmount a volume")
    shell = Shell.below(tmp_path / "on")
    with mounted(tmp_path / "mount", "-t", "tmpfs", "none") as place:
        away = Shell(place / "volume", shell.channel, shell.home)
        away.publish(travelling())
        away.create("tool")
        away.ok("stage", "demo", "--to", str(node))
        (copy,) = copies(node)
        inner = f'umount -l {place} && exec "$@"'
        for words in (
            ("run", "--stage", str(node), "demo", "--", "where"),
            ("run", "-p", str(copy), "--", "where"),
        ):
            apart = ["unshare", "-m", "--propagation", "private", "sh", "-c", inner, "sh", *ENVKIT, *words]
            done = run_program(apart, env=away.env())
            assert (done.code, done.out) == (0, f"{copy}/share\n"), done.err
        done = run_program(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", inner, "sh", *ENVKIT, "run", "demo", "where"],
            env=away.env(),
        )
        assert done.code in {1, 7}


def test_from_a_pack(shell: Shell, node: Path, tmp_path: Path) -> None:
    kept = shell.ok("pack", "demo", "--keep", "--json").json
    assert shell.ok("stage", "demo", "--to", str(node), "--json").json["source"] == kept["file"]
    (copy,) = copies(node)
    assert (copy / "bin/where").read_text() == f"#!/bin/sh\necho {copy}/share\n"
    # The file alone, where there is no volume, is the same copy.
    bare = Shell(tmp_path / "none", shell.channel, shell.home)
    assert bare.ok("stage", kept["file"], "--to", str(node), "--json").json["reused"]
    shell.ok("remove", "demo")
    shell.ok("clean", "--older-than", "0", "--keep", "0")
    assert not Path(kept["file"]).exists()


def test_clean_takes_what_nobody_uses(shell: Shell, node: Path) -> None:
    shell.ok("stage", "demo", "--to", str(node))
    (first,) = copies(node)
    shell.publish(travelling(), travelling("2.0"))
    shell.ok("upgrade", "-n", "demo")
    shell.ok("stage", "demo", "--to", str(node))
    left = first.parent / f".{first.name}.0123abcd"
    left.mkdir()
    clean = ("clean", "--stage", str(node), "--json")
    assert [item["kind"] for item in shell.ok(*clean).json["items"]] == ["unfinished"]  # the copies are young
    busy = subprocess.Popen([*ENVKIT, "run", "-p", str(first), "--", "sleep", "60"], env=shell.env())
    try:
        while not list(first.parent.parent.glob(f"uses/{first.name}~*")):
            time.sleep(0.02)
        document = shell.ok(*clean, "--older-than", "0").json
    finally:
        busy.kill()
        busy.wait()
    assert [kept["what"] for kept in document["kept"]] == [first.name]
    assert copies(node) == [first]
    assert shell.ok(*clean, "--older-than", "0", "--dry-run").json["freed_inodes"] > 40
    shell.ok(*clean, "--older-than", "0")
    assert copies(node) == []


def test_a_disk_without_room(tmp_path: Path, shell: Shell) -> None:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=200k,nr_inodes=90", "none") as place:
        done = shell.run("stage", "demo", "--to", str(place))
        assert done.code == 7
        assert "free" in done.err
        assert copies(place) == []


def test_wrong_places(shell: Shell, node: Path, tmp_path: Path) -> None:
    node.chmod(0o777)
    for words, code, said in (
        (("stage", "demo"), 2, "--to DIR"),
        (("stage", "other", "--to", str(node)), 1, "no environment"),
        (("stage", "demo", "--to", str(node)), 7, "not sticky"),
        (("stage", "demo", "--to", str(tmp_path / "no" / "such")), 7, "is not there"),
        (("clean", "--stage", str(tmp_path)), 7, "no copies of yours"),
    ):
        done = shell.run(*words)
        assert (done.code, said in " ".join(done.err.split())) == (code, True), done.err
    node.chmod(0o1777)
    (node / f"envkit-{os.geteuid()}").symlink_to(tmp_path)
    done = shell.run("stage", "demo", "--to", str(node))
    assert done.code == 6
    assert "is not what envkit put there" in " ".join(done.err.split())
