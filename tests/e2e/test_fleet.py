"""One contract for what asks nodes: child processes, a real Dask, and a real Slurm where it is installed."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness import Envkit, Shell
from machines import gpu, libraries  # noqa: F401 - a fixture
from packages import travelling
from slurm_cluster import Cluster

from envkit.api.constraint import scheduler_constraint
from envkit.api.fleet import detect_fleet
from envkit.errors import HostCannotRunError, UsageError
from envkit.fleet.base import Fleet
from envkit.fleet.dask import DaskFleet, parse_dask
from envkit.fleet.local import LocalFleet
from envkit.fleet.slurm import make_slurm
from envkit.inputs.pool import read_pool
from envkit.models.fleet import NodeAnswer
from envkit.models.progress import Reporter
from envkit.profiles import Profile
from envkit.words.say import say

V100 = gpu("Tesla V100-SXM2-16GB", "7.0")
H100 = gpu("NVIDIA H100 80GB HBM3", "9.0")


@pytest.fixture(params=["local", "slurm", "dask"])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    if request.param == "local":
        return LocalFleet(["n1", "n2", "n3"])
    if request.param == "dask":
        return DaskFleet(parse_dask(request.getfixturevalue("dask").address))
    request.getfixturevalue("cluster")
    return make_slurm(None, [])


def ask(fleet: Fleet, deadline_s: float = 60, **commands: str) -> list[NodeAnswer]:
    heard: list[str] = []
    fleet.nodes()
    words = {node: ["sh", "-c", command] for node, command in commands.items()}
    answers = fleet.ask(words, deadline_s=deadline_s, heard=lambda answer: heard.append(answer.node))
    assert sorted(heard) == sorted(commands) == sorted(answer.node for answer in answers)
    return list(answers)


def test_each_node_runs_its_own_command(fleet: Fleet) -> None:
    assert [node.name for node in fleet.nodes()] == ["n1", "n2", "n3"]
    answers = ask(fleet, n1="echo one", n2="echo two; exit 7", n3="printf 'a  b\n\nc'; echo no >&2")
    assert [(answer.state, answer.exit_code, answer.stdout) for answer in answers] == [
        ("ended", 0, b"one\n"),
        ("ended", 7, b"two\n"),
        ("ended", 0, b"a  b\n\nc"),
    ]
    assert answers[2].said == "no"


def is_running(word: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word.encode() in path.read_bytes():
                return True
    return False


def test_a_node_that_hangs_is_silent_and_the_others_answer(fleet: Fleet) -> None:
    started = time.monotonic()
    hours = f"{random.uniform(1000, 2000):.9f}"  # the process is known by it, whatever its number is on its node
    hanging, other = ask(fleet, 3, n1=f"sleep {hours}", n2="echo here")
    assert (hanging.state, other.state, other.stdout) == ("silent", "ended", b"here\n")
    assert time.monotonic() - started < 60
    for _ in range(200):  # Slurm tells the node to end it
        if not is_running(hours):
            break
        time.sleep(0.1)
    assert not is_running(hours)


def test_what_does_not_end_well_is_no_answer(fleet: Fleet) -> None:
    (killed,) = ask(fleet, n1="kill -9 $$")
    assert (killed.state, killed.exit_code) != ("ended", 0)
    (absent,) = fleet.ask({"n3": ["/nonexistent/program"]}, deadline_s=60, heard=bool)
    assert (absent.state, absent.exit_code) != ("ended", 0)


def test_a_node_without_envkit_is_named(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    found = detect_fleet(fleet, volume=None, deadline_s=60, reporter=Reporter())
    assert {(one.node, one.finding.code) for one in found.findings} == {
        (node, "node-without-envkit") for node in ("n1", "n2", "n3")
    }
    assert say(found.findings[0].finding) == "there is no /nonexistent/python -m envkit to run"


def test_endless_output_is_cut() -> None:
    (flood,) = ask(LocalFleet(["n1"]), n1="yes")
    assert (flood.state, flood.said) == ("lost", "wrote too much")


def test_detect_makes_the_pool(envkit: Envkit, tmp_path: Path) -> None:
    found = envkit("fleet", "detect", "--via", "local", "--nodes", "a,b", "-o", "pool.jsonl", "--json")
    assert found.code == 0
    assert [machine["name"] for machine in found.json["machines"]] == ["a", "b"]
    assert [kind["nodes"] for kind in found.json["kinds"]] == [["a", "b"]]
    assert list(read_pool([tmp_path / "pool.jsonl"])) == ["a", "b"]


def pretend(
    cluster: Cluster,
    libraries: Path,  # noqa: F811 - the fixture
    node: str,
    driver: str,
    gpus: str,
    **more: str,
) -> None:
    own = {"STAND_IN_DRIVER": driver, "STAND_IN_GPUS": gpus, "STAND_IN_CUDA": "12040"}
    cluster.say(node, LD_LIBRARY_PATH=str(libraries), **own, **more)


def test_slurm_shows_kinds_and_what_is_odd(
    envkit: Envkit,
    cluster: Cluster,
    libraries: Path,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    libraries.parent.chmod(0o755)
    pretend(cluster, libraries, "n1", "535.183.01", f"{V100};{gpu('Tesla V100-SXM2-16GB', '7.0', index=1)}")
    pretend(cluster, libraries, "n2", "580.65.06", f"{H100};{gpu('NVIDIA H100 80GB HBM3', '9.0', index=1)}")
    found = envkit("fleet", "detect", "-o", "pool.jsonl", "--json")
    assert (found.code, found.json["via"], found.json["findings"]) == (0, "slurm", [])
    kinds = {kind["nodes"][0]: kind["facts"] for kind in found.json["kinds"]}
    assert {name: (facts["driver_version"], len(facts["gpus"])) for name, facts in kinds.items()} == {
        "n1": ("535.183.01", 2),
        "n2": ("580.65.06", 2),
        "n3": (None, 0),
    }
    pool = read_pool([tmp_path / "pool.jsonl"])
    assert [str(pool[name].driver_version) for name in ("n1", "n2", "n3")] == ["535.183.01", "580.65.06", "None"]
    # A GPU fell off: the scheduler counts it still. The other one is too hot and has lost bits.
    pretend(cluster, libraries, "n2", "580.65.06", H100, STAND_IN_ECC="0,3", STAND_IN_SLOWED="0,0x48")
    found = envkit("fleet", "detect", "--nodes", "n[2-3]")
    assert found.code == 4
    assert "1 x NVIDIA H100 80GB HBM3 (9.0)  580.65.06" in found.out
    assert [line.rstrip() for line in found.out.splitlines() if "  n2  " in line] == [
        "fail  n2    GPU 0 has 3 memory errors that ECC could not correct since the last reboot",
        "warn  n2    GPU 0 is slowed down by heat",
        "fail  n2    1 GPU of 2 can be used",
    ]


def test_a_node_that_is_drained_is_named(envkit: Envkit, cluster: Cluster) -> None:
    cluster.control("update", "nodename=n1", "state=drain", "reason=a fan | is dead")
    try:
        found = envkit("fleet", "detect", "--nodes", "n1", "--json")
    finally:
        cluster.control("update", "nodename=n1", "state=resume")
    assert [(one["node"], one["code"], one["text"]) for one in found.json["findings"]] == [
        ("n1", "node-down", "its scheduler has it as drained: a fan | is dead")
    ]
    assert (found.code, found.json["machines"]) == (4, [])


def test_a_node_that_others_have_is_said_to_be_theirs(envkit: Envkit, cluster: Cluster) -> None:
    other = subprocess.Popen(["srun", "--nodelist=n3", "--cpus-per-task=2", "sleep", "1000"], env=cluster.env)
    try:
        while (
            "sleep"
            not in subprocess.run(
                ["squeue", "-t", "R"], env=cluster.env, capture_output=True, text=True, check=True
            ).stdout
        ):
            time.sleep(0.1)
        found = envkit("fleet", "detect", "--nodes", "n2,n3", "--deadline", "5", "--json", "--", "--gres=none")
    finally:
        other.send_signal(signal.SIGTERM)
        other.wait()
    (waiting,) = found.json["findings"]
    assert (found.code, waiting["node"], waiting["code"]) == (4, "n3", "node-not-given")
    assert waiting["text"] == "its turn did not come before the deadline: allocated, Resources"


def test_slurm_obeys_the_constraint(cluster: Cluster) -> None:
    row = Profile("cuda13", "t-00000000", "linux-64", gpu=True, driver="580.65.06", capabilities=("8.0", "9.0"))
    found = scheduler_constraint([row], "slurm", fleet=make_slurm(None, []), machines={})
    assert found.lines == ("--gres=gpu:1", "--constraint=h100")
    words = ["srun", *found.lines, "--input=none", "sh", "-c", "echo $SLURMD_NODENAME"]
    assert subprocess.run(words, env=cluster.env, capture_output=True, text=True, check=True).stdout == "n2\n"
    with pytest.raises(HostCannotRunError, match="none of 3 nodes can run it"):
        scheduler_constraint([row._replace(capabilities=("10.0",))], "slurm", fleet=make_slurm(None, []), machines={})


@pytest.mark.usefixtures("cluster")
def test_what_slurm_does_not_know_is_refused() -> None:
    meant = make_slurm(None, ["--constraint=h100", "--partition", "main"]).nodes()
    assert [node.name for node in meant] == ["n2"]
    for wanted, arguments in (("n9", []), (None, ["--partition=nope"]), (None, ["-C", "a100"])):
        with pytest.raises(UsageError):
            make_slurm(wanted, arguments).nodes()


def test_without_slurm_it_is_said(envkit: Envkit) -> None:
    found = envkit("fleet", "detect", "--via", "slurm", "--json", env={"PATH": "/nonexistent"})
    assert (found.code, json.loads(found.out)["error"]["code"]) == (2, "usage")


def test_stage_copies_to_each_node(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(travelling())
    shell.create("tool")
    words = ("fleet", "stage", "demo", "--via", "local", "--nodes", "a,b", "--json")
    refused = shell.run("fleet", "stage", "dmeo", "--via", "local", "--to", str(tmp_path))
    assert (refused.code, "Did you mean demo?" in refused.err) == (1, True)
    found = shell.ok(*words, "--to", str(tmp_path / "disk")).json
    assert sorted(copy["reused"] for copy in found["copies"]) == [False, True]  # two nodes, one disk here
    assert {Path(copy["prefix"]).is_dir() for copy in found["copies"]} == {True}
    (tmp_path / "file").touch()
    refused = shell.run(*words, "--to", str(tmp_path / "file"))
    assert refused.code == 4
    assert [(one["node"], one["code"]) for one in refused.json["findings"]] == [
        ("a", "node-failed"),
        ("b", "node-failed"),
    ]
    assert str(tmp_path / "file") in refused.json["findings"][0]["text"]
