"""What was measured of packages: kept beside them and in the user's cache, believed only when it is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from envkit.layout import gc
from envkit.layout.generation import claim, publish, write_manifest
from envkit.layout.measured import measured_lookup, read_measured, user_measurements, write_measured
from envkit.layout.opening import open_volume
from envkit.layout.volume import Volume
from envkit.models.gpucode import Architecture, GpuLibrary, GpuPackage, PtxCode
from envkit.models.manifest import LockedPackage, Manifest, RecordedRequest
from envkit.models.version import CudaVersion
from envkit.wire.gpucode import package_from_json, package_json

LIBRARY = GpuLibrary(
    "lib/libtorch_cuda.so",
    502_000_000,
    sass={Architecture.parse("9.0"): 475, Architecture.parse("9.0a"): 4, Architecture.parse("10.0f"): 1},
    ptx={Architecture.parse("9.0"): PtxCode(1, CudaVersion(9, 0))},
    other={"relocatable": 2},
)
PACKAGE = GpuPackage("pytorch", "2.14.1", "cuda130_0", "p.conda", "ab" * 32, "2026-11-25", (LIBRARY,))


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return open_volume(tmp_path / "envs", create=True)


def own() -> Path:
    folder = user_measurements()
    assert folder is not None
    return folder


def test_a_measurement_is_the_same_when_it_is_read() -> None:
    assert package_from_json(json.loads(json.dumps(package_json(PACKAGE)))) == PACKAGE


def test_it_is_found_on_the_volume_and_without_one(volume: Volume, tmp_path: Path) -> None:
    write_measured(volume, PACKAGE)
    other = open_volume(tmp_path / "other", create=True)
    for where in (volume, other, None):
        assert read_measured(where, PACKAGE.sha256.upper()) == PACKAGE
        assert measured_lookup(where)(PACKAGE.sha256) == PACKAGE
        assert measured_lookup(where)("cd" * 32) is None
    assert (volume.gpucode / f"{PACKAGE.sha256}.json").stat().st_mode & 0o777 == 0o644


def test_a_package_without_gpu_code_is_known_to_its_volume_alone(volume: Volume) -> None:
    write_measured(volume, replace(PACKAGE, libraries=()))
    assert read_measured(volume, PACKAGE.sha256) == replace(PACKAGE, libraries=())
    assert read_measured(None, PACKAGE.sha256) is None


def changed(**members: object) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps({**json.loads(data), **members}).encode()


def library(**members: object) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        document = json.loads(data)
        document["libraries"][0].update(members)
        return json.dumps(document).encode()

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda data: data[:-7],
        lambda _: b"\xff\xfe\x00",
        lambda _: b"[" * 100_000,
        lambda _: b"[]",
        lambda data: data + b"x" * (9 << 20),
        changed(schema_version=2),
        changed(sha256="cd" * 32),
        changed(sha256=7),
        changed(measured="yesterday"),
        changed(name="a\nb"),
        changed(libraries=None),
        changed(libraries=[7]),
        library(sass={"9.0": -1}),
        library(sass={"9.0": True}),
        library(sass={"x": 1}),
        library(sass=[1]),
        library(ptx={"9.0": {"count": 1, "isa": "nine"}}),
        library(ptx={"9.0": 3}),
        library(path="lib/\x1b[31m.so"),
        library(size="big"),
    ],
)
def test_what_is_damaged_counts_as_unknown(volume: Volume, damage: Callable[[bytes], bytes]) -> None:
    write_measured(volume, PACKAGE)
    for folder in (volume.gpucode, own()):
        path = folder / f"{PACKAGE.sha256}.json"
        path.write_bytes(damage(path.read_bytes()))
    assert read_measured(volume, PACKAGE.sha256) is None
    assert measured_lookup(volume)(PACKAGE.sha256) is None
    write_measured(volume, PACKAGE)
    assert read_measured(volume, PACKAGE.sha256) == PACKAGE


@pytest.mark.parametrize("sha256", ["", "..", "../../../etc/passwd", "ab" * 31, "md5-" + "ab" * 16])
def test_only_a_digest_names_a_measurement(volume: Volume, sha256: str) -> None:
    write_measured(volume, replace(PACKAGE, sha256=sha256))
    assert list(volume.gpucode.iterdir()) == []
    assert read_measured(volume, sha256) is None


def test_a_folder_that_takes_nothing_costs_nothing_else(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    volume.gpucode.rmdir()
    volume.gpucode.write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self")
    write_measured(volume, PACKAGE)
    assert read_measured(volume, PACKAGE.sha256) is None
    os.mkfifo(volume.root / "fifo")
    volume.gpucode.unlink()
    volume.gpucode.mkdir()
    (volume.gpucode / f"{PACKAGE.sha256}.json").symlink_to(volume.root / "fifo")
    assert read_measured(volume, PACKAGE.sha256) is None  # and does not wait for a writer


def test_one_that_is_killed_while_it_writes_leaves_none_or_a_whole_one(volume: Volume) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path\n"
        "from test_measured import PACKAGE, Volume, write_measured\n"
        "while True: write_measured(Volume(Path(sys.argv[1])), PACKAGE)"
    )
    words = [sys.executable, "-c", code, str(volume.root), str(Path(__file__).parent), *filter(None, sys.path)]
    path = volume.gpucode / f"{PACKAGE.sha256}.json"
    writers = [subprocess.Popen(words) for _ in range(2)]
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for _ in range(50):
        assert read_measured(volume, PACKAGE.sha256) == PACKAGE
    for writer in writers:
        writer.kill()
        writer.wait()
    assert read_measured(volume, PACKAGE.sha256) == PACKAGE


def held(volume: Volume, sha256: str) -> None:
    package = LockedPackage(
        name="a", version="1", build="0", subdir="noarch", fn="a.conda", url="", channel="c", sha256=sha256
    )
    with claim(volume, "train") as claimed:
        write_manifest(
            Manifest(
                envkit_version="0",
                name="train",
                generation=claimed.prefix.name,
                prefix=str(claimed.prefix),
                created="2026-01-01T00:00:00+00:00",
                request=RecordedRequest(specs=("a",)),
                channels=(),
                digest="0",
                packages=(package,),
            )
        )
        publish(volume, "train", claimed.prefix)


def test_clean_takes_a_measurement_with_its_package(volume: Volume) -> None:
    other = replace(PACKAGE, sha256="cd" * 32)
    held(volume, PACKAGE.sha256)
    for package in (PACKAGE, other):
        write_measured(volume, package)
        (volume.packages / package.sha256 / "x").mkdir(parents=True)
    left = volume.gpucode / f".{other.sha256}.json.abcdef"
    left.touch()
    os.utime(left, (0, 0))
    items = gc.find_rubbish(volume, gc.Keep()).items
    gone = {str(left), str(volume.gpucode / f"{other.sha256}.json")}
    assert {item.path for item in items if item.kind == "gpucode"} == gone
    assert gc.remove_rubbish(volume, items) == []
    assert [path.stem for path in volume.gpucode.iterdir()] == [PACKAGE.sha256]


def test_clean_takes_from_the_users_cache_what_nobody_asked_for(volume: Volume) -> None:
    write_measured(volume, PACKAGE)
    path = own() / f"{PACKAGE.sha256}.json"
    assert gc.find_stale_measurements(own(), 0.0) == []  # not of the last hour
    os.utime(path, (0, 0))
    items = gc.find_stale_measurements(own(), 7 * 86400)
    assert [item.path for item in items] == [str(path)]
    assert gc.remove_rubbish(volume, items) == []
    assert not path.exists()
