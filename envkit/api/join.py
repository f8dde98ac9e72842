"""fleet join: take part in the all-reduces of a fleet, as one of its nodes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from envkit.api.examine import run_environment
from envkit.errors import HostCannotRunError, IntegrityError, UsageError
from envkit.layout.contents import read_contents
from envkit.layout.generation import read_manifest, refuse_moved, resolve
from envkit.layout.mounting import enter_packed
from envkit.layout.private import folder
from envkit.layout.records import installed_packages
from envkit.layout.volume import Volume
from envkit.models.fleet_group import Meeting, MeetingPlan
from envkit.models.probe import list_of
from envkit.models.stored import StoredError
from envkit.probe import run_framework_probe

PLAN = "plan.json"
_LEAVE_S = 5.0  # for the probe to hand in what it has, before the node is given up


def join_nodes(volume: Volume, name: str, place: Path, node: str, *, deadline_s: float) -> tuple[Meeting, ...]:
    """Compute with other nodes, as the plan in a folder of the volume says; return the outcomes as this node saw them.

    Args:
        name: An environment, or the path of a generation.
        place: The folder, in which the nodes find one another.
        node: The name of this node in the plan.

    Raises:
        UsageError: There is no such plan, or it does not have this node.
        HostCannotRunError: No framework of the environment computes over nodes, or it does not start.
    """
    plan = _read_plan(volume, place)
    if not any(node in nodes for nodes in plan.meetings):
        raise UsageError(
            f"the plan in {place} has no node {node!r}",
            hint=f"It has {', '.join(sorted(set().union(*plan.meetings))[:8])}.",
        )
    prefix = resolve(volume, name)
    manifest = read_manifest(prefix)
    refuse_moved(manifest, prefix)
    enter_packed(str(prefix))
    packages, _ = installed_packages(prefix)
    contents = read_contents(prefix, packages, manifest)
    row = next((row for row in contents.frameworks if row.nodes), None)
    if row is None or row.nodes is None or contents.python is None:
        raise HostCannotRunError(
            f"nothing in {prefix} computes over nodes", hint="It takes PyTorch with its torch.distributed."
        )
    words = ["--plan", json.dumps(plan.to_probe(node, str(place), max(1.0, deadline_s - _LEAVE_S)))]
    words += ["--gpu", "1"] if plan.backend == "nccl" else []
    env = run_environment(prefix, os.environ, name=manifest.name if manifest else None)
    outcome = run_framework_probe(contents.python, [row.nodes, *words], env=env, timeout_s=deadline_s)
    try:
        meetings = tuple(Meeting.from_json(meeting) for meeting in list_of(outcome.facts.get("meetings")))
    except StoredError as error:
        raise IntegrityError(f"the probe of {row.title} answers nonsense: {error}") from error
    if not meetings and outcome.state != "done":
        last = outcome.stderr_tail.strip().rpartition("\n")[2]
        raise HostCannotRunError(
            f"{row.title} does not start to compute over nodes: {outcome.reason or last or outcome.state}",
            hint="Run `envkit validate` there.",
        )
    return meetings


def _read_plan(volume: Volume, place: Path) -> MeetingPlan:
    try:
        with folder(volume.root, place) as here:
            return MeetingPlan.parse(here.read(PLAN))
    except (OSError, ValueError) as error:  # or it is not on the volume
        raise UsageError(
            f"there is no plan to join in {place}: {error}", hint="`envkit fleet validate --level collective` makes it."
        ) from error
