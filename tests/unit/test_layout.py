"""The volume on disk: claims, leases, publishing, leftovers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from envkit.api.environments import list_environments
from envkit.api.remove import remove
from envkit.api.session import Session
from envkit.errors import HeldError, IntegrityError, UnknownEnvironmentError, UsageError, VolumeError
from envkit.layout import gc, lease
from envkit.layout.atomic import write_atomic
from envkit.layout.generation import active, claim, publish, read_manifest, resolve, write_manifest
from envkit.layout.opening import open_volume, read_volume_file
from envkit.layout.trust import trusts_group
from envkit.layout.volume import Volume, check_name, environments
from envkit.models.manifest import LockedPackage, Manifest, RecordedRequest
from envkit.scratch import scratch, sweep_scratch
from envkit.settings import Settings


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
    with claim(volume, name) as claimed:
        write_manifest(manifest(claimed.prefix, name))
        publish(volume, name, claimed.prefix)
    return claimed.prefix


def test_a_description_that_is_nested_without_end_trusts_nobody(volume: Volume) -> None:
    volume.volume_file.write_text("[" * 5000)
    assert not trusts_group(volume)
    assert read_volume_file(volume) is None


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
        with claim(volume, "train") as claimed:
            (claimed.prefix / "file").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    for folder in (volume.generations, volume.trash, volume.leases):
        assert not list(folder.iterdir())


def test_unfinished_generations_of_the_dead_are_swept(volume: Volume) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from envkit.layout.generation import claim\nfrom envkit.layout.opening import open_volume\n"
        "with claim(open_volume(Path(sys.argv[1]), create=True), 'train') as claimed:\n"
        "    (claimed.prefix / 'file').write_text('x')\n    os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(volume.root)], check=False)
    assert len(list(volume.generations.iterdir())) == 1
    assert gc.remove_leftovers(volume) == 1
    assert not list(volume.generations.iterdir())


def test_unfinished_generations_of_the_living_are_not(volume: Volume) -> None:
    finished = make(volume)
    with claim(volume, "other") as claimed:
        assert gc.remove_leftovers(volume) == 0
        assert claimed.prefix.is_dir()
        write_manifest(manifest(claimed.prefix, "other"))
    assert gc.remove_leftovers(volume) == 0
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


@pytest.mark.parametrize("stranger", ["../../../victim", "other-00000000", ""])
def test_a_manifest_names_no_other_directory(volume: Volume, tmp_path: Path, stranger: str) -> None:
    make(volume)
    prefix = make(volume)
    victim = tmp_path / "victim"
    victim.mkdir()
    for path in volume.generations.iterdir():
        content = json.loads((path / ".envkit.json").read_text())
        (path / ".envkit.json").write_text(json.dumps({**content, "generation": stranger}))
    with pytest.raises(IntegrityError, match="another generation"):
        read_manifest(prefix)
    found = gc.find_rubbish(volume, gc.Keep(0, 0.0))
    assert gc.remove_rubbish(volume, found.items) == []
    remove(Session(Settings(volume.root)), "train")
    assert victim.is_dir()


def test_a_manifest_is_read_through_a_link(volume: Volume) -> None:
    prefix = make(volume)
    found = read_manifest(volume.root / "train")
    assert found is not None
    assert found.generation == prefix.name


def test_a_generation_that_was_gone_back_to_is_not_taken(volume: Volume) -> None:
    first, second = make(volume), make(volume)
    found = gc.find_rubbish(volume, gc.Keep(0, 0.0))
    assert [item.path for item in found.items] == [str(first)]
    publish(volume, "train", first)
    assert [item.path for item in gc.remove_rubbish(volume, found.items)] == [str(first)]
    assert resolve(volume, "train") == first
    assert second.is_dir()


def test_the_launchers_python_is_not_taken(volume: Volume) -> None:
    first, _ = make(volume), make(volume)
    found = gc.find_rubbish(volume, gc.Keep(0, 0.0))
    home = volume.own / "1"
    home.mkdir()
    (home / "python").symlink_to(f"../../g/{first.name}")
    (volume.own / "current").symlink_to("1")
    assert gc.remove_rubbish(volume, found.items) == found.items
    assert first.is_dir()


def test_a_generation_that_is_being_published_is_not_taken(volume: Volume) -> None:
    first, _ = make(volume), make(volume)
    found = gc.find_rubbish(volume, gc.Keep(0, 0.0))
    with lease.hold(volume, first.name, shared=True):
        assert gc.remove_rubbish(volume, found.items) == found.items
    assert first.is_dir()
    assert gc.remove_rubbish(volume, found.items) == []
    assert not first.exists()


def test_a_package_that_a_new_generation_needs_is_not_taken(volume: Volume) -> None:
    package = volume.packages / ("a" * 64)
    other = volume.packages / ("b" * 64)
    package.mkdir()
    other.mkdir()
    found = gc.find_rubbish(volume, gc.Keep())
    assert {item.path for item in found.items} == {str(package), str(other)}
    locked = LockedPackage(
        name="a", version="1", build="0", subdir="noarch", fn="a-1-0.conda", url="", channel="", sha256="A" * 64
    )
    with claim(volume, "train") as claimed:
        write_manifest(replace(manifest(claimed.prefix), packages=(locked,)))
        publish(volume, "train", claimed.prefix)
    assert [item.path for item in gc.remove_rubbish(volume, found.items)] == [str(package)]
    assert package.is_dir()
    assert not other.exists()


def test_an_unfinished_generation_that_got_finished_is_not_taken(volume: Volume) -> None:
    path = volume.generations / "train-00000000"
    path.mkdir()
    found = gc.find_rubbish(volume, gc.Keep())
    assert [item.kind for item in found.items] == ["unfinished"]
    write_manifest(manifest(path))
    assert gc.remove_rubbish(volume, found.items) == found.items
    assert path.is_dir()


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


def test_leases_that_nobody_holds_leave_no_file(volume: Volume) -> None:
    for name in ("job", "held", "shared"):
        (volume.leases / name).touch()
    with lease.hold(volume, "held"), lease.hold(volume, "shared", shared=True):
        gc.remove_leftovers(volume)
        assert sorted(path.name for path in volume.leases.iterdir()) == ["held", "shared"]
    gc.remove_leftovers(volume)
    assert list(volume.leases.iterdir()) == []


def test_what_is_being_removed_is_not_listed_as_damaged(volume: Volume) -> None:
    """The link goes first; who has read it then finds no generation."""
    make(volume, "stays")
    stop = threading.Event()

    def toggle() -> None:
        while not stop.is_set():
            prefix = make(volume, "goes")
            volume.link("goes").unlink()
            gc.remove_generation(volume, prefix)

    with ThreadPoolExecutor(1) as pool:
        toggling = pool.submit(toggle)
        try:
            for _ in range(150):
                listing = list_environments(volume)
                assert [(info.name, info.problem) for info in listing.environments if info.problem] == []
        finally:
            stop.set()
        toggling.result()


def test_folders_for_temporary_files_of_killed_runs_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "import time; from envkit.scratch import scratch\nwith scratch() as f: print(f, flush=True); time.sleep(600)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert child.stdout is not None
    folder = Path(child.stdout.readline().strip())
    old = time.time() - 3600
    os.utime(folder, (old, old))
    assert sweep_scratch() == 0  # it lives
    child.kill()
    child.communicate()
    assert sweep_scratch() == 1
    assert not folder.exists()


def test_a_scratch_folder_goes_with_folders_that_are_closed_to_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as place:
        monkeypatch.setenv("TMPDIR", place)
        outside = Path(place, "outside")
        outside.mkdir(mode=0o700)
        if os.geteuid() == 0:  # who may write everywhere
            os.chown(place, 65534, -1)
            os.chown(outside, 65534, -1)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                if os.geteuid() == 0:
                    os.setuid(65534)
                with scratch() as folder:
                    (folder / "a" / "b").mkdir(parents=True)
                    (folder / "a" / "b" / "file").touch()
                    (folder / "a" / "link").symlink_to(outside)
                    for closed in ("a/b", "a"):
                        (folder / closed).chmod(0o500)
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert os.listdir(place) == ["outside"]
        assert outside.stat().st_mode & 0o777 == 0o700
