"""The rows of the table: pieces of work, and what envkit is to reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benching import works
from benching.measure import Case, Effort
from benching.peers import CP, ENVKIT, MICROMAMBA, PYTHON, RATTLER
from benching.stage import Stage

_LONG = Effort(rounds=5, least=2, budget_s=60)
_COLD = Effort(rounds=3, least=2, budget_s=60, warm_up=False, count_modules=False)


@dataclass(frozen=True, slots=True)
class Goal:
    """At most this share of a peer's time on the clock, or these seconds, or these megabytes."""

    ratio: float | None = None
    against: str = MICROMAMBA
    seconds: float | None = None
    megabytes: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Attributes:
        key: Its name in the JSON document and for --rows.
        work: Its name in the table.
        cases: Prepares what it needs and says how each tool does it.
        goals: What envkit is to reach.
        effort: How often it is run.
        over: The tool whose cost is subtracted from envkit's, such as a bare Python.
        per: How many times the work is done in one run.
    """

    key: str
    work: str
    cases: Callable[[Stage], list[Case]]
    goals: Sequence[Goal] = ()
    effort: Effort = field(default_factory=Effort)
    over: str | None = None
    per: int = 1


def _on_torch(work: Callable[..., list[Case]]) -> Callable[[Stage], list[Case]]:
    return lambda stage: work(stage, works.torch_volume(stage), works.TORCH, stage.torch)


def _on_torch_volume(work: Callable[..., list[Case]]) -> Callable[[Stage], list[Case]]:
    return lambda stage: work(stage, works.torch_volume(stage))


def _far(work: Callable[..., list[Case]], *, named: bool = True) -> Callable[[Stage], list[Case]]:
    """Return the work on a small environment where every call to the file system takes a millisecond more."""

    def cases(stage: Stage) -> list[Case]:
        words = (works.TINY, stage.payloads) if named else ()
        return work(stage, works.small_volume(stage), *words, **stage.latency(1000))

    return cases


ROWS: Sequence[Row] = (
    Row(
        "find",
        "`find pytorch` warm, 3 real channels",
        lambda stage: works.find(stage, stage.real_channels, known=True),
        (Goal(ratio=1.0), Goal(megabytes=45)),
    ),
    Row(
        "find-first",
        "the same, asked for the first time",
        lambda stage: works.find(stage, stage.real_channels),
    ),
    Row(
        "find-700k",
        "`find pytorch` warm, 700,000 records, flat",
        lambda stage: works.find(stage, [stage.flat(700_000)], known=True),
        (Goal(ratio=0.05), Goal(megabytes=100)),
        Effort(rounds=4, least=2, budget_s=30, count_modules=False),
    ),
    Row(
        "solve",
        "a solve, `create --dry-run`, mean of ten",
        works.solve,
        (Goal(ratio=1.0),),
        Effort(rounds=3, least=2, budget_s=40, count_modules=False),
        per=len(works.SOLVES),
    ),
    Row(
        "create-warm",
        "create warm, PyTorch",
        _on_torch(works.create),
        (Goal(ratio=1.3, against=CP), Goal(ratio=1.3, against=RATTLER)),
        _LONG,
    ),
    Row(
        "create-cold",
        "create cold, PyTorch",
        lambda stage: works.create(stage, stage.scratch / "volume-cold", works.TORCH, stage.torch, cold=True),
        (Goal(ratio=0.8),),
        _COLD,
    ),
    Row("pip", "ten wheels from PyPI's kind of index", works.pip_part, over=f"{ENVKIT}, without"),
    Row("repeat", "no-op `create`", _on_torch(works.repeat), (Goal(ratio=0.3),)),
    Row("ensure", "`ensure` from Python", _on_torch(works.ensure), (Goal(seconds=0.020),), over=PYTHON),
    Row("run", "`run NAME -- true`", _on_torch_volume(works.run), (Goal(ratio=0.8),)),
    Row("list", "`list`, 4 environments of PyTorch", _on_torch_volume(works.list_all), (Goal(ratio=3.0),)),
    Row("show", "`show`", _on_torch_volume(works.show), (Goal(ratio=0.5),)),
    Row("help", "`--help`", works.say_help, (Goal(seconds=0.06),)),
    Row("detect", "`detect`", works.detect, (Goal(seconds=0.10),)),
    Row("import", "`import envkit`", works.load, (Goal(seconds=0.002),), over=PYTHON),
    Row("far-create", "create warm, 1 ms a call", _far(works.create)),
    Row("far-repeat", "no-op `create`, 1 ms a call", _far(works.repeat)),
    Row("far-ensure", "`ensure`, 1 ms a call", _far(works.ensure), over=PYTHON),
    Row("far-run", "`run`, 1 ms a call", _far(works.run, named=False)),
    Row("far-list", "`list`, 1 ms a call", _far(works.list_all, named=False)),
)
