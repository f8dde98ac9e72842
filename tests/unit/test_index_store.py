"""The index store: what it tells is what the native engine tells, whatever happened to its files."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import rattler
from channels import Package, write_channel
from harness import QuietHandler
from rattler.index import index_fs

from envkit.api.find import find_builds
from envkit.api.session import Session
from envkit.api.solve import solve_request
from envkit.engines.base import ChannelAccess
from envkit.engines.rattler import RattlerEngine
from envkit.engines.rattler_native import NativeGateway
from envkit.engines.stored import is_simple_spec, simple_matches
from envkit.errors import ChannelError, EnvkitError, UnsatisfiableError
from envkit.index.cached import CachedIndex
from envkit.index.flat import open_flat, split_flat
from envkit.index.split import UnsplittableError, split_index
from envkit.index.store import IndexStore
from envkit.models.build import Record
from envkit.models.channel import parse_channel
from envkit.models.host import Target
from envkit.models.network import NetworkPolicy
from envkit.models.request import Inquiry, Request
from envkit.models.solve import SolveTask, VirtualPackage
from envkit.models.spec import parse_match_spec
from envkit.settings import load_settings
from envkit.values import replace

PLATFORMS = ("linux-64", "noarch")
PACKAGES = [
    Package("app", "1.0", depends=["lib >=1", "conda-forge::Other[build=x]"]),
    Package("app", "2.0", depends=["lib <2|>3"]),
    Package("app-extra", "1.0", noarch="python", depends=["app ==2.0"]),
    Package("lib", "1.5", record={"license": 'a "quoted" {brace} \\ "x-1-0.conda": {', "odd": {"x-1-0.conda": {}}}),
    Package("other", "1.0", noarch="generic", record={"track_features": "old", "license": "ü"}),
]


def access_of(folder: Path, *urls: str, offline: bool = False) -> ChannelAccess:
    index = folder / "index"
    index.mkdir(exist_ok=True)
    return ChannelAccess(tuple(map(parse_channel, urls)), NetworkPolicy(retries=0, offline=offline), index)


def store_of(access: ChannelAccess) -> IndexStore:
    store = IndexStore(access.urls, access.index_dir, lambda _: False)
    store.fill(PLATFORMS)
    return store


def everything(records: Sequence[Record]) -> list[Any]:
    return [(record, list(record.raw.items())) for record in records]


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return write_channel(tmp_path / "channel", PACKAGES)


def test_every_record_is_that_of_the_native_engine(channel: Path, tmp_path: Path) -> None:
    access = access_of(tmp_path, channel.as_uri())
    store, native = store_of(access), NativeGateway(access)
    names = sorted(native.names(PLATFORMS))
    assert store.names(PLATFORMS) == frozenset(names) == {"app", "app-extra", "lib", "other"}
    theirs = [record for _, record in native.records(names, PLATFORMS, recursive=False)]
    ours = store.records(names, PLATFORMS)
    assert ours is not None
    assert everything(ours) == everything(theirs)
    assert store.records(["nothing"], PLATFORMS) == []
    assert store.reach(["app-extra"], PLATFORMS) == ["app", "app-extra", "lib", "other"]


@pytest.mark.parametrize(
    "number", [40, pytest.param(100_000, marks=[pytest.mark.full, pytest.mark.timeout(1200)])], ids=["some", "all"]
)
def test_records_of_real_indexes(index_server: str, tmp_path: Path, number: int) -> None:
    for channels in (["pytorch", "nvidia", "conda-forge"], ["pkgs/main"]):
        access = access_of(tmp_path, *(f"{index_server}/{name}" for name in channels))
        native = NativeGateway(access)
        names = sorted(native.names(PLATFORMS))
        store = store_of(access)
        assert store.names(PLATFORMS) == frozenset(names)
        some = random.Random(3).sample(names, min(number, len(names)))
        unknown = 0
        for name in some:
            theirs = [record for _, record in native.records([name], PLATFORMS, recursive=False)]
            ours = store.records([name], PLATFORMS)
            unknown += ours is None
            assert ours is None or everything(ours) == everything(theirs)
        assert unknown <= len(some) // 20


def test_solves_over_a_part_are_those_over_the_whole(index_server: str, tmp_path: Path) -> None:
    access = access_of(tmp_path, *(f"{index_server}/{name}" for name in ("pytorch", "nvidia", "conda-forge")))
    native, engine = NativeGateway(access), RattlerEngine()
    engine.records(["python"], platforms=PLATFORMS, access=access)
    virtual = [("__glibc", "2.35"), ("__linux", "6"), ("__unix", "0"), ("__archspec", "1"), ("__cuda", "12.4")]
    for specs, priority in (
        (("pytorch", "python=3.11"), "strict"),
        (("pytorch=2.5", "torchvision"), "flexible"),
        (("scipy", "matplotlib", "python=3.10"), "disabled"),
    ):
        task = SolveTask(
            specs,
            platforms=PLATFORMS,
            channel_priority=priority,  # type: ignore[arg-type]
            virtual_packages=tuple(VirtualPackage(*pair) for pair in virtual),
        )
        with engine._store(access).subsets(specs, PLATFORMS) as subsets:
            assert subsets
        assert everything(engine.solve(task, access=access)) == everything(native.solve(task))


def test_records_that_the_native_engine_would_change_are_left_to_it(tmp_path: Path) -> None:
    odd: list[dict[str, Any]] = [
        {"timestamp": "soon"}, {"legacy_bz2_md5": "A" * 32}, {"version": "1..0"}, {"noarch": True}, {"depends": None},
        {"run_exports": {"weak": ["x"]}}, {"build_number": "1"}, {"name": "else"},
    ]  # fmt: skip
    packages = [Package(f"p{at}", record=record) for at, record in enumerate(odd)]
    access = access_of(tmp_path, write_channel(tmp_path / "odd", [*packages, Package("fine")]).as_uri())
    store = store_of(access)
    assert store.records(["fine"], PLATFORMS)
    assert [store.records([package.name], PLATFORMS) for package in packages] == [None] * len(odd)


def test_removed_files_and_other_cases_are_those_of_the_native_engine(tmp_path: Path) -> None:
    folder = write_channel(tmp_path / "removed", [Package("app"), Package("app", "2.0"), Package("Upper")])
    index = folder / "linux-64" / "repodata.json"
    content = json.loads(index.read_text())
    file = next(name for name in content["packages.conda"] if name.startswith("app-2.0"))
    access = access_of(tmp_path, folder.as_uri())
    assert store_of(access).names(PLATFORMS) == NativeGateway(access).names(PLATFORMS) == {"app", "upper"}
    index.write_text(json.dumps({**content, "removed": ["gone-1-0.conda", file]}))
    access = access_of(tmp_path, folder.as_uri())
    (kept,) = RattlerEngine().records(["app"], platforms=PLATFORMS, access=access)
    assert kept.version == "1.0"
    (kept,) = RattlerEngine().solve(SolveTask(("app",), platforms=PLATFORMS), access=access)
    assert kept.version == "1.0"
    index.write_text(json.dumps({**content, "removed": ["gone-1-0.conda", "app-1-9.conda"]}))
    assert len(store_of(access).records(["app"], PLATFORMS) or ()) == 2


def split(tmp_path: Path, text: str | bytes) -> dict[str, list[str]]:
    path = tmp_path / "repodata.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        table = split_index(descriptor)
        return {
            name: [os.pread(descriptor, run.length, run.start).decode() for run in table.runs(name)]
            for name in table.listed()
        }
    finally:
        os.close(descriptor)


def entry(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "version": "1", "build": "0", "build_number": 0, "depends": [], **more}


@pytest.mark.parametrize("indent", [None, 2, 0])
def test_any_layout_is_split_as_it_is_parsed(tmp_path: Path, indent: int | None) -> None:
    nested = {"a-1-0.conda": {"b": "}"}, "t": '},"c-1-0.conda":{'}
    conda = {"b-1-0.conda": entry("b"), "a-1-0.conda": entry("a", extra=nested), "b-2-0.conda": entry("b")}
    documents: list[dict[str, Any]] = [
        {"packages.conda": conda, "info": {}, "packages": {"a-1-0.tar.bz2": entry("a")}, "signatures": conda},
        {"packages": {}, "packages.conda": conda, "removed": ["b-0-0.conda"]},
        {"packages": {}},
        {},
    ]
    for document in documents:
        found = split(tmp_path, json.dumps(document, indent=indent))
        merged = {**document.get("packages", {}), **document.get("packages.conda", {})}
        kept = {k: v for runs in found.values() for run in runs for k, v in json.loads("{" + run + "}").items()}
        assert kept == merged
        assert all(
            file.rsplit("-", 2)[0] == name
            for name, runs in found.items()
            for file in json.loads("{" + ",".join(runs) + "}")
        )


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"packages": []}', '{"packages": {"a-1-0.conda": 1}}', '{"packages.conda": {"a-1-0.conda": {}',
        '{"packages.conda": {"a.conda": {}}}', '{"packages.conda": {"\\u0061-1-0.conda": {}}}',
        '{"v3": {"conda": {}, "x": 1}}', '{"packages.conda": {"a-1-0.conda": {"depends": 1}}}',
        '{"packages": {"a-1-0.tar.bz2": {}} "x',
        "[" * 100_000, b"\xff\xfe",
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_index_is_not_split(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(UnsplittableError):
        split(tmp_path, text)


def test_a_changed_index_is_split_anew(channel: Path, tmp_path: Path) -> None:
    access = access_of(tmp_path, channel.as_uri())
    engine = RattlerEngine()
    assert len(engine.query("lib", platforms=PLATFORMS, access=access).matching) == 1
    write_channel(channel, [*PACKAGES, Package("lib", "3.0")])
    for _ in range(2):
        found = RattlerEngine().query("lib", platforms=PLATFORMS, access=access)
        assert [record.version for record in found.matching] == ["1.5", "3.0"]
    assert len(list(access.index_dir.glob("*.names"))) == 2


def test_an_index_of_the_same_size_and_time_is_seen(channel: Path, tmp_path: Path) -> None:
    access = access_of(tmp_path, channel.as_uri())
    index = channel / "linux-64" / "repodata.json"
    task = SolveTask(("lib",), platforms=PLATFORMS)
    for digest in ("a" * 64, "b" * 64, "c" * 64):
        content = json.loads(index.read_text())
        for record in content["packages.conda"].values():
            record["sha256"] = digest
        index.write_text(json.dumps(content))
        os.utime(index, (0, 0))
        assert [record.sha256 for record in RattlerEngine().solve(task, access=access)] == [digest]
        (found,) = RattlerEngine().query("lib", platforms=PLATFORMS, access=access).matching
        assert found.sha256 == digest


def test_an_index_is_current_where_it_was_read(channel: Path, tmp_path: Path) -> None:
    with answering(tmp_path) as (url, _):
        access = access_of(tmp_path, url)
        RattlerEngine().query("app", platforms=("linux-64", "noarch"), access=access)
        write_channel(channel, [*PACKAGES, Package("app", "3.0")])
        for subdir in PLATFORMS:  # the server tells seconds
            os.utime(channel / subdir / "repodata.json", (2_000_000_000, 2_000_000_000))
        engine = RattlerEngine()
        engine.query("app[build=x]", platforms=("noarch",), access=access)
        assert len(engine.query("app", platforms=("linux-64", "noarch"), access=access).matching) == 3
    task = SolveTask(("app",), platforms=PLATFORMS)
    engine = RattlerEngine()
    with pytest.raises(ChannelError):
        engine.solve(task, access=access)
    with pytest.raises(ChannelError):
        engine.query("app", platforms=PLATFORMS, access=access)


def test_a_flipped_bit_is_never_a_record(channel: Path, tmp_path: Path) -> None:
    access = access_of(tmp_path, channel.as_uri())
    before = store_of(access).records(["app", "lib"], PLATFORMS)
    index = CachedIndex.of(channel.as_uri(), "linux-64", access.index_dir)
    assert index
    assert before
    chance = random.Random(5)

    def opened(path: Path) -> IndexStore:
        store = store_of(access)
        if path == index.path:  # for another run, this is another index
            store.open(PLATFORMS)
        return store

    for path in (index.path, index.table):
        content, state = path.read_bytes(), path.stat()
        for _ in range(60):
            place = chance.randrange(len(content))
            path.write_bytes(content)
            store = opened(path)
            path.write_bytes(
                content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
            )
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
            assert store.records(["app", "lib"], PLATFORMS) in (None, before)
        for cut in (0, 1, len(content) // 2, len(content) - 1):
            path.write_bytes(content)
            store = opened(path)
            path.write_bytes(content[:cut])
            found = store.records(["app", "lib"], PLATFORMS)
            assert found == before or (path == index.path and found is None)  # a table is made again
        path.write_bytes(content)
    assert store_of(access).records(["app", "lib"], PLATFORMS) == before


def test_a_table_that_cannot_be_written_is_done_without(channel: Path, tmp_path: Path) -> None:
    access = access_of(tmp_path, channel.as_uri())
    for subdir in PLATFORMS:
        index = CachedIndex.of(channel.as_uri(), subdir, access.index_dir)
        assert index
        index.table.mkdir()
    assert len(RattlerEngine().query("app", platforms=PLATFORMS, access=access).matching) == 2
    assert isinstance(store_of(access).trouble, OSError)
    assert sorted(path.suffix for path in access.index_dir.iterdir()) == [".names", ".names"]


_SPLIT = "import sys; from pathlib import Path; from envkit.index.cached import *; from envkit.index.flat import *\n"


def test_killed_while_it_splits_and_several_at_once(channel: Path, tmp_path: Path) -> None:
    access = access_of(tmp_path, channel.as_uri())
    index = CachedIndex.of(channel.as_uri(), "linux-64", access.index_dir)
    assert index
    killed = _SPLIT + "import os; Path.replace = lambda *_: os.kill(os.getpid(), 9)\n"
    call = f"split_flat(CachedIndex.of({channel.as_uri()!r}, 'linux-64', Path({str(access.index_dir)!r})))"
    assert subprocess.run([sys.executable, "-c", killed + call], check=False).returncode == -9
    assert not index.table.exists()
    with ThreadPoolExecutor(4) as pool:
        ended = pool.map(lambda _: subprocess.run([sys.executable, "-c", _SPLIT + call], check=False), range(4))
    assert [done.returncode for done in ended] == [0] * 4
    flat = open_flat(index, "linux-64")
    assert flat
    assert flat.table.listed() == ["app", "lib"]
    split_flat(index)
    assert len(list(access.index_dir.glob("*.names"))) == 1


@contextmanager
def answering(folder: Path, **headers: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve a folder with more headers; the second value lists what was asked, and the status of each answer."""
    asked: list[tuple[str, str]] = []

    class Handler(QuietHandler):
        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            super().end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            del size
            asked.append((self.path, str(int(code))))

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0),
        lambda *args: Handler(*args, directory=str(folder)),
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/channel", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_solution_outlives_changes_that_are_about_other_packages(channel: Path, tmp_path: Path) -> None:
    access = access_of(tmp_path, channel.as_uri())
    task = SolveTask(("app-extra",), platforms=PLATFORMS)

    def solve() -> tuple[list[Any], int]:
        found = RattlerEngine().solve(task, access=access)
        return everything(found), len(list((access.index_dir / "solved").iterdir()))

    first, kept = solve()
    assert kept == 1
    write_channel(channel, [*PACKAGES, Package("stranger", "1")])
    assert solve() == (first, 1)
    write_channel(channel, [*PACKAGES, Package("lib", "0.1")])  # one that it does not take: another question
    assert solve() == (first, 2)


def test_a_solution_is_kept_until_the_index_changes(channel: Path, tmp_path: Path) -> None:
    access = access_of(tmp_path, channel.as_uri())
    task = SolveTask(("app-extra",), platforms=PLATFORMS)
    none = SolveTask(("app-extra", "lib >9"), platforms=PLATFORMS)
    first = RattlerEngine().solve(task, access=access)
    with pytest.raises(UnsatisfiableError) as refused:
        RattlerEngine().solve(none, access=access)
    script = _SOLVE.format(channel=channel.as_uri(), index=str(access.index_dir))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kept = done.stdout.split("\n", 1)
    assert json.loads(kept[0]) == [[record.fn, dict(record.raw)] for record in first]
    assert kept[1].strip() == f"{refused.value.message}\nFalse"
    solved = list((access.index_dir / "solved").iterdir())
    assert len(solved) == 2
    for path in solved:  # what is damaged is solved again
        path.write_bytes(path.read_bytes()[:-9] + b"[]")
    assert everything(RattlerEngine().solve(task, access=access)) == everything(first)
    write_channel(channel, [*PACKAGES, Package("lib", "10")])
    for solvable in (task, none):
        assert "10" in {record.version for record in RattlerEngine().solve(solvable, access=access)}


_SOLVE = """
import json, os, sys
from pathlib import Path
from envkit.engines.rattler import RattlerEngine
from envkit.engines.base import ChannelAccess
from envkit.errors import ChannelError, EnvkitError, UnsatisfiableError
from envkit.models.channel import parse_channel
from envkit.models.network import NetworkPolicy
from envkit.models.solve import SolveTask
access = ChannelAccess((parse_channel({channel!r}),), NetworkPolicy(), Path({index!r}))
found = RattlerEngine().solve(SolveTask(("app-extra",), platforms=("linux-64", "noarch")), access=access)
print(json.dumps([[record.fn, dict(record.raw)] for record in found]))
try:
    RattlerEngine().solve(SolveTask(("app-extra", "lib >9"), platforms=("linux-64", "noarch")), access=access)
except UnsatisfiableError as error:
    print(error.message)
print("rattler" in sys.modules)
sys.stdout.flush(); os._exit(0)
"""

_LIGHT = """
import sys
from pathlib import Path
from envkit.engines.rattler import RattlerEngine
from envkit.engines.base import ChannelAccess
from envkit.models.channel import parse_channel
from envkit.models.network import NetworkPolicy
access = ChannelAccess((parse_channel(sys.argv[1]),), NetworkPolicy(offline=len(sys.argv) > 3), Path(sys.argv[2]))
found = RattlerEngine().query("app", platforms=("linux-64", "noarch"), access=access)
print(len(found.matching), "rattler" in sys.modules)
import os; sys.stdout.flush(); os._exit(0)
"""


def query(url: str, access: ChannelAccess, *more: str) -> str:
    words = [sys.executable, "-c", _LIGHT, url, str(access.index_dir), *more]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_servers_are_asked_as_their_headers_allow(channel: Path, tmp_path: Path) -> None:
    with answering(tmp_path, Cache_Control="public, max-age=1200") as (url, asked):
        access = access_of(tmp_path, url)
        assert query(url, access) == "2 True"
        asked.clear()
        assert query(url, access) == "2 False"
        assert asked == []
    assert query(url, access, "offline") == "2 False"
    with answering(tmp_path) as (url, asked):
        access = access_of(tmp_path, url)
        assert query(url, access) == "2 True"
        asked.clear()
        assert query(url, access) == "2 False"
        assert {status for _, status in asked} == {"304"}
        write_channel(channel, [*PACKAGES, Package("app", "3.0")])
        for subdir in PLATFORMS:  # the server tells seconds
            os.utime(channel / subdir / "repodata.json", (2_000_000_000, 2_000_000_000))
        assert query(url, access) == "3 True"
        assert query(url, access) == "3 False"


@pytest.mark.usefixtures("channel")
def test_no_server_is_asked_twice_by_one_command(tmp_path: Path) -> None:
    with answering(tmp_path) as (url, asked):
        access = access_of(tmp_path, url)
        patient = replace(access, policy=NetworkPolicy(retries=3))
        RattlerEngine().query("app", platforms=PLATFORMS, access=access)
        asked.clear()
        engine = RattlerEngine()
        for each in (access, patient):
            assert len(engine.query("app", platforms=PLATFORMS, access=each).matching) == 2
        assert engine.records(["lib"], platforms=PLATFORMS, access=patient)
        read = [path for path, _ in asked if path.endswith(("repodata.json", ".zst", ".bz2"))]
        assert len(read) == len(set(read)), asked


@pytest.mark.usefixtures("channel")
@pytest.mark.parametrize("verb", [find_builds, solve_request])
def test_what_was_meant_by_a_name_is_told_without_asking_again(
    verb: Callable[[Session, Inquiry], object], tmp_path: Path
) -> None:
    with answering(tmp_path) as (url, asked):
        channels = (parse_channel(url),)
        inquiry = Inquiry(Request(("app-extr",)), Target("linux-64"), channels=channels, override_channels=True)
        for _ in range(2):  # fetched, then revalidated
            asked.clear()
            with pytest.raises(EnvkitError, match=r"app-extr") as refused:
                verb(Session(load_settings(persist=tmp_path / "envs")), inquiry)
            assert "app-extra" in (refused.value.hint or "")
            read = [path for path, _ in asked if path.endswith(("repodata.json", ".zst", ".bz2"))]
            assert len(read) == len(set(read)), asked


def test_shards_are_read_as_the_native_engine_reads_them(channel: Path, tmp_path: Path) -> None:
    many = [Package("many", f"1.{at}", depends=[f"lib >={at}", "other"]) for at in range(40)]
    write_channel(channel, [*PACKAGES, *many, Package("rich", "1")])
    asyncio.run(index_fs(channel, write_zst=True, write_shards=True))
    with answering(tmp_path, Cache_Control="max-age=1200") as (url, asked):
        access = access_of(tmp_path, url)
        store, native = store_of(access), NativeGateway(access)
        names = sorted(native.names(PLATFORMS))
        assert store.names(PLATFORMS) == frozenset(names)
        assert store.records(["lib"], PLATFORMS) is None  # its shard was not fetched
        for name in names:
            theirs = [record for _, record in native.records([name], PLATFORMS, recursive=False)]
            ours = store.records([name], PLATFORMS)
            assert ours is not None
            assert everything(ours) == everything(theirs)
        assert store.records(["nothing"], PLATFORMS) == []
        assert store.reach(["many"], PLATFORMS) == ["lib", "many", "other"]
        task = SolveTask(("many", "app-extra"), platforms=PLATFORMS)
        asked.clear()
        with store.subsets(["many", "app-extra"], PLATFORMS) as subsets:
            assert subsets
        assert everything(RattlerEngine().solve(task, access=access)) == everything(native.solve(task))
        assert query(url, access) == "2 False"
        assert asked == []
    assert query(url, access, "offline") == "2 False"


def test_a_list_of_shards_is_asked_for_again(channel: Path, tmp_path: Path) -> None:
    asyncio.run(index_fs(channel, write_zst=True, write_shards=True))
    with answering(tmp_path) as (url, asked):
        access = access_of(tmp_path, url)
        assert query(url, access) == "2 True"
        asked.clear()
        assert query(url, access) == "2 False"
        assert asked == [(f"/channel/{subdir}/repodata_shards.msgpack.zst", "304") for subdir in PLATFORMS]
        write_channel(channel, [*PACKAGES, Package("app", "3.0")])
        asyncio.run(index_fs(channel, write_zst=True, write_shards=True, force=True))
        for subdir in PLATFORMS:  # the server tells seconds
            os.utime(channel / subdir / "repodata_shards.msgpack.zst", (2_000_000_000, 2_000_000_000))
        assert query(url, access) == "3 True"
        assert query(url, access) == "3 False"


def test_damaged_shards_are_left_to_the_native_engine(channel: Path, tmp_path: Path) -> None:
    asyncio.run(index_fs(channel, write_zst=True, write_shards=True))
    with answering(tmp_path, Cache_Control="max-age=1200") as (url, _):
        access = access_of(tmp_path, url)
        before = RattlerEngine().records(["app", "lib"], platforms=PLATFORMS, access=access)
        store = IndexStore(access.urls, access.index_dir, lambda _: False)
        assert everything(store.records(["app", "lib"], PLATFORMS) or ()) == everything(before)
        paths = [*access.index_dir.glob("*.shards-cache-v1"), *access.index_dir.glob("shards-v1/*.msgpack")]
        assert len(paths) == 4
        chance = random.Random(7)
        for path in paths:
            content = path.read_bytes()
            for cut in (0, 1, 17, len(content) // 2, len(content) - 1):
                path.write_bytes(content[:cut])
                store = IndexStore(access.urls, access.index_dir, lambda _: False)
                found = store.records(["app", "lib"], PLATFORMS)
                assert found is None or everything(found) == everything(before), (path, cut)
            for junk in (b"\xc1" * 99, b"\x91" * 100_000, b"\x81\xa8packages\x81\xa1a\x01", chance.randbytes(500)):
                path.write_bytes(junk)
                store = IndexStore(access.urls, access.index_dir, lambda _: False)
                found = store.records(["app", "lib"], PLATFORMS)
                assert found is None or everything(found) == everything(before)
                with store.subsets(["app"], PLATFORMS):
                    pass
            path.write_bytes(content)


def test_a_subdir_that_a_server_lacks_is_remembered(channel: Path, tmp_path: Path) -> None:
    shutil.rmtree(channel / "linux-64")
    with answering(tmp_path, Cache_Control="max-age=1200") as (url, asked):
        access = access_of(tmp_path, url)
        engine = RattlerEngine()
        assert len(engine.records(["other"], platforms=PLATFORMS, access=access)) == 1
        asked.clear()
        assert query(url, access) == "0 False"
        assert asked == []
        (note,) = access.index_dir.glob("*.absent")
        os.utime(note, (0, 0))
        assert query(url, access) == "0 False"
        assert asked == [("/channel/linux-64/repodata.json", "404")]
        assert query(url, access) == "0 False"
        assert len(asked) == 1
        write_channel(channel, PACKAGES)
        os.utime(note, (0, 0))
        assert query(url, access) == "2 True"
        assert query(url, access) == "2 False"


def test_simple_specs_match_as_in_the_native_engine(tmp_path: Path) -> None:
    builds = ["cuda124_py311h_0", "py311_CUDA12", "0", "cpu_generic_py310h.x+1", "py3.11_cuda12.4_cudnn9.1.0_0"]
    native = []
    for version in ("2.5", "2.5.0", "2.5.1", "2.50", "2.5rc1", "1!2.5", "2.4"):
        for build in builds:
            path = tmp_path / "index.json"
            path.write_text(json.dumps({**entry("pytorch"), "version": version, "build": build, "subdir": "linux-64"}))
            native.append(rattler.PackageRecord.from_index_json(path))
    ours = [Record("pytorch", str(record.version), str(record.build)) for record in native]
    patterns = ["*cuda*", "CUDA*", "*_0", "0", "*", "*12.4*", "*py311*cuda*", "cpu_generic_py310h.x+1", "*x+1"]
    forms = [
        "={}={}",
        "=={}={}",
        " {} {}",
        "={}.*={}",
        " {}.* {}",
        " >={} {}",
        " >=2.4,<{} {}",
        " =={}  {}",
        " !={} {}",
    ]
    specs = [f"pytorch{form.format(v, p)}" for form in forms for v in ("2.5", "2.5.1", "2") for p in patterns]
    specs += ["pytorch=*=*cuda*", "pytorch * cuda*", "pytorch", "pytorch=2.5", "pytorch 2.5 0"]
    for spec in specs:
        assert is_simple_spec(spec), spec
        matcher = rattler.MatchSpec(spec, strict=False)
        parsed = parse_match_spec(spec)
        assert [simple_matches(parsed, one) for one in ours] == [matcher.matches(one) for one in native], spec
    for other in ("pytorch>=2.5=*cuda*", "pytorch =2.5 *cuda*", "pytorch=2.5=h_?", "pytorch=2.5=^x$", "c::pytorch=1=0"):
        assert not is_simple_spec(other)
