"""A volume that somebody else may write: what he put there leads no command out of the volume."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from channels import Package
from harness import ENVKIT, Shell, run_program

APP = Package("app", "1.0", files={"bin/app": b"#!/bin/sh\necho hello\n", "share/app.txt": b"app"})
NEW = Package("app", "2.0", files={"bin/app": b"#!/bin/sh\necho new\n", "share/app.txt": b"new"})
GROUP = 54321
MEMBER = 54322
FOLDERS = (
    "trash",
    "g",
    "pkgs",
    "pkgs/.incoming",
    "validations",
    "self",
    "pyc",
    "index",
    "leases",
    "gpucode",
    "uv",
    "uses",
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A volume that a group shares, with an environment, and a newer release in the channel."""
    shell = Shell.below(tmp_path)
    shell.publish(APP)
    shell.volume.mkdir()
    if os.geteuid() == 0:
        os.chown(shell.volume, -1, GROUP)
    shell.volume.chmod(0o2775)
    shell.create("app")
    shell.create("app", args=("--replace",))
    shell.publish(APP, NEW)
    return shell


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of somebody who uses the volume, with what he would miss."""
    home = tmp_path / "precious"
    (home / "fetch-00000000").mkdir(parents=True)
    for name in ("id_rsa", "thesis.tex", "fetch-00000000/a.conda", "current"):
        (home / name).write_text(name)
        (home / name).chmod(0o600)
    home.chmod(0o700)
    return home


def state(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything in a folder: mode, owner, group and content."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        seen = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid, content)
    return found


def verbs(shell: Shell) -> dict[str, tuple[str, ...]]:
    return {
        "create": ("create", "app", "-n", "mine", "-c", str(shell.channel), "--override-channels"),
        "upgrade": ("upgrade", "-n", "demo"),
        "clean": ("clean", "--keep", "0", "--older-than", "0"),
        "remove": ("remove", "demo"),
        "rollback": ("rollback", "demo"),
        "fix": ("doctor", "--fix"),
        "list": ("list",),
    }


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_became_a_link_is_followed_by_no_verb(shell: Shell, home: Path, name: str) -> None:
    place = shell.volume / ".envkit" / name
    before = state(home)
    place.rename(place.with_name("gone"))
    place.symlink_to(home)
    for verb, words in verbs(shell).items():
        done = shell.run(*words)
        assert state(home) == before, f"{verb} touched what {name} leads to"
        assert "Traceback" not in done.err
        assert done.code in {0, 6}, (verb, done.err)
        assert not done.code or "not what envkit put there" in done.err + done.out
    assert shell.run("doctor").code == 6
    place.unlink()
    place.with_name("gone").rename(place)
    assert shell.ok("list", "--json").json["environments"]


Plant = Callable[[Shell, Path], None]


def plant_lock(shell: Shell, home: Path) -> None:
    next(shell.volume.glob(".envkit/pkgs/*/app-1.0-0")).with_suffix(".lock").symlink_to(home / "id_rsa")


def plant_lock_of_the_engine(shell: Shell, home: Path) -> None:
    package = next(shell.volume.glob(".envkit/pkgs/*/app-1.0-0"))
    (package.parent / f"{package.name}.lock").symlink_to(home / "id_rsa")


def plant_index(shell: Shell, home: Path) -> None:
    for path in list(shell.volume.glob(".envkit/index/**/*.json")):
        path.unlink()
        path.symlink_to(home / "thesis.tex")


def plant_lease(shell: Shell, home: Path) -> None:
    (shell.volume / ".envkit/leases/cache").symlink_to(home / "id_rsa")


def plant_archive(shell: Shell, home: Path) -> None:
    dead = shell.volume / ".envkit/pkgs/.incoming/fetch-12345678"
    dead.mkdir()
    for path in shell.channel.glob("noarch/*.conda"):
        (dead / f"{_sha256(path)}.conda").symlink_to(home / "thesis.tex")


def plant_incoming(shell: Shell, home: Path) -> None:
    (shell.volume / ".envkit/pkgs/.incoming/fetch-12345678").symlink_to(home)


def plant_trashed(shell: Shell, home: Path) -> None:
    (shell.volume / ".envkit/trash/old").symlink_to(home)
    (shell.volume / ".envkit/trash/older").mkdir()
    (shell.volume / ".envkit/trash/older/deep").symlink_to(home)


def plant_generation(shell: Shell, home: Path) -> None:
    (shell.volume / ".envkit/g/other-12345678").symlink_to(home)
    (shell.prefix() / "share/out").symlink_to(home)


def plant_validation(shell: Shell, home: Path) -> None:
    for path in list(shell.volume.glob(".envkit/validations/*")):
        shutil.rmtree(path)
        path.symlink_to(home)


def plant_volume_file(shell: Shell, home: Path) -> None:
    (shell.volume / ".envkit/volume.json").unlink()
    (shell.volume / ".envkit/volume.json").symlink_to(home / "thesis.tex")


def plant_package(shell: Shell, home: Path) -> None:
    for path in list(shell.volume.glob(".envkit/pkgs/[0-9a-f]*")):
        shutil.rmtree(path)
        path.symlink_to(home)


PLANTS: dict[str, Plant] = {
    "lock": plant_lock,
    "lock_of_the_engine": plant_lock_of_the_engine,
    "index": plant_index,
    "lease": plant_lease,
    "archive": plant_archive,
    "incoming": plant_incoming,
    "trashed": plant_trashed,
    "generation": plant_generation,
    "validation": plant_validation,
    "volume_file": plant_volume_file,
    "package": plant_package,
}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_a_link_among_the_files_leads_no_verb_out(shell: Shell, home: Path, plant: Plant) -> None:
    before = state(home)
    plant(shell, home)
    for verb, words in verbs(shell).items():
        done = shell.run(*words)
        assert state(home) == before, f"{verb} followed it"
        assert "Traceback" not in done.err, done.err
        assert done.code in {0, 1, 6, 7, 8}, (verb, done.err)


@pytest.mark.parametrize("special", ["fifo", "zero"])
def test_a_file_that_never_ends_is_not_read(shell: Shell, special: str) -> None:
    generation = shell.prefix().name
    for path in [
        shell.volume / ".envkit/volume.json",
        shell.prefix() / ".envkit.json",
        next(shell.volume.glob(f".envkit/validations/{generation}/*.json")),
    ]:
        path.unlink()
        os.mkfifo(path) if special == "fifo" else path.symlink_to("/dev/zero")
        for words in (("list",), ("doctor",), ("volume",), ("run", "demo", "--", "app")):
            done = run_program([*ENVKIT, *words], env=shell.env(), timeout_s=60)
            assert "Traceback" not in done.err, done.err


@needs_root
def test_root_on_a_volume_of_members(shell: Shell, home: Path) -> None:
    """A member replaces the trash while it is empty; root cleans."""
    for path in (shell.volume / ".envkit").rglob("*"):
        os.chown(path, MEMBER, GROUP, follow_symlinks=False)
    trash = shell.volume / ".envkit/trash"
    trash.rmdir()
    trash.symlink_to(home)
    os.chown(trash, MEMBER, GROUP, follow_symlinks=False)
    before = state(home)
    assert shell.run("clean").code == 6
    assert shell.run("doctor", "--fix").code == 6
    assert state(home) == before


SWAP = """
cd "$1" && echo ready
while :; do
    for made in mine-????????; do
        [ -d "$made" ] && touch "$made/inside" 2>/dev/null && echo entered
        [ -d "$made" ] && mv "$made" gone && %s && exit 0
    done
done
"""


@needs_root
@pytest.mark.parametrize("instead", ['ln -s "$2" "$made"', 'mkdir -p "$made/bin"'])
def test_a_generation_that_a_member_swaps_while_it_is_made(shell: Shell, home: Path, instead: str) -> None:
    """Nothing is written to what he puts in its place."""
    for path in (shell.volume, *shell.volume.parents[:-1]):
        path.chmod(path.stat().st_mode | 0o011)
    generations, before = shell.volume / ".envkit/g", state(home)
    words = ["setpriv", "--reuid", str(MEMBER), "--regid", str(GROUP), "--clear-groups"]
    words += ["sh", "-c", SWAP % instead, "sh", str(generations), str(home)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as member:
        assert member.stdout is not None
        assert member.stdout.readline() == "ready\n"
        done = shell.run(*verbs(shell)["create"])
        member.terminate()
        assert member.stdout.read() == ""  # he never entered it
    assert member.returncode == 0, "he had no chance"
    assert done.code == 6, done.err
    assert "not what envkit put there" in done.err
    assert "/proc/" not in done.err
    assert state(home) == before
    assert not os.path.lexists(shell.volume / "mine")
    assert not list(generations.glob("mine-*/*/*")), "something was written into it"


@needs_root
def test_a_strangers_folder_in_a_volume_that_others_may_not_write(shell: Shell) -> None:
    shell.volume.chmod(0o755)
    leases = shell.volume / ".envkit/leases"
    os.chown(leases, MEMBER, -1)
    done = shell.run(*verbs(shell)["create"])
    assert done.code == 6
    assert f"{leases} is not what envkit put there: it is owned by user {MEMBER}" in done.err
    assert [f["code"] for f in shell.run("doctor", "--json").json["subjects"][0]["findings"]] == ["tampered"]


@needs_root
def test_what_is_mounted_below_is_not_deleted(shell: Shell, home: Path) -> None:
    place = shell.volume / ".envkit/trash/old/inner"
    place.mkdir(parents=True)
    (place.parent / "file").touch()
    if subprocess.run(["mount", "--bind", home, place], capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    try:
        before = state(home)
        shell.ok("clean", "--keep", "0", "--older-than", "0")
        assert state(home) == before
        assert place.is_dir()
    finally:
        subprocess.run(["umount", place], check=True)
    shell.ok("clean", "--keep", "0", "--older-than", "0")
    assert not place.exists()


def test_a_tree_of_any_depth_is_removed(shell: Shell) -> None:
    here = shell.volume / ".envkit/trash/deep"
    here.mkdir()
    descriptor = os.open(here, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    shell.ok("clean", "--keep", "0", "--older-than", "0")
    assert not list((shell.volume / ".envkit/trash").iterdir())
