"""The compiler: bytecode of packages in the cache before anything is linked, by workers that may die."""

from __future__ import annotations

import importlib.util
import json
import py_compile
import struct
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from envkit.builds.record import record_from_repodata
from envkit.errors import NoSpaceError
from envkit.installer.bytecode import link_kept
from envkit.installer.bytecode_lists import damaged_lists, read_list
from envkit.installer.compiler import compiling
from envkit.installer.hardlinks import link_target
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter
from envkit.probes import bytecode

SERIES = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{SERIES}/site-packages"
TAG = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
HELLO = f"echo '{json.dumps({'version': list(sys.version_info[:2])})}'"
PYC = f"{sys.implementation.cache_tag}.pyc"


def record(name: str, version: str, sha256: str, **more: object) -> Record:
    raw = {"name": name, "version": version, "build": "0", "build_number": 0, "sha256": sha256, **more}
    return record_from_repodata(raw, f"{name}-{version}-0.conda", "https://channel.test", "linux-64")


@dataclass
class Cache:
    """A volume with extracted packages, the first of which is this very Python."""

    volume: Volume
    records: list[Record]
    prefix: Path

    def add(self, name: str, files: dict[str, str], *, rewritten: str = "", **more: object) -> Path:
        one = record(name, "1.0", format(len(self.records), "x") * 64, **more)
        self.records.append(one)
        return self.extract(one, files, rewritten)

    def extract(self, one: Record, files: dict[str, str], rewritten: str = "") -> Path:
        package = self.volume.packages / str(one.sha256) / f"{one.name}-{one.version}-0"
        for name, text in {**files, "info/index.json": "{}"}.items():
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(text)
        entries = [{"_path": n, **({"prefix_placeholder": "/old"} if n == rewritten else {})} for n in files]
        (package / "info" / "paths.json").write_text(json.dumps({"paths": entries}))
        return package

    @property
    def python(self) -> Path:
        return self.volume.packages / str(self.records[0].sha256) / f"python-{SERIES}.0-0" / "bin" / "python"

    def compile(self) -> dict[str, int]:
        with compiling(self.volume, self.records, self.prefix) as compiler:
            compiler.begin((), None)
            compiler.finish(Reporter())
            return compiler.counts

    def kept(self, name: str) -> list[str] | None:
        key = next(str(r.sha256) for r in self.records if r.name == name)
        files = read_list(self.volume.bytecode / key / TAG)
        return None if files is None else sorted(f"{folder}/{name}" for folder, names in files for name in names)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    volume = Volume(tmp_path / "volume")
    for folder in volume.folders:
        folder.mkdir(parents=True, exist_ok=True)
    found = Cache(volume, [record("python", f"{SERIES}.0", "f" * 64)], tmp_path / "prefix")
    found.extract(found.records[0], {})
    found.python.parent.mkdir()
    found.python.symlink_to(Path(sys.executable).resolve())
    return found


def answer(cache: Cache, script: str) -> None:
    """Put a script in place of Python."""
    cache.python.unlink()
    cache.python.write_text(f"#!/bin/sh\n{script}\n")
    cache.python.chmod(0o755)


def test_modules_are_compiled_for_where_they_will_be(cache: Cache) -> None:
    package = cache.add(
        "pure",
        {
            "site-packages/pure/__init__.py": "A = 1\n",
            "site-packages/pure/broken.py": "print 1\n",
            "site-packages/pure/tests/test_it.py": "",
            "site-packages/pure/data.txt": "",
            "python-scripts/pure.py": "",
        },
        noarch="python",
    )
    cache.add("built", {f"{SITE}/built.py": "", f"{SITE}/where.py": "P = '/old'"}, rewritten=f"{SITE}/where.py")
    cache.add("library", {"lib/libz.so": ""})
    assert cache.compile() == {"compiled": 2, "failed": 1}
    assert cache.kept("pure") == [f"{SITE}/pure/__pycache__/__init__.{PYC}"]
    assert cache.kept("built") == [f"{SITE}/__pycache__/built.{PYC}"]
    assert cache.kept("library") == []
    assert not cache.prefix.exists()
    assert list(cache.volume.incoming.iterdir()) == list(cache.volume.leases.iterdir()) == []
    made = cache.volume.bytecode / str(cache.records[1].sha256) / TAG / SITE / "pure" / "__pycache__"
    state = (package / "site-packages" / "pure" / "__init__.py").stat()
    head = struct.pack("<III", 0, int(state.st_mtime), state.st_size)
    assert (made / f"__init__.{PYC}").read_bytes()[:16] == importlib.util.MAGIC_NUMBER + head
    cache.prefix.mkdir()
    with link_target(cache.prefix) as target:
        linked, rest = link_kept(cache.volume, cache.records, target)
    assert (linked, rest) == (2, [])
    assert cache.compile() == {}  # all is known


@pytest.mark.parametrize("mode", ["TIMESTAMP", "CHECKED_HASH", "UNCHECKED_HASH"])
@pytest.mark.parametrize("fresh", [True, False])
def test_bytecode_that_a_package_brings_is_used_if_python_would(cache: Cache, mode: str, fresh: bool) -> None:
    brought = f"{SITE}/__pycache__/brings.{PYC}"
    package = cache.add("brings", {f"{SITE}/brings.py": "A = 1\n", brought: ""})
    source = package / SITE / "brings.py"
    py_compile.compile(str(source), str(package / brought), invalidation_mode=py_compile.PycInvalidationMode[mode])
    if not fresh:
        source.write_text("A = 22\n")
    assert cache.compile() == ({"present": 1} if fresh else {"left": 1})
    assert cache.kept("brings") == ([] if fresh else None)
    assert bytecode.fits(package / brought, source, source.stat()) is fresh  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("allowed", "counts"), [(0, {}), (1, {"compiled": 1})])
def test_threads_that_the_system_refuses(
    cache: Cache, allowed: int, counts: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.add("pure", {f"{SITE}/pure.py": ""})
    monkeypatch.setattr("envkit.installer.compiler.usable_processors", lambda: 3)
    begin, begun = threading.Thread.start, 0

    def start(thread: threading.Thread) -> None:
        nonlocal begun
        begun += 1
        if begun > allowed:
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert cache.compile() == counts
    assert list(cache.volume.incoming.iterdir()) == []


@pytest.mark.parametrize(
    "script",
    [
        "exit 3",
        "kill -9 $$",
        "echo nonsense",
        "echo '{\"version\": [2, 7]}'; cat >/dev/null",
        f"{HELLO}; read -r line; kill -9 $$",
        f"{HELLO}; read -r line; echo 5; cat >/dev/null",
    ],
)
def test_what_a_worker_does_not_do_is_left_for_later(cache: Cache, script: str) -> None:
    cache.add("pure", {f"{SITE}/pure.py": ""})
    python = cache.python.resolve()
    answer(cache, script)
    assert "compiled" not in cache.compile()
    assert cache.kept("pure") is None
    assert list(cache.volume.incoming.iterdir()) == []
    cache.python.unlink()
    cache.python.symlink_to(python)
    assert cache.compile() == {"compiled": 1}


def test_a_full_disk_is_told(cache: Cache) -> None:
    cache.add("pure", {f"{SITE}/pure.py": ""})
    answer(cache, f"{HELLO}; read -r line; echo '{{\"fault\": 28}}'; cat >/dev/null")
    with pytest.raises(NoSpaceError, match="bytecode"):
        cache.compile()
    assert list(cache.volume.incoming.iterdir()) == []


def test_a_folder_that_is_not_whole_is_replaced_and_a_whole_one_is_not(cache: Cache) -> None:
    cache.add("pure", {f"{SITE}/pure.py": ""})
    place = cache.volume.bytecode / str(cache.records[1].sha256) / TAG
    (place / "left").mkdir(parents=True)
    assert cache.compile() == {"compiled": 1}
    assert not (place / "left").exists()
    with compiling(cache.volume, cache.records, cache.prefix) as compiler:
        (place / "files.json").rename(cache.prefix.with_name("list"))
        compiler.begin((), None)
        cache.prefix.with_name("list").rename(place / "files.json")  # another process was faster
        before = place.stat().st_ino
        compiler.finish(Reporter())
    assert place.stat().st_ino == before
    assert damaged_lists(cache.volume) == []


def test_closing_ends_the_workers_and_leaves_nothing(cache: Cache) -> None:
    log = cache.prefix.with_name("pids")
    answer(cache, f"echo $$ >> {log}; echo '{{\"version\": [{SERIES.replace('.', ', ')}]}}'; exec sleep 600")
    cache.add("pure", {f"{SITE}/pure.py": ""})
    with compiling(cache.volume, cache.records, cache.prefix) as compiler:
        compiler.begin((), None)
        while not log.exists() or not log.read_text().endswith("\n"):
            pass
    assert [pid for pid in log.read_text().split() if Path("/proc", pid).exists()] == []
    assert list(cache.volume.incoming.iterdir()) == []
