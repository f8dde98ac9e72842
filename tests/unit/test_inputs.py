"""Files of packages and machines: recognised by content, read to values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envkit.api.sources import read_source
from envkit.errors import RecipeError, SettingsError
from envkit.inputs.pool import read_pool
from envkit.models.inputs import LockFile, Recipe

URL = "https://conda.anaconda.org/conda-forge/linux-64/zlib-1.3.1-h1_0.conda"


def test_a_format_is_recognised_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "file.yml"
    path.write_text("dependencies: [python]\n")
    assert isinstance(read_source(path), Recipe)
    path.write_text(f"# a comment\n@EXPLICIT\n\n{URL}#{'A' * 64}\n")
    lock = read_source(path)
    assert isinstance(lock, LockFile)
    assert lock.path == str(path)
    (locked,) = lock.parts
    (record,) = locked.records
    assert (record.name, record.version, record.build, record.subdir) == ("zlib", "1.3.1", "h1_0", "linux-64")
    assert record.sha256 == "a" * 64
    assert [channel.name for channel in locked.channels] == ["conda-forge"]


def test_records_are_sorted_and_each_name_is_there_once(tmp_path: Path) -> None:
    path = tmp_path / "explicit.txt"
    other = URL.replace("zlib", "abc")
    path.write_text(f"@EXPLICIT\n{URL}#{'a' * 32}\n{other}#{'b' * 32}\n{URL}#{'a' * 32}\n")
    lock = read_source(path)
    assert isinstance(lock, LockFile)
    assert [record.name for record in lock.parts[0].records] == ["abc", "zlib"]
    path.write_text(f"@EXPLICIT\n{URL}#{'a' * 32}\n{URL.replace('h1', 'h2')}#{'b' * 32}\n")
    with pytest.raises(RecipeError, match=r"explicit.txt:3: zlib is there twice"):
        read_source(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"@EXPLICIT\n", "names no package"),
        (b"", "no mapping"),
        (b"- python\n", "no mapping"),
        (b"dependencies: [{conda: x}]\n", "line 1, column 16: dependencies: conda: is neither"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=message) as caught:
        read_source(path)
    assert str(path) in caught.value.message


def test_large_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size, message in ((2 << 20, "larger than 1024 KiB"), (65 << 20, "larger than 64 MiB")):
        path.write_bytes(b"x" * size)
        with pytest.raises(RecipeError, match=message):
            read_source(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        read_source(tmp_path / "none.yml")


def test_a_pool_without_machines(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    for content, message in ((json.dumps([]), "no machine in"), ("{}\nnonsense", "line 2: not JSON")):
        path.write_text(content)
        with pytest.raises(SettingsError, match=message):
            read_pool([path])
