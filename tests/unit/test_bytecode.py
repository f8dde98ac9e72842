"""Bytecode: only whole results are recorded, whatever becomes of the run that compiles."""

from __future__ import annotations

import json
import os
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from envkit.builds.record import record_from_repodata
from envkit.installer.bytecode import link_kept, make_bytecode
from envkit.installer.bytecode_lists import damaged_lists, read_list, remove_lists
from envkit.installer.compiler import compiling
from envkit.installer.hardlinks import link_target
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
KEY = "a" * 64


def record(name: str, version: str, sha256: str) -> Record:
    raw = {"name": name, "version": version, "build": "0", "build_number": 0, "sha256": sha256}
    return record_from_repodata(raw, f"{name}-{version}-0.conda", "https://channel.test", "linux-64")


RECORDS = [record("python", f"{sys.version_info[0]}.{sys.version_info[1]}.0", "b" * 64), record("foo", "1.0", KEY)]


@dataclass
class Place:
    """A volume with one package of two modules, installed in a prefix with a real Python."""

    volume: Volume
    prefix: Path

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    @property
    def listed(self) -> list[str]:
        return sorted(name for folder in self.folders for _, names in read_list(folder) or [] for name in names)

    @property
    def folders(self) -> list[Path]:
        return list((self.volume.bytecode / KEY).glob("*"))

    def link_kept(self) -> tuple[int, list[Record]]:
        with link_target(self.prefix) as target:
            return link_kept(self.volume, RECORDS, target)

    def compile(self) -> None:
        kept = self.link_kept()
        with compiling(self.volume, RECORDS, self.prefix) as compiler:
            make_bytecode(
                self.volume, RECORDS, (self.prefix, self.prefix), kept, compiler=compiler, env=dict, reporter=Reporter()
            )


def fill(folder: Path) -> None:
    (folder / SITE / "foo").mkdir(parents=True)
    for name in ("__init__", "other"):
        (folder / SITE / "foo" / f"{name}.py").write_text("A = 1\n")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    prefix = tmp_path / "prefix"
    venv.create(prefix, symlinks=True)
    files = [f"{SITE}/foo/__init__.py", f"{SITE}/foo/other.py"]
    fill(prefix)
    (prefix / "conda-meta").mkdir()
    for one in RECORDS:
        meta = {"files": files if one.name == "foo" else [], "paths_data": {"paths": []}}
        (prefix / "conda-meta" / f"{one.name}-{one.version}-0.json").write_text(json.dumps(meta))
    volume = Volume(tmp_path / "volume")
    volume.bytecode.mkdir(parents=True)
    package = volume.packages / KEY / "foo-1.0-0"
    fill(package)
    (package / "info").mkdir()
    (package / "info" / "paths.json").write_text(json.dumps({"paths": [{"_path": name} for name in files]}))
    return Place(volume, prefix)


@pytest.mark.parametrize("end", ["kill -9 $$", "ulimit -n 4", "exit 3", "echo '{}'; exit 0"])
def test_a_run_that_did_not_end_well_records_nothing(place: Place, end: str) -> None:
    real = place.python.resolve()
    place.python.unlink()
    place.python.write_text(f'#!/bin/sh\n{end}\nexec {real} "$@"\n')
    place.python.chmod(0o755)
    place.compile()
    assert place.listed == []
    assert damaged_lists(place.volume) == []
    place.python.unlink()
    place.python.symlink_to(real)
    place.compile()
    assert len(place.listed) == 2
    assert len(list((place.prefix / SITE / "foo").glob("__pycache__/*.pyc"))) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("what", ["tag", "file", "open"])
def test_bytecode_of_a_stranger_is_not_linked(place: Place, what: str) -> None:
    """Where a group may write the volume; a package that he made is compiled again, under a name of one's own."""
    os.chown(place.volume.root, -1, 54321)
    place.volume.root.chmod(0o2775)
    place.compile()
    [folder] = place.folders
    assert [path for path in (folder.parent, folder, *folder.rglob("*")) if path.stat().st_mode & 0o022] == []
    [pyc] = folder.rglob("other.*.pyc")
    assert RECORDS[1] not in place.link_kept()[1]
    if what == "open":
        folder.chmod(0o2775)
    else:
        os.chown(folder if what == "tag" else pyc, 54322, -1)
    assert RECORDS[1] in place.link_kept()[1]
    (place.volume.root / ".envkit/volume.json").write_text('{"trust": "group"}')
    assert RECORDS[1] not in place.link_kept()[1]


def test_a_package_with_modules_that_could_not_be_written_is_not_recorded(place: Place) -> None:
    cache = place.prefix / SITE / "foo" / "__pycache__"
    cache.write_text("in the way")
    place.compile()
    assert place.listed == []
    cache.unlink()
    place.compile()
    assert len(place.listed) == 2


def test_empty_lists_of_before_are_found_mended_and_not_believed(place: Place) -> None:
    place.compile()
    [folder] = place.folders
    for content, damaged in (("[]", True), ("", True), ('{"files": 3}', True), ('[["x", ["y.pyc"]]]', False)):
        (folder / "files.json").write_text(content)
        assert bool(damaged_lists(place.volume)) is damaged, content
        place.compile()
        assert damaged_lists(place.volume) == []
        assert len(place.listed) == 2
    next(folder.rglob("*.pyc")).unlink()
    assert damaged_lists(place.volume) == [folder / "files.json"]
    assert remove_lists(place.volume, damaged_lists(place.volume)) == [folder / "files.json"]
    place.compile()
    assert len(place.listed) == 2


@pytest.mark.parametrize("inner", ["../../out/__pycache__", "/out/__pycache__", "x//__pycache__", "lib/x"])
def test_a_list_that_leads_elsewhere_is_not_followed(place: Place, tmp_path: Path, inner: str) -> None:
    place.compile()
    [folder] = place.folders
    (tmp_path / "out").mkdir()
    (folder / "files.json").write_text(json.dumps({"files": [[inner, ["a.pyc"]]]}))
    assert read_list(folder) is None
    assert damaged_lists(place.volume)
    (folder / "files.json").unlink()
    (folder / "files.json").symlink_to("/dev/zero")
    assert read_list(folder) is None
    assert damaged_lists(place.volume)
