"""Ways around packages that were measured and hold no code for a GPU: other builds, then other versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, product

from envkit.builds.buildstring import parse_build_string
from envkit.checks.lacking import Lacking
from envkit.models.build import Record, Tier, Verdict
from envkit.plan.solve_task import build_pattern

_BUILDS = 4
_WAYS = 8


def is_alike(one: Record, other: Record) -> bool:
    """Return whether two records are one build, for the same or another Python: the same GPU code."""
    if one.url == other.url and one.sha256 == other.sha256:
        return True
    if (one.name, one.version, one.build_number, one.channel, one.subdir) != (
        other.name,
        other.version,
        other.build_number,
        other.channel,
        other.subdir,
    ):
        return False
    pythons = parse_build_string(one.build).python, parse_build_string(other.build).python
    return None not in pythons and pythons[0] != pythons[1] and build_pattern(one.build) == build_pattern(other.build)


def pass_over(verdicts: Iterable[Verdict], passed: Sequence[Lacking]) -> list[Verdict]:
    """Return verdicts with those of the builds to pass over replaced by what was measured."""
    found = []
    for verdict in verdicts:
        why = next((one.reasons for one in passed if is_alike(one.record, verdict.build.record)), None)
        found.append(verdict if why is None else Verdict(verdict.build, Tier.NO, why))
    return found


def ways_around(passed: Sequence[Lacking], records: Sequence[Record]) -> list[tuple[str, ...]]:
    """Return constraints that keep packages out of a solution, the least change first.

    A MatchSpec cannot leave out a build. So each package is held to another build of its version, the best first, and
    at last to other versions.

    Args:
        passed: The packages to keep out.
        records: Every record of their names.
    """
    choices = []
    for name in dict.fromkeys(one.record.name for one in passed):
        out = [one.record for one in passed if one.record.name == name]
        versions = list(dict.fromkeys(record.version for record in out))
        others = [
            record
            for record in records
            if record.name == name and record.version in versions and not any(is_alike(record, one) for one in out)
        ]
        others.sort(key=lambda r: (versions.index(r.version), -r.build_number, -(r.timestamp or 0), r.build))
        exact = [f"{name} =={record.version} {record.build}" for record in others[:_BUILDS]]
        choices.append([*exact, f"{name} " + ",".join(f"!={version}" for version in versions)])
    return list(islice(product(*choices), _WAYS))
