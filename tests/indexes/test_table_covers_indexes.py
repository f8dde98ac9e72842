"""The built-in table of builds against the real indexes: what these have, it has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envkit.builds.classify import classify
from envkit.builds.published import published_builds
from envkit.builds.version import version_key
from envkit.models.build import Build

Builds = Callable[[str, str, str], list[Build]]
OLDEST = {"pytorch": "2.0", "jaxlib": "0.4.20", "tensorflow": "2.8"}
# Builds that the indexes have and no recipe or release page that the table is made from names.
UNNAMED = {("pytorch", "2.4.0", "12.0", "linux-aarch64")}


@pytest.mark.parametrize("subdir", ["linux-64", "linux-aarch64", "win-64", "osx-arm64"])
@pytest.mark.parametrize("name", list(OLDEST))
@pytest.mark.parametrize("channel", ["conda-forge", "pytorch"])
def test_every_version_and_cuda_is_in_the_table(builds: Builds, channel: str, name: str, subdir: str) -> None:
    known = {
        (b.record.version, b.variant, b.build_cuda)
        for b in map(classify, published_builds(name, subdir))
        if b.record.channel.endswith(channel)
    }
    have = {
        (b.record.version, b.variant, b.build_cuda)
        for b in builds(channel, subdir, name)
        if version_key(b.record.version) >= version_key(OLDEST[name]) and "rc" not in b.record.version
    }
    assert {found for found in have - known if (name, found[0], str(found[2]), subdir) not in UNNAMED} == set()
