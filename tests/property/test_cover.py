"""The minimal cover beside brute force."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from envkit.plan.cover import minimal_cover

_OPTIONS = 7


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[dict[int, int]], list[int]]:
    kinds = draw(st.integers(1, 6))
    places = []
    for _ in range(kinds):
        order = draw(st.lists(st.integers(0, _OPTIONS - 1), unique=True, max_size=_OPTIONS))
        places.append({option: place for place, option in enumerate(order)})
    return places, draw(st.lists(st.integers(1, 3), min_size=kinds, max_size=kinds))


def _cost(chosen: tuple[int, ...], places: list[dict[int, int]], weights: list[int]) -> int | None:
    total = 0
    for own, weight in zip(places, weights, strict=True):
        mine = [own[option] for option in chosen if option in own]
        if own and not mine:
            return None
        total += weight * min(mine, default=0)
    return total


@given(pools())
def test_the_cover_is_the_least_and_the_best(pool: tuple[list[dict[int, int]], list[int]]) -> None:
    places, weights = pool
    found = minimal_cover(places, weights)
    every = [chosen for size in range(_OPTIONS + 1) for chosen in combinations(range(_OPTIONS), size)]
    best = min((len(c), cost) for c in every if (cost := _cost(c, places, weights)) is not None)
    assert (len(found), _cost(found, places, weights)) == best
    assert minimal_cover(list(places), weights) == found


def test_many_kinds_are_covered_in_time() -> None:
    everyone = [{option: option for option in range(60) if (kind * 7 + option * 11) % 13 < 5} for kind in range(40)]
    found = minimal_cover(everyone, [1] * len(everyone))
    assert all(any(option in own for option in found) for own in everyone)
    assert len(found) <= 6
