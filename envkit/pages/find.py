"""The page of ``envkit find --html``: versions by CUDA, for this machine and each that the tables know."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from envkit.models.build import Verdict
from envkit.models.results import Cell, FindResult
from envkit.pages.frame import render_page
from envkit.plan.everywhere import MachineVerdicts, judge_everywhere, offered_branches, offered_gpus
from envkit.printable import printable
from envkit.tuples import NamedTuple
from envkit.words.say import say
from envkit.words.tiers import TIER_SYMBOLS
from envkit.words.values import join, plural, target_words

_TIERS = tuple(TIER_SYMBOLS)
_NAMES = 4  # of GPUs of one architecture


class _Cell(NamedTuple):
    column: str
    tier: str
    letter: str
    label: str


def find_page(result: FindResult, *, created: str) -> str:
    """Return the page: the matrix, what the machine that was asked for can run, and a choice of others."""
    cells = [cells[column] for _, cells in result.matrix.rows for column in result.matrix.columns if column in cells]
    asked = tuple(cell.best for cell in cells)
    told = _Told(cells)
    machines = _machines(result)
    rows = [told.row(found.cells) for found in (MachineVerdicts(None, None, asked), *machines)]
    pick = result.pick
    return render_page(
        "find.html",
        title=f"{' '.join(result.request.specs)} on GPUs and drivers",
        created=created,
        script="find.js",
        result=result,
        specs=" ".join(result.request.specs),
        target=target_words(result.target),
        channels=", ".join(result.channels),
        pick=_build_words(pick) if pick else None,
        why=_why(pick) if pick else "",
        rows=[(version, _row(version, result.matrix.columns, cells)) for version, cells in result.matrix.rows],
        legend=[(tier.value, letter, words) for tier, (letter, words) in TIER_SYMBOLS.items()],
        gpus=_gpus() if machines else [],
        drivers=offered_branches() if machines else [],
        data=told.data(rows),
        advice=[say(advice) for advice in result.advice],
        plural=plural,
    )


def _machines(result: FindResult) -> tuple[MachineVerdicts, ...]:
    """Return the verdicts on other machines; none where NVIDIA's GPUs do not matter."""
    if result.target.subdir.startswith("osx") or not result.matrix.rows:
        return ()
    return tuple(judge_everywhere(result.matrix, result.target, result.request))


class _Told:
    """Verdicts, reasons and builds, each once, and their numbers."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.verdicts: dict[tuple[int, int, tuple[int, ...]], int] = {}
        self.reasons: dict[str, int] = {}
        self.builds: dict[str, int] = {}
        self._more = [f" and {plural(cell.number - 1, 'other')}" if cell.number > 1 else "" for cell in cells]

    def row(self, verdicts: Iterable[Verdict]) -> list[int]:
        numbers = []
        for verdict, more in zip(verdicts, self._more, strict=True):
            build = _number(self.builds, verdict.build.record.build + more)
            why = tuple(_number(self.reasons, say(reason)) for reason in verdict.reasons)
            numbers.append(self.verdicts.setdefault((_TIERS.index(verdict.tier), build, why), len(self.verdicts)))
        return numbers

    def data(self, rows: Sequence[Sequence[int]]) -> str:
        """Return what the script reads, as JSON that ends no element of HTML."""
        document: dict[str, Any] = {
            "tiers": [(tier.value, *TIER_SYMBOLS[tier]) for tier in _TIERS],
            "builds": list(self.builds),
            "reasons": list(self.reasons),
            "verdicts": list(self.verdicts),
            "machines": rows,
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=True)
        return text.replace("<", "\\u003c").replace("&", "\\u0026")


def _number(known: dict[str, int], text: str) -> int:
    return known.setdefault(printable(text), len(known))


def _row(version: str, columns: Sequence[str], cells: Mapping[str, Cell]) -> list[_Cell | None]:
    return [_cell(version, column, cells[column].best) if column in cells else None for column in columns]


def _cell(version: str, column: str, verdict: Verdict) -> _Cell:
    letter, words = TIER_SYMBOLS[verdict.tier]
    return _Cell(column, verdict.tier.value, letter, f"{version}, {_column_words(column)}: {words}")


def _column_words(column: str) -> str:
    return f"CUDA {column}" if column[0].isdigit() else column


def _why(verdict: Verdict) -> str:
    return "; ".join(say(reason) for reason in verdict.reasons)


def _build_words(verdict: Verdict) -> str:
    record = verdict.build.record
    return f"{record.name} {record.version} {record.build}"


def _gpus() -> list[str]:
    return [f"{join(names[:_NAMES])} ({capability})" for capability, names in offered_gpus()]
