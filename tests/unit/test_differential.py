"""The differential check: draws that repeat, differences by kind, and the smallest request that shows one."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from channels import Package, write_channel
from differing.compare import Answer, compare, minimise
from differing.draw import draw
from harness import REAL_CHANNELS, ROOT

from envkit.checks.validity import Violation
from envkit.models.build import Record
from envkit.models.solve import SolveTask, VirtualPackage

CONDA = os.environ.get("ENVKIT_TEST_CONDA")  # read before the isolation takes it away


def record(name: str, version: str = "1.0", build: str = "0") -> Record:
    return Record(name, version, build, channel="https://example.org/main", fn=f"{name}-{version}-{build}.conda")


def test_the_same_seed_draws_the_same_requests() -> None:
    by_name = {name: [record(name, v) for v in ("1.0", "1.1", "2.0")] for name in ("app", "lib", "numpy")}
    channels = [["https://example.org/main"]]
    rngs = [random.Random(1) for _ in range(2)]
    first, second = ([draw(rng, by_name, channels, "linux-64") for _ in range(20)] for rng in rngs)
    assert first == second
    assert len(set(first)) > 15


def test_differences_by_kind() -> None:
    task = SolveTask(("app",))
    lib = record("lib")
    same = Answer("solved", (record("app", "2.0"), lib))
    cases = {
        "version": Answer("solved", (record("app", "1.0"), lib)),
        "build": Answer("solved", (record("app", "2.0", "1"), lib)),
        "dependency": Answer("solved", (record("app", "2.0"), record("lib", "0.9"))),
        "verdict": Answer("unsatisfiable"),
    }
    assert compare(task, {"a": same, "b": same}) == {}
    for kind, other in cases.items():
        assert compare(task, {"a": same, "b": other}) == {kind: ("a / b",)}
    broken = Answer("solved", same.records, (Violation("depends", "app", "lib"),))
    assert compare(task, {"a": same, "b": broken}) == {"invalid": ("b",)}
    assert compare(task, {"a": same, "b": Answer("late")}) == {"late": ("b",)}


def test_minimise_keeps_what_matters() -> None:
    virtual = (VirtualPackage("__glibc", "2.28"), VirtualPackage("__cuda", "12.4"))
    task = SolveTask(("app >=1", "lib 1.0", "more"), ("odd <1", "lib <2"), virtual_packages=virtual)
    small = minimise(task, lambda t: "odd <1" in t.constraints and any(s.startswith("lib") for s in t.specs))
    assert small.specs == ("lib",)
    assert small.constraints == ("odd <1",)
    assert small.virtual_packages == virtual[:1]


def run(*words: str | Path, env: Mapping[str, str] | None = None) -> str:
    script = ROOT / "scripts" / "differential.py"
    done = subprocess.run(
        [sys.executable, script, *words], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    packages = [Package("lib", f"{n}.0") for n in range(5)]
    write_channel(tmp_path / "channels" / "main", [*packages, Package("app", depends=["lib >=1,<4"])])
    return tmp_path / "channels"


def test_the_script_runs(channels: Path, tmp_path: Path) -> None:
    said = run(channels, "--requests", "10", "--engine", "rattler", "--json", tmp_path / "found.json")
    assert "10  same" in said


def test_a_run_goes_on_where_it_stopped(channels: Path, tmp_path: Path) -> None:
    journal = tmp_path / "answers.jsonl"
    words = (channels, "--engine", "rattler", "--resume", journal, "--requests")
    run(*words, "4")
    head, *answers = journal.read_text().splitlines()
    assert len(answers) == 4
    # An answer that a run would not give shows that none is asked for twice; half a line is of a run that was killed.
    changed = {**json.loads(answers[0]), "state": "late", "packages": []}
    journal.write_text("\n".join([head, json.dumps(changed), *answers[1:], answers[0][:20]]) + "\n")
    said = run(*words, "6")
    assert "1  rattler late" in said
    assert "1  late (rattler)" in said
    assert len(journal.read_text().splitlines()) == 1 + 4 + 1 + 2
    refused = subprocess.run(
        [sys.executable, ROOT / "scripts" / "differential.py", *words, "4", "--seed", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "another draw" in refused.stderr


def test_every_engine_here_over_real_indexes(tmp_path: Path) -> None:
    """Each solution is one, and no engine finds a solution where another says that there is none."""
    folder = REAL_CHANNELS
    if folder is None:
        pytest.skip("no real channel indexes: name their folder with ENVKIT_TEST_CHANNELS")
    said = run(folder, "--requests", "10", "--json", tmp_path / "found.json", env={"CONDA_EXE": CONDA} if CONDA else {})
    assert "rattler solved" in said
    found = json.loads((tmp_path / "found.json").read_text())
    assert not [difference for difference in found if {"invalid", "verdict", "error"} & set(difference["kinds"])]
