"""Judge a prefix by what was read of it: its records, its place, its files, and what was added by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from envkit.checks.sharing import OPEN
from envkit.models.installed import BadRecord, Distribution, InstalledPackage, WrongFile
from envkit.models.manifest import Manifest, ValidationRecord
from envkit.models.report import Finding

__all__ = [
    "Cure",
    "added_findings",
    "closed_finding",
    "fault_text",
    "files_finding",
    "gone_finding",
    "manifest_finding",
    "no_manifest_finding",
    "place_finding",
    "record_findings",
    "validation_finding",
    "venv_findings",
]

_SHOWN = 3
_SHOWN_ADDED = 5
_LISTED = 100


@dataclass(frozen=True, slots=True)
class Cure:
    """How to cure damage in a prefix, which depends on the tool that made it.

    Attributes:
        by: ``fix``: envkit made it, and an environment points to it. ``create``: envkit made it, and none does.
            ``tool``: another tool made it. ``pip``: it is a virtual environment.
        name: The environment, for ``fix``.
    """

    by: Literal["fix", "create", "tool", "pip"]
    name: str = ""

    @property
    def text(self) -> str:
        """The hint."""
        return {
            "fix": f"Mend it with `envkit doctor {self.name} --fix`: its packages are linked anew, the damaged "
            "generation stays for rollback.",
            "create": "Make the environment again with create --replace; the packages are still in the cache.",
            "tool": "Install those packages again with the tool that made the environment.",
            "pip": "Install it again: pip install --force-reinstall --no-deps NAME.",
        }[self.by]


def fault_text(item: WrongFile) -> str:
    """Say what is wrong with a file, in words that follow its path."""
    return {
        "missing": "is missing",
        "closed": "cannot be read by anybody",
        "unreadable": f"cannot be read: {item.error}",
        "size": f"has {item.size_bytes} bytes, not {item.expected_bytes}",
        "sha256": "was changed: its sha256 is another",
    }[item.fault]


def gone_finding(generation: str, name: str) -> Finding:
    """Judge a link to a generation that does not exist."""
    hint = f"Go back with `envkit rollback {name} N`, or remove it with `envkit remove {name}`."
    return Finding("link", "fail", "gone", f"the link points to {generation}, which is gone", "environment", hint)


def closed_finding(generation: str, owner: str) -> Finding:
    """Judge a generation that this user may not enter."""
    text = f"{generation} belongs to {owner}, who keeps it closed to you"
    return Finding("permissions", "fail", "closed", text, "host", OPEN)


def no_manifest_finding() -> Finding:
    """Judge a generation without a manifest."""
    text = "it has no manifest: the generation was not finished"
    return Finding("manifest", "fail", "no-manifest", text, "environment", Cure("create").text)


def record_findings(bad: Sequence[BadRecord], cure: Cure) -> list[Finding]:
    """Judge the records that cannot be read."""
    return [
        Finding(
            "records",
            "fail",
            "bad-record",
            f"conda-meta/{item.record} cannot be read: {item.error}",
            "environment",
            cure.text,
        )
        for item in bad
    ]


def manifest_finding(manifest: Manifest, packages: Sequence[InstalledPackage], cure: Cure) -> Finding:
    """Judge the installed packages against those in the manifest."""
    locked = {f"{p.name}-{p.version}-{p.build}" for p in manifest.packages}
    there = {f"{p.name}-{p.version}-{p.build}" for p in packages}
    if locked == there:
        return Finding("manifest", "pass", None, f"{len(locked)} packages, the ones that were asked for")
    parts = []
    if there - locked:
        parts.append(f"added by another tool: {', '.join(sorted(there - locked)[:_SHOWN])}")
    if locked - there:
        parts.append(f"taken away: {', '.join(sorted(locked - there)[:_SHOWN])}")
    return Finding("manifest", "fail", "records-differ", "; ".join(parts), "environment", cure.text)


def place_finding(made_at: str | None, cure: Cure, *, moved: bool) -> Finding:
    """Judge where a prefix lies.

    Args:
        made_at: Where it was made; None if not known.
        cure: How to cure it.
        moved: Whether its files hold another path.
    """
    if not moved:
        return Finding("place", "pass", None, "it lies where it was made")
    where = f"at {made_at}" if made_at else "elsewhere"
    text = f"it was made {where}: its files hold that path"
    return Finding("place", "fail", "moved", text, "environment", cure.text)


def files_finding(wrong: Sequence[WrongFile], cure: Cure, *, files: int, full: bool, lenient: bool = False) -> Finding:
    """Judge the files of a prefix.

    Args:
        wrong: Those that differ from their records.
        cure: How to cure it.
        files: How many there are.
        full: Whether each was hashed.
        lenient: Only warn: users install over conda packages with pip.
    """
    if not wrong:
        how = "by sha256" if full else "by size and time"
        text = f"{files} files are as they were installed ({how})"
        return Finding("files", "pass", None, text, data={"files": files})
    texts = [f"{item.path} ({item.package}) {fault_text(item)}" for item in wrong[:_LISTED]]
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return Finding(
        check="files",
        status="warn" if lenient else "fail",
        code="files-damaged",
        text=f"{len(wrong)} of {files} files: {'; '.join(texts[:_SHOWN])}{more}",
        blames="environment",
        hint=cure.text,
        data={"wrong": texts, "files": files},
    )


def added_findings(found: Sequence[Distribution], cure: Cure, *, ours: bool, full: bool) -> list[Finding]:
    """Judge what pip and others put beside the packages.

    Args:
        found: The distributions.
        cure: How to cure it.
        ours: Whether envkit made the prefix: its generations are never changed in place.
        full: Whether each file was hashed.
    """
    if not found:
        return []
    names = ", ".join(f"{d.name} {d.version} ({d.installer})" for d in found[:_SHOWN_ADDED])
    more = f" and {len(found) - _SHOWN_ADDED} more" if len(found) > _SHOWN_ADDED else ""
    findings = [
        Finding(
            "added",
            "fail" if ours else "warn",
            "added-by-hand",
            f"installed besides the packages: {names}{more}",
            blames="environment" if ours else None,
            hint=f"Put them into the request: envkit install. {cure.text}" if ours else None,
            data={"distributions": [f"{d.name}=={d.version}" for d in found]},
        )
    ]
    wrong = [item for distribution in found for item in distribution.wrong]
    return [*findings, files_finding(wrong, cure, files=len(wrong), full=full)] if wrong else findings


def venv_findings(
    prefix: str, python: str | None, found: Sequence[Distribution], *, exists: bool, full: bool
) -> list[Finding]:
    """Judge a prefix without conda records: a virtual environment, or none at all.

    Args:
        prefix: The prefix.
        python: The interpreter that it points to; None if it is no virtual environment.
        found: Its distributions.
        exists: Whether there is such an interpreter.
        full: Whether each file was hashed.
    """
    if python is None:
        text = f"{prefix} is neither a conda environment nor a virtual one"
        hint = "Give the directory that holds conda-meta/ or pyvenv.cfg."
        return [Finding("environment", "fail", "not-an-environment", text, "environment", hint)]
    if exists:
        first = Finding("python", "pass", None, f"a virtual environment of {python}")
    else:
        text = f"bin/python leads to {python}, which is gone: the Python that made it was removed"
        first = Finding("python", "fail", "no-python", text, "environment", "Make the virtual environment again.")
    wrong = [item for distribution in found for item in distribution.wrong]
    if wrong:
        return [first, files_finding(wrong, Cure("pip"), files=len(wrong), full=full)]
    return [first, Finding("files", "pass", None, f"{len(found)} distributions, their files as recorded")]


def validation_finding(
    name: str, known: ValidationRecord | None, last: ValidationRecord | None, *, here: str, there: str
) -> Finding:
    """Judge whether an environment was validated on a host like this one.

    Args:
        name: The environment.
        known: The outcome on hosts like this one.
        last: The newest outcome on any host.
        here: This host, in words.
        there: The host of `last`, in words.
    """
    hint = f"Prove it with `envkit validate {name}`."
    if known is not None:
        text = f"validated on a host like this one: {known.verdict}, {known.created[:10]}"
        if known.verdict == "fail":
            return Finding("validation", "warn", "validation-failed", text, hint=hint)
        return Finding("validation", "pass", None, text)
    if last is None:
        return Finding("validation", "warn", "never-validated", "it was never validated", hint=hint)
    text = f"validated on another kind of host ({there}); here {here}"
    return Finding("validation", "warn", "host-changed", text, hint=f"{hint} --fix does so.")
