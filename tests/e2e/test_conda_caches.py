"""Packages of conda's own caches (pkgs_dirs) are taken instead of downloaded, if they are what the index says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from channels import Package, archive, write_channel
from harness import Shell
from rattler.package_streaming import extract
from recording_server import Recorded, record

TOOL = Package(
    "tool", files={"bin/tool": b"#!/bin/sh\necho fine\n", "lib/tool.txt": b"x" * 900, "lib/link": "tool.txt"}
)
OTHER = Package("other", files={"lib/other.txt": b"1"})
FN = "tool-1.0-0.conda"
_NOBODY = 61234


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell.below(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "pkgs").mkdir()
    return tmp_path / "pkgs"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Recorded]:
    write_channel(tmp_path / "served", [TOOL, OTHER])
    with record(tmp_path / "served") as recorded:
        yield recorded


def _archive(cache: Path, name: str = FN) -> Path:
    path = cache / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive(TOOL)[0])
    return path


def _extracted(cache: Path, package: Package = TOOL) -> Path:
    """Extract a package as conda does, under the name of the tool."""
    data, told = archive(package)
    file = cache.parent / "archive.conda"
    file.write_bytes(data)
    extract(file, cache / FN.removesuffix(".conda"))
    (cache / "tool-1.0-0/info/repodata_record.json").write_text(
        json.dumps({**told, "sha256": archive(TOOL)[1]["sha256"]})
    )
    return cache / "tool-1.0-0"


def _edit(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def _give(path: Path) -> None:
    for one in (path, *path.rglob("*")):
        os.lchown(one, _NOBODY, _NOBODY)


def _damage(cache: Path) -> None:
    _edit(_archive(cache), archive(TOOL)[0][:-1] + b"?")


def _fifo(cache: Path) -> None:
    os.mkfifo(cache / FN)
    (_extracted(cache) / "lib/tool.txt").unlink()
    os.mkfifo(cache / "tool-1.0-0/lib/tool.txt")


def _state(root: Path) -> list[tuple[object, ...]]:
    return [(str(p), p.lstat().st_mode, p.lstat().st_mtime_ns, p.lstat().st_nlink) for p in sorted(root.rglob("*"))]


@pytest.mark.parametrize(
    ("fill", "taken"),
    [
        (_archive, True),
        (lambda cache: _archive(cache, "http/SERVER/linux-64/" + FN), True),
        (_extracted, True),
        (lambda cache: [one(cache) for one in (_damage, _extracted)], True),
        (_damage, False),
        (_fifo, False),
        (lambda cache: _edit(_extracted(cache) / "lib/tool.txt", b"y" * 900), False),
        (lambda cache: (_extracted(cache) / "lib/tool.txt").unlink(), False),
        (lambda cache: (_extracted(cache) / "info/paths.json").unlink(), False),
        (lambda cache: _edit(_extracted(cache) / "info/repodata_record.json", b'{"sha256": "00"}'), False),
        (lambda cache: _extracted(cache, OTHER), False),
        (lambda cache: cache.rmdir(), False),
    ],
)
def test_what_is_taken_from_a_cache(
    shell: Shell, server: Recorded, cache: Path, fill: Callable[[Path], object], taken: bool
) -> None:
    fill(cache)
    if (cache / "http").is_dir():
        (cache / "http/SERVER").rename(cache / "http" / server.url.removeprefix("http://"))
    before = _state(cache)
    (shell.home / ".condarc").write_text(f"pkgs_dirs: ['{cache}']\n")
    words = ("create", "tool", "-n", "demo", "-c", server.url, "--override-channels", "--no-validate")
    said = shell.ok(*words)
    assert (f"/linux-64/{FN}" not in server.asked) is taken
    assert (f"1 package taken from {cache} (pkgs_dirs)" in said.err) is taken
    assert _state(cache) == before
    assert shell.ok("run", "demo", "tool").out == "fine\n"
    assert (shell.prefix() / "lib/link").read_bytes() == b"x" * 900
    assert (shell.prefix() / "lib/tool.txt").stat().st_mode & 0o777 == 0o444
    assert shell.run("doctor", "demo", "--json").code == 0


def test_offline_a_cache_is_enough(shell: Shell, server: Recorded, cache: Path) -> None:
    words = ("create", "tool", "-n", "demo", "-c", server.url, "--override-channels", "--no-validate")
    shell.ok("create", "other", "-n", "first", *words[4:])  # its index is in the user's cache
    assert shell.run(*words, "--offline").code == 5
    _archive(cache)
    shell.ok(*words, "--offline", CONDA_PKGS_DIRS=str(cache))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of another user")
def test_a_strangers_cache_counts_by_digests_alone(shell: Shell, server: Recorded, cache: Path) -> None:
    _extracted(cache)
    _give(cache)
    words = ("-c", server.url, "--override-channels", "--no-validate")
    shell.ok("create", "tool", "-n", "demo", *words, CONDA_PKGS_DIRS=str(cache))
    assert f"/linux-64/{FN}" in server.asked
    shutil.rmtree(shell.volume)
    _archive(cache)
    _give(cache)
    server.asked.clear()
    shell.ok("create", "tool", "-n", "demo", *words, CONDA_PKGS_DIRS=str(cache))
    assert f"/linux-64/{FN}" not in server.asked
