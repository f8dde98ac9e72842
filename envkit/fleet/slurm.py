"""The adapter for Slurm: nodes of `sinfo`, and an `srun` of one task for each of them.

Each node has an `srun` of its own, so that one that is busy, slow or dead holds up itself alone. Its GPUs are asked
for as `sinfo` counts them, since a cluster may hide those that a task has not asked for (ConstrainDevices).
"""

from __future__ import annotations

import math
import os
import re
import shutil
import threading
from collections.abc import Mapping, Sequence

from envkit.cancel import cancelled_by
from envkit.errors import HostCannotRunError, UsageError
from envkit.fleet.base import Commands, Heard, ask_children
from envkit.models.fleet import Node, NodeAnswer
from envkit.process import run_child
from envkit.values import replace

_CLIENT_S = 60.0  # limit of sinfo and scontrol
_LEAST_GRACE_MIN = 1
_LOOK_S = 3.0  # before the deadline
_CLOSED = frozenset({"down", "drained", "draining", "drain", "drng", "fail", "failing", "failg", "inval", "unknown"})
_GPUS = re.compile(r"(?:^|,)gpu(?::([^,:()]+))?:(\d+)")  # gpu:h100:8(S:0-1),gpu:2
_PLAIN = re.compile(r"[\w.-]+\Z")


class SlurmFleet:
    """The nodes of a Slurm cluster, or those of the allocation that this process is in.

    Args:
        wanted: A host list as Slurm writes it, ``n[1-3],login``; None for all nodes of the partition.
        arguments: What `srun` is given besides, such as ``--account=lab``.
        env: The variables of this process.
    """

    name = "slurm"

    def __init__(self, wanted: str | None, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        self._wanted = wanted
        self._arguments = tuple(arguments)
        self._inside = env.get("SLURM_JOB_NODELIST") if "SLURM_JOB_ID" in env else None
        self._gpus: dict[str, int] = {}

    def nodes(self) -> tuple[Node, ...]:
        """See `Fleet.nodes`."""
        partition = _option(self._arguments, "-p", "--partition")
        command = ["sinfo", "--noheader", "--Node", "--format=%N|%T|%G|%f|%E"]
        listed = _read([*command, f"--partition={partition}"] if partition else [*command, "--all"])
        known = {node.name: node for node in map(_node, listed) if node is not None}
        names = self._names(known)
        constraint = _option(self._arguments, "-C", "--constraint")
        if constraint is not None and _PLAIN.match(constraint):
            names = [name for name in names if constraint in known[name].features]
        if not names:
            raise UsageError("no node of the cluster is meant", hint="`sinfo` lists nodes, partitions and states.")
        found = tuple(known[name] for name in names)
        if any(word.startswith(("--gres", "--gpus", "-G")) for word in self._arguments):
            return tuple(replace(node, gpus=None) for node in found)  # a task sees what it was given
        self._gpus = {node.name: node.gpus or 0 for node in found}
        return found

    def _names(self, known: Mapping[str, Node]) -> list[str]:
        wanted = self._wanted or self._inside
        if wanted is None:
            return list(known)
        names = list(dict.fromkeys(_read(["scontrol", "show", "hostnames", wanted])))
        strange = [name for name in names if name not in known]
        if strange:
            raise UsageError(
                f"Slurm knows no node {', '.join(strange[:3])}", hint="`sinfo --Node` lists the nodes of the cluster."
            )
        return names

    def ask(self, commands: Commands, *, deadline_s: float, heard: Heard) -> tuple[NodeAnswer, ...]:
        """See `Fleet.ask`."""
        job = f"envkit-{os.urandom(6).hex()}"
        started = {node: [*self._srun(node, job, deadline_s), *command] for node, command in commands.items()}
        cancel = ["scancel", "--quiet", f"--name={job}"]  # an srun that was killed leaves its job
        waiting: dict[str, str] = {}
        # An srun that is ended takes its job along, and with it the reason why it waited.
        look = threading.Timer(max(deadline_s - _LOOK_S, deadline_s * 0.6), lambda: waiting.update(_waiting(job)))
        look.daemon = True
        look.start()
        try:
            with cancelled_by(cancel):
                answers = ask_children(started, deadline_s=deadline_s, heard=heard)
        finally:
            look.cancel()
        if any(answer.state != "ended" for answer in answers):
            run_child(cancel, timeout_s=_CLIENT_S)
        return tuple(
            answer._replace(state="queued", said=waiting[answer.node])
            if answer.state == "silent" and answer.node in waiting
            else answer
            for answer in answers
        )

    def _srun(self, node: str, job: str, deadline_s: float) -> list[str]:
        """Return the words that start one task on a node, and that end it soon after the deadline come what may."""
        words = ["srun", f"--nodelist={node}", "--nodes=1", "--ntasks=1", "--input=none", f"--job-name={job}"]
        if self._inside is not None:
            words.append("--overlap")
        if _option(self._arguments, "-t", "--time") is None:
            words.append(f"--time={math.ceil(deadline_s / 60) + _LEAST_GRACE_MIN}")
        if self._gpus.get(node):
            words.append(f"--gres=gpu:{self._gpus[node]}")
        return [*words, *self._arguments]


def has_slurm() -> bool:
    """Return whether Slurm's clients are here."""
    return shutil.which("srun") is not None and shutil.which("sinfo") is not None


def in_prolog(env: Mapping[str, str]) -> bool:
    """Return whether slurmd runs this as a prolog or epilog, which may not call Slurm's clients (slurm.conf(5))."""
    return bool(env.get("SLURM_SCRIPT_CONTEXT"))


def make_slurm(wanted: str | None, arguments: Sequence[str], *, gpus: bool = True) -> SlurmFleet:
    """Return the fleet of the cluster that this machine is part of; without `gpus`, no GPU has to be free.

    Raises:
        UsageError: Its clients are not here.
    """
    if not has_slurm():
        raise UsageError(
            "there is no srun and sinfo on PATH", hint="Call it on a login node of the cluster, or with --via local."
        )
    return SlurmFleet(wanted, arguments if gpus else ("--gres=none", *arguments), os.environ)


def _node(line: str) -> Node | None:
    name, state, gres, features, reason = (*line.split("|", 4), "", "", "", "")[:5]
    if not name:
        return None
    word = state.rstrip("*~#!%$@^-+")
    kinds = _GPUS.findall(gres)
    listed = () if features == "(null)" else tuple(features.split(","))
    usable = word not in _CLOSED and not state.endswith("*")  # the star: it does not respond
    return Node(
        name,
        state,
        usable,
        gpus=sum(int(number) for _, number in kinds) if kinds else None,
        features=listed,
        gpu_types=tuple(kind for kind, _ in kinds if kind),
        reason="" if reason == "none" else reason,
    )


def _waiting(job: str) -> dict[str, str]:
    """Return why Slurm has not given nodes to jobs of that name: the node's state, then the job's reason."""
    queue = run_child(["squeue", "--noheader", f"--name={job}", "--states=PENDING", "--format=%n|%r"], timeout_s=10)
    reasons = dict(line.strip().partition("|")[::2] for line in queue.text.splitlines() if line.strip())
    if not reasons:
        return {}
    known = run_child(["sinfo", "--noheader", "--Node", "--all", "--format=%N|%T"], timeout_s=10)
    states = dict(line.strip().partition("|")[::2] for line in known.text.splitlines() if line.strip())
    return {node: f"{states.get(node, 'unknown')}, {reason}" for node, reason in reasons.items()}


def _option(arguments: Sequence[str], short: str, long: str) -> str | None:
    """Return the value that `srun` would take of an option; None without one."""
    found = None
    for index, word in enumerate(arguments):
        if word in {short, long}:
            found = arguments[index + 1] if index + 1 < len(arguments) else None
        elif word.startswith(f"{long}="):
            found = word.partition("=")[2]
        elif word.startswith(short) and not word.startswith("--"):
            found = word[len(short) :].removeprefix("=")
    return found


def _read(command: Sequence[str]) -> list[str]:
    """Return what a client of Slurm prints, by line.

    Raises:
        HostCannotRunError: It fails, as where slurmctld does not answer.
    """
    result = run_child(command, timeout_s=_CLIENT_S)
    if result.state != "done":
        lines = result.error_text.strip().splitlines()
        raise HostCannotRunError(
            f"{command[0]} {result.ending}: {lines[-1] if lines else 'it said nothing'}",
            hint="Is slurmctld up, and SLURM_CONF right? `scontrol ping` tells.",
        )
    return [line.strip() for line in result.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
