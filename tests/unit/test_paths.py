"""The names of what lies on a volume: they stand once."""

from __future__ import annotations

from pathlib import Path

import pytest

from envkit import activation
from envkit.layout.volume import Volume
from envkit.paths import MANIFEST, split_generation


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
