from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from channels import Package
from harness import Shell
from pip._vendor import certifi

import envkit.api.mend as mend_api
from envkit.errors import HeldError
from envkit.layout import lease
from envkit.layout.gc import CACHE
from envkit.layout.volume import Volume
from envkit.models.progress import Reporter

SCRIPT = b"#!/bin/sh\necho hello\n"
APP = Package("app", "1.0", depends=["lib"], files={"bin/app": SCRIPT, "share/app.txt": b"app 1"})
LIB = Package("lib", "1.0", files={"share/lib.txt": b"one", "share/same.txt": b"same"})


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(LIB, APP)
    shell.create("app")
    return shell


def codes(shell: Shell, *args: str) -> dict[str, set[str]]:
    """Codes of what is not right, by subject."""
    document = shell.run("doctor", *args, "--json").json
    return {s["name"]: {f["code"] for f in s["findings"] if f["status"] == "fail"} for s in document["subjects"]}


def test_a_fresh_volume_is_healthy(shell: Shell) -> None:
    assert shell.ok("doctor").code == 0
    assert codes(shell, "--full") == {"volume": set(), "demo": set()}


def test_a_missing_file_is_found_and_mended_from_the_cache(shell: Shell) -> None:
    before = shell.prefix()
    (before / "share/lib.txt").unlink()
    outcome = shell.run("doctor", "demo")
    assert outcome.code == 6
    assert "share/lib.txt (lib 1.0) is missing" in outcome.out
    assert "linked demo anew" in shell.ok("doctor", "demo", "--fix").out
    assert (shell.volume / "demo/share/lib.txt").read_bytes() == b"one"
    assert shell.prefix() != before
    assert before.is_dir()


def test_an_edit_in_place_is_found_by_its_time_and_mended_by_fetching_again(shell: Shell) -> None:
    path = shell.prefix() / "share/lib.txt"
    path.chmod(0o644)
    path.write_bytes(b"two")  # the same size, and through the hard link it is in the cache too
    os.utime(path, (2_000_000_000, 2_000_000_000))
    assert codes(shell, "demo") == {"demo": {"files-damaged"}}
    shell.ok("doctor", "demo", "--fix")
    assert (shell.volume / "demo/share/lib.txt").read_bytes() == b"one"


def test_an_edit_that_hides_its_time_takes_full(shell: Shell) -> None:
    path = shell.prefix() / "share/lib.txt"
    before = path.stat().st_mtime
    path.chmod(0o644)
    path.write_bytes(b"two")
    os.utime(path, (before, before))
    assert codes(shell, "demo") == {"demo": set()}
    assert codes(shell, "--full") == {"volume": {"cache-damaged"}, "demo": {"files-damaged"}}
    shell.ok("doctor", "--full", "--fix")
    assert (shell.volume / "demo/share/lib.txt").read_bytes() == b"one"


def test_a_package_of_another_tool_is_found(shell: Shell) -> None:
    meta = shell.prefix() / "conda-meta"
    (meta / "other-2.0-0.json").write_text('{"name": "other", "version": "2.0", "build": "0", "files": []}')
    assert codes(shell, "demo") == {"demo": {"records-differ"}}
    shell.ok("doctor", "--fix")
    assert codes(shell, "demo") == {"demo": set()}


def test_a_record_that_cannot_be_read_is_found(shell: Shell) -> None:
    path = next((shell.prefix() / "conda-meta").glob("lib-*.json"))
    path.write_text("{")
    assert codes(shell, "demo")["demo"] >= {"bad-record", "records-differ"}


def test_a_generation_that_is_gone_is_told(shell: Shell) -> None:
    import shutil  # noqa: PLC0415

    shutil.rmtree(shell.prefix())
    outcome = shell.run("doctor")
    assert outcome.code == 6
    assert "which is gone" in outcome.out
    assert "is gone" in shell.ok("list").out


def test_leftovers_are_a_warning_and_go(shell: Shell) -> None:
    (shell.volume / ".envkit/g/demo-00000000").mkdir()
    outcome = shell.ok("doctor")
    assert "unfinished" in outcome.out
    assert "removed 1 leftovers" in shell.ok("doctor", "--fix").out
    assert not (shell.volume / ".envkit/g/demo-00000000").exists()


def test_a_volume_at_another_path(shell: Shell, tmp_path: Path) -> None:
    moved = Shell(tmp_path / "elsewhere", shell.channel, shell.home)
    shell.volume.rename(moved.volume)
    assert codes(moved) == {"volume": {"moved"}, "demo": {"moved"}}
    outcome = moved.run("run", "demo", "--", "sh", "-c", "true")
    assert outcome.code == 7
    assert "doctor --fix" in outcome.err
    (tmp_path / "volume").symlink_to(moved.volume)  # a link at the old path is as good
    assert codes(moved) == {"volume": set(), "demo": set()}
    (tmp_path / "volume").unlink()
    moved.ok("doctor", "--fix")
    assert codes(moved) == {"volume": set(), "demo": set()}
    assert moved.ok("show", "demo", "--json").json["prefix"].startswith(str(moved.volume))


def test_a_virtual_environment(tmp_path: Path, shell: Shell) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    site = next(venv.glob("lib/python3*/site-packages"))
    info = site / "thing-1.0.dist-info"
    info.mkdir()
    (site / "thing.py").write_text("x = 1\n")
    (info / "METADATA").write_text("Name: thing\nVersion: 1.0\n")
    (info / "RECORD").write_text("thing.py,sha256=5w5lG5c6nVt-mPSGO29LVMwUdD0cfoF0cmM9LbpAaDg,6\n")
    assert codes(shell, str(venv)) == {str(venv): set()}
    (site / "thing.py").write_text("x = 12\n")
    assert codes(shell, str(venv)) == {str(venv): {"files-damaged"}}
    assert shell.run("doctor", str(tmp_path)).code == 6


def test_packages_stay_while_something_is_made_of_them(shell: Shell) -> None:
    volume = Volume(shell.volume)
    package = next(path for path in volume.packages.glob("*/app-*") if path.is_dir())
    (package / "share/app.txt").unlink()
    silent = Reporter()
    with lease.hold(volume, CACHE, shared=True), pytest.raises(HeldError):
        mend_api._remove_damaged(volume, [package], silent, wait_s=0.0)
    assert package.is_dir()
    sound = next(path for path in volume.packages.glob("*/lib-*") if path.is_dir())
    assert mend_api._remove_damaged(volume, [package, sound], silent) == [
        package.name
    ]  # the other was mended meanwhile
    assert sound.is_dir()
    assert not package.exists()


def test_certificates_of_a_network_are_told_and_kept(shell: Shell) -> None:
    whole = Path(certifi.where()).read_bytes()
    end = whole.index(b"-----END CERTIFICATE-----\n") + 26
    shell.publish(LIB, APP, Package("ca-certificates", "2026.1", files={"ssl/cacert.pem": whole[:end]}))
    shell.ok("create", "ca-certificates", "-n", "tls", "-c", str(shell.channel), "--override-channels")
    bundle = shell.volume / "tls/ssl/cacert.pem"
    bundle.chmod(0o644)
    bundle.write_bytes(whole)
    for words in (("doctor", "tls"), ("doctor", "tls", "--full", "--fix"), ("validate", "tls")):
        said = shell.ok(*words)
        assert "warn  certificates" in said.out
        assert "added to ssl/cacert.pem" in said.out
        assert "linked" not in said.out
    assert bundle.read_bytes() == whole
