"""What packages hold for the GPU is measured before they are published, whatever their index promises."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from channels import Package
from gpu_files import Entry, library
from harness import ENVKIT, Shell
from mounts import mounted

H100 = ("--gpu", "h100", "--driver", "570", "--no-validate")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell.below(tmp_path)
    # Arch lists are known by the channel's name: these builds are promised to hold sm_90.
    return Shell(made.volume, tmp_path / "conda-forge", made.home)


def torch(version: str, *archs: str, python: str = "3.11", number: int = 0) -> Package:
    """A CUDA build of PyTorch, with a library that holds these architectures."""
    return Package(
        "pytorch",
        version,
        f"cuda126_py{python.replace('.', '')}_h0000000_{300 + number}",
        depends=("cuda-version >=12.6,<13", "__cuda"),
        files={
            "lib/libtorch_cuda.so": library(*(Entry(arch) for arch in archs for _ in range(20))),
            "lib/libtorch_cpu.so": b"\x7fELF but nothing that can be read",
            "lib/readme.txt": version.encode(),
        },
        record={"build_number": 300 + number},
    )


def kernels(version: str, *archs: str, build: str = "0", number: int = 0, name: str = "kernels") -> Package:
    """A package that no table knows, with GPU code."""
    files = {f"lib/lib{name}.so": library(*map(Entry, archs)), "lib/build.txt": f"{version} {build}".encode()}
    return Package(name, version, f"{build}_{number}", files=files, record={"build_number": number})


TOOLKIT = Package("cuda-version", "12.6", noarch="generic")


def create(shell: Shell, *specs: str, name: str = "demo", args: Sequence[str] = H100) -> Any:
    words = ("create", *specs, "-n", name, "-c", str(shell.channel), "--override-channels", "--json", *args)
    return shell.run(*words)


def taken(outcome: Any, name: str) -> str:
    assert outcome.code == 0, outcome.err + outcome.out
    return next(f"{p['version']} {p['build']}" for p in outcome.json["packages"] if p["name"] == name)


def passed(outcome: Any) -> list[str]:
    """Why better packages were passed over; the same is said among the advice."""
    found = [reason["text"] for item in outcome.json.get("passed_over", ()) for reason in item["reasons"]]
    assert all(any(text in advice for advice in outcome.json["advice"]) for text in found)
    return found


def test_the_next_best_build_is_taken_aloud(shell: Shell) -> None:
    shell.publish(TOOLKIT, torch("2.7.1", "8.0"), torch("2.7.0", "8.0", "9.0"))
    dry = create(shell, "pytorch", args=(*H100, "--dry-run"))
    assert taken(dry, "pytorch").startswith("2.7.1")
    made = create(shell, "pytorch", args=(*H100, "--progress", "lines"))
    assert taken(made, "pytorch").startswith("2.7.0")
    why = "libtorch_cuda.so of pytorch 2.7.1 holds 8.0: nothing for H100 (9.0)"
    assert passed(made) == [why]
    assert "gpu code" in made.err
    assert why in made.err
    manifest = json.loads((shell.prefix() / ".envkit.json").read_text())
    assert [item["reasons"][0]["code"] for item in manifest["passed_over"]] == ["no-kernel-image"]
    assert manifest["passed_over"][0]["fn"].startswith("pytorch-2.7.1")
    # What was measured is known from now on: nothing is downloaded to find out again.
    dry = create(shell, "pytorch", name="other", args=(*H100, "--dry-run"))
    assert taken(dry, "pytorch").startswith("2.7.0")
    assert dry.json["download_bytes"] == 0
    again = create(shell, "pytorch", name="other")
    assert taken(again, "pytorch").startswith("2.7.0")


def test_a_choice_is_recorded_as_its_bytes_say(shell: Shell) -> None:
    """No table knows the channel: before its bytes are read, nothing is known of the build."""
    elsewhere = Shell(shell.volume, shell.channel.with_name("mine"), shell.home)
    elsewhere.publish(TOOLKIT, torch("2.7.0", "8.0", "9.0"))
    words = ("find", "pytorch", "-c", str(elsewhere.channel), "--override-channels", *H100[:-1], "--json")
    assert elsewhere.ok(*words).json["builds"][0]["envkit"]["tier"] == "unknown"
    made = create(elsewhere, "pytorch")
    choice = json.loads((shell.prefix() / ".envkit.json").read_text())["choice"]
    assert choice["tier"] == "native"
    assert "native" in elsewhere.ok("show", "demo").out
    assert taken(made, "pytorch").startswith("2.7.0")


def test_a_pinned_build_is_refused_and_nothing_is_lost(shell: Shell) -> None:
    shell.publish(TOOLKIT, torch("2.7.1", "8.0"), torch("2.7.0", "8.0", "9.0"))
    taken(create(shell, "pytorch=2.7.0"), "pytorch")
    before = shell.prefix()
    for words in (["pytorch=2.7.1"], ["pytorch=2.7.1", "--replace"]):
        refused = create(shell, words[0], name="demo" if words[1:] else "new", args=(*H100, *words[1:]))
        assert refused.code == 4, refused.err
        error = refused.json["error"]
        # Once it was measured, the choice itself knows it.
        assert error["code"] == ("host-cannot-run" if words[1:] else "no-gpu-code")
        assert "libtorch_cuda.so of pytorch 2.7.1 holds 8.0: nothing for H100 (9.0)" in error["message"]
        assert words[1:] or refused.json["lacking"][0]["reasons"][0]["code"] == "no-kernel-image"
    assert shell.prefix() == before
    assert not (shell.volume / "new").exists()
    assert [path.name for path in (shell.volume / ".envkit" / "g").iterdir()] == [before.name]
    assert len(list((shell.volume / ".envkit" / "pkgs").glob("*/pytorch-2.7.1-*"))) == 1
    a100 = create(shell, "pytorch=2.7.1", name="new", args=("--gpu", "a100", "--driver", "570", "--no-validate"))
    assert taken(a100, "pytorch").startswith("2.7.1")
    assert shell.ok("doctor", "--json").json["healthy"]


def test_a_build_for_another_python_is_the_same_build(shell: Shell) -> None:
    pythons = [Package("python", version, files={"bin/python": b""}) for version in ("3.11.9", "3.12.9")]
    builds = [
        Package(**{**vars_of(torch("2.7.1", "8.0", python=python)), "depends": (f"python {python}.*", "__cuda")})
        for python in ("3.11", "3.12")
    ]
    shell.publish(TOOLKIT, *pythons, *builds, torch("2.7.0", "9.0"))
    made = create(shell, "pytorch")
    assert taken(made, "pytorch").startswith("2.7.0")
    assert len(passed(made)) == 1


def vars_of(package: Package) -> dict[str, Any]:
    return {name: getattr(package, name) for name in package.__dataclass_fields__}


def test_another_build_of_the_version_comes_before_another_version(shell: Shell) -> None:
    good = kernels("2.0", "9.0", build="good", number=1)
    shell.publish(kernels("2.0", "8.0", build="bad", number=2), good, kernels("1.0", "9.0"))
    made = create(shell, "kernels")
    assert taken(made, "kernels") == "2.0 good_1"
    assert len(passed(made)) == 1


def test_a_dependency_is_passed_over_too(shell: Shell) -> None:
    app = Package("app", depends=("kernels",))
    shell.publish(app, kernels("2.0", "8.0"), kernels("1.9", "7.0"), kernels("1.0", "8.0", "9.0"))
    made = create(shell, "app")
    assert taken(made, "kernels") == "1.0 0_0"
    assert len(passed(made)) == 2
    shell.publish(Package("app", depends=("kernels >=2",)), kernels("2.0", "8.0"), kernels("1.0", "9.0"))
    refused = create(shell, "app", name="other")
    assert refused.code == 4, refused.err
    assert "no other build takes its place" in refused.json["error"]["message"]


def test_every_machine_counts(shell: Shell, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.json"
    shell.publish(kernels("2.0", "9.0"), kernels("1.0", "7.0", "9.0"))
    here = {"subdir": "linux-64", "glibc": "2.31", "driver_version": "570.86.10", "driver_cuda": "12.8"}
    gpus = {"old": ("V100", "7.0"), "new": ("H100", "9.0")}
    facts = {n: {**here, "gpus": [{"name": g, "compute_capability": c}]} for n, (g, c) in gpus.items()}
    lines = [{"schema_version": 1, "name": name, "facts": found} for name, found in facts.items()]
    hosts.write_text("\n".join(map(json.dumps, lines)))
    made = create(shell, "kernels", args=("--hosts", str(hosts), "--no-validate"))
    assert taken(made, "kernels") == "1.0 0_0"
    assert "old: libkernels.so of kernels 2.0 holds 9.0: nothing for V100" in passed(made)[0]


@pytest.mark.parametrize("args", [("--cuda", "none"), ("--no-gpu",), ("--driver", "570")])
def test_where_no_gpu_is_named_nothing_is_measured(shell: Shell, args: tuple[str, ...]) -> None:
    shell.publish(kernels("2.0", "8.0"))
    assert taken(create(shell, "kernels", args=(*args, "--no-validate")), "kernels") == "2.0 0_0"
    assert list((shell.volume / ".envkit" / "gpucode").iterdir()) == []


def test_what_is_not_all_of_a_package_is_a_warning(shell: Shell) -> None:
    made = torch("2.7.1", "8.0", "9.0")
    linalg = {**made.files, "lib/libtorch_cuda_linalg.so": library(*[Entry("8.0")] * 20)}
    shell.publish(TOOLKIT, Package(**{**vars_of(made), "files": linalg}))
    outcome = create(shell, "pytorch")
    assert taken(outcome, "pytorch").startswith("2.7.1")
    (told,) = (text for text in outcome.json["advice"] if "is memory (tmpfs)" not in text)
    assert "libtorch_cuda_linalg.so" in told


def test_changes_go_through_the_gate(shell: Shell) -> None:
    shell.publish(TOOLKIT, torch("2.7.0", "9.0"), kernels("1.0", "9.0"))
    taken(create(shell, "pytorch"), "pytorch")
    before = shell.prefix()
    shell.publish(TOOLKIT, torch("2.7.1", "8.0"), torch("2.7.0", "9.0"), kernels("2.0", "8.0"), kernels("1.0", "9.0"))
    for _ in range(2):
        same = shell.ok("upgrade", "-n", "demo", "--no-validate", "--json")
        assert taken(same, "pytorch").startswith("2.7.0")
        assert shell.prefix() == before
    added = shell.ok("install", "-n", "demo", "kernels", "--no-validate", "--json")
    assert taken(added, "kernels") == "1.0 0_0"
    pinned = shell.run("install", "-n", "demo", "kernels=2.0", "--no-validate", "--json")
    assert pinned.code == 4, pinned.err
    shell.ok("clone", "demo", "copy", "--no-validate")
    listed = shell.ok("export", "demo", "--explicit")
    path = shell.home / "spec.txt"
    path.write_text(listed.out)
    shell.ok("create", "-n", "listed", "-f", str(path), "--no-validate")


def test_a_measurement_that_was_cut_off_is_made_again(shell: Shell) -> None:
    shell.publish(kernels("1.0", "9.0"))
    taken(create(shell, "kernels"), "kernels")
    (kept,) = (shell.volume / ".envkit" / "gpucode").iterdir()
    whole = kept.read_bytes()
    (own,) = (shell.home / ".cache" / "envkit" / "gpucode").iterdir()
    for path in (kept, own):
        path.write_bytes(whole[:-20])
    taken(create(shell, "kernels", name="other"), "kernels")
    assert kept.read_bytes() == own.read_bytes() == whole


def test_a_folder_that_is_full_costs_a_measurement_and_nothing_else(shell: Shell) -> None:
    shell.publish(kernels("2.0", "8.0"), kernels("1.0", "9.0"))
    taken(create(shell, "kernels=1.0"), "kernels")
    folder = shell.volume / ".envkit" / "gpucode"
    with mounted(folder, "-t", "tmpfs", "-o", "size=4k", "tmpfs"):
        (folder / "full").write_bytes(bytes(4096))
        assert taken(create(shell, "kernels", name="other"), "kernels") == "1.0 0_0"
        assert [path.name for path in folder.iterdir()] == ["full"]


def test_two_at_once(shell: Shell) -> None:
    shell.publish(TOOLKIT, torch("2.7.1", "8.0"), torch("2.7.0", "9.0"), kernels("1.0", "9.0"))
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda name: create(shell, "pytorch", "kernels", name=name), ("one", "two", "three")))
    assert {taken(outcome, "pytorch")[:5] for outcome in made} == {"2.7.0"}
    kept = [json.loads(path.read_text()) for path in (shell.volume / ".envkit" / "gpucode").iterdir()]
    assert sorted((item["name"], item["version"]) for item in kept) == [
        ("cuda-version", "12.6"),
        ("kernels", "1.0"),
        ("pytorch", "2.7.0"),
        ("pytorch", "2.7.1"),
    ]


def test_one_that_is_killed_in_the_gate_is_made_by_the_next(shell: Shell) -> None:
    many = [kernels("1.0", "9.0", name=f"kernels{number}") for number in range(40)]
    shell.publish(Package("app", depends=tuple(package.name for package in many)), *many)
    words = ("create", "app", "-n", "demo", "-c", str(shell.channel), "--override-channels", *H100)
    command = [*ENVKIT, *words, "--progress", "jsonl"]
    with subprocess.Popen(command, env=shell.env(), stderr=subprocess.PIPE, text=True) as began:
        assert began.stderr is not None
        phases = (json.loads(line).get("phase") for line in began.stderr)
        assert "gpu code" in phases  # reads as far as its first line
        began.send_signal(signal.SIGKILL)
    assert began.returncode == -signal.SIGKILL
    assert not (shell.volume / "demo").exists()
    shell.ok(*words)
    assert len(list((shell.volume / ".envkit" / "gpucode").glob("*.json"))) == 41
    assert shell.ok("doctor", "--full", "--json").json["healthy"]
