"""fleet constraint: which machines can run an environment, in a scheduler's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.api.records import records_of
from envkit.api.session import Session
from envkit.checks.profiles import profile_row
from envkit.errors import HostCannotRunError, UnknownEnvironmentError
from envkit.fleet.base import Fleet
from envkit.layout.generation import active_name, read_manifest
from envkit.layout.lineage import generation_of
from envkit.layout.profiles import read_profiles
from envkit.models.constraint import Constraint, Scheduler
from envkit.models.fleet import Node
from envkit.models.host import MachineKind, Target
from envkit.models.request import CudaChoice, Request
from envkit.outputs.constraint import htcondor_constraint, kubernetes_constraint, node_fits, slurm_constraint
from envkit.plan.implied import imply_cuda
from envkit.profiles import Facts, Profile, facts_of
from envkit.wire.results import target_from_json, target_json
from envkit.words.profiles import need_words


def runs_where(session: Session, reference: str) -> tuple[Profile, ...]:
    """Return the conditions of an environment, of each of its profiles, on a machine.

    Raises:
        UnknownEnvironmentError: There is no such environment, or another tool made it.
        TamperedError: See `envkit.layout.profiles.read_profiles`.
    """
    prefix = generation_of(session.find_volume(), reference)
    if profiles := read_profiles(str(prefix)):
        return profiles
    manifest = read_manifest(prefix)
    if manifest is None:
        raise UnknownEnvironmentError(f"{reference} was not made by envkit", hint="See the names with envkit list.")
    request = Request(manifest.request.specs, CudaChoice.parse(manifest.request.cuda))
    target = target_from_json(manifest.target)
    row = profile_row(
        Profile(active_name(prefix) or manifest.name, manifest.generation, target.subdir),
        records_of(manifest),
        [MachineKind((), target)],
        knowledge=session.knowledge,
        any_gpu=imply_cuda(request).cuda.kind == "none",
        wheels=bool(manifest.pip and manifest.pip.packages),
    )
    return (row._replace(gpu=None) if row.gpu is False else row,)  # alone, it leaves no machine to another


def scheduler_constraint(
    rows: Sequence[Profile], scheduler: Scheduler, *, fleet: Fleet | None, machines: Mapping[str, Target]
) -> Constraint:
    """Return the conditions in the words of a scheduler.

    Args:
        rows: See `runs_where`.
        scheduler: Whose words.
        fleet: The cluster, for Slurm, whose features are the site's own; None if there is none here.
        machines: Machines of the cluster by the names of its nodes, as ``fleet detect`` found them.

    Raises:
        HostCannotRunError: No node of the cluster can run it, or its scheduler does not answer.
    """
    if scheduler == "kubernetes":
        return kubernetes_constraint(rows)
    if scheduler == "htcondor":
        return htcondor_constraint(rows)
    known = {name: facts_of(target_json(target)) for name, target in machines.items()}
    nodes = _nodes(fleet, known)
    if nodes and all(node_fits(rows, node, known.get(node.name)) is False for node in nodes):
        needs = "; or ".join(map(need_words, rows))
        raise HostCannotRunError(
            f"none of {len(nodes)} nodes can run it: it needs {needs}",
            hint="`envkit fleet detect` shows what the nodes are, and create --hosts makes what runs on them.",
        )
    return slurm_constraint(rows, nodes, known)


def _nodes(fleet: Fleet | None, known: Mapping[str, Facts]) -> tuple[Node, ...]:
    """Return the nodes of a cluster; where it does not answer, those that are known."""
    if fleet is not None:
        try:
            return fleet.nodes()
        except HostCannotRunError:
            if not known:
                raise
    return tuple(map(Node, known))
