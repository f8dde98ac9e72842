"""The page of ``envkit fleet report``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.models.fleet_report import FleetReport, ReportFigure, ReportKind, ReportTask
from envkit.pages.charts import Bars, bars
from envkit.pages.frame import render_page
from envkit.tuples import NamedTuple
from envkit.words.cures import cure
from envkit.words.say import say
from envkit.words.values import figure_words, host_words, plural, size_words

_SLOW = 0.9  # of the usual value, as in `envkit.checks.fleet_figures`
_MOST = 2000  # characters of a sentence
_STATES = {"pass": "works", "fail": "fails", "skip": "not proven", "none": "no answer"}
_BADGES = {"pass": "pass", "fail": "fail", "skip": "skip", "none": "fail", "warn": "warn"}


class _Task(NamedTuple):
    status: str
    about: str
    node: str
    said: str
    cure: str | None


class _Figure(NamedTuple):
    what: str
    kind: str
    usual: str
    chart: Bars
    values: tuple[str, ...]
    low: tuple[bool, ...]


def fleet_page(report: FleetReport) -> str:
    """Return the page: environments by kind of machine, nodes, figures, and what to do."""
    return render_page(
        "fleet.html",
        title=f"Environments of {report.root}",
        created=report.created,
        script="filter.js",
        report=report,
        tiles=_tiles(report),
        kinds=[kind_words(kind) for kind in report.kinds],
        tasks=[_task(task) for task in report.tasks],
        figures=_by_environment(report),
        states=_STATES,
        badges=_BADGES,
        day=_day,
        size=size_words,
        plural=plural,
    )


def kind_words(kind: ReportKind) -> str:
    """Return a kind of machine in a line."""
    return host_words(kind.host)


def _tiles(report: FleetReport) -> list[tuple[str, str]]:
    nodes = {node.node for node in report.nodes} | {name for kind in report.kinds for name in kind.nodes}
    grave = sum(task.finding.status == "fail" for task in report.tasks)
    counts = [
        *(plural(len(report.environments), "environment"), plural(len(nodes), "node")),
        *(f"{len(report.kinds)} {'kind' if len(report.kinds) == 1 else 'kinds'} of machines", plural(grave, "failure")),
    ]
    tiles = [(number, what) for number, _, what in (count.partition(" ") for count in counts)]
    return [*tiles, (size_words(report.size_bytes), f"on disk, {size_words(report.free_bytes)} free")]


def _task(task: ReportTask) -> _Task:
    finding = task.finding
    return _Task(_BADGES.get(finding.status, "skip"), task.environment, task.node, say(finding)[:_MOST], cure(finding))


def _by_environment(report: FleetReport) -> Mapping[str, Sequence[_Figure]]:
    found: dict[str, list[_Figure]] = {}
    for figure in report.figures:
        found.setdefault(figure.environment, []).append(_figure(figure, report.kinds))
    return found


def _figure(figure: ReportFigure, kinds: Sequence[ReportKind]) -> _Figure:
    what, usual = figure_words(figure.name, figure.usual)
    return _Figure(
        f"{figure.check}: {what}",
        f"{kind_words(kinds[figure.kind])} ({plural(len(figure.points), 'value')})",
        usual,
        bars(figure.points, figure.usual),
        tuple(figure_words(figure.name, value)[1] for _, value in figure.points),
        tuple(value < figure.usual * _SLOW for _, value in figure.points),
    )


def _day(moment: str | None) -> str:
    """Return the minute of a time in ISO 8601."""
    return (moment or "").replace("T", " ")[:16]
