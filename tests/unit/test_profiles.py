"""The rule by which a machine gets one of the profiles of an environment, and files that are none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from envkit.errors import HostCannotRunError, IntegrityError, TamperedError
from envkit.host.fingerprint import Quick
from envkit.host.profile_facts import facts_now
from envkit.host.tree import Tree
from envkit.layout.profiles import prefix_for, profile_prefix, read_profiles
from envkit.paths import PROFILES
from envkit.profiles import Profile, RuleError, choose_profile, facts_of, parse_rule, rule_text, unmet

NEW = Profile(
    "cuda13.0", "train-00000001", "linux-64", gpu=True, glibc="2.28", driver="580.65.06", cuda="13.0",
    capabilities=("7.5", "8.0", "9.0"),
)  # fmt: skip
OLD = NEW._replace(
    name="cuda11.8", generation="train-00000002", glibc="2.17", driver="450.80.02", cuda="11.8",
    capabilities=("7.0", "7.5", "8.0", "9.0"),
)  # fmt: skip
CPU = Profile("cpu", "train-00000003", "linux-64", gpu=False, glibc="2.17")
RULE = (NEW, OLD, CPU)


def host(driver: str | None = None, ceiling: str | None = None, *capabilities: str, **more: Any) -> dict[str, Any]:
    gpus = [{"name": None, "compute_capability": one} for one in capabilities]
    facts = {"subdir": "linux-64", "glibc": "2.35", "driver_version": driver, "driver_cuda": ceiling, "gpus": gpus}
    return {**facts, **more}


@pytest.mark.parametrize(
    ("machine", "profile"),
    [
        (host("580.95.05", "13.0", "9.0"), "cuda13.0"),
        (host("580.95.05", "13.0", "9.0", "9.0", "8.0"), "cuda13.0"),
        (host("580.95.05", "13.0", "7.0"), "cuda11.8"),  # V100: no code for it in CUDA 13
        (host("580.95.05", "13.0", "9.0", "7.0"), "cuda11.8"),  # both in one machine
        (host("580.95.05", "13.0", "9.0", glibc="2.17"), "cuda11.8"),
        (host("535.161.08", "12.2", "9.0"), "cuda11.8"),
        (host("535.161.08", "13.0", "9.0"), "cuda13.0"),  # libcuda is that of cuda-compat
        (host(None, "13.1", "9.0"), "cuda13.0"),  # WSL, overrides: only the ceiling is known
        (host(None, "11.2", "7.0"), "cuda11.8"),  # minor-version compatibility
        (host("390.157", "9.1", "7.0"), None),
        (host("580.95.05", "13.0", "3.7"), None),
        (host("580.95.05", "13.0"), "cpu"),  # a driver and no GPU that CUDA can use
        (host(None, "13.0", overridden=["driver_cuda"]), "cuda13.0"),
        (host(), "cpu"),
        (host(subdir="linux-aarch64"), None),
        (host("580.95.05", None, "10.3"), None),
    ],
)
def test_a_machine_gets_the_first_profile_whose_conditions_it_meets(machine: Any, profile: str | None) -> None:
    chosen = choose_profile(RULE, facts_of(machine))
    assert (chosen.name if chosen else None) == profile


def test_a_machine_of_the_pool_gets_what_was_chosen_for_it() -> None:
    there = host("580.95.05", "13.0", "9.0")
    rule = (NEW, OLD._replace(machines=({"names": ["n1", "n2"], "target": there},)))
    assert choose_profile(rule, facts_of(there)) == rule[1]
    assert choose_profile(rule, facts_of({**there, "driver_version": "580.100"})) == rule[0]


def test_what_a_machine_lacks_is_the_first_condition() -> None:
    assert [unmet(NEW, facts_of(host("535.1", "12.2", "7.0"))), unmet(CPU, facts_of(host("1.1", "9.0", "9.0")))] == [
        "driver",
        "gpu",
    ]
    anywhere = Profile("any", "a-00000000", "linux-64")
    assert unmet(anywhere, facts_of(host("390.157", "9.1", "3.0"))) is None


def test_a_rule_is_read_as_it_was_written() -> None:
    rule = (NEW._replace(machines=({"names": ["n1"], "target": host("580.1", "13.0", "9.0")},)), OLD, CPU)
    assert parse_rule(rule_text(rule), "x") == rule


def _broken(**change: Any) -> str:
    document = json.loads(rule_text(RULE))
    document["profiles"][0].update(change)
    return json.dumps(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"schema_version": 2, "profiles": []}',
        '{"schema_version": 1, "profiles": []}',
        '{"schema_version": 1, "profiles": {"a": 1}}',
        _broken(generation="../../etc"),
        _broken(generation="/tmp/evil-00000000"),
        _broken(generation="train"),
        _broken(generation=7),
        _broken(name="cuda11.8"),
        _broken(name="a\x1b[31m"),
        _broken(gpu="yes"),
        _broken(driver="new"),
        _broken(glibc=[2, 28]),
        _broken(capabilities=[9.0]),
        _broken(capabilities="all"),
        _broken(machines=[{"names": "n1", "target": []}]),
        _broken(machines=[{"names": [1], "target": {}}]),
        _broken(machines=[{"names": ["n"], "target": {"gpus": 3}}]),
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        parse_rule(text, "x")


def _generation(root: Path, name: str, rule: tuple[Profile, ...] = ()) -> str:
    prefix = root / ".envkit" / "g" / name
    prefix.mkdir(parents=True)
    if rule:
        (prefix / PROFILES).write_text(rule_text(rule))
    return str(prefix)


def test_a_generation_alone_asks_nothing_of_the_machine(tmp_path: Path) -> None:
    prefix = _generation(tmp_path, "train-00000009")
    assert prefix_for(prefix, "train", lambda: pytest.fail("asked")) == prefix


def test_the_generation_of_a_profile_lies_beside_that_of_the_link(tmp_path: Path) -> None:
    prefix = _generation(tmp_path, NEW.generation, RULE)
    other = _generation(tmp_path, CPU.generation)
    assert prefix_for(prefix, "train", lambda: facts_of(host())) == other
    with pytest.raises(IntegrityError, match=r"cuda11\.8 is gone"):
        prefix_for(prefix, "train", lambda: facts_of(host("535.161.08", "12.2", "9.0")))
    with pytest.raises(HostCannotRunError, match=r"no code for 3\.7") as refused:
        prefix_for(prefix, "train", lambda: facts_of(host("580.95.05", "13.0", "3.7")))
    assert "--replace --hosts" in str(refused.value.hint)


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "large", "stranger"])
def test_a_rule_that_the_maker_did_not_write_is_not_obeyed(tmp_path: Path, kind: str) -> None:
    prefix = Path(_generation(tmp_path, NEW.generation))
    path = prefix / PROFILES
    if kind == "link":
        (tmp_path / "rule").write_text(rule_text(RULE))
        path.symlink_to(tmp_path / "rule")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.write_text(rule_text(RULE) + " " * (5 << 20))
    else:
        path.write_text(rule_text(RULE))
        if os.geteuid() != 0:
            pytest.skip("needs root to make another user's file")
        os.chown(path, 12345, 12345)
    with pytest.raises(TamperedError, match="not obeyed"):
        read_profiles(str(prefix))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make another user's folder")
def test_the_generation_of_a_stranger_is_not_entered(tmp_path: Path) -> None:
    prefix = _generation(tmp_path, NEW.generation, RULE)
    other = _generation(tmp_path, CPU.generation)
    os.chown(other, 12345, 12345)
    with pytest.raises(TamperedError):
        profile_prefix(prefix, CPU)


def test_facts_come_from_the_cache_or_a_validation_here(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    where: dict[str, Any] = {"root": tmp_path / "root", "env": {"HOME": str(tmp_path)}, "cache_dir": tmp_path / "cache"}
    detected = facts_now(**where)
    assert not detected.gpu
    [entry] = (tmp_path / "cache").glob("now-*.json")
    document = json.loads(entry.read_text())
    document["host"] = host("580.95.05", "13.0", "9.0")
    entry.write_text(json.dumps(document))
    assert facts_now(**where) == facts_of(document["host"])
    document["host"] = {"gpus": 7}
    entry.write_text(json.dumps(document))
    assert facts_now(**where) == detected
    entry.unlink()
    token = Quick(Tree(where["root"]), {"HOME": str(tmp_path)}).token
    records = [{"tokens": ["other"], "host": host()}, {"tokens": [token], "host": host("535.1", "12.2", "7.0")}]
    assert facts_now(records, **where).capabilities == ("7.0",)
