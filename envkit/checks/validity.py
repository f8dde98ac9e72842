"""Check that a solution is valid by the rules of CEP 29, 30 and 36, from the records alone and without a solver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from envkit.builds.dependency import flags_match, spec_matches
from envkit.models.build import Record
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec
from envkit.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a solution breaks.

    Attributes:
        rule: ``duplicate``, ``spec``, ``depends``, ``constrains``, ``constraint``, ``platform``, ``newer``,
            ``priority`` or ``virtual``.
        subject: The record's file name, or the spec of the task.
        text: What is wrong.
    """

    rule: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A record or a virtual package, as a spec sees it."""

    name: str
    version: str
    build: str
    channel: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.version} {self.build}"


def check_validity(
    records: Sequence[Record], task: SolveTask, *, index: Iterable[Record] | None = None
) -> tuple[Violation, ...]:
    """List the rules that a solution breaks; empty when it is valid.

    Each spec of the task and each dependency of each record is met, by a record or by a virtual package; each
    constraint holds for what is there; no name is there twice; nothing is of another platform or newer than allowed.

    Args:
        index: All records of the channels; with it strict channel priority is checked too: no record of a name that a
            channel before its own has.
    """
    there = {p.name: _Candidate(p.name, p.version, p.build) for p in task.virtual_packages}
    found: list[Violation] = []
    for record in records:
        if record.name.startswith("__"):
            found.append(Violation("virtual", record.fn, "a virtual package is no part of a solution"))
        elif record.name in there:
            found.append(Violation("duplicate", record.fn, f"{record.name} is there twice"))
        there[record.name] = _Candidate(record.name, record.version, record.build, record.channel, record.raw)
    found += [v for spec in task.specs if (v := _unmet("spec", spec, spec, there))]
    found += [v for spec in task.constraints if (v := _broken("constraint", spec, spec, there))]
    for record in records:
        found += [v for spec in record.depends if (v := _unmet("depends", record.fn, spec, there))]
        found += [v for spec in record.constrains if (v := _broken("constrains", record.fn, spec, there))]
        if task.platforms and record.subdir not in task.platforms:
            found.append(Violation("platform", record.fn, f"{record.subdir} is not of {', '.join(task.platforms)}"))
        if task.exclude_newer is not None and (record.timestamp or 0) > task.exclude_newer:
            found.append(Violation("newer", record.fn, f"{record.timestamp} is after {task.exclude_newer}"))
    if index is not None and task.channel_priority == "strict":
        found += _outranked(records, task, index)
    return tuple(found)


def _matches(spec_text: str, candidate: _Candidate) -> bool:
    spec = parse_match_spec(spec_text)
    if spec.channel and candidate.channel and not _same_channel(spec.channel, candidate.channel):
        return False
    return spec_matches(spec, candidate.name, candidate.version, candidate.build) and flags_match(spec, candidate.raw)


def _same_channel(named: str, url: str) -> bool:
    named = named.rstrip("/")
    return url == named or url.endswith((f"/{named}", f"/{named.rsplit('/', 1)[0]}"))  # the channel may name a subdir


def _unmet(rule: str, subject: str, spec: str, there: dict[str, _Candidate]) -> Violation | None:
    candidate = there.get(parse_match_spec(spec).name)
    if candidate is None:
        return Violation(rule, subject, f"{spec}: nothing of that name is there")
    return None if _matches(spec, candidate) else Violation(rule, subject, f"{spec}: {candidate} is there")


def _broken(rule: str, subject: str, spec: str, there: dict[str, _Candidate]) -> Violation | None:
    candidate = there.get(parse_match_spec(spec).name)
    if candidate is None or _matches(spec, candidate):
        return None
    return Violation(rule, subject, f"{spec}: {candidate} is there")


def _outranked(records: Sequence[Record], task: SolveTask, index: Iterable[Record]) -> Iterable[Violation]:
    ranks = {channel: rank for rank, channel in reversed(list(enumerate(task.channels)))}
    best: dict[str, int] = {}
    for record in index:
        rank = ranks.get(record.channel, len(ranks))
        best[record.name] = min(best.get(record.name, rank), rank)
    for record in records:
        rank = ranks.get(record.channel, len(ranks))
        if rank > best.get(record.name, rank):
            yield Violation("priority", record.fn, f"{record.channel} comes after a channel that has {record.name}")
