"""Environments as one file: packed, carried, unpacked elsewhere by somebody else; damaged and hostile files refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from harness import ENVKIT, ROOT, Shell, build_wheel_channel, run_program
from packages import strings_of, travelling

INDEX = ".envkit-pack.json"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Path, str]:
    """A volume with an environment that was validated, and its pack."""
    shell = Shell.below(tmp_path_factory.mktemp("packed"))
    shell.publish(travelling())
    shell.create("tool")
    file = shell.home / "demo.tar.zst"
    document = shell.ok("pack", "demo", "-o", str(file), "--json").json
    return shell, file, document["sha256"]


def elsewhere(folder: Path, *below: str) -> Shell:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "home").mkdir()
    return Shell(folder.joinpath(*below) / "volume", folder / "no-channel", folder / "home")


def healthy(shell: Shell, name: str = "demo") -> None:
    document = shell.ok("doctor", name, "--full", "--json").json
    wrong = [f for s in document["subjects"] for f in s["findings"] if f["status"] == "fail"]
    assert not wrong


def check_place(prefix: Path, old: Path) -> None:
    """Every file names the new prefix and none the old one; strings of binaries stay where they were."""
    assert (prefix / "bin/where").read_text() == f"#!/bin/sh\necho {prefix}/share\n"
    data = (prefix / "lib/tool.bin").read_bytes()
    assert b"|".join(part for part in data.split(b"\0") if part) == strings_of(str(prefix))
    assert len(data) == (old / "lib/tool.bin").stat().st_size
    assert os.readlink(prefix / "lib/tool.so") == "tool.bin"
    for path in prefix.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert str(old).encode() not in path.read_bytes(), path


@pytest.mark.parametrize("below", [(), ("l" * 40, "o" * 40)], ids=["short", "long"])
def test_unpacked_elsewhere(packed: tuple[Shell, Path, str], tmp_path: Path, below: tuple[str, ...]) -> None:
    shell, file, sha256 = packed
    other = elsewhere(tmp_path / "other", *below)
    other.volume.parent.mkdir(parents=True, exist_ok=True)
    document = other.ok("unpack", str(file), "--sha256", sha256, "--json").json
    assert (document["environment"], document["reused"]) == ("demo", False)
    assert document["validation"]["verdict"] in {"pass", "skip"}
    prefix = other.prefix()
    assert prefix != shell.prefix()
    check_place(prefix, shell.prefix())
    healthy(other)
    assert (prefix / "share/many/003.txt").stat().st_mtime == (shell.prefix() / "share/many/003.txt").stat().st_mtime
    shown = other.ok("show", "demo", "--json").json
    assert [package["name"] for package in shown["packages"]] == ["tool"]
    assert other.ok("unpack", str(file), "--json").json["reused"]
    assert other.ok("run", "demo", "--", "where").out == f"{prefix}/share\n"
    assert other.ok("unpack", str(file), "--replace", "--json").json["prefix"] != str(prefix)
    assert [g["verb"] for g in other.ok("history", "demo", "--json").json["generations"]][-1] == "unpack --replace"


def test_unpacked_by_another_user(packed: tuple[Shell, Path, str]) -> None:
    if os.geteuid() or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv of util-linux to be another user")
    shell, file, _ = packed
    place = Path("/tmp") / f"envkit-test-{os.getpid()}"
    place.mkdir()
    try:
        carried = place / "carried.tar.zst"
        shutil.copy(file, carried)
        other = elsewhere(place / "other")
        for path in (place / "other", place / "other" / "home"):
            os.chown(path, 65534, 65534)
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        env = other.env(PYTHONPATH=str(ROOT))
        for words in (("unpack", str(carried)), ("doctor", "demo", "--full"), ("run", "demo", "--", "where")):
            done = run_program([*become, *ENVKIT, *words], env=env)
            assert done.code == 0, done.err
        check_place(other.prefix(), shell.prefix())
        assert {path.lstat().st_uid for path in other.prefix().rglob("*")} == {65534}
    finally:
        shutil.rmtree(place)


def test_the_same_bytes_twice(packed: tuple[Shell, Path, str], tmp_path: Path) -> None:
    shell, file, sha256 = packed
    again = shell.ok("pack", "demo", "-o", str(tmp_path / "again.tar.zst"), "--json").json
    assert again["sha256"] == sha256
    assert (tmp_path / "again.tar.zst").read_bytes() == file.read_bytes()
    kept = shell.ok("pack", "demo", "--keep", "--json").json
    assert kept["sha256"] == sha256
    assert shell.prefix().name in kept["file"]
    plan = shell.ok("clean", "--dry-run", "--older-than", "0", "--json").json
    assert not [item for item in plan["items"] if item["kind"] == "pack"]
    assert list(tmp_path.iterdir()) == [tmp_path / "again.tar.zst"]


def test_without_envkit(packed: tuple[Shell, Path, str], tmp_path: Path) -> None:
    shell, file, _ = packed
    place = tmp_path / ("a-path-longer-than-the-one-where-it-was-made-" * 2) / "plain"
    place.mkdir(parents=True)
    with zstandard.open(file, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(place, filter="tar")
    subprocess.run([sys.executable, place / "bin/conda-unpack"], check=True, capture_output=True)
    assert (place / "bin/where").read_text() == f"#!/bin/sh\necho {place}/share\n"
    data = (place / "lib/tool.bin").read_bytes()
    assert b"|".join(part for part in data.split(b"\0") if part) == strings_of(str(place))
    assert len(data) == (shell.prefix() / "lib/tool.bin").stat().st_size


def test_squashfs(packed: tuple[Shell, Path, str], tmp_path: Path) -> None:
    for program in ("mksquashfs", "unsquashfs"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} of squashfs-tools")
    shell, _, _ = packed
    files = [tmp_path / f"{name}.squashfs" for name in ("one", "two")]
    digests = {shell.ok("pack", "demo", "-o", str(file), "--json").json["sha256"] for file in files}
    assert len(digests) == 1
    other = elsewhere(tmp_path / "other")
    other.ok("unpack", str(files[0]))
    check_place(other.prefix(), shell.prefix())
    healthy(other)


def test_wrong_inputs(packed: tuple[Shell, Path, str], tmp_path: Path) -> None:
    shell, file, sha256 = packed
    other = elsewhere(tmp_path / "other")
    cut = tmp_path / "cut.tar.zst"
    cut.write_bytes(file.read_bytes()[:-40])
    flipped = tmp_path / "flipped.tar.zst"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    text = tmp_path / "text"
    text.write_text("no pack")
    for words, code, said in (
        ((str(tmp_path / "none"),), 2, "No such file"),
        ((str(text),), 6, "neither tar.zst nor squashfs"),
        ((str(cut),), 6, "cut.tar.zst is"),
        ((str(flipped),), 6, "flipped.tar.zst is"),
        ((str(file), "--sha256", "0" * 64), 6, "has the sha256"),
        ((str(file), "--sha256", sha256[:12]), 2, "no sha256"),
        ((str(file), "-n", "base"), 2, "cannot be called"),
    ):
        done = other.run("unpack", *words)
        assert (done.code, said in " ".join(done.err.split())) == (code, True), done.err
    generations = other.volume / ".envkit" / "g"
    assert not generations.is_dir() or not list(generations.iterdir())
    shell.create("tool", name="taken")
    assert shell.run("pack", "nothing").code == 1
    assert shell.run("pack", "demo", "-o", str(tmp_path / "no" / "such" / "x.tar.zst")).code == 7
    assert shell.run("pack", "demo", "--format", "zip").code == 2


def test_a_damaged_environment_is_not_packed(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(travelling(files=1))
    shell.create("tool")
    path = shell.prefix() / "share/many/000.txt"
    path.chmod(0o644)
    path.write_text("another")
    done = shell.run("pack", "demo", "-o", str(tmp_path / "x.tar.zst"))
    assert done.code == 6
    assert "share/many/000.txt differs" in " ".join(done.err.split())
    assert not (tmp_path / "x.tar.zst").exists()


def rewritten(file: Path, out: Path, change: Callable[[Any, Any], None]) -> Path:
    """A pack whose index and members were changed by somebody who knows the format."""
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    with zstandard.open(file, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for info in tar:
            content = tar.extractfile(info) if info.isreg() else None
            members.append((info, content.read() if content else b""))
    index = json.loads(members[0][1])
    change(index, members)
    members[0] = (members[0][0], json.dumps(index).encode())
    with zstandard.open(out, "wb") as stream, tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out


def _add(path: str, target: str | None = None) -> Callable[[Any, Any], None]:
    def change(index: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = tarfile.TarInfo(path)
        row = ["f", path, 0o644, 0, 1, hashlib.sha256(b"x").hexdigest()]
        if target is not None:
            info.type, info.linkname, row = tarfile.SYMTYPE, target, ["l", path, target]
        index["files"].append(row)
        members.append((info, b"x"))

    return change


def _device(_: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[3][0].type = tarfile.CHRTYPE


def _hard_link(_: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[3][0].type, members[3][0].linkname = tarfile.LNKTYPE, "/etc/passwd"


def _bomb(_: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    info = tarfile.TarInfo("share/many/bomb")
    members.append((info, b"\0" * (64 << 20)))


def _unlisted(index: dict[str, Any], _: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    index["files"].pop(5)


def _larger(index: dict[str, Any], _: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    next(row for row in index["files"] if row[1] == "bin/where")[4] += 1


def _other_bytes(_: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    place = next(n for n, (info, _) in enumerate(members) if info.name == "bin/where")
    members[place] = (members[place][0], members[place][1].replace(b"echo", b"evil"))


def _other_packages(index: dict[str, Any], _: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    index["manifest"]["packages"][0]["version"] = "6.6"


def _newer(index: dict[str, Any], _: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    index["schema_version"] = 2


HOSTILE: dict[str, tuple[Callable[[Any, Any], None], str]] = {
    "up": (_add("../outside"), "'../outside' is not a plain path"),
    "absolute": (_add("/etc/outside"), "'/etc/outside' is not a plain path"),
    "empty part": (_add("a//b"), "'a//b' is not a plain path"),
    "link to a root": (_add("lib/x", "/etc"), "links to the absolute path"),
    "link out": (_add("lib/x", "../../../etc"), "links out of the prefix"),
    "below a link": (_add("lib/tool.so/below"), "'lib/tool.so' is a link and has something below it"),
    "twice": (_add("bin/where"), "'bin/where' is listed twice"),
    "device": (_device, "is neither a file, a link nor a folder"),
    "hard link": (_hard_link, "is neither a file, a link nor a folder"),
    "bomb": (_bomb, "there is more in it than its index lists"),
    "unlisted": (_unlisted, "is not what its index lists there"),
    "larger": (_larger, "is not what its index lists there"),
    "other bytes": (_other_bytes, "bin/where is not what its index says"),
    "other packages": (_other_packages, "its manifest is not that of its files"),
    "newer": (_newer, "was written by a newer envkit"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_packs_are_refused(packed: tuple[Shell, Path, str], tmp_path: Path, kind: str) -> None:
    _, file, _ = packed
    change, said = HOSTILE[kind]
    other = elsewhere(tmp_path / "other")
    done = other.run("unpack", str(rewritten(file, tmp_path / "hostile.tar.zst", change)))
    assert (done.code, said in " ".join(done.err.split())) == (6, True), done.err
    generations = other.volume / ".envkit" / "g"
    assert not generations.is_dir() or not list(generations.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"hostile.tar.zst", "other"}


def test_an_honest_pack_survives_the_rewriting(packed: tuple[Shell, Path, str], tmp_path: Path) -> None:
    other = elsewhere(tmp_path / "other")
    other.ok("unpack", str(rewritten(packed[1], tmp_path / "same.tar.zst", lambda *_: None)))


def test_killed_while_unpacking(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(travelling(files=4000))
    shell.create("tool")
    file = tmp_path / "demo.tar.zst"
    shell.ok("pack", "demo", "-o", str(file), "--level", "1")
    other = elsewhere(tmp_path / "other")
    generations = other.volume / ".envkit" / "g"
    child = subprocess.Popen([*ENVKIT, "unpack", str(file)], env=other.env(), stderr=subprocess.DEVNULL)
    while child.poll() is None and not list(generations.glob("*/share/many/0*")):
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    left = list(generations.iterdir())
    assert len(left) == 1
    assert other.run("show", "demo").code == 1
    other.ok("unpack", str(file))
    assert list(generations.iterdir()) == [other.prefix()]
    assert other.prefix() not in left
    healthy(other)


@pytest.mark.full
def test_pytorch_carried_to_another_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """PyTorch, entry points and a pip part: unpacked elsewhere, whole by every digest, and it computes."""
    if os.geteuid() or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv of util-linux to be another user")
    channel = build_wheel_channel(tmp_path_factory.mktemp("channel"), ["rich"], "--with-torch")
    shell = Shell(tmp_path_factory.mktemp("from") / "volume", channel, tmp_path_factory.mktemp("user"), 1200)
    shell.create("pytorch", "rich", args=("--cuda", "none", "--pip", "tabulate", "--no-validate"))
    place = Path("/tmp") / f"envkit-test-torch-{os.getpid()}"
    place.mkdir()
    try:
        file = place / "carried.tar.zst"
        shell.ok("pack", "demo", "-o", str(file), "--level", "1")
        shutil.rmtree(shell.volume)
        other = elsewhere(place / "other", "l" * 40)
        other.volume.parent.mkdir()
        for path in (place / "other", other.home, other.volume.parent):
            os.chown(path, 65534, 65534)
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        env = other.env(PYTHONPATH=str(ROOT))
        code = "import torch, tabulate; print(int(torch.ones(3) @ torch.ones(3)))"
        for words, printed in (
            (("unpack", str(file)), "validated: "),
            (("doctor", "demo", "--full"), "healthy"),
            (("run", "demo", "--", "python", "-c", code), "3\n"),
            (("run", "demo", "--", "tabulate", "--help"), "Usage"),
            (("run", "demo", "--", "pygmentize", "-V"), "Pygments"),
        ):
            done = run_program([*become, *ENVKIT, *words], env=env, timeout_s=1200)
            assert (done.code, printed in done.out) == (0, True), (words, done.out, done.err)
    finally:
        shutil.rmtree(place)
