"""The fewest builds that serve machines of several kinds, and of these the best for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envkit.models.build import Build, Verdict
from envkit.models.host import MachineKind
from envkit.models.pool import PoolMatrix, PoolRow

_STEPS = 200_000  # of the search; a pool of a few dozen kinds takes some hundred


def minimal_cover(places: Sequence[Mapping[int, int]], weights: Sequence[int]) -> tuple[int, ...]:
    """Return the fewest options that serve everyone who has any; of covers of that size the best, always the same one.

    The best has the least sum of places, each times its weight, where everyone takes the best of the chosen ones; of
    equal sums, the options that come first. The search is exact; one that would take very long ends with the best cover
    that was found, which has at most as many options as a greedy choice.

    Args:
        places: For each who is to be served, the options that serve, with the place in its own order; 0 is best.
        weights: How many each stands for.
    """
    served = [(dict(own), weight) for own, weight in zip(places, weights, strict=True) if own]
    if not served:
        return ()
    useful = _undominated([own for own, _ in served])
    rows = [{option: own[option] for option in own if option in useful} for own, _ in served]
    best = _greedy(rows)
    steps = iter(range(_STEPS))
    for size in range(1, len(best) + 1):
        found = [tuple(sorted(chosen)) for chosen in _covers(rows, (), size, steps)]
        if found:
            return min((_cost(chosen, served), chosen) for chosen in found)[1]
        if next(steps, None) is None:
            break
    return best


def _undominated(rows: Sequence[Mapping[int, int]]) -> list[int]:
    """Return the options, in order, without those that another is never worse than; of equal ones the first stays."""
    options = sorted({option for row in rows for option in row})
    profile = {option: {n: row[option] for n, row in enumerate(rows) if option in row} for option in options}

    def beats(one: int, other: int) -> bool:
        mine, theirs = profile[one], profile[other]
        if any(n not in mine or mine[n] > place for n, place in theirs.items()):
            return False
        return mine != theirs or one < other

    return [option for option in options if not any(beats(other, option) for other in options if other != option)]


def _greedy(rows: Sequence[Mapping[int, int]]) -> tuple[int, ...]:
    """Return a cover: in turn the option that serves most of those who are left."""
    left, chosen = list(rows), []
    while left:
        options = sorted({option for row in left for option in row})
        most = max(options, key=lambda option: (sum(option in row for row in left), -option))
        chosen.append(most)
        left = [row for row in left if most not in row]
    return tuple(sorted(chosen))


def _covers(
    rows: Sequence[Mapping[int, int]], chosen: tuple[int, ...], size: int, steps: Iterator[int]
) -> Iterator[tuple[int, ...]]:
    """Yield covers of at most `size` more options: one of those that serve who has the fewest has to be among them."""
    left = [row for row in rows if not any(option in row for option in chosen)]
    if not left:
        yield chosen
        return
    if size == 0 or next(steps, None) is None:
        return
    _, fewest = min((len(row), n) for n, row in enumerate(left))
    for option in sorted(left[fewest]):
        yield from _covers(left, (*chosen, option), size - 1, steps)


def _cost(chosen: Sequence[int], served: Sequence[tuple[Mapping[int, int], int]]) -> int:
    return sum(weight * min(row[option] for option in chosen if option in row) for row, weight in served)


def cover_kinds(judged: Sequence[tuple[MachineKind, Sequence[Verdict]]]) -> PoolMatrix:
    """Choose the fewest builds that run on machines of several kinds.

    Args:
        judged: Each kind with the builds that are asked for there, best first, those that do not run too.
    """
    builds, tables = _tables(judged)
    places = [{number: place for place, number in enumerate(table) if table[number].tier.runs} for table in tables]
    chosen = minimal_cover(places, [len(kind.names) for kind, _ in judged])
    picks = [_best(own, chosen) for own in places]
    return _arranged([kind for kind, _ in judged], builds, tables, picks)


def one_for_all(judged: Sequence[tuple[MachineKind, Sequence[Verdict]]], build: Build) -> PoolMatrix:
    """Return the matrix where one build was chosen for all machines."""
    builds, tables = _tables(judged)
    number = next((n for n, one in enumerate(builds) if _key(one) == _key(build)), None)
    return _arranged([kind for kind, _ in judged], builds, tables, [number] * len(tables))


def _tables(
    judged: Sequence[tuple[MachineKind, Sequence[Verdict]]],
) -> tuple[list[Build], list[dict[int, Verdict]]]:
    """Return all builds, and for each kind its verdicts by the index of the build, best first."""
    builds: dict[tuple[str, ...], tuple[int, Build]] = {}
    tables: list[dict[int, Verdict]] = []
    for _, verdicts in judged:
        numbers = [builds.setdefault(_key(v.build), (len(builds), v.build))[0] for v in verdicts]
        tables.append(dict(zip(numbers, verdicts, strict=True)))
    return [build for _, build in builds.values()], tables


def _best(own: Mapping[int, int], chosen: Sequence[int]) -> int | None:
    mine = {own[option]: option for option in chosen if option in own}
    return mine[min(mine)] if mine else None


def _arranged(
    kinds: Sequence[MachineKind],
    builds: Sequence[Build],
    tables: Sequence[Mapping[int, Verdict]],
    picks: Sequence[int | None],
) -> PoolMatrix:
    """Return the matrix with the chosen builds first, then the best of each kind, then the rest in order."""
    chosen = sorted({pick for pick in picks if pick is not None})
    best = [next((n for n, verdict in table.items() if verdict.tier.runs), None) for table in tables]
    order = dict.fromkeys(n for n in (*chosen, *best, *range(len(builds))) if n is not None)
    place = {old: new for new, old in enumerate(order)}
    rows = []
    for kind, table, pick in zip(kinds, tables, picks, strict=True):
        verdicts = {place[number]: verdict for number, verdict in table.items()}
        rows.append(PoolRow(kind, dict(sorted(verdicts.items())), None if pick is None else place[pick]))
    return PoolMatrix(tuple(builds[number] for number in order), tuple(rows))


def _key(build: Build) -> tuple[str, ...]:
    record = build.record
    return record.channel, record.subdir, record.fn
