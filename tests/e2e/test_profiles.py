"""One name for machines of several kinds: made, chosen, changed, gone back to and cleaned together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from channels import Package
from harness import ENVKIT, Shell
from pools import CPU, HOSTS, MACHINES, NEW, OLD, PACKAGES, machine, write_pool

import envkit
from envkit.errors import HostCannotRunError
from envkit.host.fingerprint import Quick
from envkit.host.tree import Tree
from envkit.kernels import install_kernel
from envkit.layout.profiles import read_profiles
from envkit.layout.validations import write_validation
from envkit.layout.volume import Volume
from envkit.models.manifest import ValidationRecord
from envkit.paths import PROFILES

NAMES = {NEW: "cuda13.0", OLD: "cuda11.8", CPU: "cpu"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A volume with the environment ``train``."""
    folder = tmp_path_factory.mktemp("profiles")
    shell = Shell.below(folder)
    shell.publish(*PACKAGES)
    pool = write_pool(folder / "pool.jsonl")
    shell.create("pytorch", name="train", args=("--hosts", str(pool)))
    yield shell
    shutil.rmtree(folder, ignore_errors=True)


def _builds(shell: Shell, name: str = "train") -> list[str]:
    """What each kind of machine runs."""
    return [shell.ok("run", name, "--", "which-build", **host).out.strip() for host in HOSTS.values()]


def _generations(shell: Shell) -> set[str]:
    return set(os.listdir(shell.volume / ".envkit" / "g"))


def _profiles(shell: Shell, name: str = "train") -> dict[str, Path]:
    """The generation of each profile."""
    prefix = shell.prefix(name)
    return {profile.name: prefix.parent / profile.generation for profile in read_profiles(str(prefix))}


def test_each_machine_gets_the_best_of_the_fewest(made: Shell) -> None:
    assert _builds(made) == list(HOSTS)
    profiles = {profile["name"]: profile for profile in made.ok("show", "train", "--json").json["profiles"]}
    assert {name: profile["machines"][0]["names"] for name, profile in profiles.items()} == {
        "cuda13.0": ["b1"],
        "cuda11.8": ["v1", "v2"],
        "cpu": ["login"],
    }
    assert [name for name, profile in profiles.items() if profile["main"]] == ["cuda11.8"]  # most machines
    assert made.prefix("train").name == profiles["cuda11.8"]["generation"]
    listed = made.ok("list", "--json").json["environments"]
    assert [(e["name"], len(e["profiles"]), e["problem"]) for e in listed if e["name"] == "train"] == [
        ("train", 3, None)
    ]


def test_schedulers_are_told_which_machines_run_it(made: Shell) -> None:
    words = ("fleet", "constraint", "train", "--for")
    pool = write_pool(made.home / "mixed.jsonl", [machine("k", "470.57.02", "11.4", "K80", "3.7"), *MACHINES])
    told = made.ok(*words, "slurm", "--hosts", str(pool))
    assert told.out == "--exclude=k\n"
    assert "train runs on linux-64" in told.err
    found = made.ok(*words, "kubernetes", "--json").json
    assert {need["gpu"] for need in found["needs"]} == {True, False}
    terms = found["document"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert len(terms["nodeSelectorTerms"]) > 3
    assert made.ok(*words, "htcondor").out == 'requirements = ((Arch == "x86_64")) && (OpSys == "LINUX")\n'
    old = write_pool(made.home / "old.jsonl", [machine("k", "470.57.02", "11.4", "K80", "3.7")])
    assert made.run(*words, "slurm", "--hosts", str(old)).code == 4
    for wrong in (["pbs"], ["htcondor", "--hosts", str(pool)]):
        assert made.run(*words, *wrong).code == 2
    made.create("pytorch", name="one", args=("--driver", "550.54.14", "--gpu", "t4", "--no-validate"))
    alone = made.ok("fleet", "constraint", "one", "--for", "htcondor").out.splitlines()
    assert alone[1:] == ["request_gpus = 1", *alone[2:]]
    assert any(line.startswith("gpus_minimum_runtime") for line in alone)
    made.ok("remove", "one")


def test_a_machine_that_none_serves_gets_the_cure(made: Shell) -> None:
    old = {"CONDA_OVERRIDE_CUDA": "12.2", "CONDA_OVERRIDE_CUDA_ARCH": "3.5"}
    refused = made.run("run", "train", "--", "true", **old)
    assert refused.code == 4
    assert "cuda11.8 has no code for 3.5" in refused.err
    assert "--replace --hosts" in refused.err
    assert made.run("validate", "train", **old).code == 4
    forced = made.ok("validate", "train", "--profile", "cpu", "--json", **old).json
    assert forced["prefix"] == str(_profiles(made)["cpu"])
    assert made.run("validate", "train", "--profile", "none").code == 1


def test_the_same_request_again_is_answered_on_each_machine(made: Shell) -> None:
    words = ("create", "pytorch", "-n", "train", "-c", str(made.channel), "--override-channels", "--json")
    before = _generations(made)
    pool = write_pool(made.home / "pool.jsonl")
    for build, host in HOSTS.items():
        again = made.ok(*words, **host).json
        assert (again["reused"], again["generation"]) == (True, _profiles(made)[NAMES[build]].name)
    assert made.ok(*words, "--hosts", str(pool)).json["reused"]
    fewer = write_pool(made.home / "fewer.jsonl", [machine("t", "550.54.14", "12.4", "T4", "7.5"), *MACHINES])
    other = made.run(*words, "--hosts", str(fewer))
    assert (other.code, other.json["error"]["code"]) == (2, "environment-exists")
    assert made.run(*words, "extra").code == 2
    assert _generations(made) == before


def test_ensure_takes_the_profile_of_the_host_at_once(made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = Volume(made.volume)
    spec, channel = ["pytorch"], [str(made.channel)]
    for build, host in HOSTS.items():
        for name, value in host.items():
            monkeypatch.setenv(name, value)
        facts = json.loads(made.ok("detect", "--json", **host).out)["facts"]
        generation = _profiles(made)[NAMES[build]].name
        record = ValidationRecord(
            verdict="pass",
            created="2026-01-01T00:00:00+00:00",
            generation=generation,
            fingerprint=facts["fingerprint"],
            host=facts,
            tokens=(Quick(Tree(), os.environ).token,),
        )
        write_validation(volume, record)
        found = [_timed(spec, channel, made.volume) for _ in range(3)]
        assert {environment.prefix.name for environment, _ in found} == {generation}
        assert min(seconds for _, seconds in found) < 0.05
        assert envkit.require("train", persist=made.volume).prefix.name == generation
        for name in host:
            monkeypatch.delenv(name)
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "9.0")
    with pytest.raises(HostCannotRunError, match="no profile of train"):
        envkit.ensure("train", persist=made.volume)


def _timed(specs: list[str], channels: list[str], volume: Path) -> tuple[Any, float]:
    began = time.process_time()
    found = envkit.ensure("train", specs, channels=channels, override_channels=True, persist=volume)
    return found, time.process_time() - began


def test_changes_are_made_and_taken_back_for_all(made: Shell) -> None:
    made.ok("clone", "train", "changed")
    assert _builds(made, "changed") == list(HOSTS)
    made.ok("install", "-n", "changed", "extra")
    extra = ("run", "changed", "--", "sh", "-c", "cat $CONDA_PREFIX/share/extra || echo none")
    assert [made.ok(*extra, **host).out.strip() for host in HOSTS.values()] == ["1", "1", "1"]
    made.ok("rollback", "changed")
    assert [made.ok(*extra, **host).out.strip() for host in HOSTS.values()] == ["none"] * 3
    history = made.ok("history", "changed", "--json").json["generations"]
    assert [(g["number"], g["active"], len(g["profiles"])) for g in history] == [(1, True, 3), (2, False, 3)]
    made.ok("clean", "--older-than", "0", "--keep", "1")
    assert len([name for name in _generations(made) if name.startswith("changed-")]) == 6
    made.ok("rollback", "changed")
    assert [made.ok(*extra, **host).out.strip() for host in HOSTS.values()] == ["1", "1", "1"]
    made.ok("clean", "--older-than", "0", "--keep", "0")
    assert len([name for name in _generations(made) if name.startswith("changed-")]) == 3
    made.ok("rename", "changed", "renamed")
    assert _builds(made, "renamed") == list(HOSTS)
    refused = made.run("install", "-n", "renamed", "extra", "--hosts", str(write_pool(made.home / "pool.jsonl")))
    assert refused.code == 2
    made.ok("remove", "renamed")
    assert {name.split("-")[0] for name in _generations(made)} == {"train"}
    assert _builds(made) == list(HOSTS)


def test_what_is_not_for_all_is_not_made_at_all(made: Shell, tmp_path: Path) -> None:
    before = _generations(made)
    words = ("create", "pytorch", "-n", "half", "-c", str(made.channel), "--override-channels")
    lost = write_pool(tmp_path / "lost.jsonl", [*MACHINES, machine("k", "390.157", "9.1", "Tesla K80", "3.7")])
    refused = made.run(*words, "--hosts", str(lost))
    assert refused.code == 4
    assert "k (" in refused.err
    damaged = made.channel / "linux-64" / f"pytorch-2.9.0-{CPU}.conda"
    whole = damaged.read_bytes()
    shutil.rmtree(made.volume / ".envkit" / "pkgs")
    (made.volume / ".envkit" / "pkgs" / ".incoming").mkdir(parents=True)
    damaged.write_bytes(whole[:-20] + bytes(20))
    try:
        pool = write_pool(tmp_path / "pool.jsonl")
        assert made.run(*words, "--hosts", str(pool)).code == 6
    finally:
        damaged.write_bytes(whole)
    assert _generations(made) == before
    assert not (made.volume / "half").is_symlink()


def test_what_no_machine_has_is_told_as_ever(made: Shell, tmp_path: Path) -> None:
    pool = str(write_pool(tmp_path / "pool.jsonl"))
    words = ("-n", "none", "-c", str(made.channel), "--override-channels", "--hosts", pool, "--json")
    told = {spec: made.run("create", spec, *words) for spec in ("nonesuch", "pytorch=1.0")}
    assert {spec: outcome.code for spec, outcome in told.items()} == {"nonesuch": 1, "pytorch=1.0": 1}


def test_a_new_generation_stays_for_the_machines_of_the_old(made: Shell) -> None:
    made.ok("clone", "train", "more")
    again = made.create("pytorch>=2", name="more", args=("--replace",))
    assert [profile["name"] for profile in again["profiles"]] == ["cuda13.0", "cuda11.8", "cpu"]
    assert (
        made.ok("run", str(made.volume / "more"), "--", "which-build", **HOSTS[NEW]).out.strip() == NEW
    )  # by its link
    made.ok("remove", "more")


def test_two_at_once_make_one(made: Shell, tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool.jsonl")
    words = (*ENVKIT, "create", "pytorch", "-n", "twice", "-c", str(made.channel), "--override-channels", "--json")
    both = [
        subprocess.Popen(
            [*words, "--hosts", str(pool)], env=made.env(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    said = [json.loads(process.communicate()[0]) for process in both]
    assert sorted(document["reused"] for document in said) == [False, True]
    assert len([name for name in _generations(made) if name.startswith("twice-")]) == 3
    made.ok("remove", "twice")


def test_a_kernel_starts_in_the_profile_of_its_machine(made: Shell, tmp_path: Path) -> None:
    """The launcher has no envkit: a Python in each generation stands for that of an environment with ipykernel."""
    shell = replace(made, home=tmp_path / "home")
    (tmp_path / "home").mkdir()
    made.ok("clone", "train", "nb")
    for prefix in _profiles(made, "nb").values():
        (prefix / "bin" / "python").symlink_to(sys.executable)
        site = prefix / "lib" / "python3.11" / "site-packages"
        site.mkdir(parents=True)
        (site / "ipykernel_launcher.py").touch()
    kernel = install_kernel(str(made.volume), "nb", env={"HOME": str(shell.home)})
    words = json.loads((Path(kernel.path) / "kernel.json").read_text())["argv"]
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "ipykernel_launcher.py").write_text("import os, sys; print(os.environ['CONDA_PREFIX'], sys.argv[-1])")
    for build, host in HOSTS.items():
        env = shell.env(PYTHONPATH=str(modules), PATH="/usr/bin:/bin", **host)
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] == str(_profiles(made, "nb")[NAMES[build]])
        (listed,) = shell.ok("kernel", "list", "--json", **host).json["kernels"]
        assert f"PyTorch {'2.5' if build == OLD else '2.9'}" in listed["here"]
    lost = shell.env(PYTHONPATH=str(modules), PATH="/usr/bin:/bin", CONDA_OVERRIDE_CUDA="9.0", CONDA_PREFIX="none")
    told = subprocess.run(words, env=lost, capture_output=True, text=True, check=False)
    for text in (told.stdout, told.stderr):  # the notebook and the log
        assert "none of its profiles is for this machine" in text
    made.ok("remove", "nb")


def test_an_image_takes_the_profile_that_its_pack_is_of(made: Shell, tmp_path: Path) -> None:
    pack = tmp_path / "train.tar.zst"
    made.ok("pack", "train", "-o", str(pack), "--profile", "cpu")
    made.ok("image", "train", "--pack", str(pack), "-o", str(tmp_path))
    assert _profiles(made)["cpu"].name in (tmp_path / "Dockerfile").read_text()


def test_a_rule_that_is_lost_or_foreign_is_told(made: Shell) -> None:
    made.ok("clone", "train", "hurt")
    path = made.prefix("hurt") / PROFILES
    rule = path.read_text()
    path.write_text(rule.replace('"schema_version": 1', '"schema_version": 9'))
    assert made.run("run", "hurt", "--", "true").code == 6
    assert "profiles-broken" in made.run("doctor", "hurt", "--json").out
    path.unlink()
    assert made.run("run", "hurt", "--", "true").code == 6
    assert made.run("doctor", "hurt").code == 6
    path.write_text(rule)
    assert made.ok("doctor", "hurt").code == 0
    made.ok("remove", "hurt")


def test_doctor_links_all_profiles_anew(made: Shell) -> None:
    made.ok("clone", "train", "worn")
    side = _profiles(made, "worn")["cuda13.0"]
    (side / "bin" / "which-build").unlink()
    assert made.run("doctor", "worn").code == 6
    mended = made.ok("doctor", "worn", "--fix", "--json").json
    assert [subject["name"] for subject in mended["subjects"]] == ["worn", "worn:cuda13.0", "worn:cpu"]
    assert _builds(made, "worn") == list(HOSTS)
    made.ok("remove", "worn")


def test_a_lock_of_all_profiles_makes_them_again(made: Shell, tmp_path: Path) -> None:
    pool = str(write_pool(tmp_path / "pool.jsonl"))
    lock = tmp_path / "pixi.lock"
    channel = ("-c", str(made.channel), "--override-channels")
    locked = made.ok("lock", "pytorch", *channel, "--hosts", pool, "-o", str(lock), "--json").json
    assert [row["machine"] for row in locked["machines"]] == ["cuda13.0", "cuda11.8", "cpu"]
    words = ("create", "-n", "again", "-f", str(lock), "--hosts", pool, "--json")
    assert len(made.ok(*words).json["profiles"]) == 3
    assert made.ok(*words).json["reused"]
    assert _builds(made, "again") == list(HOSTS)
    exported = tmp_path / "exported-pixi.lock"
    exported.write_text(made.ok("export", "train", "--format", "pixi").out)
    assert made.ok(*words[:3], "-f", str(exported), "--hosts", pool, "--json").json["reused"]
    new = made.ok("export", "train", "--explicit", "--profile", "cuda13.0").out
    assert NEW in new
    assert CPU in made.ok("export", "train", "--explicit", **HOSTS[CPU]).out
    lost = write_pool(tmp_path / "lost.jsonl", [*MACHINES, machine("k", "390.157", "9.1", "Tesla K80", "3.7")])
    refused = made.run("create", "-n", "lost", "-f", str(lock), "--hosts", str(lost))
    assert (refused.code, "for k: " in refused.err) == (4, True)
    made.ok("remove", "again")


def test_a_lock_is_judged_for_each_machine_and_not_for_a_mixture(tmp_path: Path) -> None:
    """A B200 with the driver of a V100 is none of them."""
    shell = Shell.below(tmp_path)
    cudart = Package("cuda-cudart", "12.9.79", depends=["cuda-version >=12.9,<12.10.0a0"])
    shell.publish(Package("cuda-version", "12.9"), cudart)
    pool, lock = str(write_pool(tmp_path / "pool.jsonl", MACHINES[:3])), str(tmp_path / "pixi.lock")
    shell.ok("lock", "cuda-cudart", "-c", str(shell.channel), "--override-channels", "--hosts", pool, "-o", lock)
    made = shell.ok("create", "-n", "both", "-f", lock, "--hosts", pool, "--json").json
    assert [package["name"] for package in made["packages"]] == ["cuda-cudart", "cuda-version"]
    old = str(write_pool(tmp_path / "old.jsonl", [*MACHINES[:3], machine("k", "450.80.02", "11.0", "T4", "7.5")]))
    refused = shell.run("create", "-n", "all", "-f", lock, "--hosts", old)
    assert (refused.code, "for k: " in refused.err) == (4, True)


def test_packs_and_copies_are_those_of_the_machine(made: Shell, tmp_path: Path) -> None:
    pytest.importorskip("conda_pack")
    for build, host in HOSTS.items():
        staged = made.ok("stage", "train", "--to", str(tmp_path / "stage"), "--json", **host).json
        assert staged["generation"] == _profiles(made)[NAMES[build]].name
    packed = made.ok("pack", "train", "--profile", "cuda13.0", "-o", str(tmp_path / "x.tar.zst"), "--json").json
    assert packed["generation"] == _profiles(made)["cuda13.0"].name
    other = Shell(tmp_path / "other", made.channel, made.home)
    other.ok("unpack", packed["file"], "--persist", str(other.volume), "-n", "alone")
    assert "profiles" not in other.ok("show", "alone", "--json").json
    assert other.ok("history", "alone", "--json").json["generations"][0]["active"]
