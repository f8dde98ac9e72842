from __future__ import annotations

from pathlib import Path

import pytest
from channels import Package
from harness import Shell

LIB1 = Package("lib", "1.0", files={"share/lib.txt": b"one"})
LIB2 = Package("lib", "2.0", files={"share/lib.txt": b"two, longer"})
APP1 = Package("app", "1.0", depends=["lib"], files={"share/app.txt": b"app 1"})
APP2 = Package("app", "2.0", depends=["lib"], files={"share/app.txt": b"app 2"})
EXTRA = Package("extra", "1.0", files={"share/extra.txt": b"extra"})


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(LIB1, APP1, EXTRA)
    shell.create("app")
    return shell


def packages(shell: Shell, name: str = "demo") -> dict[str, str]:
    return {p["name"]: p["version"] for p in shell.ok("show", name, "--json").json["packages"]}


def changes(document: dict[str, object]) -> dict[str, str]:
    difference = document.get("difference", document)
    assert isinstance(difference, dict)
    return {change["name"]: change["kind"] for change in difference["changes"]}


def test_install_adds_and_keeps_the_rest(shell: Shell) -> None:
    before = shell.prefix()
    shell.publish(LIB1, LIB2, APP1, APP2, EXTRA)
    document = shell.ok("install", "-n", "demo", "extra", "--json").json
    assert changes(document) == {"extra": "added"}
    assert packages(shell) == {"app": "1.0", "lib": "1.0", "extra": "1.0"}
    assert shell.prefix() != before
    assert before.is_dir()
    assert shell.ok("show", "demo", "--json").json["request"]["specs"] == ["app", "extra"]


def test_install_of_a_version_replaces_what_was_asked(shell: Shell) -> None:
    shell.publish(LIB1, LIB2, APP1, APP2)
    document = shell.ok("install", "-n", "demo", "app=2", "--json").json
    assert changes(document) == {"app": "changed"}
    assert shell.ok("show", "demo", "--json").json["request"]["specs"] == ["app=2"]


def test_install_of_what_is_there_makes_nothing(shell: Shell) -> None:
    before = shell.prefix()
    outcome = shell.ok("install", "-n", "demo", "app")
    assert "nothing was made" in outcome.out
    assert shell.prefix() == before


def test_upgrade_all_and_one(shell: Shell) -> None:
    shell.publish(LIB1, LIB2, APP1, APP2)
    one = shell.ok("upgrade", "-n", "demo", "lib", "--json").json
    assert changes(one) == {"lib": "changed"}
    everything = shell.ok("upgrade", "-n", "demo", "--json").json
    assert changes(everything) == {"app": "changed"}
    assert "nothing was made" in shell.ok("upgrade", "-n", "demo").out


def test_upgrade_of_a_stranger_is_refused(shell: Shell) -> None:
    outcome = shell.run("upgrade", "-n", "demo", "extra")
    assert outcome.code == 2
    assert "envkit install -n demo extra" in outcome.err


def test_uninstall_takes_what_only_it_needed(shell: Shell) -> None:
    shell.ok("install", "-n", "demo", "extra")
    document = shell.ok("uninstall", "-n", "demo", "app", "--json").json
    assert changes(document) == {"app": "removed", "lib": "removed"}
    outcome = shell.run("uninstall", "-n", "demo", "lib")
    assert outcome.code == 2
    assert shell.run("uninstall", "-n", "demo", "extra").code == 2  # nothing would be left


def test_uninstall_of_a_dependency_says_who_needs_it(shell: Shell) -> None:
    outcome = shell.run("uninstall", "-n", "demo", "lib")
    assert outcome.code == 2
    assert "because app needs it" in outcome.err


def test_dry_run_changes_nothing(shell: Shell) -> None:
    before = shell.prefix()
    assert "nothing was made" in shell.ok("install", "-n", "demo", "extra", "--dry-run").out
    assert shell.prefix() == before


def test_a_change_that_cannot_be_solved_leaves_the_environment(shell: Shell) -> None:
    before = shell.prefix()
    assert shell.run("install", "-n", "demo", "lib=7").code == 1
    assert shell.prefix() == before
    assert packages(shell)["lib"] == "1.0"


def test_history_and_rollback(shell: Shell) -> None:
    first = shell.prefix()
    shell.ok("install", "-n", "demo", "extra")
    second = shell.prefix()
    history = shell.ok("history", "demo", "--json").json["generations"]
    assert [(g["number"], g["parent"], g["verb"], g["active"]) for g in history] == [
        (1, None, "create", False),
        (2, 1, "install", True),
    ]
    back = shell.ok("rollback", "demo", "--json").json
    assert (back["before"], back["number"], changes(back)) == (2, 1, {"extra": "removed"})
    assert shell.prefix() == first
    shell.ok("rollback", "demo", "2")
    assert shell.prefix() == second
    # What is made after going back comes from where one went back to.
    shell.ok("rollback", "demo", "1")
    shell.ok("install", "-n", "demo", "extra=1.0")
    assert shell.ok("history", "demo", "--json").json["generations"][-1]["parent"] == 1
    assert [shell.ok("rollback", "demo", "--json").json["number"] for _ in range(3)] == [1, 3, 1]


def test_rollback_of_the_first_generation_is_refused(shell: Shell) -> None:
    outcome = shell.run("rollback", "demo")
    assert outcome.code == 1
    assert "nothing to go back to" in outcome.err
    assert "It has 1" in shell.run("rollback", "demo", "9").err


def test_diff_by_name_number_and_path(shell: Shell) -> None:
    shell.ok("install", "-n", "demo", "extra")
    shell.create("lib", name="other")
    assert changes(shell.ok("diff", "demo", "--json").json) == {"extra": "added"}
    assert changes(shell.ok("diff", "demo@2", "demo@1", "--json").json) == {"extra": "removed"}
    other = shell.ok("diff", str(shell.prefix()), str(shell.prefix("other")), "--json").json
    assert changes(other) == {"app": "removed", "extra": "removed"}
    assert other["before_bytes"] > other["after_bytes"] > 0


def test_replace_keeps_the_history(shell: Shell) -> None:
    shell.create("extra", args=("--replace",))
    assert packages(shell) == {"extra": "1.0"}
    shell.ok("rollback", "demo")
    assert packages(shell) == {"app": "1.0", "lib": "1.0"}


def test_rename_only_changes_the_link(shell: Shell) -> None:
    before = shell.prefix()
    shell.ok("rename", "demo", "prod")
    assert shell.prefix("prod") == before
    assert not (shell.volume / "demo").is_symlink()
    shell.ok("install", "-n", "prod", "extra")
    assert [g["number"] for g in shell.ok("history", "prod", "--json").json["generations"]] == [1, 2]
    shell.create("lib", name="other")
    assert shell.run("rename", "prod", "other").code == 2
    same = shell.run("rename", "prod", "prod")
    assert same.code == 2
    assert "prod has that name already" in same.err


def test_clone_shares_files_and_begins_a_history(shell: Shell) -> None:
    document = shell.ok("clone", "demo", "twin", "--json").json
    assert document["download_bytes"] == 0
    assert packages(shell, "twin") == packages(shell)
    name = "share/app.txt"
    assert (shell.prefix() / name).stat().st_ino == (shell.prefix("twin") / name).stat().st_ino
    assert len(shell.ok("history", "twin", "--json").json["generations"]) == 1
    assert shell.run("clone", "demo", "twin").code == 2
    shell.ok("remove", "demo")
    assert packages(shell, "twin") == {"app": "1.0", "lib": "1.0"}


def test_a_clone_of_what_others_made_names_another_way(shell: Shell, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    (foreign / "conda-meta").mkdir(parents=True)
    refused = shell.run("clone", str(foreign), "twin", "--json")
    assert refused.code == 1
    hint = refused.json["error"]["hint"]
    assert f"conda list -p {foreign} --explicit --sha256 > FILE" in hint
    assert "envkit create -n twin -f FILE" in hint
    assert "envkit export" not in hint
    assert not (shell.volume / "twin").exists()


def test_a_refused_clone_leaves_nothing(shell: Shell, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    foreign = tmp_path / "foreign"
    (foreign / "conda-meta").mkdir(parents=True)
    for source in (str(foreign), "demo", str(tmp_path / "nowhere")):
        assert shell.run("clone", source, "twin", "--persist", str(empty)).code == 1
        assert not list(empty.iterdir())
    taken = empty / "twin"
    taken.mkdir()
    assert shell.run("clone", str(shell.prefix()), "twin", "--persist", str(empty)).code == 2
    assert list(empty.iterdir()) == [taken]


def test_remove_takes_every_generation_and_leaves_the_cache(shell: Shell) -> None:
    shell.ok("install", "-n", "demo", "extra")
    document = shell.ok("remove", "demo", "--json").json
    assert len(document["generations"]) == 2
    assert not list((shell.volume / ".envkit" / "g").iterdir())
    assert shell.run("remove", "demo").code == 1
    assert shell.create("app")["download_bytes"] == 0


def test_explicit_export_makes_the_same_environment(shell: Shell, tmp_path: Path) -> None:
    text = shell.ok("export", "demo", "--explicit").out
    lines = text.splitlines()
    assert "@EXPLICIT" in lines
    assert lines.index("@EXPLICIT") < next(i for i, line in enumerate(lines) if "lib-1.0" in line)
    assert next(i for i, line in enumerate(lines) if "/lib-1.0" in line) < next(
        i for i, line in enumerate(lines) if "/app-1.0" in line
    )
    assert all("#sha256:" in line for line in lines if line.startswith("file://"))
    file = tmp_path / "explicit.txt"
    file.write_text(text)
    shell.publish(LIB1, LIB2, APP1, APP2)
    shell.ok("create", "-n", "copy", "-f", str(file))
    assert packages(shell, "copy") == {"app": "1.0", "lib": "1.0"}


def test_yaml_export_is_read_again(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_text(shell.ok("export", "demo").out)
    document = shell.ok("create", "-n", "copy", "-f", str(file), "--json").json
    assert {p["name"] for p in document["packages"]} == {"app", "lib"}
    pinned = shell.ok("export", "demo", "--pins", "--json").json
    assert pinned["dependencies"] == ["app=1.0=0", "lib=1.0=0"]
