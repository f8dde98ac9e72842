"""Judge whether the users of a volume can work there without changing the files that they share."""

from __future__ import annotations

import stat
from collections.abc import Sequence

from envkit.models.codes.files import (
    BARRED,
    CACHE_WRITABLE,
    CLOSED,
    NOT_REMOVABLE,
    OPEN_TO_ALL,
    ROOT_ON_OTHERS,
    SHARED_TRUST,
    SHARING_WORKS,
    TAMPERED,
    TOO_OPEN,
    VOLUME_BARRED,
)
from envkit.models.fact import Fact
from envkit.models.report import Finding, Status
from envkit.models.volume import SharingState

_LISTED = 100


def sharing_findings(state: SharingState) -> list[Finding]:
    """Judge the permissions of a volume and its cache."""
    findings = []
    if state.barred:
        paths = _names(state.root, state.barred)
        fact = Fact(VOLUME_BARRED, root=state.root, mode=state.mode, paths=paths)
        findings.append(_finding("warn", fact, state.barred))
    if state.too_open:
        findings.append(_too_open(state.root, state.too_open))
    if state.writable:
        fact = Fact(CACHE_WRITABLE, paths=_names(state.root, state.writable))
        findings.append(_finding("warn", fact, state.writable))
    if closed := state.closed.paths:
        fact = Fact(CLOSED, paths=_names(state.root, closed), owners=state.closed.owners)
        findings.append(_finding("fail", fact, closed))
    if kept := state.not_removable.paths:
        fact = Fact(NOT_REMOVABLE, paths=_names(state.root, kept), owners=state.not_removable.owners)
        findings.append(_finding("warn", fact, kept))
    if state.mode & stat.S_IWOTH and not state.mode & stat.S_ISVTX:
        findings.append(_finding("warn", Fact(OPEN_TO_ALL, root=state.root), [state.root]))
    found = findings or [Finding("permissions", "pass", Fact(SHARING_WORKS))]
    if state.mode & stat.S_IWGRP:
        found.append(Finding("permissions", "pass", Fact(SHARED_TRUST, mode=state.mode, trusted=state.trusts_group)))
    if state.foreign_owner is not None:
        found.append(Finding("root", "warn", Fact(ROOT_ON_OTHERS, root=state.root, owner=state.foreign_owner)))
    return found


def barred_findings(root: str, barred: Sequence[str], too_open: Sequence[str]) -> list[Finding]:
    """Judge the files and folders of an environment that are closed to users of its volume, or open to others."""
    findings = [_finding("warn", Fact(BARRED, paths=_names(root, barred), root=root), barred)] if barred else []
    return findings + ([_too_open(root, too_open)] if too_open else [])


def tampered_finding(intruders: Sequence[str]) -> Finding:
    """Judge what envkit did not put where it keeps its own."""
    return _finding("fail", Fact(TAMPERED, paths=list(intruders)), intruders)


def _too_open(root: str, paths: Sequence[str]) -> Finding:
    return _finding("warn", Fact(TOO_OPEN, paths=_names(root, paths), root=root), paths)


def _finding(status: Status, fact: Fact, paths: Sequence[str]) -> Finding:
    return Finding("permissions", status, fact, data={"paths": list(paths[:_LISTED])})


def _names(root: str, paths: Sequence[str]) -> list[str]:
    """Name paths below the root."""
    return [path.removeprefix(f"{root}/") for path in paths]
