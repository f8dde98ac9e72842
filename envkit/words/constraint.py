"""The sentences about conditions that a scheduler's words cannot express."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.models.constraint import Constraint, Unsaid
from envkit.profiles import Profile
from envkit.words.profiles import need_words
from envkit.words.values import join

_SCHEDULERS = {"slurm": "Slurm", "kubernetes": "Kubernetes", "htcondor": "HTCondor"}
_CONDITIONS: dict[Unsaid, str] = {
    "subdir": "the platform",
    "glibc": "the C library",
    "driver": "the driver",
    "capabilities": "compute capabilities",
}
_SHOWN = 6


def constraint_notes(name: str, rows: Sequence[Profile], constraint: Constraint) -> list[str]:
    """Return what to know beside a scheduler's words: the needs, and which of them these words leave out."""
    called = _SCHEDULERS[constraint.scheduler]
    notes = [f"{name} runs on {'; or on '.join(map(need_words, rows))}"]
    if constraint.unsaid:
        notes.append(f"{called} is not told {join(_CONDITIONS[member] for member in constraint.unsaid)}")
    if constraint.unsaid and constraint.scheduler == "slurm":
        notes.append("--hosts with the file of `envkit fleet detect -o FILE` tells it by the nodes' names")
    if constraint.unknown:
        notes.append(f"nothing is known of {join(constraint.unknown, most=_SHOWN)}")
    return notes
