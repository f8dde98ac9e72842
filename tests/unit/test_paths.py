"""The names of what lies on a volume: they stand once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs
import pytest

from envkit import activation
from envkit.layout.volume import Volume
from envkit.paths import MANIFEST, split_generation, user_folder


def test_a_generation_is_told_from_its_path() -> None:
    volume = Volume(Path("/data/envs"))
    assert split_generation(str(volume.generations / "train-0123abcd")) == ("/data/envs", "train-0123abcd")


@pytest.mark.parametrize(
    "prefix", ["/opt/conda/envs/g", "/data/envs/train", "/data/g/train-0123abcd", "/data/.envkit/pkgs/train-0123abcd"]
)
def test_any_other_prefix_is_none(prefix: str) -> None:
    assert split_generation(prefix) is None


def test_the_copy_that_starts_kernels_knows_the_name_of_the_manifest() -> None:
    assert activation._MANIFEST == MANIFEST


@pytest.mark.parametrize("home", ["/home/somebody", "/", "/root/", "relative", "", None])
@pytest.mark.parametrize("base", ["/data/me", "/data/me/", " /data/me ", "relative", " ", None])
def test_folders_of_a_user_are_where_platformdirs_has_them(
    monkeypatch: pytest.MonkeyPatch, home: str | None, base: str | None
) -> None:
    for name, value in (("HOME", home), ("XDG_DATA_HOME", base), ("XDG_CACHE_HOME", base)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    data = user_folder("XDG_DATA_HOME", ".local/share", os.environ)
    cache = user_folder("XDG_CACHE_HOME", ".cache", os.environ)
    assert data in {None, platformdirs.user_data_dir("envkit")}
    assert cache in {None, platformdirs.user_cache_dir("envkit")}
    if sys.platform == "linux" and (base, home) == (None, "/home/somebody"):
        assert (data, cache) == ("/home/somebody/.local/share/envkit", "/home/somebody/.cache/envkit")
