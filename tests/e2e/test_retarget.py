"""An environment of a GPU node that is changed on a node without one keeps its CUDA build, or the change is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from channels import Package
from harness import Shell

CUDA = Package(
    "pytorch", "2.5.1", "py3.11_cuda12.1_cudnn9.1.0_0", depends=["pytorch-cuda >=12.1,<12.2"], files={"share/t": b"gpu"}
)
CPU = Package("pytorch", "2.5.1", "py3.11_cpu_0", files={"share/t": b"cpu"})
NEWER_CPU = Package("pytorch", "2.6.0", "py3.11_cpu_0", files={"share/t": b"cpu 2"})
TOOLKIT = Package("pytorch-cuda", "12.1", files={"share/toolkit": b"12.1"})
EXTRA = Package("extra", "1.0", files={"share/extra": b"extra"})
ON_GPU = {"CONDA_OVERRIDE_CUDA": "12.4"}
ONLY = ("--no-validate",)


def manifest(shell: Shell) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((shell.prefix() / ".envkit.json").read_text())
    return content


def edit(shell: Shell, *, target: dict[str, Any] | None = None) -> None:
    """Make the environment one that was made for a detected host; `target` is what is recorded of it."""
    content = manifest(shell)
    content["request"]["target"] = {}
    content["target"] = content["target"] | {"described": []} if target is None else target
    (shell.prefix() / ".envkit.json").write_text(json.dumps(content))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(CUDA, CPU, TOOLKIT, EXTRA)
    args = ("-n", "demo", "-c", str(shell.channel), "--override-channels", *ONLY)
    shell.ok("create", "pytorch", *args, **ON_GPU)
    assert manifest(shell)["choice"]["variant"] == "cuda"
    edit(shell)
    return shell


def build(shell: Shell) -> str:
    return next(str(p["build"]) for p in manifest(shell)["packages"] if p["name"] == "pytorch")


@pytest.mark.parametrize("words", [("install", "extra"), ("upgrade",), ("install", "pytorch>=2")])
def test_a_change_without_a_gpu_keeps_cuda(shell: Shell, words: tuple[str, ...]) -> None:
    shell.publish(CUDA, CPU, NEWER_CPU, TOOLKIT, EXTRA)
    outcome = shell.ok(*words, "-n", "demo", *ONLY, "--progress", "lines")
    assert "machine that it was made for" in outcome.err
    assert build(shell) == CUDA.build
    # The next one too, and what it was made for is still known.
    shell.ok("upgrade", "-n", "demo", *ONLY)
    assert build(shell) == CUDA.build
    assert manifest(shell)["target"]["driver_cuda"] == "12.4"
    assert manifest(shell)["request"]["target"] == {}


def test_replace_by_the_same_request_keeps_cuda(shell: Shell) -> None:
    before = shell.prefix()
    shell.create("pytorch", args=("--replace", *ONLY))
    assert shell.prefix() != before
    assert build(shell) == CUDA.build


def test_without_a_recorded_machine_it_is_refused(shell: Shell) -> None:
    edit(shell, target={})
    before = shell.prefix()
    for words in (("install", "extra"), ("upgrade",)):
        outcome = shell.run(*words, "-n", "demo", *ONLY)
        assert outcome.code == 4
        assert "--cuda none" in outcome.err
    again = ("create", "pytorch", "-n", "demo", "-c", str(shell.channel), "--override-channels", "--replace", *ONLY)
    assert shell.run(*again).code == 4
    assert shell.prefix() == before


def test_where_only_a_cpu_build_would_fit_it_is_refused(shell: Shell) -> None:
    before = shell.prefix()
    outcome = shell.run("upgrade", "-n", "demo", *ONLY, CONDA_OVERRIDE_CUDA="10.2")  # a driver too old for the build
    assert outcome.code == 4
    shell.publish(NEWER_CPU, TOOLKIT, EXTRA)
    assert shell.run("upgrade", "-n", "demo", *ONLY).code == 1
    assert shell.prefix() == before


def test_a_cpu_build_that_is_asked_for_is_made(shell: Shell) -> None:
    shell.ok("install", "-n", "demo", "pytorch=*=*cpu*", *ONLY)
    assert build(shell) == CPU.build


def test_a_cpu_build_by_override_is_made(shell: Shell) -> None:
    shell.ok("upgrade", "-n", "demo", *ONLY, CONDA_OVERRIDE_CUDA="")
    assert build(shell) == CPU.build


def test_an_environment_without_cuda_is_changed_as_ever(shell: Shell) -> None:
    shell.create("extra", name="plain", args=ONLY)
    outcome = shell.ok("upgrade", "-n", "plain", *ONLY, "--progress", "lines")
    assert "machine" not in outcome.err


def asked(shell: Shell, *args: str, **more: str) -> str:
    outcome = shell.run("create", "-n", "demo", "-c", str(shell.channel), "--override-channels", *ONLY, *args, **more)
    assert outcome.code == 2, outcome
    return outcome.err


def test_what_differs_is_named(shell: Shell) -> None:
    shell.create("extra", name="plain", args=ONLY)
    text = asked(shell, "extra", "-n", "plain", "--prefer", "native")
    assert "differs in --prefer (version; now native)" in text
    text = asked(shell, "extra", "-n", "plain", CONDA_OVERRIDE_CUDA="12.4")
    assert "the machine (the host as detected; now linux-64, CUDA 12.4)" in text
    assert "CONDA_OVERRIDE_CUDA" in text
    assert re.search(r"envkit install .*-n plain", asked(shell, "extra", "pytorch", "-n", "plain"))


def test_an_override_at_create_that_is_gone_now_is_told(shell: Shell) -> None:
    only = ("-c", str(shell.channel), "--override-channels", *ONLY)
    shell.ok("create", "extra", "-n", "plain", *only, **ON_GPU)
    text = asked(shell, "extra", "-n", "plain")
    assert "the machine (linux-64, CUDA 12.4; now the host as detected)" in text
    assert "When it was made, CONDA_OVERRIDE_CUDA" in text
    # Another host under the same override asks for the same.
    path = shell.prefix("plain") / ".envkit.json"
    content = json.loads(path.read_text())
    content["request"]["target"] |= {"glibc": "2.17", "microarch": "x86_64_v2"}
    path.write_text(json.dumps(content))
    assert shell.ok("create", "extra", "-n", "plain", "--json", *only, **ON_GPU).json["reused"]


NEWEST = Package(
    "pytorch", "2.9.0", "py3.11_cuda13.0_cudnn9.1.0_0", depends=["pytorch-cuda >=13.0,<13.1"], files={"share/t": b"13"}
)
NEWEST_TOOLKIT = Package("pytorch-cuda", "13.0", files={"share/toolkit": b"13.0"})


def pool(tmp_path: Path, **drivers: str | None) -> Path:
    """A file for --hosts: machines by name, each with its driver and an A100, or with neither."""
    ceilings = {"535.104.05": "12.2", "580.95.05": "13.0", None: None}
    lines = [
        {
            "schema_version": 1,
            "name": name,
            "facts": {
                "subdir": "linux-64",
                "glibc": "2.31",
                "driver_version": driver,
                "driver_cuda": ceilings[driver],
                "gpus": [{"name": "A100", "compute_capability": "8.0"}] if driver else [],
            },
        }
        for name, driver in drivers.items()
    ]
    path = tmp_path / "pool.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_a_change_for_several_machines_runs_on_all_of_them(shell: Shell, tmp_path: Path) -> None:
    shell.publish(CUDA, CPU, NEWEST, TOOLKIT, NEWEST_TOOLKIT, EXTRA)
    both = pool(tmp_path, old="535.104.05", new="580.95.05")
    shell.ok("install", "extra", "pytorch", "-n", "demo", "--hosts", str(both), *ONLY)
    assert build(shell) == CUDA.build
    recorded = manifest(shell)["request"]["target"]
    assert (recorded["driver_version"], "hosts" in recorded["described"]) == ("535.104.05", True)
    shell.ok("upgrade", "-n", "demo", *ONLY)  # without the file: still for what these machines have in common
    assert build(shell) == CUDA.build
    shell.ok("upgrade", "-n", "demo", "--hosts", str(pool(tmp_path, new="580.95.05")), *ONLY)
    assert build(shell) == NEWEST.build


@pytest.mark.parametrize("words", [("install", "extra"), ("upgrade",)])
def test_the_machine_that_rules_a_change_out_is_named(shell: Shell, tmp_path: Path, words: tuple[str, ...]) -> None:
    before = shell.prefix()
    mixed = pool(tmp_path, gpu="580.95.05", login=None)
    outcome = shell.run(*words, "-n", "demo", "--hosts", str(mixed), "--json", *ONLY)
    assert outcome.code == 4
    assert "login rules them out" in outcome.json["error"]["message"]
    assert shell.prefix() == before


def test_machines_of_another_platform_need_another_environment(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "mac.json"
    path.write_text(json.dumps({"schema_version": 1, "name": "mac", "facts": {"subdir": "osx-arm64", "gpus": []}}))
    outcome = shell.run("upgrade", "-n", "demo", "--hosts", str(path), "--json", *ONLY)
    assert outcome.code == 2
    assert "demo is for linux-64" in outcome.json["error"]["message"]
