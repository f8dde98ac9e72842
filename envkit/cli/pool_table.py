"""Machines by builds, as a table for any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.builds.families import channel_name
from envkit.cli.ink import Text
from envkit.cli.output import TIER_STYLE, Console, literal, table
from envkit.cli.tables import Table
from envkit.models.build import Build, Verdict
from envkit.models.host import MachineKind
from envkit.models.pool import PoolMatrix, PoolRow
from envkit.words.tiers import TIER_SYMBOLS
from envkit.words.values import gpu_words, join, kinds_words

_ROWS = 40
_NAMES = 3


def print_pool(out: Console, matrix: PoolMatrix, *, everything: bool = False) -> None:
    """Print machines by builds: each cell a letter for how well it runs, and a star at the build that is chosen.

    Builds of one version, CUDA and channel share a column. As many columns are shown as fit: the chosen builds, then
    the best of each kind of machine, then others.
    """
    groups = _columns(matrix.builds)
    labels = list(groups)
    rows = matrix.rows if everything else matrix.rows[:_ROWS]
    view, shown = _fitting(out, rows, groups, labels)
    out.print(view)
    tiers = {best.tier for row in rows for label in shown if (best := _best(row, groups[label])) is not None}
    letters = [f"{letter} {words}" for tier, (letter, words) in TIER_SYMBOLS.items() if tier in tiers]
    out.print(literal(", ".join([*letters, ". not asked for there", "* chosen"]), "dim"))
    if len(rows) < len(matrix.rows):
        out.print(literal(f"and {len(matrix.rows) - len(rows)} more kinds of machines: --all, or --json", "dim"))
    left = len(labels) - len(shown)
    if left:
        out.print(literal(f"and {left} more {'build' if left == 1 else 'builds'}: a wider terminal, or --json", "dim"))


def _fitting(
    out: Console, rows: Sequence[PoolRow], groups: Mapping[str, Sequence[int]], labels: Sequence[str]
) -> tuple[Table, Sequence[str]]:
    """Return the table with as many builds as fit; the machines' hardware goes before a chosen build does."""
    chosen = {label for label in labels if any(row.pick in groups[label] for row in rows)}
    for hardware in ("whole", "broken", ""):
        for count in range(len(labels), 0, -1):
            shown = labels[:count]
            if hardware and not chosen <= set(shown):
                break
            view = _table(rows, groups, shown, hardware=hardware)
            if view.narrowest() <= out.width:
                return view, shown
    return _table(rows, groups, labels[:1], hardware=""), labels[:1]


def _table(
    rows: Sequence[PoolRow], groups: Mapping[str, Sequence[int]], shown: Sequence[str], *, hardware: str
) -> Table:
    first = ("machines", "hardware") if hardware else ("machines",)
    view = table(*first, *shown, whole=(*shown, *(["hardware"] if hardware == "whole" else [])))
    for row in rows:
        cells = [literal(kinds_words(row.kind))] + ([literal(hardware_words(row.kind))] if hardware else [])
        view.add_row(*cells, *(_cell(row, groups[label]) for label in shown))
    return view


def _cell(row: PoolRow, numbers: Sequence[int]) -> Text:
    best = _best(row, numbers)
    if best is None:
        return Text(".")
    return Text(TIER_SYMBOLS[best.tier][0] + ("*" if row.pick in numbers else ""), TIER_STYLE[best.tier.value])


def _best(row: PoolRow, numbers: Sequence[int]) -> Verdict | None:
    if row.pick is not None and row.pick in numbers:
        return row.verdicts.get(row.pick)
    found = [row.verdicts[number] for number in numbers if number in row.verdicts]
    return min(found, key=lambda verdict: verdict.tier.rank, default=None)


def _columns(builds: Sequence[Build]) -> dict[str, list[int]]:
    """Return the builds by the head of their column: version and CUDA, and the channel where several have these."""
    places: dict[str, dict[str, list[int]]] = {}
    for number, build in enumerate(builds):
        places.setdefault(_label(build), {}).setdefault(channel_name(build.record.channel), []).append(number)
    return {
        f"{label} {channel}" if len(channels) > 1 and channel != next(iter(channels)) else label: numbers
        for label, channels in places.items()
        for channel, numbers in channels.items()
    }


def _label(build: Build) -> str:
    cuda = build.build_cuda
    variant = f"cu{cuda.major}.{'x' if build.cuda_major_only else cuda.minor}" if cuda else build.variant
    return build.record.version if variant == "generic" else f"{build.record.version} {variant}"


def hardware_words(kind: MachineKind) -> str:
    """Return driver and GPUs of a kind of machines."""
    target = kind.target
    driver = [f"driver {target.driver_version}"] if target.driver_version and target.gpus else []
    return ", ".join([*driver, *map(gpu_words, target.gpus)]) or "no GPU"


def is_worth_a_table(matrix: PoolMatrix | None) -> bool:
    """Return whether there are machines of more than one kind, and builds."""
    return matrix is not None and len(matrix.rows) > 1 and bool(matrix.builds)


def profile_rows(matrix: PoolMatrix) -> list[tuple[str, str, str]]:
    """Return the builds that serve the machines together, as rows of `envkit.cli.output.labelled`."""
    if matrix.unserved:
        return []
    rows: list[tuple[str, str, str]] = []
    for number in matrix.picks:
        record = matrix.builds[number].record
        kinds = [row.kind for row in matrix.rows if row.pick == number]
        label = "picks" if not rows else ""
        rows.append((label, "green", f"{record.name} {record.version} {record.build} for {machines_words(kinds)}"))
    return rows


def machines_words(kinds: Sequence[MachineKind]) -> str:
    """Return some machines: how many, and some names."""
    names = [name for kind in kinds for name in kind.names]
    return f"{len(names)} machines ({join(names, most=_NAMES)})" if len(names) > 1 else join(names)
