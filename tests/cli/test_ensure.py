"""`envkit ensure`, and what the block of a recipe brings: in a channel of small packages."""

from __future__ import annotations

import json
from pathlib import Path

from channels import Package
from harness import Shell

BLOCK = "envkit: {note: Take care., validate: driver, kernel: true, ports: {jupyter: 8888}}\n"


def test_ensure_makes_finds_and_replaces(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(Package("tool", files={"bin/tool": b"1"}), Package("tool", version="2.0", files={"bin/tool": b"2"}))
    file = tmp_path / "mine.yml"
    file.write_text(f"channels: [{shell.channel}, nodefaults]\ndependencies: [tool<2]\n{BLOCK}")
    missing = shell.run("ensure", "work")
    assert (missing.code, "unknown-environment" in missing.err) == (1, True)
    made = shell.ok("ensure", "work", "-f", str(file), "--json")
    assert (made.json["reused"], made.json["ports"], made.json.get("kernel")) == (False, {"jupyter": 8888}, None)
    assert made.json["validation"]["findings"][-1]["check"] == "driver.library"  # as thoroughly as the block says
    assert json.loads((shell.prefix("work") / ".envkit.json").read_text())["request"]["level"] == "driver"
    again = shell.ok("ensure", "work", "-f", str(file), "--json")
    assert again.json == {
        "schema_version": 1,
        "environment": "work",
        "path": str(shell.volume / "work"),
        "prefix": str(shell.prefix("work")),
        "reused": True,
    }
    file.write_text(f"channels: [{shell.channel}, nodefaults]\ndependencies: [tool>=2]\n{BLOCK}")
    other = shell.run("ensure", "work", "-f", str(file))
    assert (other.code, "environment-exists" in other.err) == (2, True)
    replaced = shell.ok("ensure", "work", "-f", str(file), "--replace")
    assert "Take care." in replaced.err
    assert "no Jupyter kernel was registered" in replaced.err
    assert (shell.prefix("work") / "bin" / "tool").read_bytes() == b"2"
    assert "is there" in shell.ok("ensure", "work").out
