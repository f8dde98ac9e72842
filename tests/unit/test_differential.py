"""The differential check: draws that repeat, differences by kind, and the smallest request that shows one."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from channels import Package, write_channel
from differing.compare import Outcome, compare, minimise
from differing.draw import draw
from harness import ROOT

from envkit.checks.validity import Violation
from envkit.models.build import Record
from envkit.models.solve import SolveTask, VirtualPackage


def record(name: str, version: str = "1.0", build: str = "0") -> Record:
    return Record(name, version, build, channel="https://example.org/main", fn=f"{name}-{version}-{build}.conda")


def test_the_same_seed_draws_the_same_requests() -> None:
    by_name = {name: [record(name, v) for v in ("1.0", "1.1", "2.0")] for name in ("app", "lib", "numpy")}
    channels = [["https://example.org/main"]]
    rngs = [random.Random(1) for _ in range(2)]  # noqa: S311 - repeatable, not secret
    first, second = ([draw(rng, by_name, channels, "linux-64") for _ in range(20)] for rng in rngs)
    assert first == second
    assert len(set(first)) > 15


def test_differences_by_kind() -> None:
    task = SolveTask(("app",))
    lib = record("lib")
    same = Outcome("solved", (record("app", "2.0"), lib))
    cases = {
        "version": Outcome("solved", (record("app", "1.0"), lib)),
        "build": Outcome("solved", (record("app", "2.0", "1"), lib)),
        "dependency": Outcome("solved", (record("app", "2.0"), record("lib", "0.9"))),
        "verdict": Outcome("unsatisfiable"),
    }
    assert compare(task, {"a": same, "b": same}) == {}
    for kind, other in cases.items():
        assert compare(task, {"a": same, "b": other}) == {kind: ("a / b",)}
    broken = Outcome("solved", same.records, (Violation("depends", "app", "lib"),))
    assert compare(task, {"a": same, "b": broken}) == {"invalid": ("b",)}
    assert compare(task, {"a": same, "b": Outcome("late")}) == {"late": ("b",)}


def test_minimise_keeps_what_matters() -> None:
    virtual = (VirtualPackage("__glibc", "2.28"), VirtualPackage("__cuda", "12.4"))
    task = SolveTask(("app >=1", "lib 1.0", "more"), ("odd <1", "lib <2"), virtual_packages=virtual)
    small = minimise(task, lambda t: "odd <1" in t.constraints and any(s.startswith("lib") for s in t.specs))
    assert small.specs == ("lib",)
    assert small.constraints == ("odd <1",)
    assert small.virtual_packages == virtual[:1]


def test_the_script_runs(tmp_path: Path) -> None:
    packages = [Package("lib", f"{n}.0") for n in range(5)]
    write_channel(tmp_path / "main", [*packages, Package("app", depends=["lib >=1,<4"])])
    script = ROOT / "scripts" / "differential.py"
    words = [str(tmp_path), "--requests", "10", "--engine", "rattler", "--json", str(tmp_path / "found.json")]
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10  same" in done.stdout
