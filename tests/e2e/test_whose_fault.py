"""Faults of packages and channels are not blamed on the volume, and the other way round."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from channels import Package
from harness import Shell


def create(shell: Shell, *specs: str) -> tuple[str, ...]:
    return ("create", *specs, "-n", "demo", "-c", str(shell.channel), "--override-channels")


def test_a_placeholder_shorter_than_the_path(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    content = b"\x7fELF" + b"/opt/short" + bytes(40)
    entry = {
        "_path": "lib/app.so",
        "path_type": "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
        "prefix_placeholder": "/opt/short",
        "file_mode": "binary",
    }
    shell.publish(Package("app", files={"lib/app.so": content}, paths=[entry]))
    done = shell.run(*create(shell, "app"))
    assert done.code == 7, done.err
    assert "app 1.0 was built for paths of at most 10 bytes" in done.err
    assert "permissions" not in done.err
    assert not list((shell.volume / ".envkit/g").iterdir())


def test_two_records_with_one_digest(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(Package("one", files={"share/one": b"1"}), Package("two", files={"share/two": b"2"}))
    index = next(shell.channel.glob("*/repodata.json"))
    for path in shell.channel.glob("*/repodata.json"):
        if b'"one"' in path.read_bytes():
            index = path
    document = json.loads(index.read_bytes())
    records = {record["name"]: record for record in document["packages.conda"].values()}
    records["two"]["sha256"] = records["one"]["sha256"]
    index.write_text(json.dumps(document))
    done = shell.run(*create(shell, "one", "two"))
    assert done.code == 6, done.err
    assert "one digest" in done.err
    assert "Traceback" not in done.err
