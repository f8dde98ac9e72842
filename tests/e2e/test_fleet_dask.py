"""Dask's workers come and go, hang and are busy: each is named, and nothing waits for them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask_cluster
import pytest
from dask_cluster import DaskCluster
from harness import Envkit

from envkit.errors import HostCannotRunError, UsageError
from envkit.fleet import dask as adapter
from envkit.fleet.dask import DaskFleet, parse_dask
from envkit.models.fleet import NodeAnswer


def fleet(dask: DaskCluster, *names: str) -> DaskFleet:
    return DaskFleet(parse_dask(dask.address), names)


def ask(dask: DaskCluster, deadline_s: float = 60, **commands: str) -> dict[str, NodeAnswer]:
    words = {node: ["sh", "-c", command] for node, command in commands.items()}
    return {answer.node: answer for answer in fleet(dask).ask(words, deadline_s=deadline_s, heard=bool)}


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(path: Path) -> None:
    """Wait until the process is gone whose number is in a file."""
    pid = path.read_text().strip()
    wait(lambda: not Path(f"/proc/{pid}").exists())


def test_hosts_are_nodes(envkit: Envkit, dask: DaskCluster) -> None:
    words = ("fleet", "detect", "--via", dask.address, "--json")
    found = envkit(*words, "--nodes", "n2").json
    assert (found["via"], [machine["name"] for machine in found["machines"]]) == ("dask", ["n2"])
    refused = envkit(*words, "--nodes", "n2,n9")
    assert (refused.code, refused.json["error"]["hint"]) == (2, "There are workers on n1, n2, n3.")
    options = envkit("fleet", "detect", "--via", dask.address, "--", "--account=lab")
    assert (options.code, "takes no options of srun" in options.err) == (2, True)


def test_a_busy_worker_is_not_waited_for(dask: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_GRACE_S", 1.0)
    begun, done = tmp_path / "begun", tmp_path / "done"
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(ask, dask, 250, n3=f"touch {begun}; while [ ! -e {done} ]; do sleep 0.1; done")
        wait(begun.exists)
        second = ask(dask, 2, n3="echo no", n2="echo yes")
        done.touch()
        assert (second["n3"].state, second["n2"].stdout) == ("queued", b"yes\n")
        assert first.result()["n3"].state == "ended"


def test_the_command_ends_with_the_one_who_asked(dask: DaskCluster, tmp_path: Path) -> None:
    code = "import sys; from envkit.fleet.dask import DaskFleet as F\n"
    code += "F(sys.argv[1]).ask({'n2': ['sh', '-c', sys.argv[2]]}, deadline_s=600, heard=bool)"
    pid = tmp_path / "pid"
    words = [sys.executable, "-c", code, parse_dask(dask.address), f"echo $$ > {pid}; sleep 1000"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as asking:
        wait(lambda: pid.exists() and pid.read_text())
        asking.kill()
    ended(pid)
    assert ask(dask, n2="echo free")["n2"].stdout == b"free\n"


def test_endless_output_is_cut(dask: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "OUTPUT_LIMIT", 1 << 16)
    flood = ask(dask, n1="yes")["n1"]
    assert (flood.state, flood.said) == ("lost", "wrote too much")


def test_a_worker_that_hangs_or_dies_is_named(
    dask: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_REPLY_S", 2.0)
    monkeypatch.setattr(adapter, "_GRACE_S", 1.0)
    dask.add("n4")
    pid = tmp_path / "pid"
    dask.workers["n3"].send_signal(signal.SIGSTOP)
    asked = fleet(dask)
    names = [node.name for node in asked.nodes()]
    assert {"n1", "n2", "n4"} < set(names)
    (hanging,) = set(names) - {"n1", "n2", "n4"}  # it cannot say what its host is called
    words = {name: ["sh", "-c", "echo here"] for name in names}
    words["n4"] = ["sh", "-c", f"echo $$ > {pid}; sleep 1000"]

    def heard(answer: NodeAnswer) -> None:
        if answer.node == "n2":
            wait(lambda: pid.exists() and pid.read_text())
            dask.lose("n4")

    started = time.monotonic()
    answers = {answer.node: answer for answer in asked.ask(words, deadline_s=5, heard=heard)}
    assert time.monotonic() - started < 60
    assert {name: answer.state for name, answer in answers.items()} == {
        "n1": "ended",
        "n2": "ended",
        "n4": "lost",
        hanging: "queued",
    }
    assert "its Dask worker has left or died" in answers["n4"].said
    ended(pid)  # the command went with the worker
    dask.workers["n3"].send_signal(signal.SIGCONT)


def test_where_no_scheduler_answers_it_is_said_at_once(envkit: Envkit, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = f"dask://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        refused = envkit("fleet", "detect", "--via", nobody, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (4, "host-cannot-run")
        assert time.monotonic() - started < 60
        silent.listen()  # and never accepts
        monkeypatch.setattr(adapter, "_CONNECT_S", 0.5)
        monkeypatch.setattr(adapter, "_REPLY_S", 0.5)
        with pytest.raises(HostCannotRunError, match="no Dask scheduler answers at tcp://127"):
            DaskFleet(parse_dask(nobody)).nodes()


@pytest.mark.full
def test_a_scheduler_without_workers_and_one_that_dies(tmp_path: Path) -> None:
    with dask_cluster.start(tmp_path, []) as lonely:
        with pytest.raises(HostCannotRunError, match="has no workers"):
            fleet(lonely).nodes()
        lonely.add("n1")
        assert lonely.scheduler is not None
        begun = tmp_path / "begun"
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(ask, lonely, 100, n1=f"echo $$ > {begun}; sleep 1000")
            wait(lambda: begun.exists() and begun.read_text())
            lonely.scheduler.kill()
            answer = asked.result()["n1"]
        assert (answer.state, answer.said) == ("lost", "Dask's scheduler has gone")


@pytest.mark.full
def test_a_cluster_of_another_version_is_told(tmp_path: Path) -> None:
    """Old enough to differ in what the two say to each other."""
    uv = [sys.executable, "-m", "uv"]
    python = tmp_path / "old" / "bin" / "python"
    subprocess.run([*uv, "venv", "-q", "-p", sys.executable, tmp_path / "old"], check=True)
    subprocess.run([*uv, "pip", "install", "-q", "-p", python, "distributed==2024.8.0"], check=True)
    with dask_cluster.start(tmp_path, ["n1"], python=str(python)) as old, pytest.raises(HostCannotRunError) as raised:
        fleet(old).nodes()
    assert "has distributed 2024.8.0" in str(raised.value)
    assert raised.value.hint == "Install its version beside envkit: pip install 'distributed==2024.8.0'"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("dask://head:9000", "tcp://head:9000"),
        ("dask://head", "tcp://head:8786"),
        ("dask://[::1]:1/", "tcp://[::1]:1"),
        ("tls://10.0.0.1:8786", "tls://10.0.0.1:8786"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert parse_dask(text) == address


@pytest.mark.parametrize(
    "text", ["dask://", "dask://:8786", "dask://h:x", "dask://h:99999", "ssh://h:1", "dask://u@h", "dask://h/x"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="--via"):
        parse_dask(text)


def test_one_worker_a_host() -> None:
    def worker(host: str, executing: int = 0) -> dict[str, object]:
        return {"host": host, "metrics": {"executing": executing}}

    workers = {
        "a1": worker("10.0.0.1", 1),
        "a2": worker("10.0.0.1"),
        "b1": worker("10.0.0.2"),
        "c1": worker("10.0.0.3"),
    }
    names = {"a1": "gpu1", "a2": "gpu1", "b1": "gpu2"}
    assert adapter.hosts_of(workers, names) == {"gpu1": "a2", "gpu2": "b1", "10.0.0.3": "c1"}
    assert adapter.hosts_of(workers, {**names, "b1": "gpu1"}) == {
        "gpu1@10.0.0.1": "a2",
        "gpu1@10.0.0.2": "b1",
        "10.0.0.3": "c1",
    }
    silent_beside = {"a1": worker("10.0.0.1"), "a2": worker("10.0.0.1")}
    assert adapter.hosts_of(silent_beside, {"a2": "gpu1"}) == {"gpu1": "a2"}
    assert adapter.hosts_of({"x": {}}, {}) == {"x": "x"}
