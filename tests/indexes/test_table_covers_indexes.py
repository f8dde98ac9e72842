"""The built-in table of builds against the real indexes: what these have, it has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envkit.builds.classify import classify
from envkit.builds.published import published_builds
from envkit.builds.version import version_key
from envkit.checks.machine import judge_python
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


@pytest.mark.parametrize("subdir", ["linux-64", "linux-aarch64", "win-64", "osx-arm64"])
@pytest.mark.parametrize("name", list(OLDEST))
@pytest.mark.parametrize("channel", ["conda-forge", "pytorch"])
def test_no_row_denies_a_python_that_was_published(builds: Builds, channel: str, name: str, subdir: str) -> None:
    known = [classify(r) for r in published_builds(name, subdir) if r.channel.endswith(channel)]
    for build in builds(channel, subdir, name):
        kind = (build.record.version, build.variant, build.build_cuda)
        rows = [row for row in known if (row.record.version, row.variant, row.build_cuda) == kind]
        allowed = [row for row in rows if judge_python(row, build.python) is None]
        assert bool(allowed) is bool(rows), (kind, build.python)


def test_channel_pytorch_is_known_to_the_python(builds: Builds) -> None:
    """The index of channel pytorch is complete up to 2.1.0: the table promises no Python that it lacks."""
    for version, last in (("1.13.1", "3.10"), ("2.0.0", "3.10"), ("2.0.1", "3.11"), ("2.1.0", "3.11")):
        have = {b.python for b in builds("pytorch", "linux-64", "pytorch") if b.record.version == version}
        rows = [classify(r) for r in published_builds("pytorch", "linux-64") if r.channel.endswith("pytorch")]
        promised = {
            f"3.{minor}"
            for row in rows
            for minor in range(6, 15)
            if row.record.version == version and judge_python(row, f"3.{minor}") is None
        }
        assert promised == have
        assert max(have, key=lambda text: version_key(text or "")) == last


def test_mxnet_of_the_index_is_in_the_table(builds: Builds) -> None:
    have = {(b.record.version, b.variant, b.record.build_number) for b in builds("pkgs/main", "linux-64", "libmxnet")}
    rows = map(classify, published_builds("libmxnet", "linux-64"))
    assert have
    assert have <= {(row.record.version, row.variant, row.record.build_number) for row in rows}
