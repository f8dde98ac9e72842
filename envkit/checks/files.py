"""Judge a prefix by what was read of it: its records, its place, its files, and what was added by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from envkit.models.codes.files import (
    ADDED_BY_HAND,
    BAD_RECORD,
    CERTIFICATES_ADDED,
    CLOSED,
    DISTRIBUTIONS_SOUND,
    DUPLICATE_RECORDS,
    FAULT,
    FILES_DAMAGED,
    FILES_SOUND,
    GONE,
    HOST_CHANGED,
    MOVED,
    NEVER_VALIDATED,
    NO_MANIFEST,
    NOT_AN_ENVIRONMENT,
    PACKAGES_MATCH,
    PLACE_KEPT,
    RECORDS_DIFFER,
    VALIDATED,
    VALIDATION_FAILED,
    VENV_PYTHON,
)
from envkit.models.codes.frameworks import NO_PYTHON
from envkit.models.fact import Fact
from envkit.models.installed import BadRecord, Distribution, InstalledPackage, Repair, WrongFile, project_name
from envkit.models.manifest import Manifest, ValidationRecord
from envkit.models.report import Finding, Status

_LISTED = 100


def gone_finding(generation: str, name: str) -> Finding:
    """Judge a link to a generation that does not exist."""
    return Finding("link", "fail", Fact(GONE, generation=generation, name=name))


def closed_finding(generation: str, owner: str) -> Finding:
    """Judge a generation that this user may not enter."""
    return Finding("permissions", "fail", Fact(CLOSED, paths=[generation], owners=[owner]))


def no_manifest_finding() -> Finding:
    """Judge a generation without a manifest."""
    return Finding("manifest", "fail", Fact(NO_MANIFEST))


def record_findings(bad: Sequence[BadRecord], repair: Repair) -> list[Finding]:
    """Judge the records that cannot be read."""
    return [
        Finding("records", "fail", Fact(BAD_RECORD, record=item.record, error=item.error, repair=repair))
        for item in bad
    ]


def duplicate_findings(packages: Sequence[InstalledPackage], repair: Repair) -> list[Finding]:
    """Judge records of the same package, which an interrupted update leaves."""
    twice = sorted(name for name, count in Counter(package.name for package in packages).items() if count > 1)
    return [Finding("records", "fail", Fact(DUPLICATE_RECORDS, names=twice, repair=repair))] if twice else []


def manifest_finding(
    manifest: Manifest, packages: Sequence[InstalledPackage], repair: Repair, pip: Sequence[Distribution] = ()
) -> Finding:
    """Judge the installed packages, and those of the pip section, against the manifest."""
    locked = {f"{p.name}-{p.version}-{p.build}" for p in manifest.packages}
    there = {f"{p.name}-{p.version}-{p.build}" for p in packages}
    versions = {project_name(d.name): d.version for d in pip}
    for wheel in manifest.pip.packages if manifest.pip else ():
        found = versions.get(project_name(wheel.name))
        same = found is not None and wheel.version in {None, found}
        locked.add(f"{wheel.name}-{wheel.version} (pip)")
        there |= {f"{wheel.name}-{wheel.version if same else found} (pip)"} if found is not None else set()
    if locked == there:
        return Finding("manifest", "pass", Fact(PACKAGES_MATCH, count=len(locked)))
    fact = Fact(RECORDS_DIFFER, added=sorted(there - locked), gone=sorted(locked - there), repair=repair)
    return Finding("manifest", "fail", fact)


def place_finding(made_at: str | None, repair: Repair, *, moved: bool) -> Finding:
    """Judge where a prefix lies.

    Args:
        made_at: Where it was made; None if not known.
        repair: How to cure it.
        moved: Whether its files hold another path.
    """
    if not moved:
        return Finding("place", "pass", Fact(PLACE_KEPT))
    return Finding("place", "fail", Fact(MOVED, made_at=made_at, repair=repair))


def files_findings(
    wrong: Sequence[WrongFile], repair: Repair, *, files: int, full: bool, lenient: bool = False
) -> list[Finding]:
    """Judge the files of a prefix; certificates that were added to a package's are no damage.

    Args:
        wrong: Those that differ from their records.
        repair: How to cure it.
        files: How many there are.
        full: Whether each was hashed.
        lenient: Only warn: users install over conda packages with pip.
    """
    found = _wrong_findings(wrong, repair, files=files, lenient=lenient)
    if any(finding.code == FILES_DAMAGED for finding in found):
        return found
    sound = Fact(FILES_SOUND, files=files - len(wrong), full=full)
    return [Finding("files", "pass", sound, data={"files": files}), *found]


def _wrong_findings(wrong: Sequence[WrongFile], repair: Repair, *, files: int, lenient: bool = False) -> list[Finding]:
    damaged = [item for item in wrong if item.fault != "certificates"]
    added = [item.path for item in wrong if item.fault == "certificates"]
    found = []
    if damaged:
        listed = [Fact(FAULT, file=item) for item in damaged[:_LISTED]]
        fact = Fact(FILES_DAMAGED, wrong=listed, count=len(damaged), repair=repair)
        found.append(Finding("files", "warn" if lenient else "fail", fact, data={"wrong": listed, "files": files}))
    if added:
        found.append(Finding("certificates", "warn", Fact(CERTIFICATES_ADDED, paths=added)))
    return found


def added_findings(found: Sequence[Distribution], repair: Repair, *, ours: bool) -> list[Finding]:
    """Judge what pip and others put beside the packages.

    Args:
        found: The distributions.
        repair: How to cure it.
        ours: Whether envkit made the prefix: its generations are never changed in place.
    """
    if not found:
        return []
    fact = Fact(ADDED_BY_HAND, found=[f"{d.name} {d.version} ({d.installer})" for d in found], repair=repair)
    status: Status = "fail" if ours else "warn"
    data = {"distributions": [f"{d.name}=={d.version}" for d in found]}
    findings = [Finding("added", status, fact, blames="environment" if ours else None, data=data)]
    wrong = [item for distribution in found for item in distribution.wrong]
    return [*findings, *_wrong_findings(wrong, repair, files=len(wrong))]


def venv_findings(prefix: str, python: str | None, found: Sequence[Distribution], *, exists: bool) -> list[Finding]:
    """Judge a prefix without conda records: a virtual environment, or none at all.

    Args:
        prefix: The prefix.
        python: The interpreter that it points to; None if it is no virtual environment.
        found: Its distributions.
        exists: Whether there is such an interpreter.
    """
    if python is None:
        return [Finding("environment", "fail", Fact(NOT_AN_ENVIRONMENT, prefix=prefix))]
    if exists:
        first = Finding("python", "pass", Fact(VENV_PYTHON, python=python))
    else:
        first = Finding("python", "fail", Fact(NO_PYTHON, home=python), blames="environment")
    wrong = [item for distribution in found for item in distribution.wrong]
    more = _wrong_findings(wrong, Repair("pip"), files=len(wrong))
    if any(finding.code == FILES_DAMAGED for finding in more):
        return [first, *more]
    return [first, Finding("files", "pass", Fact(DISTRIBUTIONS_SOUND, count=len(found))), *more]


def validation_finding(
    name: str,
    known: ValidationRecord | None,
    last: ValidationRecord | None,
    *,
    here: Mapping[str, Any],
) -> Finding:
    """Judge whether an environment was validated on a host like this one.

    Args:
        name: The environment.
        known: The outcome on hosts like this one.
        last: The newest outcome on any host.
        here: The facts of this host.
    """
    if known is not None and known.verdict == "fail":
        return Finding("validation", "warn", Fact(VALIDATION_FAILED, created=known.created, name=name))
    if known is not None:
        return Finding("validation", "pass", Fact(VALIDATED, verdict=known.verdict, created=known.created))
    if last is None:
        return Finding("validation", "warn", Fact(NEVER_VALIDATED, name=name))
    return Finding("validation", "warn", Fact(HOST_CHANGED, there=last.host, here=here, name=name))
