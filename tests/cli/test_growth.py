"""What a job starts with costs the same on a volume with many environments; `list` costs a few files for each."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from channels import Package
from harness import Shell, run_program

# Counts the files that a command opens and the folders that it lists, modules of Python apart.
_COUNT = """
import os, sys
opened = 0
def hook(event, args):
    global opened
    if event in ("os.listdir", "os.scandir"):
        opened += 1
    elif event == "open" and isinstance(args[0], (str, bytes)):
        opened += not os.fsdecode(args[0]).endswith((".py", ".pyc", ".so"))
def report(leave):
    def leaving(*args):
        sys.stdout.flush()
        os.write(2, b"\\nopened %d" % opened)
        leave(*args)
    return leaving
sys.dont_write_bytecode = True
words, sys.argv = sys.argv[1:], ["envkit", *sys.argv[1:]]
sys.path_importer_cache.clear()
os._exit, os.execve = report(os._exit), report(os.execve)
if words[0] == "ensure":
    import envkit
    sys.addaudithook(hook)
    envkit.ensure(words[1], words[2:4], channels=words[4:])
else:
    from envkit.__main__ import main
    sys.addaudithook(hook)
    main()
report(lambda: None)()
"""


def populate(volume: Path, name: str, numbers: range) -> None:
    """Copy the records of an environment to others: manifest, inventory and validations, without its files."""
    source = (volume / name).resolve()
    for number in numbers:
        new, prefix = f"{name}{number}", source.parent / f"{name}{number}-{number:08x}"
        (prefix / "conda-meta").mkdir(parents=True)
        texts = {file: (source / file).read_text() for file in (".envkit.json", ".envkit-inventory.json")}
        for file, text in texts.items():
            (prefix / file).write_text(text.replace(source.name, prefix.name))
        inventory = json.loads((prefix / ".envkit-inventory.json").read_text())
        inventory["manifest_bytes"] = (prefix / ".envkit.json").stat().st_size
        (prefix / ".envkit-inventory.json").write_text(json.dumps(inventory))
        outcomes = volume / ".envkit" / "validations" / prefix.name
        outcomes.mkdir()
        for path in (volume / ".envkit" / "validations" / source.name).glob("*.json"):
            (outcomes / path.name).write_text(path.read_text().replace(source.name, prefix.name))
        (volume / new).symlink_to(f".envkit/g/{prefix.name}")


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """Files that commands open on a volume with 1, 11 and 41 environments."""
    shell = Shell.below(tmp_path_factory.mktemp("growth"))
    app = Package("app", files={f"share/app/{n}": b"x" for n in range(50)} | {"bin/app": b"#!/bin/sh\n"})
    shell.publish(app, Package("lib"))
    create = ("create", "app", "lib", "-n", "demo", "-c", str(shell.channel), "-q")
    for _ in range(2):  # the second is kept
        shell.ok(*create, LC_ALL="C.UTF-8")
    commands = {
        "run": ("run", "demo", "--", "true"),
        "create": create,
        "ensure": ("ensure", "demo", "app", "lib", str(shell.channel)),
        "find": ("find", "app", "-c", str(shell.channel), "--override-channels"),
        "list": ("list", "--json"),
    }
    found: dict[str, list[int]] = {name: [] for name in commands}
    for numbers in (range(0), range(10), range(10, 40)):
        populate(shell.volume, "demo", numbers)
        for name, words in commands.items():
            count = partial(
                run_program, [sys.executable, "-c", _COUNT, *words], env=shell.env(LC_ALL="C.UTF-8"), cwd=shell.home
            )
            count()  # it may fill caches
            done = count()
            assert done.code == 0, done.err
            found[name].append(int(done.err.rpartition("opened ")[2].split()[0]))
    return found


@pytest.mark.parametrize("name", ["run", "create", "ensure", "find"])
def test_a_start_costs_the_same_with_many_environments(counts: dict[str, list[int]], name: str) -> None:
    assert len(set(counts[name])) == 1, counts[name]


@pytest.mark.parametrize(("name", "most"), [("run", 60), ("create", 60), ("ensure", 40)])
def test_a_start_opens_few_files(counts: dict[str, list[int]], name: str, most: int) -> None:
    assert 0 < counts[name][0] <= most


def test_list_opens_a_few_files_for_each_environment(counts: dict[str, list[int]]) -> None:
    one, eleven, many = counts["list"]
    assert (many - eleven) == 3 * (eleven - one), counts["list"]
    assert 10 <= eleven - one <= 10 * 6, counts["list"]
