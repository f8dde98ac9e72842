"""Files that list exact packages: builds that a channel has dropped, URLs without digests."""

from __future__ import annotations

from pathlib import Path

import pytest
from channels import Package
from harness import Envkit, Shell

NEW = (
    Package("lib", "1.0", "1", files={"lib/lib.txt": b"lib"}),
    Package("app", "2.0", "0", depends=["lib"], files={"lib/app.txt": b"app"}),
    Package("top", "1.0", "0", depends=["app"]),
)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell.below(tmp_path)
    made.publish(*NEW)
    return made


def exported(shell: Shell, *specs: str) -> str:
    path = shell.home / "export.yml"
    lines = [f"- {spec}" for spec in specs]
    path.write_text("\n".join(["name: x", f"channels: ['{shell.channel.as_uri()}']", "dependencies:", *lines, ""]))
    return str(path)


def test_builds_that_are_gone_are_taken_by_version(shell: Shell) -> None:
    planned = shell.ok("create", "-f", exported(shell, "lib=1.0=0", "app=2.0=0", "top=1.0=0"), "--dry-run", "--json")
    assert {(p["name"], p["version"], p["build"]) for p in planned.json["packages"]} == {
        *(("lib", "1.0", "1"), ("app", "2.0", "0"), ("top", "1.0", "0")),
    }
    said = shell.ok("create", "-f", exported(shell, "lib=1.0=0", "app=2.0=0"), "--dry-run")
    assert "1 build of the file is no longer in the channels, the same versions are taken: lib=1.0=0" in said.err
    kept = shell.ok("create", "-f", exported(shell, "lib=1.0=1", "app=2.0=0"), "--dry-run")
    assert "no longer" not in kept.err


def test_versions_that_are_gone_are_all_named(shell: Shell) -> None:
    file = exported(shell, "lib=0.9=0", "app=2.0=0", "other=3.0=h1")
    refused = shell.run("create", "-f", file, "--dry-run")
    assert refused.code == 1
    assert "no version for linux-64 of 2 packages: lib==0.9, other==3.0" in refused.err


def explicit(shell: Shell, *names: str) -> str:
    path = shell.home / "spec-file.txt"
    path.write_text(
        "\n".join(["# platform: linux-64", "@EXPLICIT", *(f"{shell.channel.as_uri()}/{n}" for n in names), ""])
    )
    return str(path)


def test_digests_come_from_the_index(shell: Shell) -> None:
    file = explicit(shell, "linux-64/lib-1.0-1.conda", "linux-64/app-2.0-0.conda")
    made = shell.run("create", "-n", "demo", "-f", file)
    assert made.code == 0, made.err
    assert "has no digests for 2 packages" in made.err
    assert (shell.prefix() / "lib" / "app.txt").read_bytes() == b"app"


def test_what_the_index_lacks_is_refused(envkit: Envkit, shell: Shell) -> None:
    file = explicit(shell, "linux-64/lib-1.0-1.conda", "linux-64/gone-2.0-0.conda")
    refused = envkit("create", "-n", "demo", "-f", file, "--persist", shell.volume)
    assert refused.code == 1
    assert "does not list 1 of its packages: gone-2.0-0.conda" in refused.err
    assert not shell.volume.exists()


def test_a_list_of_another_platform_is_refused_before_anything_is_read(shell: Shell) -> None:
    path = shell.home / "spec-file.txt"
    path.write_text("# platform: osx-64\n@EXPLICIT\nhttps://host.invalid/main/osx-64/a-1-0.conda\n")
    refused = shell.run("create", "-n", "demo", "-f", str(path))
    assert refused.code == 4
    assert "it is for osx-64" in refused.err
