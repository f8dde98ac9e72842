"""The volume on disk: claims, leases, publishing, leftovers."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envkit.errors import HeldError, IntegrityError, UnknownEnvironmentError, UsageError, VolumeError
from envkit.layout import gc, lease
from envkit.layout.generation import active, claim, publish, read_manifest, resolve, write_manifest
from envkit.layout.volume import Volume, check_name, environments, open_volume, read_volume_file, write_atomic
from envkit.models.manifest import Manifest, RecordedRequest


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return open_volume(tmp_path / "envs", create=True)


def manifest(prefix: Path, name: str = "train") -> Manifest:
    return Manifest(
        envkit_version="0",
        name=name,
        generation=prefix.name,
        prefix=str(prefix),
        created="2026-01-01T00:00:00+00:00",
        request=RecordedRequest(specs=("a",)),
        channels=(),
        digest="0",
        packages=(),
    )


def make(volume: Volume, name: str = "train") -> Path:
    with claim(volume, name) as prefix:
        write_manifest(manifest(prefix, name))
        publish(volume, name, prefix)
    return prefix


def test_a_volume_is_probed_once(volume: Volume) -> None:
    first = read_volume_file(volume)
    assert first is not None
    assert first.capabilities["symlink"]
    assert first.mounted_at == str(volume.root)
    open_volume(volume.root, create=True)
    assert read_volume_file(volume) == first


@pytest.mark.parametrize(
    "name", ["base", "root", "env.sh", "", ".", "..", "a/b", ".hidden", "-x", "a\n", "x" * 101, "ü"]
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_a_path_that_leaves_no_room_for_prefixes(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="too long"):
        open_volume(tmp_path / ("x" * 200), create=True)


def test_publish_and_go_on(volume: Volume) -> None:
    first = make(volume)
    assert active(volume, "train") == first
    second = make(volume)
    assert second != first
    assert active(volume, "train") == second
    assert os.readlink(volume.root / "train") == f".envkit/g/{second.name}"
    assert [name for name, _ in environments(volume)] == ["train"]
    assert resolve(volume, "train") == second
    assert not list(volume.leases.iterdir())


def test_there_is_never_an_instant_without_the_environment(volume: Volume) -> None:
    make(volume)
    code = (
        "import os, sys\nwhile os.path.exists(sys.argv[2]):\n    if not os.path.exists(sys.argv[1]): sys.exit('gone')\n"
    )
    stop = volume.root / "running"
    stop.touch()
    watcher = subprocess.Popen([sys.executable, "-c", code, str(volume.root / "train"), str(stop)])
    for _ in range(50):
        make(volume)
    stop.unlink()
    assert watcher.wait(timeout=30) == 0


def test_an_error_in_a_claim_leaves_nothing(volume: Volume) -> None:
    def fail() -> None:
        with claim(volume, "train") as prefix:
            (prefix / "file").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    for folder in (volume.generations, volume.trash, volume.leases):
        assert not list(folder.iterdir())


def test_unfinished_generations_of_the_dead_are_swept(volume: Volume) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from envkit.layout.generation import claim\nfrom envkit.layout.volume import open_volume\n"
        "with claim(open_volume(Path(sys.argv[1]), create=True), 'train') as prefix:\n"
        "    (prefix / 'file').write_text('x')\n    os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(volume.root)], check=False)
    assert len(list(volume.generations.iterdir())) == 1
    assert gc.sweep(volume) == 1
    assert not list(volume.generations.iterdir())


def test_unfinished_generations_of_the_living_are_not(volume: Volume) -> None:
    finished = make(volume)
    with claim(volume, "other") as prefix:
        assert gc.sweep(volume) == 0
        assert prefix.is_dir()
        write_manifest(manifest(prefix, "other"))
    assert gc.sweep(volume) == 0
    assert finished.is_dir()


def test_a_lease_is_held_by_one(volume: Volume) -> None:
    with lease.hold(volume, "x"):
        assert lease.is_held(volume, "x")
        with pytest.raises(HeldError), lease.hold(volume, "x"):
            pass
    assert not lease.is_held(volume, "x")
    with lease.hold(volume, "x"):
        pass


def test_many_wait_for_a_lease_and_each_gets_it(volume: Volume) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with lease.hold(volume, "x", wait_s=30):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert most == [1] * 24


def test_a_damaged_manifest_is_named(volume: Volume) -> None:
    prefix = make(volume)
    (prefix / ".envkit.json").write_text('{"schema_version": 2}')
    with pytest.raises(IntegrityError, match="schema_version"):
        read_manifest(prefix)


def test_what_is_not_there(volume: Volume, tmp_path: Path) -> None:
    with pytest.raises(UnknownEnvironmentError, match="train"):
        resolve(volume, "train")
    with pytest.raises(UnknownEnvironmentError, match="none"):
        resolve(None, str(tmp_path / "none"))


def test_atomic_writes_keep_the_old_content_when_they_fail(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644
