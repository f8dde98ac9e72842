"""What CI runs: a few rows on small data, with limits as ratios of processor time to what does the same with less.

Processor time, the least of several runs: other load makes a run slower, hardly more expensive. A row that is above its
limit is measured again before it counts. The limits leave half as much again as was measured, so that only a change of
the code can pass them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benching import works
from benching.contents import FILES
from benching.measure import Case, Effort, RunFailedError, Say, take_turns
from benching.peers import ENVKIT, PYTHON, RATTLER
from benching.report import seconds_words
from benching.stage import NotHereError, Stage

_ATTEMPTS = 3
_EFFORT = Effort(rounds=3, least=3, budget_s=2.0, count_modules=False)
_RECORDS = 20_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most this multiple of the processor time of another tool."""

    key: str
    cases: Callable[[Stage], list[Case]]
    against: str
    ratio: float


def _small(work: Callable[..., list[Case]], *, named: bool = True) -> Callable[[Stage], list[Case]]:
    def cases(stage: Stage) -> list[Case]:
        found = work(stage, works.small_volume(stage), *((works.TINY, stage.payloads) if named else ()))
        return [found[0], works.load(stage)[-1]]

    return cases


def _files(stage: Stage) -> list[Case]:
    spec = f"files-{FILES[0]}"
    volume = stage.volume(spec, works.create_words((spec,), "demo", stage.payloads))
    return works.create(stage, volume, (spec,), stage.payloads)


LIMITS: Sequence[Limit] = (
    Limit("help", works.say_help, PYTHON, 3.5),
    Limit("detect", works.detect, PYTHON, 9.5),
    Limit("import", works.load, PYTHON, 1.4),
    Limit("ensure", _small(works.ensure), PYTHON, 5),
    Limit("run", _small(works.run, named=False), PYTHON, 4.5),
    Limit("list", _small(works.list_all, named=False), PYTHON, 7.5),
    Limit("show", _small(works.show, named=False), PYTHON, 9),
    Limit("repeat", _small(works.repeat), PYTHON, 4.5),
    Limit("find", lambda stage: works.find(stage, [stage.flat(_RECORDS)], known=True), RATTLER, 2),
    Limit("find-first", lambda stage: works.find(stage, [stage.flat(_RECORDS)]), RATTLER, 3.5),  # it solves
    Limit("create", _files, RATTLER, 4),
)


def check_limits(stage: Stage, keys: Sequence[str], say: Say) -> list[str]:
    """Measure each row beside its floor; return what is broken or above its limit.

    Args:
        stage: Where the rows play.
        keys: How the names of the wanted rows begin; none for all.
        say: Takes a line for each row.
    """
    faults = []
    for limit in LIMITS:
        if keys and not limit.key.startswith(tuple(keys)):
            continue
        try:
            cases = [case for case in limit.cases(stage) if case.tool in {ENVKIT, limit.against}]
        except (NotHereError, RunFailedError) as error:
            faults.append(f"{limit.key}: {error}")
            continue
        ratios: list[float] = []
        for _ in range(_ATTEMPTS):
            ours, theirs = take_turns(cases, _EFFORT, say)
            if broken := ours.error or theirs.error:
                faults.append(f"{limit.key}: {broken}")
                break
            ratios.append(ours.least_cpu_s / theirs.least_cpu_s)
            say(
                f"{limit.key}: {seconds_words(ours.least_cpu_s)} of processor time, {ratios[-1]:.2f} times that of "
                f"{limit.against} (limit {limit.ratio:g})"
            )
            if ratios[-1] <= limit.ratio:
                break
        else:
            found = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            faults.append(f"{limit.key}: {found} times the processor time of {limit.against}, limit {limit.ratio:g}")
    return faults
