"""Environments of which the volume has one file: mounted for each command, by root and by others, and gone after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ENVKIT, ROOT, Shell, run_program
from mounts import mounted
from packages import travelling

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture(scope="module")
def packed() -> Iterator[Shell]:
    """A volume with a packed environment, in a folder that other users reach."""
    if shutil.which("mksquashfs") is None:
        pytest.skip("needs mksquashfs of squashfs-tools")
    place = Path("/tmp") / f"envkit-test-packed-{os.getpid()}"
    place.mkdir()
    try:
        shell = Shell.below(place / "on")
        shell.publish(travelling(files=200))
        shell.create("tool", args=("--packed",))
        yield shell
    finally:
        shutil.rmtree(place)


def needs_mounts() -> None:
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if os.geteuid() or done.returncode:
        pytest.skip("needs root that may mount")


def users_of(pack: Path) -> list[str]:
    """Loop devices and processes that use a pack."""
    loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=False).stdout
    found = [line for line in loops.splitlines() if str(pack) in line]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(pack) in words:
            found.append(str(path))
    return found


def ends(pack: Path) -> bool:
    for _ in range(200):
        if not users_of(pack):
            return True
        time.sleep(0.05)
    return False


def pack_of(shell: Shell) -> Path:
    (pack,) = (shell.volume / ".envkit/packs").iterdir()
    return pack


def test_only_a_file_is_on_the_volume(packed: Shell) -> None:
    prefix = packed.prefix()
    assert {path.name for path in prefix.iterdir()} == {
        ".envkit.json", ".envkit-packed.json", ".envkit-inventory.json"
    }  # fmt: skip
    assert not list((packed.volume / ".envkit/pkgs").glob("[0-9a-f]*"))
    shown = packed.ok("show", "demo", "--json").json
    assert [package["name"] for package in shown["packages"]] == ["tool"]
    assert packed.ok("list", "--json").json["environments"][0]["validated"] is not None
    assert packed.ok("history", "demo", "--json").json["generations"][0]["verb"] == "create --packed"
    assert packed.create("tool", args=("--packed",))["reused"]
    assert packed.ok("doctor", "demo", "--full").code == 0


def test_root_mounts_it(packed: Shell) -> None:
    needs_mounts()
    prefix = packed.prefix()
    assert packed.ok("run", "demo", "--", "where").out == f"{prefix}/share\n"
    assert packed.ok("validate", "demo").code == 0
    assert ends(pack_of(packed))
    busy = subprocess.Popen([*ENVKIT, "run", "demo", "--", "sleep", "60"], env=packed.env())
    while not users_of(pack_of(packed)):
        time.sleep(0.02)
    assert not (prefix / "bin").exists()  # the mount is not this process's
    busy.kill()
    busy.wait()
    assert ends(pack_of(packed))


def test_another_user_mounts_it(packed: Shell, tmp_path: Path) -> None:
    if os.geteuid() or shutil.which("squashfuse") is None or shutil.which("setpriv") is None:
        pytest.skip("needs root, setpriv and squashfuse")
    if subprocess.run([*NOBODY, "unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("users may have no namespaces here")
    prefix, env = packed.prefix(), packed.env(PYTHONPATH=str(ROOT), HOME="/nonexistent")
    code = "where && id -u && (sleep 60 >/dev/null 2>&1 & ) && test -r share/many/003.txt"
    # Where /dev/fuse is root's alone, as in many containers, nobody gets one that is for all.
    give = f'mknod -m 666 {tmp_path}/fuse c 10 229 && mount --bind {tmp_path}/fuse /dev/fuse && exec "$@"'
    words = [*NOBODY, *ENVKIT, "run", "demo", "--", "sh", "-c", f"cd {prefix} && {code}"]
    done = run_program(["unshare", "-m", "sh", "-c", give, "sh", *words], env=env)
    if done.code and ("mknod" in done.err or "mount:" in done.err):
        pytest.skip(f"no device can be made here: {done.err}")
    assert (done.code, done.out) == (0, f"{prefix}/share\n65534\n"), done.err
    # What the command has left behind still has the files; they go with it.
    assert users_of(pack_of(packed))
    left = [path for path in Path("/proc").glob("[0-9]*") if _runs(path, b"sleep\x0060\x00", prefix)]
    assert len(left) == 1
    os.kill(int(left[0].name), 9)
    assert ends(pack_of(packed))


def _runs(path: Path, words: bytes, folder: Path) -> bool:
    try:
        return (path / "cmdline").read_bytes() == words and os.readlink(path / "cwd") == str(folder)
    except OSError:
        return False


def test_where_nothing_mounts_it_is_copied(packed: Shell) -> None:
    for program in ("unsquashfs", "setpriv"):
        if os.geteuid() or shutil.which(program) is None:
            pytest.skip(f"needs root and {program}")
    place = packed.volume.parents[1] / "place"  # which other users reach
    programs = place / "bin"
    programs.mkdir(parents=True)
    for name in ("sh", "unsquashfs"):  # neither mount nor squashfuse
        (programs / name).symlink_to(str(shutil.which(name)))
    place.chmod(0o1777)
    env = packed.env(PYTHONPATH=str(ROOT), TMPDIR=str(place), PATH=str(programs))
    setpriv = [str(shutil.which("setpriv")), *NOBODY[1:]]
    done = run_program([*setpriv, *ENVKIT, "run", "demo", "--", "where"], env=env, cwd=place)
    assert done.code == 0, done.err
    assert "it is copied to" in done.err
    assert done.out == f"{place}/envkit-65534/.envkit/g/{packed.prefix().name}/share\n"


def test_verbs_that_cannot(packed: Shell) -> None:
    done = packed.run("activate", "demo", "--shell", "bash")
    assert (done.code, "only a pack" in done.err) == (2, True)
    pack = pack_of(packed)
    content = pack.read_bytes()
    pack.chmod(0o644)
    try:
        pack.write_bytes(content[:-1] + b"x")
        assert packed.run("doctor", "demo").code == 0
        assert packed.run("doctor", "demo", "--full").code == 6
        pack.write_bytes(content[:100])
        assert packed.run("doctor", "demo").code == 6
        pack.unlink()
        done = packed.run("run", "demo", "--", "where")
        assert (done.code, "is not there" in done.err) == (7, True), done.err
    finally:
        pack.write_bytes(content)


def test_a_volume_with_few_inodes(tmp_path: Path) -> None:
    needs_mounts()
    if shutil.which("mksquashfs") is None:
        pytest.skip("needs mksquashfs of squashfs-tools")
    shell = Shell.below(tmp_path)
    with mounted(tmp_path / "few", "-t", "tmpfs", "-o", "nr_inodes=60", "none") as place:
        few = Shell(place / "volume", shell.channel, shell.home)
        few.publish(travelling(files=300))
        words = ("create", "tool", "-n", "demo", "-c", str(shell.channel), "--override-channels")
        assert few.run(*words).code == 7
        few.ok(*words, "--packed")
        assert few.ok("run", "demo", "--", "where").out == f"{few.prefix()}/share\n"
        few.ok("remove", "demo")
        few.ok("clean", "--older-than", "0", "--keep", "0")
        assert not list((few.volume / ".envkit/packs").iterdir())
        assert not list((few.volume / ".envkit/g").iterdir())
