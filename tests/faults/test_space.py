"""Volumes with too few bytes or inodes: the error says what would help, and the volume is as it was."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from channels import Package
from harness import Shell
from mounts import mounted

Mount = Callable[[str], Shell]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Mount]:
    """Make a volume on a tmpfs with the given options."""
    shell = Shell.below(tmp_path)
    with contextlib.ExitStack() as mounts:

        def mount(options: str) -> Shell:
            place = mounts.enter_context(mounted(tmp_path / "small", "-t", "tmpfs", "-o", options, "tmpfs"))
            return Shell(place / "volume", shell.channel, shell.home)

        yield mount


def files(folder: Path) -> set[str]:
    """All that is there, but what is kept of indexes."""
    return {name for path in folder.rglob("*") if "/index/" not in (name := str(path.relative_to(folder)))}


def big(name: str, megabytes: int) -> Package:
    return Package(name, files={f"share/{name}": os.urandom(megabytes << 20)})


def compressible(name: str, megabytes: int) -> Package:
    """Small to download, large on the disk: no estimate sees it."""
    return Package(name, files={f"share/{name}": bytes(megabytes << 20)})


def many(name: str, count: int) -> Package:
    return Package(name, files={f"share/{name}/{n}": b"" for n in range(count)})


def test_an_estimate_refuses_before_the_download(small: Mount) -> None:
    shell = small("size=6m")
    shell.publish(big("first", 1), big("huge", 5))
    shell.create("first")
    before = files(shell.volume)
    outcome = shell.run("create", "huge", "-n", "two", "-c", str(shell.channel), "--override-channels")
    assert outcome.code == 7
    assert "MB free and about" in outcome.err
    assert files(shell.volume) == before


def test_bytes_run_out_while_a_package_is_extracted(small: Mount) -> None:
    shell = small("size=8m")
    shell.publish(big("first", 1), compressible("second", 1), compressible("bomb", 60))
    shell.create("first")
    generations = files(shell.volume / ".envkit/g")
    outcome = shell.run("create", "second", "bomb", "-n", "two", "-c", str(shell.channel), "--override-channels")
    assert outcome.code == 7, outcome.err
    assert "no space left" in outcome.err
    assert files(shell.volume / ".envkit/g") == generations
    assert not list((shell.volume / ".envkit/pkgs/.incoming").iterdir())
    assert not (shell.volume / "two").is_symlink()
    assert shell.ok("doctor", "--full", "--json").json["healthy"]
    shell.create("second", name="three")  # what is small enough still goes


def test_inodes_run_out_while_a_package_is_extracted(small: Mount) -> None:
    shell = small("size=50m,nr_inodes=400")
    shell.publish(many("few", 10), many("many", 600))
    shell.create("few")
    generations = files(shell.volume / ".envkit/g")
    outcome = shell.run("create", "many", "-n", "two", "-c", str(shell.channel), "--override-channels")
    assert outcome.code == 7, outcome.err
    assert files(shell.volume / ".envkit/g") == generations
    assert not list((shell.volume / ".envkit/pkgs/.incoming").iterdir())
    assert shell.ok("doctor", "--full", "--json").json["healthy"]


def test_exact_figures_refuse_before_linking(small: Mount) -> None:
    """Extracted it fits; its folders in a generation do not."""
    shell = small("size=50m,nr_inodes=600")
    nested = Package("nested", files={f"share/{n}/file": b"" for n in range(220)})
    shell.publish(many("few", 5), nested)
    shell.create("few")
    generations = files(shell.volume / ".envkit/g")
    outcome = shell.run("create", "nested", "-n", "two", "-c", str(shell.channel), "--override-channels")
    assert outcome.code == 7, outcome.err
    assert "inodes" in outcome.err
    assert "to link" in outcome.err
    assert files(shell.volume / ".envkit/g") == generations


def test_the_hint_names_what_clean_would_free(small: Mount) -> None:
    shell = small("size=16m")
    shell.publish(big("one", 2), big("two", 2), big("three", 3))
    shell.create("one")
    shell.create("two", args=("--replace",))
    outcome = shell.run("create", "three", "-n", "more", "-c", str(shell.channel), "--override-channels")
    assert outcome.code == 7
    assert "`envkit clean --keep 0 --older-than 0` frees 2." in outcome.err
    shell.ok("clean", "--keep", "0", "--older-than", "0")
    assert len(list((shell.volume / ".envkit/g").iterdir())) == 1


def test_a_full_folder_for_temporary_files_is_named(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(many("few", 3))
    with mounted(tmp_path / "temporary", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as place:
        (place / "filling").write_bytes(bytes(1 << 20))
        words = ("create", "few", "-n", "one", "-c", str(shell.channel), "--override-channels")
        outcome = shell.run(*words, TMPDIR=str(place))
        assert outcome.code == 7
        assert f"no space left in {place}, the folder for temporary files" in outcome.err
        (place / "filling").unlink()
        shell.ok(*words, TMPDIR=str(place))


@pytest.mark.parametrize("size_kb", [200, 400, 700, 1000, 1500])
def test_a_volume_of_almost_no_size(small: Mount, size_kb: int) -> None:
    shell = small(f"size={size_kb}k")
    shell.publish(Package("app", files={f"share/{n}": os.urandom(5000) for n in range(60)}))
    outcome = shell.run("create", "app", "-n", "demo", "-c", str(shell.channel), "--override-channels")
    assert outcome.code in {0, 7}, outcome.err
    assert "Traceback" not in outcome.err
    if outcome.code == 0:
        assert shell.ok("doctor", "--full", "--json").json["healthy"]


@pytest.mark.parametrize("options", ["size=16k", "size=16k,ro"])
def test_an_index_cache_that_takes_no_writes_is_told_once(tmp_path: Path, options: str) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(Package("lib"), Package("app", depends=["lib"]))
    cache = shell.home / ".cache" / "envkit" / "index"
    cache.mkdir(parents=True)
    with mounted(cache, "-t", "tmpfs", "-o", options, "tmpfs"):
        with contextlib.suppress(OSError), (cache / "full").open("wb") as file:
            file.write(bytes(1 << 20))
        words = ("-c", str(shell.channel), "--override-channels")
        outcome = shell.run("find", "lib", *words)
        assert outcome.code == 0, outcome.err
        if "ro" in options:  # the index goes to a folder of the user's that takes writes
            assert "cannot be kept" not in outcome.err
            return
        assert outcome.err.count("cannot be kept in") == 1, outcome.err
        assert "No space left on device" in outcome.err
        assert str(cache) in "".join(outcome.err.split())
        assert "cannot be kept" not in shell.run("find", "lib", "-q", *words).err
        dry = shell.run("create", "app", "--dry-run", *words)
        assert dry.code == 0, dry.err
        assert dry.err.count("cannot be kept in") == 1, dry.err
        assert [path.name for path in cache.iterdir()] == ["full"]
