"""Linking: what is linked apart from the native engine is what that engine would have made."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from envkit.builds.record import record_from_repodata
from envkit.errors import VolumeError
from envkit.installer.ahead import Ahead
from envkit.installer.hardlinks import entered, link_all
from envkit.installer.link import link
from envkit.installer.proof import verifying
from envkit.installer.unchanged import read_unchanged
from envkit.layout.inventory import Held, Origins, number_files, weigh
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter

SITE = "lib/python3.11/site-packages"
OLD = "/old" + "/placeholder" * 20


@dataclass
class Shelf:
    """A volume with extracted packages, and the prefixes that were linked from them."""

    volume: Volume
    records: list[Record] = field(default_factory=list)
    prefixes: int = 0

    def add(self, name: str, files: dict[str, bytes | str], *, points: tuple[str, ...] = (), **more: Any) -> Path:
        """Write a package; a str makes a symbolic link, and what names the old prefix is rewritten."""
        raw = {"name": name, "version": more.pop("version", "1.0"), "build": "0", "build_number": 0, **more}
        raw |= {"depends": [], "sha256": sha256(name.encode()).hexdigest(), "subdir": "linux-64"}
        record = record_from_repodata(raw, f"{name}-{raw['version']}-0.conda", "https://channel.test", "linux-64")
        self.records.append(record)
        home = self.volume.packages / str(record.sha256) / f"{name}-{raw['version']}-0"
        entries = []
        for path, content in files.items():
            place = home / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                place.symlink_to(content)
                entries.append({"_path": path, "path_type": "softlink"})
                continue
            place.write_bytes(content)
            place.chmod(0o555 if path.startswith(("bin/", "python-scripts/")) else 0o444)
            size, digest = len(content), sha256(content).hexdigest()
            entry: dict[str, Any] = {"_path": path, "path_type": "hardlink", "size_in_bytes": size, "sha256": digest}
            if OLD.encode() in content:
                mode = "binary" if b"\0" in content else "text"
                entry |= {"prefix_placeholder": OLD, "file_mode": mode}
            entries.append(entry)
        info = home / "info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "index.json").write_text(json.dumps(raw))
        (info / "paths.json").write_text(json.dumps({"paths": entries, "paths_version": 1}))
        if points:
            told = {"noarch": {"type": "python", "entry_points": points}, "package_metadata_version": 1}
            (info / "link.json").write_text(json.dumps(told))
        return home

    def link(self, *, hard_links: bool = True, beside: Callable[[Path], object] = lambda _: None, **more: Any) -> Path:
        self.prefixes += 1
        prefix = self.volume.generations / f"e-{self.prefixes:08x}"
        prefix.mkdir()
        ahead = Ahead(
            self.volume,
            self.records,
            prefix,
            lambda _: beside(prefix),
            platform="linux-64",
            hard_links=hard_links,
        )
        with ahead:
            ahead.begin()
            link(self.volume, ahead, (prefix, prefix), requested=["pure"], reporter=Reporter(), **more)
        return prefix


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # from there the native engine tries whether links work
    volume = Volume(tmp_path / "volume")
    for folder in volume.folders:
        folder.mkdir(parents=True, exist_ok=True)
    made = Shelf(volume)
    python: dict[str, bytes | str] = {"bin/python3.11": b"\x7fELF", "bin/python": "python3.11"}
    made.add("python", {**python, "lib/python3.11/os.py": b"1", f"{SITE}/README": b"x"}, version="3.11.7")
    return made


def listing(prefix: Path) -> dict[str, tuple[object, ...]]:
    """Return what is in a prefix, by path; without what tells when and where it was made."""
    found: dict[str, tuple[object, ...]] = {}
    for place, folders, names in os.walk(prefix):
        for name in (*folders, *names):
            path = Path(place, name)
            state = path.lstat()
            shown: object = None
            if path.is_symlink():
                shown = os.readlink(path)
            elif path.name.endswith(".json") and path.parent.name == "conda-meta":
                shown = record_of(path)
            elif path.is_file() and path.name != "history":
                shown = path.read_bytes().replace(prefix.name.encode(), b"NAME").replace(bytes(prefix.parent), b"")
            cached = state.st_ino if stat.S_ISREG(state.st_mode) and state.st_nlink > 1 else None
            found[str(path.relative_to(prefix))] = (stat.filemode(state.st_mode), cached, shown)
    return found


def record_of(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_bytes())
    del record["extracted_package_dir"], record["link"]["source"]
    paths = record["paths_data"]["paths"]
    if not paths:
        del record["link"]["type"]  # of nothing
    assert sorted(record["files"]) == sorted(entry["_path"] for entry in paths)
    for entry in paths:  # of files with the prefix in them
        if entry.pop("sha256_in_prefix", None) or entry["path_type"] == "unix_python_entry_point":
            entry["sha256"] = None
    record["files"] = sorted(record["files"])
    paths.sort(key=lambda entry: entry["_path"])
    return record


def fill(shelf: Shelf) -> None:
    """Add a package of every kind."""
    pure: dict[str, bytes | str] = {f"site-packages/pure/{name}.py": name.encode() for name in ("__init__", "a", "b")}
    pure |= {"site-packages/pure/deep/er/data.txt": b"d", "python-scripts/pure-run": b"#!/bin/sh\n", "etc/pure": b"e"}
    shelf.add("pure", pure, noarch="python", points=("pure = pure:main",))
    built: dict[str, bytes | str] = {
        f"{SITE}/built/__init__.py": b"1",
        "lib/libx.so.1": b"x",
        "lib/libx.so": "libx.so.1",
    }
    built |= {f"{SITE}/built/conf.py": f"P = '{OLD}'".encode(), "lib/libp.so": f"{OLD}/lib\0end".encode()}
    shelf.add("built", {**built, "bin/tool": f"#!{OLD}/bin/python\n".encode(), "share/empty": b""})
    shelf.add("meta", {})


def homes(shelf: Shelf) -> list[tuple[Record, str]]:
    folders = (shelf.volume.packages / str(record.sha256) for record in shelf.records)
    return [(record, str(next(folder.iterdir()))) for record, folder in zip(shelf.records, folders, strict=True)]


def test_both_ways_make_the_same(shelf: Shelf) -> None:
    fill(shelf)
    sorted_ = read_unchanged(homes(shelf), shelf.records[0])
    assert sorted_ is not None
    assert {one.record.name: len(one.entries) for one in sorted_} == {"python": 3, "pure": 6, "built": 3, "meta": 0}
    assert listing(shelf.link()) == listing(shelf.link(hard_links=False))


@pytest.mark.parametrize(
    "files",
    [
        {"share/empty": b"another"},  # the path of another package's file
        {"bin/pure": b"another"},  # that of an entry point
        {"share": "etc"},  # a link where another package has a folder
    ],
)
def test_packages_with_a_path_in_common_are_the_native_engines(shelf: Shelf, files: dict[str, bytes | str]) -> None:
    fill(shelf)
    shelf.add("late", files)
    assert read_unchanged(homes(shelf), shelf.records[0]) is None


@pytest.mark.parametrize("text", ["", "[]", '{"paths": [{"_path": 3}]}', '{"paths": [{"path_type": "hardlink"}]}'])
def test_so_are_those_with_an_odd_list(shelf: Shelf, text: str) -> None:
    (shelf.add("odd", {"share/odd": b"o"}) / "info" / "paths.json").write_text(text)
    assert read_unchanged(homes(shelf), shelf.records[0]) is None


def test_a_package_that_says_otherwise_than_the_index_is_the_native_engines(shelf: Shelf) -> None:
    home = shelf.add("pure", {"site-packages/pure.py": b""}, noarch="python")
    (home / "info" / "index.json").write_text(json.dumps({"name": "pure", "version": "1.0", "build": "0"}))
    assert read_unchanged(homes(shelf), shelf.records[0]) is None


def test_a_file_that_is_gone_ends_it(shelf: Shelf) -> None:
    fill(shelf)
    (shelf.add("torn", {f"share/torn/{n}": b"t" for n in range(3000)}) / "share/torn/7").unlink()
    with pytest.raises(VolumeError, match="cannot be linked"):
        shelf.link()


def test_what_was_linked_is_known_by_its_disk_space(shelf: Shelf) -> None:
    fill(shelf)
    known = Origins()
    with verifying(shelf.volume, shelf.records) as verification:
        changed, verified = verification.finish()
    assert (changed, len(verified)) == ([], len(shelf.records))
    prefix = shelf.link(verified=verified, known=known)
    assert known.folders
    assert known.whole
    (prefix / "lib" / "own").write_text("own")
    found = weigh(str(prefix), dict, known=known)
    (prefix / "etc" / "late").write_text("late")
    origins: dict[int, str] = {}
    for origin in known.settled:
        number_files(str(shelf.volume.private / origin), origin, origins)
    alone, shared = weigh(str(prefix), lambda: origins)
    assert found[1] == shared
    assert found[0] == Held(alone.size_bytes - 4096, alone.inodes - 1)
    assert weigh(str(prefix), dict, known=known) == (alone, shared)


def test_a_list_that_was_not_verified_is_read_again(shelf: Shelf) -> None:
    home = shelf.add("app", {"lib/app/one": b"1", "lib/app/two": b"2"})
    text = (home / "info" / "paths.json").read_text()
    evil = json.loads(text)
    evil["paths"][0]["_path"] = "lib/other"
    (home / "info" / "paths.json").write_text(json.dumps(evil))
    prefix = shelf.volume.generations / "e-99999999"
    prefix.mkdir()
    with Ahead(shelf.volume, shelf.records, prefix, lambda _: None, platform="linux-64") as ahead:
        ahead.begin()
        assert ahead.unchanged is not None
        assert [entry.path for entry in ahead.unchanged[1].entries] == ["lib/other", "lib/app/two"]
        (home / "info" / "paths.json").write_text(text)
        with verifying(shelf.volume, shelf.records) as verification:
            changed, verified = verification.finish()
        link(shelf.volume, ahead, (prefix, prefix), requested=[], reporter=Reporter(), verified=verified)
    assert changed == []
    assert (prefix / "lib" / "app" / "one").read_bytes() == b"1"
    assert not (prefix / "lib" / "other").exists()


def test_bytecode_of_a_package_wins_over_that_of_the_cache(shelf: Shelf) -> None:
    inner = f"{SITE}/shipped/__pycache__"
    shelf.add("shipped", {f"{SITE}/shipped/__init__.py": b"", f"{inner}/__init__.cpython-311.pyc": b"of the package"})

    def place(prefix: Path) -> None:
        (prefix / inner).mkdir(parents=True, exist_ok=True)
        with (prefix / inner / "__init__.cpython-311.pyc").open("xb") as file:
            file.write(b"of the cache")

    prefix = shelf.link(beside=place)
    assert (prefix / inner / "__init__.cpython-311.pyc").read_bytes() == b"of the package"


def test_what_cannot_have_another_link_is_copied(tmp_path: Path) -> None:
    others = (Path(place) for place in ("/dev/shm", "/tmp", "/var/tmp"))
    elsewhere = next((p for p in others if p.is_dir() and p.stat().st_dev != tmp_path.stat().st_dev), None)
    if elsewhere is None:
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir=elsewhere) as name:
        Path(name, "tool").write_bytes(b"#!/bin/sh\n")
        Path(name, "tool").chmod(0o555)
        os.utime(Path(name, "tool"), (1, 1_600_000_000))
        with entered(name) as source, entered(str(tmp_path)) as target:
            link_all(source, target, ["tool"])
    state = (tmp_path / "tool").stat()
    assert (state.st_mode & 0o777, state.st_mtime, state.st_size) == (0o555, 1_600_000_000, 10)


@pytest.mark.parametrize(
    "path",
    [
        "share/evil/x",
        "bin/tool/x",  # where the package has a file
        "share//x",
        "/".join(["d" * 200] * 30),  # no folder can be made of it
    ],
)
def test_of_a_list_that_was_not_verified_nothing_stays(shelf: Shelf, path: str) -> None:
    fill(shelf)
    whole = listing(shelf.link())
    [text] = shelf.volume.packages.glob("*/built-1.0-0/info/paths.json")
    before = text.read_text()
    found = json.loads(before)
    found["paths"] = [entry for entry in found["paths"] if entry["_path"] != "bin/tool"]
    found["paths"].append({"_path": path, "path_type": "hardlink", "size_in_bytes": 1, "sha256": "0" * 64})
    text.write_text(json.dumps(found))
    prefix = shelf.volume.generations / "e-00000000"
    prefix.mkdir()
    with Ahead(shelf.volume, shelf.records, prefix, lambda _: None, platform="linux-64") as ahead:
        ahead.begin()
        text.write_text(before)  # it was fetched again
        link(shelf.volume, ahead, (prefix, prefix), requested=["pure"], reporter=Reporter())
    assert listing(prefix) == whole
