"""Two at once, many in a row, interrupted: nothing is lost and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import Envkit, serve


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    packages = [
        Package(f"p{i}", depends=[f"p{i - 1}"] if i else [], files={f"lib/p{i}/{j}": b"%d" % j for j in range(40)})
        for i in range(12)
    ]
    return write_channel(tmp_path / "channel", packages)


def test_two_at_once_of_the_same_name(envkit: Envkit, channel: Path, tmp_path: Path) -> None:
    def make(_: int) -> dict[str, object]:
        made = envkit(
            *("create", "p11", "-n", "train", "-c", channel, "--override-channels", "--json"),
            *("--persist", tmp_path / "envs"),
        )
        assert made.code == 0, made.out
        document: dict[str, object] = made.json
        return document

    with ThreadPoolExecutor(4) as pool:
        documents = list(pool.map(make, range(4)))
    assert sum(not d["reused"] for d in documents) == 1
    assert len({str(d["prefix"]) for d in documents}) == 1


def test_two_at_once_of_different_names_share_one_cache(envkit: Envkit, channel: Path, tmp_path: Path) -> None:
    def make(number: int) -> int:
        return envkit(
            *("create", "p11", "-n", f"train{number}", "-c", channel, "--override-channels", "--json"),
            *("--persist", tmp_path / "envs"),
        ).code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(make, range(4))) == [0] * 4
    listed = envkit("list", "--persist", tmp_path / "envs", "--json").json["environments"]
    assert len(listed) == 4
    for environment in listed:
        checked = envkit("validate", environment["prefix"], "--json")
        assert checked.json["findings"][0]["status"] == "pass"
    assert len([p for p in (tmp_path / "envs/.envkit/pkgs").iterdir() if p.name[0] != "."]) == 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted(envkit: Envkit, channel: Path, tmp_path: Path, number: signal.Signals) -> None:
    volume = tmp_path / "envs"
    arguments = ["create", "p11", "-n", "train", "-c", str(channel), "--override-channels", "--persist", str(volume)]
    process = subprocess.Popen([sys.executable, "-m", "envkit", *arguments], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not list(volume.glob(".envkit/g/*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(number)
    error = process.communicate(timeout=30)[1].decode()
    if process.returncode != 0:  # it may have been faster than the signal
        assert process.returncode == (128 + number if number != signal.SIGKILL else -number)
        assert "Traceback" not in error
    made = envkit(*arguments, "--json")
    assert made.code == 0, made.out
    assert len(list(volume.glob(".envkit/g/*"))) == 1
    assert os.path.realpath(volume / "train") == made.json["prefix"]


@pytest.mark.parametrize(("command", "runs"), [("find", 20), ("create", 20)])
def test_many_in_a_row(envkit: Envkit, channel: Path, tmp_path: Path, command: str, runs: int) -> None:
    """py-rattler crashes now and then while the interpreter exits; the user never sees it."""
    _in_a_row(envkit, channel, tmp_path, command, runs)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", ["find", "create"])
def test_two_hundred_in_a_row(envkit: Envkit, channel: Path, tmp_path: Path, command: str) -> None:
    _in_a_row(envkit, channel, tmp_path, command, 200)


def _in_a_row(envkit: Envkit, channel: Path, tmp_path: Path, command: str, runs: int) -> None:
    with serve(channel) as url:
        arguments = [command, "p11", "-c", url, "--override-channels", "--json"]
        if command == "create":
            arguments += ["--dry-run", "--persist", str(tmp_path / "envs")]

        def once(_: int) -> int:
            return envkit(*arguments).code

        with ThreadPoolExecutor(2) as pool:
            assert set(pool.map(once, range(runs))) == {0}
