"""find over the real channel indexes, served on loopback as the channels serve them."""

from __future__ import annotations

from harness import Envkit


def test_find_cuda_12_1(envkit: Envkit, index_server: str) -> None:
    found = envkit(
        "find", "pytorch", "--cuda", "12.1", "--driver", "550", "--json", env={"CONDA_CHANNEL_ALIAS": index_server}
    )
    assert found.code == 0, found.err
    builds = found.json["builds"]
    assert builds[0]["version"] == "2.5.1"
    assert {b["envkit"]["build_cuda"] for b in builds} == {"12.1"}
    assert {b["channel"].rsplit("/", 1)[-1] for b in builds} == {"pytorch"}
    assert found.json["pick"] == builds[0]["fn"]
    assert found.json["nearest"]
    assert {"12.4", "12.0"} & {b["envkit"]["build_cuda"] for b in found.json["nearest"]}


def test_find_prints_the_builds_also_when_none_runs(envkit: Envkit, index_server: str) -> None:
    found = envkit("find", "pytorch", "--cuda", "12.1", "--no-gpu", "--json", env={"CONDA_CHANNEL_ALIAS": index_server})
    assert found.code == 4
    assert found.json["pick"] is None
    assert found.json["builds"][0]["version"] == "2.5.1"
    assert found.json["error"]["code"] == "host-cannot-run"
    assert {r["code"] for b in found.json["builds"] for r in b["envkit"]["reasons"]} == {"no-gpu"}


def test_dry_run_on_another_machine(envkit: Envkit, index_server: str) -> None:
    planned = envkit(
        *("create", "pytorch", "torchvision", "--driver", "550", "--gpu", "a100", "--glibc", "2.35", "--dry-run"),
        *("--json", "--python", "3.12", "--persist", "envs"),
        env={"CONDA_CHANNEL_ALIAS": index_server},
    )
    assert planned.code == 0, planned.out
    document = planned.json
    assert document["dry_run"] is True
    assert document["prefix"] is None
    assert document["pick"]["envkit"]["variant"] == "cuda"
    by_name = {p["name"]: p for p in document["packages"]}
    assert "cuda" in by_name["pytorch"]["build"]
    assert "torchvision" in by_name
