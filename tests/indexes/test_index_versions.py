"""conda's version order against an independent implementation of it, over every version that was published."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from envkit.builds.version import version_key, version_matches
from envkit.models.build import Record

rattler = pytest.importorskip("rattler")
Records = Callable[[str, str], list[Record]]
INDEXES = [
    ("pytorch", "linux-64"),
    ("conda-forge", "linux-64"),
    ("conda-forge", "noarch"),
    ("nvidia", "linux-64"),
    ("pkgs/main", "linux-64"),
    ("pkgs/main", "noarch"),
]


def _versions(records: Records) -> list[str]:
    return sorted({record.version for channel, subdir in INDEXES for record in records(channel, subdir)})


def test_all_published_versions_sort_as_rattler_sorts_them(records: Records) -> None:
    versions = _versions(records)
    assert len(versions) > 5000
    random.Random(0).shuffle(versions)
    ours = sorted(versions, key=version_key)
    for left, right in pairwise(ours):
        assert rattler.Version(left) <= rattler.Version(right), (left, right)
        assert (rattler.Version(left) == rattler.Version(right)) == (version_key(left) == version_key(right))


def test_random_pairs_compare_as_rattler_compares_them(records: Records) -> None:
    versions = _versions(records)
    pairs = random.Random(1)
    for _ in range(20000):
        left, right = pairs.choice(versions), pairs.choice(versions)
        assert (version_key(left) < version_key(right)) == (rattler.Version(left) < rattler.Version(right)), (
            left,
            right,
        )


def test_version_specs_match_as_rattler_matches_them(records: Records) -> None:
    names = {"python", "cuda-version", "cudatoolkit", "pytorch-cuda", "mkl", "cudnn", "nccl", "__glibc", "pytorch"}
    specs: set[str] = set()
    versions: set[str] = set()
    for channel, subdir in INDEXES:
        for record in records(channel, subdir):
            if record.name in names:
                versions.add(record.version)
            specs.update(parts[1] for text in record.depends if (parts := text.split())[0] in names and len(parts) > 1)
    choose = random.Random(2)
    some = choose.sample(sorted(versions), min(60, len(versions)))
    for spec in sorted(specs):
        theirs = rattler.VersionSpec(spec)
        for version in some:
            assert version_matches(spec, version) == theirs.matches(rattler.Version(version)), (spec, version)
