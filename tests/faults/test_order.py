"""The order of what reaches the disk: contents before names, names before the link that is the commit point."""

from __future__ import annotations

import re
from pathlib import Path

from bench import Bench
from channels import Package


def test_contents_are_on_the_disk_before_their_names(bench: Bench, tmp_path: Path) -> None:
    shell = bench.shell
    shell.publish(Package("app", "1.0", files={"share/app.txt": b"app"}))
    shell.create("app", name="first")  # the volume is made
    shell.publish(Package("app", "2.0", files={"share/app.txt": b"app 2"}))
    trace = tmp_path / "trace"
    bench.faulty("create", "app", "-n", "demo", "-c", bench.url, "--override-channels", trace=trace)
    root = str(shell.volume)
    calls = [line.replace(root, "").split(" ", 1) for line in trace.read_text().splitlines()]

    def last(kind: str, pattern: str, before: int = len(calls)) -> int:
        places = [n for n, (name, path) in enumerate(calls[:before]) if name == kind and re.search(pattern, path)]
        assert places, f"no {kind} of {pattern} before {before} in {calls}"
        return places[-1]

    commit = last("rename", r"^/demo$")
    manifest = last("rename", r"^/\.envkit/g/demo-\w+/\.envkit\.json$", commit)
    package = last("rename", r"^/\.envkit/pkgs/[0-9a-f]{64}$", manifest)
    # A package: its files, a sync of the file system, its name, a sync of the folder that holds the name.
    synced = last("syncfs", r"^/\.envkit/pkgs", package)
    assert last("create", r"^/\.envkit/pkgs/\.incoming/.*/share/app\.txt$", package) < synced
    assert last("chmod", r"^/\.envkit/pkgs/\.incoming/.*/share/app\.txt$", package) < synced
    assert package < last("fsync", r"^/\.envkit/pkgs$", manifest)
    # A generation: everything that is linked and written, a sync, then the manifest, itself synced before its name.
    everything = last("syncfs", r"^/\.envkit/g/demo-\w+$", manifest)
    assert last("link", r"^/\.envkit/g/demo-\w+/share/app\.txt$", manifest) < everything
    assert last("rename", r"^/\.envkit/g/demo-\w+/conda-meta/frozen$", manifest) < everything
    assert everything < last("fsync", r"^/\.envkit/g/demo-\w+/\.\.envkit\.json", manifest)
    assert manifest < last("fsync", r"^/\.envkit/g/demo-\w+$", commit)
    # The commit, and the sync that makes it last.
    assert not [path for name, path in calls[manifest:commit] if name in {"link", "mkdir"} and "/g/demo-" in path]
    assert commit < last("fsync", r"^$")
