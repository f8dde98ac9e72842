"""Write an ``@EXPLICIT`` file (CEP 23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envkit.errors import IntegrityError
from envkit.inputs.made_for import made_for_line
from envkit.models.build import Record
from envkit.models.inputs import Locked


def explicit_text(part: Locked, made_for: Mapping[str, Any] | None = None) -> str:
    """Return the URL and digest of each package, dependencies first; Python distributions as comments.

    Raises:
        IntegrityError: The index gave no digest for a package.
    """
    lines = ["# Made by envkit; make it again with: envkit create -n NAME --file FILE"]
    lines += [f"# platform: {part.platform}"] if part.platform else []
    lines += [made_for_line(made_for)] if made_for else []
    lines.append("@EXPLICIT")
    for record in _in_order(part.records):
        md5 = record.raw.get("md5")
        if not record.sha256 and not md5:
            raise IntegrityError(
                f"the index gave no digest for {record.fn}", hint="Export the environment.yml form instead."
            )
        lines.append(f"{record.url}#{f'sha256:{record.sha256}' if record.sha256 else md5}")
    for item in sorted(part.distributions):
        sha256 = dict(item.hashes).get("sha256")
        lines.append(f"# pip {item.name} @ {item.url}" + (f" --hash=sha256:{sha256}" if sha256 else ""))
    return "\n".join(lines) + "\n"


def _in_order(records: Sequence[Record]) -> list[Record]:
    """Sort dependencies before their dependents, else by name, for tools that link one by one."""
    by_name = {record.name: record for record in records}
    done: dict[str, Record] = {}

    def visit(record: Record, above: frozenset[str]) -> None:
        if record.name in done or record.name in above:  # a cycle (python and pip) has no right order
            return
        for text in sorted(record.depends):
            needed = by_name.get(text.split(" ", 1)[0].lower())
            if needed is not None:
                visit(needed, above | {record.name})
        done[record.name] = record

    for record in sorted(records, key=lambda record: record.name):
        visit(record, frozenset())
    return list(done.values())
