"""What the engines answered, on disk as it comes: one JSON line for each request and engine.

A run that was killed goes on where it stopped; slow engines run beside the fast ones, or after them; the summary of all
is a run that finds everything done. Records are named by channel, subdir and file, since the server's port changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from differing.compare import Answer

from envkit.checks.validity import check_validity
from envkit.errors import SettingsError
from envkit.models.build import Record
from envkit.models.solve import SolveTask

__all__ = ["Journal"]


def _place(record: Record) -> str:
    return f"{record.channel.rsplit('/', 1)[-1]}/{record.subdir}/{record.fn}"


class Journal:
    """The answers to the requests of one draw.

    Args:
        path: The file, made where it is not there; None to keep answers in memory alone.
        draw: What the requests follow from; a file of another draw is refused.
        index: All records.

    Raises:
        SettingsError: The file is of another draw, or none of these.
    """

    def __init__(self, path: Path | None, draw: Mapping[str, object], index: Iterable[Record]) -> None:
        self._path = path
        self._index = tuple(index)
        self._records = {_place(record): record for record in self._index}
        self._lines: dict[tuple[int, str], dict[str, object]] = {}
        if path is None:
            return
        if not path.exists() or not path.read_text(encoding="utf-8").strip():
            path.write_text(json.dumps(draw) + "\n", encoding="utf-8")
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            try:
                answer = json.loads(line)
                self._lines[answer["number"], answer["engine"]] = answer
            except (ValueError, KeyError, TypeError):
                continue  # a killed run leaves half a line
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        if first != json.dumps(draw):
            raise SettingsError(f"{path} is about another draw: {first}", hint="Name another file with --resume.")

    def read(self, number: int, engine: str, version: str, task: SolveTask) -> Answer | None:
        """What this version of an engine answered to a request; None where it was not asked."""
        line = self._lines.get((number, engine))
        if line is None or line["version"] != version:
            return None
        packages, seconds = line["packages"], line["seconds"]
        if not isinstance(packages, list) or not isinstance(seconds, float):
            return None
        records = tuple(self._records[place] for place in packages)
        violations = check_validity(records, task, index=self._index) if line["state"] == "solved" else ()
        return Answer(str(line["state"]), records, violations, str(line["text"]), seconds)

    def write(self, number: int, engine: str, version: str, answer: Answer) -> None:
        """Keep an answer."""
        if self._path is None:
            return
        line = {
            "number": number,
            "engine": engine,
            "version": version,
            "state": answer.state,
            "seconds": float(round(answer.seconds, 2)),
            "packages": [_place(record) for record in answer.records],
            "text": answer.text,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")  # one write: another run may append to the same file
