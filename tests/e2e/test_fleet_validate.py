"""An environment is proven on the nodes of a real Slurm, whose GPUs lie, hang, and fall off."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from harness import ENVKIT, Envkit, Outcome, Shell
from machines import gpu
from pools import PACKAGES
from slurm_cluster import Cluster

from envkit.layout.node_records import read_node_records
from envkit.layout.volume import Volume

ONE_GPU = ("--gres=none",)  # here a GPU costs two seconds to compute on; Slurm's count of two is not held against it
KINDS = {"n1": ("Tesla V100", "7.0", "535.183.01", "12020"), "n2": ("NVIDIA B200", "10.0", "580.65.06", "13000")}


@pytest.fixture
def volume(envkit: Envkit, cluster: Cluster, gpu_host: Mapping[str, str], cuda_channel: Path, tmp_path: Path) -> Volume:
    """A volume with an environment for GPUs that nobody validated, and nodes whose GPUs compute."""
    for node in KINDS:
        give_gpus(cluster, gpu_host, node)
    cluster.say("n3", XDG_CACHE_HOME=str(tmp_path / "n3"))
    only = ("-c", cuda_channel, "--override-channels", "--persist", tmp_path / "envs", "--no-validate")
    made = envkit("create", "cuda-cudart", "-n", "train", *only, env=gpu_host)
    assert made.code == 0, made.err
    return Volume(tmp_path / "envs")


def give_gpus(cluster: Cluster, gpu_host: Mapping[str, str], node: str, *, count: int = 1, **more: str) -> None:
    """Give a node GPUs of its kind, and a cache of its own: here all nodes are one kernel."""
    name, capability, driver, ceiling = KINDS[node]
    own = {
        "LD_LIBRARY_PATH": gpu_host["LD_LIBRARY_PATH"],
        "XDG_CACHE_HOME": str(cluster.disk / "cache"),
        "STAND_IN_GPUS": ";".join(gpu(name, capability, index=index) for index in range(count)),
        "STAND_IN_DRIVER": driver,
        "STAND_IN_CUDA": ceiling,
        "FAKECUDA_VERSION": ceiling,
        "FAKECUDA_DEVICES": ";".join(f"{name},{capability},16160,0,{number},0" for number in range(1, 1 + count)),
    }
    cluster.say(node, **{**own, **more})


def validate(envkit: Envkit, volume: Volume, *args: str) -> Outcome:
    return envkit("fleet", "validate", "train", "--persist", volume.root, "--json", *args, "--", *ONE_GPU)


def told(outcome: Outcome) -> list[tuple[str, str]]:
    return [(one["node"], one["code"]) for one in outcome.json["findings"]]


def verdicts(outcome: Outcome) -> dict[str, str]:
    return {record["node"]: record["verdict"] for record in outcome.json["nodes"]}


@pytest.mark.full
def test_a_node_without_gpu_proves_nothing_and_one_of_a_kind_is_enough(envkit: Envkit, volume: Volume) -> None:
    found = validate(envkit, volume)
    assert verdicts(found) == {"n1": "pass", "n2": "pass", "n3": "skip"}, found.out
    assert (found.code, told(found)) == (0, [("n3", "node-unproven")])
    generation = (volume.root / "train").resolve().name
    kept = read_node_records(volume, generation)
    assert {record.node: record.verdict for record in kept} == verdicts(found)
    found = validate(envkit, volume, "--nodes", "n1,n2", "--one-per-kind")
    assert verdicts(found) == {"n1": "pass", "n2": "pass"}


@pytest.mark.full
def test_a_gpu_that_lies_a_node_that_dies_and_one_that_hangs(
    cluster: Cluster, gpu_host: Mapping[str, str], volume: Volume, tmp_path: Path
) -> None:
    give_gpus(cluster, gpu_host, "n1", FAKECUDA_WRONG="vadd=flip")
    loaded = tmp_path / "loaded"
    give_gpus(cluster, gpu_host, "n2", FAKECUDA_HANG="cuInit", FAKECUDA_REPORT=str(loaded))
    words = [*ENVKIT, "fleet", "validate", "train", "--persist", str(volume.root), "--json", "--deadline", "30"]
    with cluster.frozen("n3"):
        asking = subprocess.Popen([*words, "--", *ONE_GPU], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(loaded.exists)
        cluster.kill("n2")
        out, err = asking.communicate(timeout=100)
    cluster.start_node("n2")
    cluster.wait_for("n2")
    found = Outcome(asking.returncode, out.decode(), err.decode())
    assert (found.code, verdicts(found)) == (4, {"n1": "fail", "n2": "none", "n3": "none"}), found.out
    assert [(node, code) for node, code in told(found) if node == "n1"] == [("n1", "wrong-result")]
    # Slurm may give one of them up by itself.
    assert {code for node, code in told(found) if node != "n1"} <= {"node-silent", "node-failed"}
    assert no_job_is_left(cluster)


def no_job_is_left(cluster: Cluster) -> bool:
    for _ in range(100):
        if not cluster.jobs():
            return True
        time.sleep(0.1)
    return False


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.full
def test_an_interrupt_leaves_no_job(
    cluster: Cluster, gpu_host: Mapping[str, str], volume: Volume, tmp_path: Path
) -> None:
    loaded = tmp_path / "loaded"
    give_gpus(cluster, gpu_host, "n2", FAKECUDA_HANG="cuInit", FAKECUDA_REPORT=str(loaded))
    words = [*ENVKIT, "fleet", "validate", "train", "--persist", str(volume.root), "--nodes", "n2"]
    asking = subprocess.Popen(words, stderr=subprocess.PIPE)
    wait_until(loaded.exists)
    assert cluster.jobs()
    asking.send_signal(signal.SIGINT)
    _, err = asking.communicate(timeout=30)
    assert (asking.returncode, b"interrupted" in err) == (130, True)
    assert no_job_is_left(cluster)


def test_from_detection_to_proof_on_three_kinds_of_node(
    cluster: Cluster, gpu_host: Mapping[str, str], tmp_path: Path
) -> None:
    for node in KINDS:
        give_gpus(cluster, gpu_host, node)
    cluster.say("n3", XDG_CACHE_HOME=str(cluster.disk / "cache"))
    shell = Shell.below(tmp_path)
    shell.publish(*PACKAGES)
    pool = str(tmp_path / "pool.jsonl")
    slurm = {"SLURM_CONF": cluster.env["SLURM_CONF"]}
    shell.ok("fleet", "detect", "-o", pool, "--", *ONE_GPU, **slurm)
    shell.create("pytorch", name="train", args=("--hosts", pool, "--no-validate"))
    profiles = shell.ok("show", "train", "--json").json["profiles"]
    assert {one["name"]: one["machines"][0]["names"] for one in profiles} == {
        "cuda11.8": ["n1"],
        "cuda13.0": ["n2"],
        "cpu": ["n3"],
    }
    meant = {one["machines"][0]["names"][0]: one["generation"] for one in profiles}
    staged = shell.ok("fleet", "stage", "train", "--to", str(cluster.disk), "--json", **slurm).json
    assert {copy["node"]: Path(copy["prefix"]).name for copy in staged["copies"]} == meant
    assert not list(cluster.disk.iterdir())  # each node has a disk of its own
    found = shell.run("fleet", "validate", "train", "--json", "--", *ONE_GPU, **slurm)
    assert (found.code, verdicts(found), told(found)) == (0, {"n1": "pass", "n2": "pass", "n3": "pass"}, [])
    volume = Volume(shell.volume)
    for node, generation in meant.items():
        (kept,) = read_node_records(volume, generation)
        assert (kept.node, kept.verdict, kept.generation) == (node, "pass", generation)
        (by_kind,) = (volume.validations / generation).glob("*.json")
        assert by_kind.stem == kept.fingerprint
