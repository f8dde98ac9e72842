from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from channels import Package
from harness import Shell

BIG = os.urandom(300_000)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An environment with four generations, each with an app of its own and the same big library."""
    shell = Shell.below(tmp_path)
    lib = Package("lib", "1.0", files={"share/big": BIG})
    shell.publish(
        lib, *(Package("app", f"{n}.0", depends=["lib"], files={"share/app": b"x" * 5000 * n}) for n in range(1, 5))
    )
    shell.create("app=1")
    for number in (2, 3, 4):
        shell.ok("install", "-n", "demo", f"app={number}", "--no-validate")
    return shell


def age(shell: Shell, days: float) -> None:
    """Make every generation older."""
    for path in shell.volume.glob(".envkit/g/*/.envkit.json"):
        content = json.loads(path.read_text())
        made = datetime.datetime.fromisoformat(content["created"]) - datetime.timedelta(days=days)
        path.write_text(json.dumps({**content, "created": made.isoformat()}))


def numbers(shell: Shell) -> list[int]:
    return [g["number"] for g in shell.ok("history", "demo", "--json").json["generations"]]


def test_young_generations_stay(shell: Shell) -> None:
    document = shell.ok("clean", "--json").json
    assert document["items"] == []
    assert numbers(shell) == [1, 2, 3, 4]


def test_two_superseded_generations_stay_and_the_rest_goes_with_its_packages(shell: Shell) -> None:
    age(shell, 8)
    promised = shell.ok("clean", "--dry-run", "--json").json
    assert numbers(shell) == [1, 2, 3, 4]
    assert {
        (i["kind"], Path(i["path"]).name.split("-")[0]) for i in promised["items"] if i["kind"] == "generation"
    } == {("generation", "demo")}
    done = shell.ok("clean", "--json").json
    assert (done["freed_bytes"], done["freed_inodes"]) == (promised["freed_bytes"], promised["freed_inodes"])
    assert numbers(shell) == [2, 3, 4]
    assert len(list(shell.volume.glob(".envkit/pkgs/*/app-*-0"))) == 3
    assert len(list(shell.volume.glob(".envkit/pkgs/*/lib-*-0"))) == 1
    assert shell.ok("doctor").code == 0


def test_it_frees_what_it_says(shell: Shell) -> None:
    def used() -> tuple[int, int]:
        seen = {}
        for folder, _, names in os.walk(shell.volume):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                state = os.lstat(path)
                seen[state.st_ino] = state.st_blocks * 512
        return sum(seen.values()), len(seen)

    before = used()
    done = shell.ok("clean", "--keep", "0", "--older-than", "0", "--json").json
    after = used()
    assert before[0] - after[0] == done["freed_bytes"] > 15_000
    assert before[1] - after[1] == done["freed_inodes"]
    assert numbers(shell) == [4]


def test_what_a_process_uses_stays(shell: Shell) -> None:
    first = shell.ok("history", "demo", "--json").json["generations"][0]
    shell.ok("rollback", "demo", "1")
    running = subprocess.Popen(
        [sys.executable, "-m", "envkit", "run", "demo", "--", "sh", "-c", "echo started; read line"],
        env=shell.env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stdin is not None
    assert running.stdout.readline() == b"started\n"
    shell.ok("rollback", "demo", "4")
    document = shell.ok("clean", "--keep", "0", "--older-than", "0", "--json").json
    assert [k["what"] for k in document["kept"]] == [first["generation"]]
    assert numbers(shell) == [1, 4]
    running.communicate(b"\n")
    shell.ok("clean", "--keep", "0", "--older-than", "0")
    assert numbers(shell) == [4]


def test_a_program_in_it_counts_as_use_without_a_lease(shell: Shell) -> None:
    prefix = shell.prefix()
    running = subprocess.Popen(["sleep", "60"], cwd=prefix / "share")
    try:
        shell.ok("rollback", "demo", "3")
        document = shell.ok("clean", "--keep", "0", "--older-than", "0", "--json").json
        assert [k["what"] for k in document["kept"]] == [prefix.name]
    finally:
        running.kill()
        running.wait()


def test_young_orphans_stay(shell: Shell) -> None:
    (shell.volume / "demo").unlink()
    document = shell.ok("clean", "--json").json
    assert document["items"] == []
    assert len(document["kept"]) == 4


def test_orphans_and_leftovers_go_at_once(shell: Shell) -> None:
    age(shell, 8)
    (shell.volume / "demo").unlink()
    (shell.volume / ".envkit/g/demo-00000000").mkdir()
    (shell.volume / ".envkit/pkgs/.incoming/fetch-00000000").mkdir(parents=True)
    kinds = [item["kind"] for item in shell.ok("clean", "--json").json["items"]]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "orphan": 4,
        "unfinished": 1,
        "download": 1,
        "package": 5,
        "validation": 1,
    }
    assert not list(shell.volume.glob(".envkit/g/*"))


def test_nothing_is_taken_while_a_manifest_cannot_be_read(shell: Shell) -> None:
    (shell.prefix() / ".envkit.json").write_text("{")
    document = shell.ok("clean", "--keep", "0", "--older-than", "0", "--json").json
    assert not [item for item in document["items"] if item["kind"] == "package"]
    assert any(k["what"] == "packages" for k in document["kept"])


def test_it_says_what_holds_each_generation_back(shell: Shell) -> None:
    age(shell, 2)
    kept = [entry["why"] for entry in shell.ok("clean", "--dry-run", "--json").json["kept"]]
    assert kept == [
        "number 3 of demo: the 2 newest to go back to stay (--keep)",
        "number 2 of demo: the 2 newest to go back to stay (--keep)",
        "it is 2.0 days old, younger than 7 (--older-than)",
    ]
    assert "younger than 7 (--older-than)" in shell.ok("clean", "--dry-run", "--keep", "0").out


def test_it_names_the_package(shell: Shell) -> None:
    shell.ok("remove", "demo")
    whys = {item["why"] for item in shell.ok("clean", "--dry-run", "--json").json["items"] if item["kind"] == "package"}
    assert "no generation holds lib-1.0-0" in whys


def plant_index(folder: Path, name: str, days: float, *, info_days: float | None = None) -> list[Path]:
    """An index as the native engine keeps one: the records, what is known of them, and a lock."""
    folder.mkdir(parents=True, exist_ok=True)
    planted = []
    for suffix, at in ((".json", days), (".info.json", days if info_days is None else info_days), (".lock", days)):
        path = folder / f"{name}{suffix}"
        path.write_bytes(b"" if suffix == ".lock" else b"x" * 9000)
        used = time.time() - at * 86400
        os.utime(path, (used, used))
        planted.append(path)
    return planted


def test_indexes_that_nobody_uses_go(shell: Shell) -> None:
    index, mine = shell.volume / ".envkit/index", shell.home / ".cache/envkit/index"
    old, asked, young = (
        plant_index(index, "0a0a0a0a", 9),
        plant_index(index, "0b0b0b0b", 9, info_days=1),  # asked whether it is new yesterday
        plant_index(index, "0c0c0c0c", 1),
    )
    shard, theirs = plant_index(index / "shards-v1", "0d0d0d0d", 9), plant_index(mine, "0e0e0e0e", 9)
    promised = shell.ok("clean", "--dry-run", "--json").json
    assert old[0].exists()
    gone = {*old[:2], *shard[:2], *theirs[:2]}
    assert {Path(item["path"]) for item in promised["items"]} == gone
    assert {(item["kind"], item["why"]) for item in promised["items"]} == {
        ("index", "a channel's index, last used 9.0 days ago")
    }
    assert promised["freed_bytes"] == 6 * 12288
    assert promised["elsewhere_bytes"] == 2 * 12288
    assert "6 indexes; would free 74 kB and 6 inodes, 25 kB of it in your own cache" in shell.ok("clean", "-d").out
    done = shell.ok("clean", "--json").json
    assert (done["freed_bytes"], done["elsewhere_bytes"]) == (promised["freed_bytes"], promised["elsewhere_bytes"])
    left = {*old, *asked, *young, *shard, *theirs} - gone
    planted = {path.name.split(".")[0] for path in left | gone}  # beside the tables of the channel itself
    there = {path for folder in (index, mine) for path in folder.rglob("*.*") if path.name.split(".")[0] in planted}
    assert there == left
    assert shell.ok("clean", "--json").json["items"] == []


def test_archives_that_were_looked_into_go_after_a_week(shell: Shell) -> None:
    old, young = (shell.home / f".cache/envkit/downloads/{name}/tool.conda" for name in ("aa", "bb"))
    for path, days in ((old, 9), (young, 1)):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 9000)
        os.utime(path, times=(time.time() - days * 86400,) * 2)
    items = shell.ok("clean", "--json").json["items"]
    assert [(item["kind"], item["path"]) for item in items] == [("archive", str(old))]
    assert (old.exists(), young.exists()) == (False, True)


def test_an_index_that_may_be_read_now_stays(shell: Shell) -> None:
    planted = plant_index(shell.volume / ".envkit/index", "0a0a0a0a", 0.01)
    shell.ok("clean", "--keep", "0", "--older-than", "0")
    assert planted[0].exists()


def test_list_counts_what_is_shared_once(shell: Shell) -> None:
    shell.ok("clone", "demo", "twin", "--no-validate")
    document = shell.ok("list", "--json").json
    one, two = document["environments"]
    assert one["size_bytes"] > 300_000
    assert one["adds_bytes"] < 100_000
    assert document["size_bytes"] < one["size_bytes"] + two["size_bytes"] - 300_000


@pytest.mark.parametrize("text", ["x", "7 fortnights", "-1d"])
def test_an_age_that_is_none(tmp_path: Path, text: str) -> None:
    assert Shell.below(tmp_path).run("clean", "--older-than", text).code == 2
