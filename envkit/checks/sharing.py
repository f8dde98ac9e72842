"""Judge whether the users who share a volume can work there, and whether nobody can change what they share."""

from __future__ import annotations

import stat
from collections.abc import Sequence

from envkit.models.report import Finding
from envkit.models.sharing import SharingState

__all__ = ["OPEN", "barred_findings", "sharing_findings"]

OPEN = "Ask the owner to run `envkit doctor --fix`."
"""How to cure what is closed to this user."""

_SHOWN = 3
_LISTED = 100


def sharing_findings(state: SharingState) -> list[Finding]:
    """Judge the permissions of a volume and its cache."""
    root = state.root
    findings = []
    if state.barred:
        text = (
            f"{root} is open to others ({stat.filemode(state.mode)}), but {_names(root, state.barred)} not "
            "in the same way: who may make environments there cannot"
        )
        hint = "--fix gives them the rights of the volume's directory; their owner has to run it."
        findings.append(_warning("volume-barred", text, hint, state.barred))
    if state.writable:
        text = (
            f"{len(state.writable)} files of cached packages can be written, and through them every environment that "
            f"shares them: {_names(root, state.writable)}"
        )
        findings.append(_warning("cache-writable", text, "--fix takes the right to write away.", state.writable))
    if paths := state.closed.paths:
        text = (
            f"{len(paths)} generations and packages belong to {', '.join(state.closed.owners)} and are closed to you: "
            f"{_names(root, paths)}"
        )
        data = {"paths": list(paths[:_LISTED])}
        findings.append(Finding("permissions", "fail", "closed", text, "host", OPEN, data=data))
    if paths := state.not_removable.paths:
        text = (
            f"{len(paths)} generations and packages belong to {', '.join(state.not_removable.owners)}, and you may not "
            f"remove them: {_names(root, paths)}"
        )
        hint = "`envkit clean` leaves them; let their owners run it."
        findings.append(_warning("not-removable", text, hint, paths))
    return findings or [Finding("permissions", "pass", None, "those who share the volume can use it")]


def barred_findings(root: str, barred: Sequence[str]) -> list[Finding]:
    """Judge the files and folders of an environment that are closed to users of its volume."""
    if not barred:
        return []
    text = f"{len(barred)} files and folders are closed to others whom the volume lets in: {_names(root, barred)}"
    hint = f"--fix opens them as the volume is; their owner has to run it. Or close the volume: chmod go-rwx {root}."
    return [_warning("barred", text, hint, barred)]


def _warning(code: str, text: str, hint: str, paths: Sequence[str]) -> Finding:
    return Finding("permissions", "warn", code, text, hint=hint, data={"paths": list(paths[:_LISTED])})


def _names(root: str, paths: Sequence[str]) -> str:
    """Name the first few paths, below the root."""
    names = ", ".join(path.removeprefix(f"{root}/") for path in paths[:_SHOWN])
    return names + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
