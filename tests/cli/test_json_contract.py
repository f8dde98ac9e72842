"""The JSON contract: members are added, never changed or removed. Others build on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from channels import Package, archive, write_channel
from harness import Envkit

PACKAGES = [
    Package("numpylike", version="1.0", depends=["__glibc >=2.17"], files={"lib/n": b"1"}),
    Package("numpylike", version="2.0", files={"lib/n": b"2"}),
    Package("pytorch", version="2.5.1", build="py3.11_cuda12.1_cudnn9.1.0_0", depends=["pytorch-cuda >=12.1,<12.2"]),
    Package("pytorch", version="2.4.0", build="py3.11_cpu_0", constrains=["cpuonly"], files={"lib/p": b"p"}),
]


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return write_channel(tmp_path / "pytorch", PACKAGES)


@pytest.fixture
def only(channel: Path) -> tuple[str, ...]:
    return ("-c", str(channel), "--override-channels", "--json")


def only_json(text: str) -> Any:
    document = json.loads(text)
    assert document["schema_version"] == 1
    return document


def test_find(envkit: Envkit, only: tuple[str, ...], channel: Path) -> None:
    found = envkit("find", "pytorch", "--driver", "550", *only)
    assert (found.code, found.err) == (0, "")
    document = only_json(found.out)
    assert set(document) >= {"schema_version", "query", "target", "pick", "builds", "nearest"}
    assert document["query"]["specs"] == ["pytorch"]
    assert document["target"]["driver_version"] == "550"
    (build,) = document["builds"]
    fn = "pytorch-2.5.1-py3.11_cuda12.1_cudnn9.1.0_0.conda"
    assert document["pick"] == build["fn"] == fn
    assert build["url"] == f"{channel.as_uri()}/linux-64/{fn}"
    assert build["channel"] == channel.as_uri()
    verbatim = {k: v for k, v in build.items() if k not in {"fn", "url", "channel", "envkit"}}
    assert verbatim == {k: v for k, v in archive(PACKAGES[2])[1].items() if v != []}
    assert build["envkit"]["framework"] == "pytorch"
    assert build["envkit"]["variant"] == "cuda"
    assert build["envkit"]["build_cuda"] == "12.1"
    assert build["envkit"]["python"] == "3.11"
    assert build["envkit"]["tier"] in {"native", "minor", "jit", "compat", "unknown", "cpu", "no"}
    assert all(set(reason) == {"code", "text"} for reason in build["envkit"]["reasons"])
    assert [b["envkit"]["variant"] for b in document["nearest"]] == ["cpu"]


def test_find_that_finds_nothing_that_runs(envkit: Envkit, only: tuple[str, ...]) -> None:
    found = envkit("find", "pytorch", "--cuda", "12.1", "--no-gpu", *only)
    assert found.code == 4
    document = only_json(found.out)
    assert document["pick"] is None
    assert document["builds"]
    assert set(document["error"]) == {"code", "message", "hint"}


def test_find_of_an_unknown_name(envkit: Envkit, only: tuple[str, ...]) -> None:
    found = envkit("find", "nothing", *only)
    assert found.code == 1
    assert set(only_json(found.out)["error"]) == {"code", "message", "hint"}


def test_find_lists_twenty_without_all(envkit: Envkit, tmp_path: Path) -> None:
    write_channel(tmp_path / "many", [Package("many", version=str(n)) for n in range(30)])
    only = ("-c", tmp_path / "many", "--override-channels", "--json")
    assert len(only_json(envkit("find", "many", *only).out)["builds"]) == 20
    assert len(only_json(envkit("find", "many", "--all", *only).out)["builds"]) == 30


def test_a_request_without_a_solution(envkit: Envkit, only: tuple[str, ...], tmp_path: Path) -> None:
    words = ("create", "numpylike=2", "absent", "-n", "e", "--persist", tmp_path / "envs")
    failed = envkit(*words, *only)
    assert failed.code == 1
    document = only_json(failed.out)
    assert set(document["error"]) == {"code", "message", "hint"}
    assert document["error"]["code"] == "unsatisfiable"
    assert set(document["problem"]) == {"kind", "text", "name", "spec", "versions", "builds", "children"}
    assert document["problem"]["kind"] == "request"
    (missing,) = document["problem"]["children"]
    assert (missing["kind"], missing["name"], missing["children"]) == ("missing", "absent", [])
    shown = envkit(*words, *only[:-1])
    assert "└─ " in shown.err
    assert "absent" in shown.err


def test_create_and_what_shows_it(envkit: Envkit, only: tuple[str, ...], tmp_path: Path) -> None:
    volume = str(tmp_path / "envs")
    planned = envkit("create", "numpylike", "-n", "e", "--persist", volume, "--dry-run", *only)
    document = only_json(planned.out)
    assert document["dry_run"] is True
    assert document["prefix"] is None
    assert not Path(volume).exists()

    made = envkit("create", "numpylike", "-n", "e", "--persist", volume, *only)
    assert made.err == ""
    document = only_json(made.out)
    assert set(document) >= {
        *("environment", "generation", "prefix", "path", "reused", "packages", "validation"),
    }
    assert "dry_run" not in document
    assert document["path"] == f"{volume}/e"
    assert document["prefix"] == f"{volume}/.envkit/g/{document['generation']}"
    assert set(document["packages"][0]) >= {"name", "version", "build", "url", "sha256"}
    assert document["packages"][0]["version"] == "2.0"
    report = document["validation"]
    assert report["verdict"] in {"pass", "fail", "skip"}
    assert set(report["findings"][0]) == {"check", "status", "blames", "code", "text", "hint", "data"}

    validated = only_json(envkit("validate", "e", "--persist", volume, "--json").out)
    assert set(validated) >= {"verdict", "host", "findings"}

    listed = only_json(envkit("list", "--persist", volume, "--json").out)
    assert listed["volume"] == volume
    (environment,) = listed["environments"]
    assert set(environment) >= {"name", "path", "prefix", "generation", "packages", "size_bytes", "validated"}
    assert environment["packages"] == 1
    assert environment["validated"]["verdict"] == validated["verdict"]

    shown = only_json(envkit("show", "e", "--persist", volume, "--json").out)
    assert shown["name"] == "e"
    assert shown["packages"][0]["name"] == "numpylike"


def test_detect(envkit: Envkit) -> None:
    facts = only_json(envkit("detect", "--json").out)["facts"]
    assert set(facts) >= {
        "driver_version",
        "driver_cuda",
        "gpus",
        "glibc",
        "microarch",
        "subdir",
        "container",
        "sources",
    }
    assert isinstance(facts["gpus"], list)


def test_progress_as_json_lines(envkit: Envkit, only: tuple[str, ...], tmp_path: Path) -> None:
    made = envkit("create", "numpylike", "-n", "e", "--persist", tmp_path / "envs", "--progress", "jsonl", *only)
    assert made.code == 0
    only_json(made.out)
    events = [json.loads(line) for line in made.err.splitlines()]
    phases = [event["phase"] for event in events if event["event"] == "finish"]
    assert phases == ["solve", "download", "link", "validate"]
