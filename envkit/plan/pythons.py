"""The Python of a request against those of builds: what cannot be solved for it is known without a solver."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from envkit.builds.dependency import demands_on, dependency_pairs
from envkit.builds.version import version_key, version_matches
from envkit.models.build import Record
from envkit.models.codes.reasons import WRONG_PYTHON
from envkit.models.fact import Reason
from envkit.models.request import Request
from envkit.models.solve import SolveTask
from envkit.patterns import regex

_OF_ONE = regex(r"={0,2}(\d+\.\d+)(?:\.\d+)*(?:\.\*)?")
_RANGE = regex(r">=(\d+)\.(\d+)(?:\.\w+)*,<(\d+)\.(\d+)(?:\.0a0|\.0)?")


def other_pythons(task: SolveTask, request: Request, records: Iterable[Record]) -> Reason | None:
    """Return the reason when every build that a task's pin admits is for another Python than the request names.

    None where one of them is not, or where that is not certain: only specs are compared that admit one minor version,
    as builds have them.

    Args:
        task: The plan for the solver.
        request: The request that it was made of.
        records: All builds of the pinned package that the channels have.
    """
    wanted = {_minor(spec.version) for spec in request.parsed if spec.name == "python"}
    if len(wanted) != 1 or None in wanted or not task.pins:
        return None
    ((_, pin),) = dependency_pairs([task.pins[0].spec])
    build = (pin.build or "*").lower()  # solvers take no notice of capitals
    found: set[str] = set()
    for record in records:
        if record.name != pin.name or not version_matches(pin.version or "*", record.version):
            continue
        if fnmatchcase(record.build.lower(), build):
            others = {_minor(spec.version) for _, spec in demands_on(record.depends, "python")} - {None, *wanted}
            if not others:
                return None
            found.update(other for other in others if other is not None)
    if not found:
        return None
    return Reason(WRONG_PYTHON, python=sorted(found, key=version_key), wanted=next(iter(wanted)))


def _minor(version: str | None) -> str | None:
    """Return the only minor version that a version spec admits, ``3.12``; None if there are several, or who knows."""
    text = (version or "").replace(" ", "")
    if match := _OF_ONE.fullmatch(text):
        return match[1]
    match = _RANGE.fullmatch(text)
    if match and match[1] == match[3] and int(match[4]) == int(match[2]) + 1:
        return f"{match[1]}.{match[2]}"
    return None
