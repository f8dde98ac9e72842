"""Disk space as it was recorded agrees with what a look at every file says; nothing foreign is believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envkit.api.environments import list_environments
from envkit.layout.atomic import write_atomic
from envkit.layout.disk import shares
from envkit.layout.inventory import Held, Origins, parse_inventory, shared_sizes
from envkit.layout.private import folder
from envkit.layout.volume import Volume
from envkit.layout.weighing import inventories_of, weighing
from envkit.models.manifest import LockedPackage, Manifest, PipPackage, PipPart, RecordedRequest

PACKAGES = [f"{number:064x}" for number in range(1, 5)]


def a_package(key: str) -> LockedPackage:
    return LockedPackage(
        name=f"p{key[-1]}", version="1", build="0", subdir="noarch", fn="x", url="x", channel="x", sha256=key
    )


def a_manifest(prefix: Path, keys: list[str], pip: PipPart | None = None) -> Manifest:
    return Manifest(
        envkit_version="0",
        name=prefix.name.rpartition("-")[0],
        generation=prefix.name,
        prefix=str(prefix),
        created="2026-01-01T00:00:00+00:00",
        request=RecordedRequest(specs=("x",)),
        channels=(),
        digest="0",
        packages=tuple(map(a_package, keys)),
        pip=pip,
    )


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A volume with four packages in its caches, each with modules and bytecode."""
    volume = Volume(tmp_path / "envs")
    for path in volume.folders:
        path.mkdir(parents=True, exist_ok=True)
    for number, key in enumerate(PACKAGES):
        for place, size in ((volume.packages / key / "p-1-0" / "lib", 5000), (volume.bytecode / key / "cp311", 900)):
            place.mkdir(parents=True)
            for file in range(number + 1):
                (place / f"{key[-4:]}-{size}-{file}").write_bytes(b"x" * size * (file + 1))
    return volume


def make(
    volume: Volume,
    name: str,
    keys: list[str],
    *,
    copied: frozenset[str] = frozenset(),
    settled: frozenset[str] = frozenset(),
) -> Path:
    """A generation with these packages: linked file by file, or copied; of some, the disk space is known."""
    known = Origins()
    prefix = volume.generations / f"{name}-00000000"
    (prefix / "lib").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "own").write_text(name * 1000)
    (prefix / "bin" / "link").symlink_to("own")
    for key in keys:
        if key in settled and key not in copied:
            for kind, cache in (("pkgs", volume.packages), ("pyc", volume.bytecode)):
                files = list((cache / key).rglob("*-*-*"))
                sizes = [path.stat().st_blocks * 512 for path in files if path.is_file()]
                names = [path.name for path in files if path.is_file()]
                known.add(f"{kind}/{key}", Held(sum(sizes), len(sizes)), [("lib", names)])
        for source in (*(volume.packages / key).rglob("*-*-*"), *(volume.bytecode / key).rglob("*-*-*")):
            if source.is_file() and key in copied:
                (prefix / "lib" / source.name).write_bytes(source.read_bytes())
            elif source.is_file():
                os.link(source, prefix / "lib" / source.name)
    manifest = a_manifest(prefix, keys)
    write_atomic(prefix / ".envkit.json", manifest.to_text())
    with folder(volume.root, prefix) as here, weighing(volume, here, manifest, known):
        pass
    (volume.root / name).symlink_to(f".envkit/g/{prefix.name}")
    return prefix


def agree(volume: Volume, prefixes: list[Path]) -> None:
    assert shared_sizes(inventories_of(volume, prefixes)) == shares(prefixes)


@settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(
    st.lists(
        st.tuples(*[st.frozensets(st.sampled_from(PACKAGES))] * 3),
        min_size=1,
        max_size=4,
    )
)
def test_recorded_sizes_are_those_of_the_files(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[frozenset[str], ...]]
) -> None:
    fresh = volume.__wrapped__(tmp_path_factory.mktemp("v"))  # type: ignore[attr-defined]
    prefixes = [
        make(fresh, f"e{n}", sorted(keys), copied=copied, settled=settled)
        for n, (keys, copied, settled) in enumerate(made)
    ]
    agree(fresh, prefixes)
    agree(fresh, [*prefixes, prefixes[0]])  # two names of one generation


def test_folders_that_were_changed_since_are_looked_at(volume: Volume) -> None:
    prefix = volume.generations / "a-00000000"
    origin = f"pkgs/{PACKAGES[0]}"
    (cached,) = (path for path in (volume.root / ".envkit" / origin).rglob("*-*-*") if path.is_file())
    (prefix / "lib" / "inner").mkdir(parents=True)
    (prefix / "lib" / "empty").mkdir()
    os.link(cached, prefix / "lib" / "inner" / "x")
    known = Origins(folders={"lib": ["inner", "empty"], "lib/inner": [], "lib/empty": []})
    known.add(origin, Held(cached.stat().st_blocks * 512, 1), [("lib/inner", ["x"])])
    known.until_ns = 1_000_000_000 * (int((prefix / "lib").stat().st_mtime) + 100)
    (prefix / "lib" / "inner" / "own").write_text("own" * 5000)
    os.utime(prefix / "lib" / "inner", ns=(known.until_ns, known.until_ns))
    manifest = a_manifest(prefix, PACKAGES[:1])
    write_atomic(prefix / ".envkit.json", manifest.to_text())
    with folder(volume.root, prefix) as here, weighing(volume, here, manifest, known):
        pass
    agree(volume, [prefix])


def test_wheels_are_shared_by_their_paths(volume: Volume) -> None:
    cache = volume.wheels / "archive" / "abc"
    cache.mkdir(parents=True)
    (cache / "mod.py").write_bytes(b"m" * 9000)
    pip = PipPart(packages=(PipPackage(name="mod", version="1", url="x", hashes={"sha256": "f" * 64}),))
    prefixes = []
    for name in ("a", "b"):
        prefix = volume.generations / f"{name}-00000000"
        site = prefix / "lib" / "python3.11" / "site-packages"
        (site / "mod-1.dist-info").mkdir(parents=True)
        (site / "mod-1.dist-info" / "RECORD").write_text("mod.py,,\nmod-1.dist-info/RECORD,,\n")
        os.link(cache / "mod.py", site / "mod.py")
        manifest = a_manifest(prefix, [], pip)
        write_atomic(prefix / ".envkit.json", manifest.to_text())
        with folder(volume.root, prefix) as here, weighing(volume, here, manifest):
            pass
        prefixes.append(prefix)
    agree(volume, prefixes)
    assert "wheels/" + "f" * 64 in inventories_of(volume, prefixes)[0].linked


def test_a_generation_without_an_inventory_is_looked_at_once(volume: Volume, isolation: Path) -> None:
    prefixes = [make(volume, name, PACKAGES[:2]) for name in ("old", "new")]
    (prefixes[0] / ".envkit-inventory.json").unlink()
    agree(volume, prefixes)
    (remembered,) = isolation.glob(".cache/envkit/inventories/*/old-00000000.json")
    content = json.loads(remembered.read_text())
    remembered.write_text(json.dumps({**content, "own": [4096, 1]}))
    assert inventories_of(volume, prefixes)[0].own == (4096, 1)  # what is remembered is believed
    text = (prefixes[0] / ".envkit.json").read_text()
    (prefixes[0] / ".envkit.json").write_text(text)  # until the manifest is another
    agree(volume, prefixes)


@pytest.mark.parametrize("what", ["torn", "numbers", "another", "link", "fifo", "folder", "large", "manifest"])
def test_an_inventory_that_does_not_hold_is_not_believed(volume: Volume, tmp_path: Path, what: str) -> None:
    prefix = make(volume, "a", PACKAGES[:3])
    file = prefix / ".envkit-inventory.json"
    content = json.loads(file.read_text())
    file.unlink()
    match what:
        case "torn":
            file.write_text(json.dumps(content)[:-5])
        case "numbers":
            file.write_text(json.dumps({**content, "own": [-5, 1e300]}))
        case "another":
            file.write_text(json.dumps({**content, "generation": "b-00000000"}))
        case "link":
            (tmp_path / "elsewhere").write_text(json.dumps({**content, "own": [1, 1]}))
            file.symlink_to(tmp_path / "elsewhere")
        case "fifo":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "large":
            file.write_bytes(b" " * (5 << 20))
        case "manifest":
            file.write_text(json.dumps({**content, "own": [1, 1]}))
            manifest = json.loads((prefix / ".envkit.json").read_text())
            (prefix / ".envkit.json").write_text(json.dumps({**manifest, "created": "2026-02-02T00:00:00+00:00+"}))
    agree(volume, [prefix])
    (info,) = list_environments(volume).environments
    assert info.problem is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema_version": 2}', b"[" * 100_000, b"\xff"])
def test_no_inventory(data: bytes) -> None:
    assert parse_inventory(data) is None


@pytest.mark.parametrize("packages", [True, 1.0, -1, 1 << 70, "1", None])
def test_counts_are_whole_numbers(packages: object) -> None:
    content = {
        "schema_version": 1,
        "generation": "a",
        "prefix": "/a",
        "created": "",
        "manifest_bytes": 1,
        "own": [1, 1],
    }
    assert parse_inventory(json.dumps({**content, "linked": {}, "packages": 1}).encode()) is not None
    assert parse_inventory(json.dumps({**content, "linked": {}, "packages": packages}).encode()) is None
