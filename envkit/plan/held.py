"""Packages that are not at their newest version, and who holds them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from envkit.builds.dependency import dependency_pairs, record_matches
from envkit.builds.version import version_key
from envkit.models.build import Record
from envkit.models.codes.advice import HELD_BY_NEED, HELD_BY_PACKAGE, HELD_BY_PIN, HELD_BY_REQUEST
from envkit.models.fact import Advice
from envkit.models.request import Request
from envkit.models.spec import MatchSpec


def held_back(
    request: Request, solution: Sequence[Record], newest: Iterable[Record], pins: Mapping[str, str] | None = None
) -> list[Advice]:
    """Say of each package that exists in a newer version than in the solution what excludes that version.

    Args:
        request: The request, whose own specs are the first to look at.
        solution: The records that were chosen, one for each name.
        newest: Candidates of the packages to look at, in any versions.
        pins: Specs that hold for every solution, each with where it is written.

    Returns:
        One advice for each package whose holder is found; none where the reason is a chain of packages.
    """
    chosen = {record.name: record for record in solution}
    newer: dict[str, list[Record]] = {}
    for record in newest:
        here = chosen.get(record.name)
        if here is not None and version_key(record.version) > version_key(here.version):
            newer.setdefault(record.name, []).append(record)
    found = (_holder(request, chosen, records, pins or {}) for _, records in sorted(newer.items()))
    return [advice for advice in found if advice is not None]


def _holder(
    request: Request, chosen: dict[str, Record], records: Sequence[Record], pins: Mapping[str, str]
) -> Advice | None:
    """Return what excludes the newest of some records of one name."""
    best = max(version_key(record.version) for record in records)
    tops = [record for record in records if version_key(record.version) == best]
    name, version = tops[0].name, tops[0].version
    for text, spec in request.pairs:
        if spec.name == name and not any(_fits(spec, record) for record in tops):
            return Advice(HELD_BY_REQUEST, name=name, version=version, spec=text)
    for text, spec in dependency_pairs(pins):
        if spec.name == name and not any(_fits(spec, record) for record in tops):
            return Advice(HELD_BY_PIN, name=name, version=version, spec=text, where=pins[text])
    for user in chosen.values():
        for text, need in dependency_pairs(user.depends):
            if need.name == name and not any(_fits(need, record) for record in tops):
                return Advice(HELD_BY_PACKAGE, name=name, version=version, spec=text, holder=user)
    unmet: tuple[str, Record] | None = None
    for record in tops:
        pairs = [(text, need) for text, need in dependency_pairs(record.depends) if need.name in chosen]
        missing = [(text, chosen[need.name]) for text, need in pairs if not _fits(need, chosen[need.name])]
        if not missing:
            return None
        unmet = unmet or missing[0]
    return unmet and Advice(HELD_BY_NEED, name=name, version=version, spec=unmet[0], there=unmet[1])


def _fits(spec: MatchSpec, record: Record) -> bool:
    return record_matches(spec, record)
