"""Servers and packages without measure: each is given up in time, with its cause, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard
from channels import SUBDIR, Package, archive, write_index
from harness import Outcome, Shell

SERVER = Path(__file__).parent.parent / "rogue_server.py"


@contextmanager
def rogue(kind: str) -> Iterator[str]:
    with subprocess.Popen([sys.executable, SERVER, kind], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/channel"
        finally:
            server.kill()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell.below(tmp_path)


def find(shell: Shell, url: str, *args: str, **more: str) -> tuple[Outcome, float]:
    began = time.monotonic()
    outcome = shell.run("find", "x", "-c", url, "--override-channels", "--no-gpu", "--engine", "rattler", *args, **more)
    return outcome, time.monotonic() - began


def left(shell: Shell) -> int:
    return sum(path.stat().st_size for path in shell.home.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["slow", "headers", "silent"])
def test_a_server_without_progress_is_given_up(shell: Shell, kind: str) -> None:
    with rogue(kind) as url:
        outcome, seconds = find(shell, url, ENVKIT_TIMEOUT="2")
    assert outcome.code == 5, outcome.err
    assert "sent next to nothing for 2 s" in outcome.err
    assert "--timeout SECONDS" in outcome.err
    assert seconds < 20
    assert left(shell) < 100_000


def test_a_host_that_drops_packets_is_given_up_sooner(shell: Shell) -> None:
    (shell.home / ".condarc").write_text("remote_connect_timeout_secs: 2\n")
    with rogue("deaf") as url:
        outcome, seconds = find(shell, url)
    assert outcome.code == 5, outcome.err
    assert "accepts no connection within 2 s" in outcome.err
    assert seconds < 20


def test_an_index_that_expands_without_end_is_given_up_and_removed(shell: Shell) -> None:
    with rogue("bomb") as url:
        outcome, _ = find(shell, url)
    assert outcome.code == 5, outcome.err
    assert "is refused: it expands to more than" in outcome.err
    assert left(shell) < 100_000


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_that_is_none(shell: Shell, text: str) -> None:
    outcome = shell.run("find", "x", "--no-gpu", ENVKIT_TIMEOUT=text)
    assert outcome.code == 2
    assert "ENVKIT_TIMEOUT" in outcome.err


LIB = Package("lib", files={"share/lib.txt": b"one"})
ODD = {"link": (tarfile.SYMTYPE, "/dev/zero"), "pipe": (tarfile.FIFOTYPE, "")}


def with_info(package: Package, name: str, change: tuple[bytes, str] | None, size: int = 0) -> bytes:
    """The archive of a package in which one file of its description is something else."""
    data, _ = archive(package)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member.startswith("info-"):
                content = _changed(content, name, change, size)
            new.writestr(zipfile.ZipInfo(member), content)
    return out.getvalue()


def _changed(packed: bytes, name: str, change: tuple[bytes, str] | None, size: int) -> bytes:
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(plain)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for entry in old:
            if entry.name != name:
                new.addfile(entry, old.extractfile(entry))
            elif change is None:
                entry.size = size
                new.addfile(entry, io.BytesIO(b"\0" * size))
            else:
                entry.size = 0
                entry.type, entry.linkname = change
                new.addfile(entry)
    return zstandard.ZstdCompressor().compress(out.getvalue())


def publish(shell: Shell, package: Package, data: bytes) -> None:
    _, record = archive(package)
    record |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data).hexdigest()}  # noqa: S324
    write_index(shell.channel, {SUBDIR: {f"{package.stem}.conda": record}, "noarch": {}})
    (shell.channel / SUBDIR / f"{package.stem}.conda").write_bytes(data)


@pytest.mark.parametrize("name", ["info/paths.json", "info/index.json"])
@pytest.mark.parametrize("kind", [*ODD, "huge"])
def test_what_does_not_belong_in_a_description_is_refused_unread(shell: Shell, name: str, kind: str) -> None:
    publish(shell, LIB, with_info(LIB, name, ODD.get(kind), size=(128 << 20) + 1))
    outcome = shell.run("create", "lib", "-c", str(shell.channel), "--override-channels")
    assert outcome.code == 6, outcome.err
    assert name in outcome.err
    assert "is refused" in outcome.err
    assert not list((shell.volume / ".envkit" / "g").iterdir())
    assert not [path for path in (shell.volume / ".envkit" / "pkgs").iterdir() if not path.name.startswith(".")]


def test_an_archive_that_expands_without_end_is_given_up_and_removed(shell: Shell) -> None:
    size = 3 << 30
    entry = tarfile.TarInfo("share/zeros")
    entry.size = size
    packer = zstandard.ZstdCompressor().compressobj()
    packed = packer.compress(entry.tobuf(format=tarfile.GNU_FORMAT))
    block = b"\0" * (1 << 24)
    for _ in range(size // len(block)):
        packed += packer.compress(block)
    packed += packer.compress(b"\0" * 1024) + packer.flush()
    data, _ = archive(LIB)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            new.writestr(zipfile.ZipInfo(member), packed if member.startswith("pkg-") else old.read(member))
    publish(shell, LIB, out.getvalue())
    outcome = shell.run("create", "lib", "-c", str(shell.channel), "--override-channels")
    assert outcome.code == 6, outcome.err
    assert "expand to more than" in outcome.err, outcome.err
    kept = shell.volume / ".envkit"
    assert sum(path.stat().st_size for path in kept.rglob("*") if path.is_file()) < 1_000_000


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", [".envkit.json", "conda-meta/lib-1.0-0.json"])
def test_no_command_waits_for_a_file_that_was_replaced(shell: Shell, name: str, kind: str) -> None:
    shell.publish(LIB)
    shell.create("lib")
    path = shell.prefix() / name
    path.unlink()
    if kind == "link":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    for args in (("list",), ("show", "demo"), ("doctor",), ("doctor", "demo"), ("validate", "demo"), ("clean",)):
        outcome = shell.run(*args)
        assert outcome.code in {0, 3, 6}, (args, outcome.err)
    assert shell.run("doctor", "demo").code == 6
    shell.run("run", "demo", "--", "true")
    shell.run("activate", "demo", "--shell", "bash")
