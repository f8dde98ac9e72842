"""Work at several sizes: how its cost grows with records, files, environments and processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benching import works
from benching.contents import FILES
from benching.measure import Case, Effort
from benching.peers import MICROMAMBA
from benching.rows import Goal
from benching.stage import Stage


@dataclass(frozen=True, slots=True)
class Curve:
    """One piece of work at several sizes.

    Attributes:
        key: Its name in the JSON document and for --rows.
        work: Its name in the table.
        of: The size that grows, such as "records".
        sizes: From small to large.
        cases: How each tool does it at a size.
        flat: Whether envkit's cost must not grow with the size at all.
        goals: What envkit is to reach at the largest size.
    """

    key: str
    work: str
    of: str
    sizes: Sequence[int]
    cases: Callable[[Stage, int], list[Case]]
    flat: bool = False
    effort: Effort = field(default_factory=lambda: Effort(rounds=3, least=2, budget_s=8, count_modules=False))
    goals: Sequence[Goal] = ()


def _volume_of(stage: Stage, size: int) -> Path:
    volume = stage.volume(f"of-{size}", works.create_words(works.TINY, "demo", stage.payloads))
    stage.fill(volume, size - 1)
    return volume


def _at_scale(work: Callable[..., list[Case]], *, named: bool) -> Callable[[Stage, int], list[Case]]:
    def cases(stage: Stage, size: int) -> list[Case]:
        return work(stage, _volume_of(stage, size), *((works.TINY, stage.payloads) if named else ()))

    return cases


def _at_once(work: Callable[..., list[Case]], *, named: bool) -> Callable[[Stage, int], list[Case]]:
    def cases(stage: Stage, size: int) -> list[Case]:
        volume = works.small_volume(stage)
        return work(stage, volume, *((works.TINY, stage.payloads) if named else ()), copies=size)

    return cases


def _find(stage: Stage, size: int) -> list[Case]:
    """Find in a large index; micromamba takes minutes to read one for the first time, and has a row of its own."""
    return [case for case in works.find(stage, [stage.flat(size)]) if case.tool != MICROMAMBA]


def _find_beside(stage: Stage, size: int) -> list[Case]:
    volume = str(_volume_of(stage, size))
    return works.find(stage, [stage.flat(10_000)], CONDA_ENVS_PATH=volume)


def _find_at_once(stage: Stage, size: int) -> list[Case]:
    return works.find(stage, [stage.flat(10_000)], copies=size)


def _files(stage: Stage, size: int) -> list[Case]:
    spec = f"files-{size}"
    volume = stage.volume(spec, works.create_words((spec,), "demo", stage.payloads))
    return works.create(stage, volume, (spec,), stage.payloads)


_ENVIRONMENTS = (1, 20, 200)
_PROCESSES = (1, 8)
_AT_SCALE = partial(Curve, of="environments", sizes=_ENVIRONMENTS)
_AT_ONCE = partial(Curve, of="processes", sizes=_PROCESSES)

CURVES: Sequence[Curve] = (
    Curve("records-find", "`find pytorch`, flat index", "records", (10_000, 100_000, 1_000_000), _find),
    Curve("files-create", "create warm", "files", FILES, _files),
    _AT_SCALE("environments-find", "`find pytorch`", cases=_find_beside, flat=True),
    _AT_SCALE("environments-list", "`list`", cases=_at_scale(works.list_all, named=False), goals=(Goal(seconds=0.15),)),
    _AT_SCALE("environments-show", "`show`", cases=_at_scale(works.show, named=False)),
    _AT_SCALE("environments-repeat", "no-op `create`", cases=_at_scale(works.repeat, named=True), flat=True),
    _AT_SCALE("environments-ensure", "`ensure`", cases=_at_scale(works.ensure, named=True), flat=True),
    _AT_SCALE("environments-run", "`run`", cases=_at_scale(works.run, named=False), flat=True),
    _AT_ONCE("processes-find", "`find pytorch`", cases=_find_at_once),
    _AT_ONCE("processes-repeat", "no-op `create`", cases=_at_once(works.repeat, named=True)),
    _AT_ONCE("processes-ensure", "`ensure`", cases=_at_once(works.ensure, named=True)),
    _AT_ONCE("processes-run", "`run`", cases=_at_once(works.run, named=False)),
)
