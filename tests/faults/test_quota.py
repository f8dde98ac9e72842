"""Quotas: what they leave is what there is, and one that is used up in the middle is a full disk."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from channels import Package
from harness import ENVKIT, Outcome, Shell, run_program
from mounts import mounted

from envkit.layout.quota import read_quotas

USER, GROUP = 0, 1
NOBODY = 65534
FIGURES = re.compile(r"`envkit clean --keep 0 --older-than 0` frees ([\d.]+) MB")


def set_quota(place: Path, kind: int, number: int, *, kilobytes: int = 0, inodes: int = 0) -> None:
    """Q_SETQUOTA of quotactl(2), by quotactl_fd(2)."""
    limits = (ctypes.c_uint64 * 9)(kilobytes, 0, 0, inodes, 0, 0, 0, 0, 5)  # 5: the limits of both are meant
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(place, os.O_RDONLY)
    command = ctypes.c_int((0x800008 << 8 | kind) - (1 << 32))
    done = libc.syscall(ctypes.c_long(443), ctypes.c_int(descriptor), command, ctypes.c_int(number), limits)
    os.close(descriptor)
    assert done == 0, os.strerror(ctypes.get_errno())


@dataclass(frozen=True)
class Limited:
    """A volume on a file system with quotas, and envkit without the right to exceed them."""

    place: Path
    shell: Shell

    def run(self, *args: str) -> Outcome:
        return run_program(["setpriv", "--bounding-set", "-sys_resource", *ENVKIT, *args], env=self.shell.env())

    def ok(self, *args: str) -> Outcome:
        outcome = self.run(*args)
        assert outcome.code == 0, outcome.err
        return outcome

    def create(self, *specs: str, name: str) -> Outcome:
        return self.run("create", *specs, "-n", name, "-c", str(self.shell.channel), "--override-channels")


def image(tmp_path: Path, size: str, program: str, *options: str) -> Path:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    path = tmp_path / "image"
    subprocess.run(["truncate", "-s", size, path], check=True)
    subprocess.run([program, "-q", *options, path], check=True)
    return path


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Limited]:
    """An ext4 of 64 MB that counts what users and groups have."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv of util-linux")
    path = image(tmp_path, "64M", "mkfs.ext4", "-O", "quota")
    shell = Shell.below(tmp_path)
    with mounted(tmp_path / "small", "-o", "loop,usrquota,grpquota", path) as place:
        yield Limited(place, Shell(place / "volume", shell.channel, shell.home))


def big(name: str, megabytes: int) -> Package:
    return Package(name, files={f"share/{name}": os.urandom(megabytes << 20)})


def compressible(name: str, megabytes: int) -> Package:
    """Small to download, large on the disk: no estimate sees it."""
    return Package(name, files={f"share/{name}": bytes(megabytes << 20)})


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(("kind", "word"), [(USER, "user"), (GROUP, "group")])
def test_an_estimate_keeps_within_the_quota(ext4: Limited, kind: int, word: str) -> None:
    ext4.shell.publish(big("first", 1), big("huge", 3))
    assert ext4.create("first", name="one").code == 0
    before = names(ext4.shell.volume)
    set_quota(ext4.place, kind, 0, kilobytes=12 << 10)
    outcome = ext4.create("huge", name="two")
    assert outcome.code == 7
    assert re.search(rf"MB free within the quota of {word} 0 and about 16\.\d MB are needed", outcome.err)
    assert names(ext4.shell.volume) == before
    report = ext4.ok("volume", "--json").json
    assert report["quota"] == f"{word} 0"
    assert 8e6 < report["free_bytes"] < 12 << 20
    assert f"within the quota of {word} 0" in ext4.ok("volume").out


def test_who_may_exceed_quotas_is_not_held_to_them(ext4: Limited) -> None:
    ext4.shell.publish(big("first", 3))
    set_quota(ext4.place, USER, 0, kilobytes=2 << 10)
    ext4.shell.create("first")
    assert ext4.shell.ok("volume", "--json").json["quota"] is None


def test_inodes_of_a_quota(ext4: Limited) -> None:
    ext4.shell.publish(Package("many", files={f"share/{n}": b"" for n in range(400)}))
    set_quota(ext4.place, USER, 0, inodes=200)
    outcome = ext4.create("many", name="one")
    assert outcome.code == 7, outcome.err
    assert not list((ext4.shell.volume / ".envkit/g").iterdir())
    assert not list((ext4.shell.volume / ".envkit/pkgs/.incoming").iterdir())


def test_a_quota_that_is_used_up_in_the_middle(ext4: Limited) -> None:
    ext4.shell.publish(big("old", 2), big("first", 1), compressible("second", 1), compressible("bomb", 40))
    assert ext4.create("old", name="one").code == 0
    assert ext4.run("create", "first", "-n", "one", "--replace", "-c", str(ext4.shell.channel)).code == 0
    set_quota(ext4.place, USER, 0, kilobytes=16 << 10)
    generations = names(ext4.shell.volume / ".envkit/g")
    outcome = ext4.create("second", "bomb", name="two")
    assert outcome.code == 7, outcome.err
    assert "the quota on" in outcome.err
    freed = FIGURES.search(outcome.err)
    assert freed is not None, outcome.err
    assert float(freed[1]) > 2
    assert names(ext4.shell.volume / ".envkit/g") == generations
    assert not list((ext4.shell.volume / ".envkit/pkgs/.incoming").iterdir())
    assert not (ext4.shell.volume / "two").is_symlink()
    assert ext4.ok("doctor", "--full", "--json").json["healthy"]
    assert ext4.create("second", name="three").code == 0  # what is small enough still goes


def test_anybody_may_read_his_own(ext4: Limited) -> None:
    for above in (ext4.place, *ext4.place.parents[:4]):
        if not above.stat().st_mode & 0o001:
            above.chmod(0o755)
    set_quota(ext4.place, USER, NOBODY, kilobytes=3 << 10, inodes=70)
    set_quota(ext4.place, GROUP, NOBODY, kilobytes=5 << 10)
    folder = ext4.place / "open"
    folder.mkdir(mode=0o777)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        said: object = None
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            said = [(q.whose, q.hard_bytes, q.hard_inodes) for q in read_quotas(folder)]
        except BaseException as error:  # noqa: BLE001 - never return into the test
            said = repr(error)
        finally:
            os.write(writer, json.dumps(said).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = json.load(pipe)
    os.waitpid(pid, 0)
    assert said == [["user 65534", 3 << 20, 70], ["group 65534", 5 << 20, 0]]


def test_a_quota_that_nobody_can_read_beforehand(tmp_path: Path) -> None:
    """btrfs has quotas of its own, which only root may ask for: EDQUOT comes unannounced."""
    path = image(tmp_path, "256M", "mkfs.btrfs")
    shell = Shell.below(tmp_path)
    with mounted(tmp_path / "small", "-o", "loop", path) as place:
        volume = Shell(place / "volume", shell.channel, shell.home)
        volume.publish(big("first", 1), big("second", 1), big("heavy", 30))
        volume.create("first")
        generations = names(volume.volume / ".envkit/g")
        subprocess.run(["btrfs", "quota", "enable", place], check=True)
        subprocess.run(["btrfs", "quota", "rescan", "-w", place], check=True, capture_output=True)
        subprocess.run(["btrfs", "qgroup", "limit", "24M", place], check=True)
        outcome = volume.run("create", "second", "heavy", "-n", "two", "-c", str(volume.channel), "--override-channels")
        assert outcome.code == 7, outcome.err
        assert "the quota on" in outcome.err
        assert names(volume.volume / ".envkit/g") == generations
        assert not list((volume.volume / ".envkit/pkgs/.incoming").iterdir())
        assert volume.ok("doctor", "--full", "--json").json["healthy"]
        volume.create("second", name="three")
