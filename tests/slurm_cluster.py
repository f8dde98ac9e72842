"""A Slurm of three nodes, two of them with GPUs, on this machine: real daemons, with a munge of their own.

Each node has a host name, processes and a disk of its own (`DISK`, empty at the start), by namespaces.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sinfo", "scontrol", "squeue", "scancel")
DISK = "disk"
_OWN = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
NODES = {"n1": "v100", "n2": "h100", "n3": None}
_MUNGE = ("key-file", "socket", "pid-file", "log-file", "seed-file")
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def missing() -> str | None:
    """Why there can be no cluster here."""
    if os.geteuid() != 0:
        return "a Slurm of several nodes needs root"
    if subprocess.run([*_OWN, "true"], capture_output=True, check=False).returncode != 0:
        return "needs namespaces (unshare) for nodes of their own"
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    return f"needs Slurm: there is no {', '.join(lacking)}" if lacking else None


@dataclass
class Cluster:
    """Running daemons; `env` is for the clients."""

    root: Path
    env: dict[str, str]
    daemons: dict[str, subprocess.Popen[bytes]]

    def say(self, node: str, **variables: str) -> None:
        """Give tasks on a node more variables, by Slurm's own TaskProlog."""
        lines = "".join(f"echo 'export {name}={value}'\n" for name, value in variables.items())
        (self.root / f"task-{node}").write_text(lines)

    def control(self, *words: str) -> None:
        """Change something by scontrol."""
        subprocess.run(["scontrol", *words], env=self.env, check=True)

    def jobs(self) -> list[str]:
        """Return the names of jobs that run or wait."""
        command = ["squeue", "-h", "-o", "%j", "--states=PENDING,RUNNING,CONFIGURING"]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=True).stdout.split()

    @property
    def disk(self) -> Path:
        """A folder that is another one on each node."""
        return self.root / DISK

    def kill(self, node: str) -> None:
        """End a node with all that runs on it, as a power cut does."""
        self.daemons[node].kill()
        self.daemons[node].wait()

    @contextlib.contextmanager
    def frozen(self, node: str) -> Iterator[None]:
        """Stop the daemon of a node meanwhile."""
        unshare = self.daemons[node].pid
        daemon = int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text())
        os.kill(daemon, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(daemon, signal.SIGCONT)

    def start_node(self, node: str) -> None:
        """Start a node, with an empty disk."""
        boot = f'hostname {node} && mount -t tmpfs tmpfs "$0" && exec slurmd -D -N {node} -f "$1"'
        _start(self, node, [*_OWN, "sh", "-c", boot, str(self.disk), str(self.root / "slurm.conf")])

    def wait_for(self, *nodes: str) -> None:
        """Wait until nodes are idle."""
        _wait(lambda: _states(self, nodes) == ["idle"] * len(nodes), f"{', '.join(nodes)} of Slurm")

    def stop(self) -> None:
        for name in reversed(self.daemons):
            process = self.daemons[name]
            process.send_signal(signal.SIGKILL if name in NODES else signal.SIGTERM)  # unshare waits for its child
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start(root: Path) -> Cluster:
    """Start it and wait until every node is idle."""
    root.chmod(0o755)
    (root / DISK).mkdir()
    (root / "munge.key").write_bytes(os.urandom(1024))
    (root / "munge.key").chmod(0o400)
    ports = _free_ports(4)
    for node in NODES:
        (root / f"task-{node}").touch()
    prolog = root / "task-prolog"
    prolog.write_text(f"#!/bin/sh\n. {root}/task-$SLURMD_NODENAME\n")
    prolog.chmod(0o755)
    (root / "slurm.conf").write_text(_configuration(root, ports, prolog))
    gres = "".join(f"NodeName={node} Name=gpu Type={kind} File=/dev/tty[0-1]\n" for node, kind in NODES.items() if kind)
    (root / "gres.conf").write_text(f"AutoDetect=off\n{gres}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
    cluster = Cluster(root, {**kept, "SLURM_CONF": str(root / "slurm.conf"), "PATH": _PATH}, {})
    munge = [f"--{name}={root}/munge.{name.partition('-')[0]}" for name in _MUNGE]
    configuration = str(root / "slurm.conf")
    try:
        _start(cluster, "munged", ["munged", "--foreground", "--force", *munge])
        _wait((root / "munge.socket").exists, "munged")
        _start(cluster, "slurmctld", ["slurmctld", "-D", "-f", configuration])
        for node in NODES:
            cluster.start_node(node)
        cluster.wait_for(*NODES)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _start(cluster: Cluster, name: str, command: list[str]) -> None:
    with (cluster.root / f"{name}.out").open("wb") as log:
        cluster.daemons[name] = subprocess.Popen(
            command, env=cluster.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _states(cluster: Cluster, nodes: Sequence[str]) -> list[str]:
    command = ["sinfo", "-h", "-N", "-n", ",".join(nodes), "-o", "%t"]
    return subprocess.run(command, env=cluster.env, capture_output=True, text=True, check=False).stdout.split()


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not start")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _configuration(root: Path, ports: list[int], prolog: Path) -> str:
    values = {
        "ClusterName": "envkit",
        "SlurmctldHost": "localhost",
        "SlurmctldPort": ports[0],
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={root}/munge.socket",
        "StateSaveLocation": root / "state",
        "SlurmdSpoolDir": root / "spool-%n",
        "SlurmctldPidFile": root / "ctld.pid",
        "SlurmdPidFile": root / "%n.pid",
        "SlurmctldLogFile": root / "ctld.log",
        "SlurmdLogFile": root / "%n.log",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "TaskProlog": prolog,
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU",
        "ReturnToService": "2",
        "MpiDefault": "none",
        "GresTypes": "gpu",
        "KillWait": 1,
    }
    lines = [f"{name}={value}" for name, value in values.items()]
    for (node, kind), port in zip(NODES.items(), ports[1:], strict=True):
        has = f"Gres=gpu:{kind}:2 Feature={kind}" if kind else "Feature=plain"
        lines.append(f"NodeName={node} NodeHostname=localhost Port={port} CPUs=2 RealMemory=1000 {has} State=UNKNOWN")
    lines.append(f"PartitionName=main Nodes={','.join(NODES)} Default=YES MaxTime=INFINITE State=UP")
    return "\n".join(lines) + "\n"
