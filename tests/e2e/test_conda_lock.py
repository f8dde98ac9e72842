"""conda-lock, from PyPI, reads the conda-lock.yml that is written here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from channels import Package, archive, write_channel, write_index
from harness import Envkit

from envkit.api.sources import read_source
from envkit.models.inputs import LockFile
from envkit.wheels.uv import find_uv

READ = """
import json, sys, pathlib
from conda_lock.lockfile import parse_conda_lock_file
found = parse_conda_lock_file(pathlib.Path(sys.argv[1]))
rows = [(p.name, p.version, p.platform, p.url, p.hash.sha256, sorted(p.dependencies.items())) for p in found.package]
print(json.dumps(sorted(rows)))
"""


@pytest.mark.full
def test_conda_lock_reads_what_is_written(envkit: Envkit, tmp_path: Path) -> None:
    uv = find_uv()
    assert uv is not None
    python = tmp_path / "tool" / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, tmp_path / "tool"], check=True)
    got = subprocess.run(
        [uv, "pip", "install", "-q", "-p", python, "conda-lock>=4,<5"], check=False, capture_output=True
    )
    if got.returncode and b"connect" in got.stderr.lower():
        pytest.skip("PyPI cannot be reached")
    assert got.returncode == 0, got.stderr.decode()
    lib = Package("lib", "1.0", depends=["__glibc >=2.17,<3.0.a0", "zlib >=1", "zlib <2"])
    channel = write_channel(tmp_path / "channel", [lib, Package("zlib", "1.3", noarch="generic")])
    mac = {f"{lib.stem}.conda": {**archive(Package("lib", "1.0"))[1], "subdir": "osx-arm64"}}
    write_index(channel, {"osx-arm64": mac})
    lock = tmp_path / "conda-lock.yml"
    machines = ("--for", "cpu", "--for", "cpu/osx-arm64")
    done = envkit("lock", "lib", "-c", channel, "--override-channels", *machines, "-o", lock)
    assert done.code == 0, done.err
    read = subprocess.run([python, "-c", READ, lock], check=True, capture_output=True, text=True)
    found = read_source(lock)
    assert isinstance(found, LockFile)
    ours = sorted(
        [record.name, record.version, part.platform, record.url, record.sha256]
        for part in found.parts
        for record in part.records
    )
    theirs = json.loads(read.stdout)
    assert [row[:5] for row in theirs] == ours
    needs = next(dict(row[5]) for row in theirs if row[0] == "lib" and row[2] == "linux-64")
    assert needs == {"__glibc": ">=2.17,<3.0.a0", "zlib": ">=1,<2"}
