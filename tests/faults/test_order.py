"""The order of what reaches the disk: contents before names, names before the link that is the commit point."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import Bench
from channels import Package


@dataclass(frozen=True)
class Trace:
    """The calls of one command, by kind and path below the volume."""

    calls: list[tuple[str, str]]

    @classmethod
    def of(cls, bench: Bench, *command: str) -> Trace:
        log = bench.folder / "trace"
        log.unlink(missing_ok=True)
        bench.faulty(*command, trace=log)
        lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
        return cls([(kind, path.removeprefix(str(bench.shell.volume))) for kind, path in lines])

    def last(self, kind: str, pattern: str, before: int | None = None) -> int:
        """The place of the last such call, or of the last one before a place."""
        places = [n for n, (name, path) in enumerate(self.calls[:before]) if name == kind and re.search(pattern, path)]
        assert places, f"no {kind} of {pattern} before {before} in {self.calls}"
        return places[-1]


def app(number: int) -> Package:
    return Package("app", f"{number}.0", files={"share/app.txt": f"app {number}".encode()})


@pytest.fixture
def demo(bench: Bench) -> Bench:
    """An environment of the first release, and the second one in the channel."""
    bench.shell.publish(app(1))
    bench.shell.ok("create", "app", "-n", "demo", "-c", bench.url, "--override-channels")
    bench.shell.publish(app(1), app(2))
    return bench


@pytest.mark.parametrize(
    ("verb", "name"),
    [(("create", "app", "-n", "new", "--override-channels"), "new"), (("upgrade", "-n", "demo"), "demo")],
)
def test_contents_are_on_the_disk_before_their_names(demo: Bench, verb: tuple[str, ...], name: str) -> None:
    channel = ("-c", demo.url) if verb[0] == "create" else ()
    trace = Trace.of(demo, *verb, *channel)
    last = trace.last
    commit = last("rename", f"^/{name}$")
    manifest = last("rename", rf"^/\.envkit/g/{name}-\w+/\.envkit\.json$", commit)
    package = last("rename", r"^/\.envkit/pkgs/[0-9a-f]{64}$", manifest)
    # A package: its files, a sync of the file system, its name, a sync of the folder that holds the name.
    synced = last("syncfs", r"^/\.envkit/pkgs", package)
    assert last("create", r"^/\.envkit/pkgs/\.incoming/.*/share/app\.txt$", package) < synced
    assert last("chmod", r"^/\.envkit/pkgs/\.incoming/.*/share/app\.txt$", package) < synced
    assert package < last("fsync", r"^/\.envkit/pkgs$", manifest)
    # A generation: everything that is linked and written, a sync, then the manifest, itself synced before its name.
    everything = last("syncfs", rf"^/\.envkit/g/{name}-\w+$", manifest)
    assert last("link", rf"^/\.envkit/g/{name}-\w+/share/app\.txt$", manifest) < everything
    assert last("rename", rf"^/\.envkit/g/{name}-\w+/conda-meta/frozen$", manifest) < everything
    assert everything < last("fsync", rf"^/\.envkit/g/{name}-\w+/\.\.envkit\.json", manifest)
    assert manifest < last("fsync", rf"^/\.envkit/g/{name}-\w+$", commit)
    # The validation is kept before the commit: who sees the environment sees that it was validated.
    validation = last("rename", rf"^/\.envkit/validations/{name}-\w+/\w+\.json$", commit)
    assert last("fsync", rf"^/\.envkit/validations/{name}-\w+/\.\w+\.json", validation) < validation
    # The commit, and the sync that makes it last.
    assert not [p for kind, p in trace.calls[manifest:commit] if kind in {"link", "mkdir"} and f"/g/{name}-" in p]
    assert not [p for kind, p in trace.calls[commit:] if kind in {"link", "mkdir", "write"} and f"/g/{name}-" in p]
    assert commit < last("fsync", r"^$")


def test_a_rollback_changes_the_link_and_makes_it_last(demo: Bench) -> None:
    demo.shell.ok("upgrade", "-n", "demo")
    trace = Trace.of(demo, "rollback", "demo")
    commit = trace.last("rename", "^/demo$")
    assert trace.last("symlink", r"^/\.demo\.\w+$", commit) < commit < trace.last("fsync", "^$")
    assert not [path for _, path in trace.calls if path.startswith("/.envkit/g/")]


def test_bytecode_is_on_the_disk_before_the_cache_names_it(bench: Bench, releases: tuple[Path, Path]) -> None:
    """A module's bytecode that was half on the disk when the power went would be linked for ever after."""
    bench.show(releases[0])
    words = ("create", "python", "idna", "-n", "demo", "-c", bench.url, "--override-channels", "--no-validate")
    trace = Trace.of(bench, *words)
    moves = [
        (n, match[1])
        for n, (kind, path) in enumerate(trace.calls)
        if kind == "rename" and (match := re.search(r"^/\.envkit/pyc/(\w+)/cpython-\d+$", path))
    ]
    assert moves
    with_modules = 0
    for move, key in moves:
        made = rf"^/\.envkit/pkgs/\.incoming/[\w-]+/{key}/.*\.pyc$"
        written = [n for n, (kind, path) in enumerate(trace.calls) if kind == "create" and re.search(made, path)]
        if written:
            with_modules += 1
            assert written[-1] < trace.last("syncfs", r"^/\.envkit/pkgs$", move)
    assert with_modules >= 2  # Python and idna
    commit = trace.last("rename", "^/demo$")
    linked = trace.last("link", r"^/\.envkit/g/demo-\w+/.*\.pyc$", commit)
    assert linked < trace.last("syncfs", r"^/\.envkit/g/demo-\w+$", commit)
