"""Builds as tables: one line for builds that are alike, or versions by CUDA."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envkit.builds.dependency import version_bounds
from envkit.builds.families import channel_name
from envkit.cli.ink import Text, assembled
from envkit.cli.output import TIER_STYLE, Console, human_date, literal, table
from envkit.cli.tables import Column, Table
from envkit.models.build import Build, Tier, Verdict
from envkit.models.codes.reasons import CODE_INFERRED
from envkit.models.fact import Answer
from envkit.models.results import Matrix
from envkit.printable import printable
from envkit.words.advice import TOPICS
from envkit.words.reasons import phrase
from envkit.words.say import say
from envkit.words.tiers import TIER_SYMBOLS
from envkit.words.values import size_words

_FIRST = ("runs", "version", "CUDA", "Python", "channel")
_ALL = (*_FIRST, "size", "date", "build", "why")
_COLUMNS = (_ALL, (*_FIRST, "size", "date", "why"), (*_FIRST, "why"), _FIRST, _FIRST[:4], _FIRST[:3])
_COLUMNS_OF_EACH = (_ALL, (*_FIRST, "build", "why"))
_CELL = 6  # width of a column of the matrix


def print_builds(
    out: Console, verdicts: Sequence[Verdict], *, everything: bool, limit: int, every_reason: bool
) -> None:
    """Print builds as a table, best first, with one row for a version, CUDA, channel and tier unless `everything`.

    Columns that do not fit are left out: the build first, then size and date. With every reason, or with `everything`
    if the build does not fit, each build has a paragraph instead, so that names stay whole.
    """
    rows: dict[tuple[object, ...], list[Verdict]] = {}
    for number, verdict in enumerate(verdicts):
        build = verdict.build
        key = (build.record.version, build.variant, build.build_cuda, build.record.channel, verdict.tier)
        rows.setdefault((number,) if everything else key, []).append(verdict)
    shown = list(rows.values())[: None if everything else limit]
    if every_reason:
        out.print(_paragraphs(shown, every_reason=True))
        return
    with_sizes = any(found[0].build.record.size for found in shown)
    choices = _COLUMNS_OF_EACH if everything else _COLUMNS
    views = [_table([c for c in columns if with_sizes or c not in {"size", "date"}], shown) for columns in choices]
    fitting = [view for view in views if view.widest() <= out.width]
    if everything:
        out.print(fitting[0] if fitting else _paragraphs(shown, every_reason=False))
        return
    out.print(fitting[0] if fitting else views[-1])
    left = len(rows) - len(shown)
    more = f"and {left} more {'row' if left == 1 else 'rows'}: --limit N, --all for each build, --json for everything"
    if left > 0:
        out.print(Text(more, "dim italic"))


def _table(columns: Sequence[str], shown: Sequence[Sequence[Verdict]]) -> Table:
    view = table(*columns, right=("size",), whole=tuple(columns[:-1]))
    for found in shown:
        cells = _cells(found, every_reason=False)
        view.add_row(*(cells[column] for column in columns))
    return view


def _paragraphs(shown: Sequence[Sequence[Verdict]], *, every_reason: bool) -> Table:
    """Return two lines for each build: its facts, and why it runs as it does."""
    view = Table([Column("", is_whole=True), Column("")])
    for found in shown:
        cells = _cells(found, every_reason=every_reason)
        record = found[0].build.record
        facts = [("CUDA", cells["CUDA"]), ("Python", cells["Python"]), ("of", cells["channel"])]
        told = "".join(f", {word} {cell.plain}" for word, cell in facts if cell.plain)
        what = assembled([(f"{printable(record.version)} {printable(record.build)}", "bold"), (told, "")])
        view.add_row(cells["runs"], what)
        view.add_row("", cells["why"])
    return view


def _cells(found: Sequence[Verdict], *, every_reason: bool) -> dict[str, Text]:
    first = found[0]
    build, record = first.build, first.build.record
    more = Text(f" +{len(found) - 1} more", "dim") if len(found) > 1 else Text()
    why = "; ".join(say(reason) for reason in first.reasons) if every_reason else phrase(first)
    return {
        "runs": literal(first.tier.value, TIER_STYLE[first.tier.value]),
        "version": literal(record.version),
        "CUDA": literal(_cuda(build)),
        "Python": literal(_pythons(found)),
        "channel": literal(channel_name(record.channel)),
        "size": literal(size_words(record.size) if record.size else ""),
        "date": literal(human_date(record.timestamp)),
        "build": literal(record.build).append(more),
        "why": literal(why),
    }


def _cuda(build: Build) -> str:
    if build.build_cuda is None:
        return "" if build.variant == "generic" else build.variant.upper()
    return f"{build.build_cuda.major}.x" if build.cuda_major_only else str(build.build_cuda)


def _pythons(found: Sequence[Verdict]) -> str:
    known = {verdict.build.python for verdict in found if verdict.build.python}
    listed = sorted(known, key=lambda text: [int(part) if part.isdigit() else 0 for part in text.split(".")])
    if not listed:  # one build for several, as in the built-in table
        return next((_range(spec) for verdict in found for spec in verdict.build.needs.python), "")
    return f"{listed[0]} to {listed[-1]}" if len(listed) > 2 else ", ".join(listed)


def _range(spec: str) -> str:
    """Return ``>=3.10,<3.15`` as "3.10 to 3.14"; any other spec as it is."""
    bounds = version_bounds(spec)
    low, high = bounds.low, bounds.high
    return f"{low} to {high.major}.{high.minor - 1}" if low and high and bounds.low_has_minor and high.minor else spec


def matrix_table(out: Console, matrix: Matrix, *, limit: int | None) -> tuple[Table, list[str]]:
    """Return versions by CUDA, each cell a letter in its tier's colour; the legend, and what is left out."""
    rows = len(matrix.rows)
    matrix = matrix if limit is None else matrix.first(limit)
    first = max((len(version) for version, _ in matrix.rows), default=0)
    room = max(1, (out.width - max(first, len("version"))) // _CELL)
    columns, left = matrix.columns[:room], matrix.columns[room:]
    view = table("version", *columns, whole=("version", *columns))
    seen: set[Tier] = set()
    for version, verdicts in matrix.rows:
        tiers = [verdicts[column].tier if column in verdicts else None for column in columns]
        seen.update(tier for tier in tiers if tier)
        cells = (Text(TIER_SYMBOLS[tier][0], TIER_STYLE[tier.value]) if tier else Text(".") for tier in tiers)
        view.add_row(literal(version), *cells)
    letters = [f"{letter} {words}" for tier, (letter, words) in TIER_SYMBOLS.items() if tier in seen]
    notes = [", ".join([*letters, ". no build known"])]
    if rows > len(matrix.rows):
        notes.append(f"and {rows - len(matrix.rows)} older versions: --limit N, or --all")
    if left:
        notes.append(f"{', '.join(left)} do not fit: --json has everything")
    return view, notes


def pick_rows(label: str, style: str, pick: Verdict | None) -> list[tuple[str, str, str]]:
    """Return the chosen build and why it runs, as rows of `envkit.cli.output.labelled`."""
    if pick is None:
        return []
    record = pick.build.record
    reason = say(pick.reasons[0]) if pick.reasons else ""
    name = f"{record.name} {record.version} {record.build}"
    inferred = [("", "", say(told)) for told in pick.reasons if told.code == CODE_INFERRED]
    return [(label, style, name), ("", "", f"{pick.tier.value}: {reason}"), *dict.fromkeys(inferred)]


def answer_rows(answers: Iterable[Answer]) -> list[tuple[str, str, str]]:
    """Return an explanation as rows of `envkit.cli.output.labelled`: each question once, then its answers."""
    rows: list[tuple[str, str, str]] = []
    topic = ""
    for answer in answers:
        rows.append((TOPICS[answer.topic] if answer.topic != topic else "", "bold", say(answer.fact)))
        topic = answer.topic
    return rows
