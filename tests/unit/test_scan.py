"""Scanning files and folders for GPU code."""

from __future__ import annotations

import bz2
import gzip
import os
import tarfile
from pathlib import Path

import pytest
from gpu_files import Entry, archive, conda_bytes, fatbin, library, tar_bytes, zip_bytes

from envkit.errors import IntegrityError
from envkit.scan.archive import is_archive, scan_archive
from envkit.scan.file import scan_file
from envkit.scan.tree import scan_tree

VOLTA, HOPPER = library(Entry("7.0")), library(Entry("9.0a"), Entry("9.0", "8.3"))


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_tree_is_read_whatever_its_files_are_called(tmp_path: Path) -> None:
    for name in ("lib/libx.so.1.2", "lib/plain", "lib/deep/er/y.cpython-311-x86_64-linux-gnu.so", "bin/program"):
        put(tmp_path / name, VOLTA)
    put(tmp_path / "lib/k.fatbin", fatbin(Entry("9.0a")))
    put(tmp_path / "lib/z.a", archive([("z.o", HOPPER)]))
    put(tmp_path / "lib/empty.so", b"")
    put(tmp_path / "lib/cpu.so", library())
    put(tmp_path / "share/module.py", VOLTA)
    scan = scan_tree(tmp_path)
    assert [(found.path, [str(arch) for arch in found.sass]) for found in scan.libraries] == [
        ("bin/program", ["7.0"]),
        ("lib/deep/er/y.cpython-311-x86_64-linux-gnu.so", ["7.0"]),
        ("lib/k.fatbin", ["9.0a"]),
        ("lib/libx.so.1.2", ["7.0"]),
        ("lib/plain", ["7.0"]),
        ("lib/z.a", ["9.0a"]),
    ]
    assert scan.unreadable == ()


def test_each_file_is_read_once_and_no_link_is_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/x.so", VOLTA)
    tree = tmp_path / "tree"
    first = put(tree / "lib/liba.so.1", VOLTA)
    (tree / "lib/liba.so.2").hardlink_to(first)
    (tree / "lib/liba.so").symlink_to("liba.so.1")
    (tree / "lib/out.so").symlink_to(outside)
    (tree / "away").symlink_to(outside.parent)
    (tree / "loop").symlink_to(tree)
    os.mkfifo(tree / "lib/pipe.so")
    assert [found.path for found in scan_tree(tree).libraries] == ["lib/liba.so.1"]


def test_a_damaged_file_does_not_hide_the_others(tmp_path: Path) -> None:
    put(tmp_path / "good.so", VOLTA)
    put(tmp_path / "cut.so", HOPPER[:-100])
    scan = scan_tree(tmp_path)
    assert [found.path for found in scan.libraries] == ["good.so"]
    assert [(path, "cut off" in why) for path, why in scan.unreadable] == [("cut.so", True)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    put(tmp_path / "good.so", VOLTA)
    put(tmp_path / "closed.so", VOLTA).chmod(0)
    put(tmp_path / "shut/x.so", VOLTA).parent.chmod(0)
    try:
        scan = scan_tree(tmp_path)
    finally:
        (tmp_path / "shut").chmod(0o755)
    assert [found.path for found in scan.libraries] == ["good.so"]
    assert {path for path, _ in scan.unreadable} == {"closed.so", "shut"}


def test_one_file(tmp_path: Path) -> None:
    found = scan_file(put(tmp_path / "x.so", VOLTA))
    assert found is not None
    assert found.path == str(tmp_path / "x.so")
    assert scan_file(put(tmp_path / "x.py", b"print(1)\n")) is None
    with pytest.raises(IntegrityError, match=r"cut\.so cannot be read as a library") as caught:
        scan_file(put(tmp_path / "cut.so", VOLTA[:-9]))
    assert caught.value.exit_code == 6
    os.mkfifo(tmp_path / "pipe")
    assert scan_file(tmp_path / "pipe") is None
    with pytest.raises(FileNotFoundError):
        scan_file(tmp_path / "missing.so")


CODE = {"lib/libv.so": VOLTA, "lib/libh.so": HOPPER, "lib/cpu.so": library(), "readme": b"text" * 99, "a.py": VOLTA}


ARCHIVES = {
    "x-1-py3-none-any.whl": zip_bytes(CODE),
    "x-1-0.conda": conda_bytes(CODE),
    "x-1-0.tar.bz2": bz2.compress(tar_bytes(CODE)),
    "x-1.tar.gz": gzip.compress(tar_bytes(CODE)),
    "x-1.tar": tar_bytes(CODE),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_read_without_unpacking_it_to_a_folder(name: str, tmp_path: Path) -> None:
    path = put(tmp_path / name, ARCHIVES[name])
    assert is_archive(path)
    told: list[int] = []
    scan = scan_archive(path, advance=told.append)
    assert [(found.path, found.size, [str(arch) for arch in found.sass]) for found in scan.libraries] == [
        ("lib/libh.so", len(HOPPER), ["9.0a"]),
        ("lib/libv.so", len(VOLTA), ["7.0"]),
    ]
    assert scan.unreadable == ()
    assert 0 < sum(told) <= len(ARCHIVES[name])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_damaged_archive_is_an_error(name: str, tmp_path: Path) -> None:
    for cut in (5, len(ARCHIVES[name]) // 3):
        with pytest.raises(IntegrityError, match="cannot be read as an archive"):
            scan_archive(put(tmp_path / name, ARCHIVES[name][:cut]))


def test_a_damaged_library_in_an_archive_is_named(tmp_path: Path) -> None:
    scan = scan_archive(put(tmp_path / "x.whl", zip_bytes({"cut.so": HOPPER[:-100], "v.so": VOLTA})))
    assert [found.path for found in scan.libraries] == ["v.so"]
    assert [path for path, _ in scan.unreadable] == ["cut.so"]


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    bomb = VOLTA + bytes(80 << 20)
    for data in (zip_bytes({"x.so": bomb}), conda_bytes({"x.so": bomb})):
        with pytest.raises(IntegrityError, match="100 times its size"):
            scan_archive(put(tmp_path / "bomb.whl", data))


def test_a_name_without_end_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 20 << 20
    data = gzip.compress(info.tobuf() + b"x" * info.size, 1)
    with pytest.raises(IntegrityError, match="header"):
        scan_archive(put(tmp_path / "x-1.tar.gz", data))
