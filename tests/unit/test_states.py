"""Cached packages are judged alike, whether a process of its own looks at their files or this one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from envkit.builds.record import record_from_repodata
from envkit.installer import states
from envkit.installer.proof import verifying
from envkit.installer.states import parse_states, read_state
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.process import kill_children

LONG = 1_000_000  # of a list: its package has so many files that another process looks at them


def record(name: str) -> Record:
    raw = {"name": name, "version": "1", "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"}
    raw["sha256"] = sha256(name.encode()).hexdigest()
    return record_from_repodata(raw, f"{name}-1-0.conda", "https://channel.test", "linux-64")


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A volume with two packages, the first of which has a long list."""
    volume = Volume(tmp_path / "volume")
    for folder in volume.folders:
        folder.mkdir(parents=True, exist_ok=True)
    for name, size in (("many", LONG), ("few", 0)):
        home = volume.packages / str(record(name).sha256) / f"{name}-1-0"
        (home / "info").mkdir(parents=True)
        (home / "lib" / "ä b").mkdir(parents=True)
        entries = []
        for path in ("lib/a", "lib/ä b/c"):
            (home / path).write_text(path)
            entry = {"_path": path, "path_type": "hardlink", "sha256": sha256(path.encode()).hexdigest()}
            entries.append({**entry, "size_in_bytes": len(path.encode())})
        (home / "lib" / "link").symlink_to("a")
        (home / "info" / "index.json").write_text("{}")
        (home / "info" / "paths.json").write_text(json.dumps({"paths": entries, "paths_version": 1}).ljust(size))
    return volume


def home_of(volume: Volume, name: str) -> Path:
    return volume.packages / str(record(name).sha256) / f"{name}-1-0"


def changed(volume: Volume, *, killed: bool = False) -> list[str]:
    with verifying(volume, [record("many"), record("few"), record("missing")]) as verification:
        if killed:
            kill_children()
        found, verified = verification.finish()
    assert {str(record(name).sha256) for name in ("many", "few")} - verified.keys() == {r.sha256 for r in found}
    assert all(one.held is not None and one.held.inodes == 3 for one in verified.values())
    return [one.name for one in found]


@pytest.mark.parametrize("killed", [False, True])
def test_an_edit_that_hides_is_found(volume: Volume, killed: bool) -> None:
    assert changed(volume, killed=killed) == []
    assert changed(volume, killed=killed) == []  # by the proofs that the first look left
    for name in ("many", "few"):
        file = home_of(volume, name) / "lib" / "a"
        before = file.stat()
        file.write_text("LIB/a")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert changed(volume, killed=killed) == ["many", "few"]


def test_the_script_tells_what_the_module_sees(volume: Volume) -> None:
    homes = [home_of(volume, "many"), home_of(volume, "few"), volume.packages / "gone"]
    line = b"\0".join(os.fsencode(path) for path in homes) + b"\n"
    script = [sys.executable, "-I", "-S", states.__file__]
    told = parse_states(subprocess.run(script, input=line, capture_output=True, check=True).stdout.rstrip(b"\n"))
    assert told[2] is None
    for state, home in zip(told[:2], homes[:2], strict=True):
        seen = read_state(str(home))
        assert state is not None
        assert all(getattr(state, name) == getattr(seen, name) for name in state.__slots__)


@pytest.mark.parametrize("line", [b"", b"-;", b"abc", b"a;1;2;x", b"a;1;2;3,4", b"\xff"])
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_states(line)


@pytest.mark.parametrize("path", ["lib/a", "lib", "lib/ä b"])
def test_a_link_to_the_same_content_is_a_change(volume: Volume, tmp_path: Path, path: str) -> None:
    place = home_of(volume, "few") / path
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert changed(volume) == ["few"]
