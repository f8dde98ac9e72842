"""Named tuples of envkit behave as those of the standard library, and cost a fraction to define."""

from __future__ import annotations

import copy
import pickle
import time
import typing
from typing import Any

import pytest

from envkit import tuples


def classes(of: Any) -> dict[str, Any]:
    """The same classes, by the standard library and by envkit."""
    base: Any = of.NamedTuple

    class Point(base):  # type: ignore[misc]
        """A point."""

        x: int
        y: int = 2
        tags: tuple[str, ...] = ()

        @property
        def sum(self) -> int:
            return int(self.x + self.y)

        @classmethod
        def at(cls, x: int) -> Any:
            return cls(x, 0)

    class Shown(base):  # type: ignore[misc]
        a: str

        def __str__(self) -> str:
            return self.a

    class Empty(base):  # type: ignore[misc]
        pass

    class Derived(Point):
        def __str__(self) -> str:
            return "derived"

    return {cls.__name__: cls for cls in (Point, Shown, Empty, Derived)}


STANDARD, OURS = classes(typing), classes(tuples)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Point", (1,), {}),
    ("Point", (1, 3, ("a",)), {}),
    ("Point", (1,), {"tags": ("b",)}),
    ("Point", (), {"y": 1, "x": 2}),
    ("Point", (), {"y": 1}),
    ("Point", (1,), {"x": 1}),
    ("Point", (1,), {"z": 1}),
    ("Point", (1, 2, (), 4), {}),
    ("Point", (1, 2, ()), {"x": 1}),
    ("Shown", ("a",), {}),
    ("Shown", (), {}),
    ("Empty", (), {}),
    ("Empty", (1,), {}),
    ("Derived", (1,), {}),
    ("Derived", (), {}),
]


def outcome(action: Any) -> Any:
    """What an action gives, or its error."""
    try:
        return action()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error)


def behaviour(cls: Any, args: tuple[Any, ...], more: dict[str, Any]) -> list[Any]:
    made = outcome(lambda: cls(*args, **more))
    if isinstance(made, type):
        return [made]
    return [
        repr(made),
        str(made),
        tuple(made),
        made == tuple(made),
        outcome(lambda: made < (9,)),
        hash(made),
        made._asdict(),
        outcome(lambda: made._replace(x=7)),
        outcome(lambda: made._replace(none=7)),
        outcome(lambda: type(made)._make([1])),
        [outcome(lambda name=name: setattr(made, name, 1)) for name in [*made._fields, "other"]],
        copy.deepcopy(made) == made,
        getattr(made, "sum", None),
        outcome(lambda: made.at(5)),
        outcome(lambda: vars(made)),
    ]


@pytest.mark.parametrize(("name", "args", "more"), CALLS)
def test_instances_are_alike_however_many_there_are(name: str, args: tuple[Any, ...], more: dict[str, Any]) -> None:
    standard = behaviour(STANDARD[name], args, more)
    for _ in range(150):
        assert behaviour(OURS[name], args, more) == standard


@pytest.mark.parametrize("name", STANDARD)
def test_classes_are_alike(name: str) -> None:
    def told(cls: Any) -> Any:
        return [cls.__name__, cls.__match_args__, cls._fields, dict(cls._field_defaults), type(cls)]

    assert told(STANDARD[name]) == told(OURS[name])


class Sent(tuples.NamedTuple):
    a: int
    b: tuple[int, ...] = ()


def test_they_are_copied_and_matched() -> None:
    one = Sent(1, (2,))
    assert copy.copy(one) == one
    assert pickle.dumps(one)
    match one:
        case Sent(1, rest):
            assert rest == (2,)


@pytest.mark.parametrize("of", [typing, tuples], ids=["typing", "envkit"])
def test_what_cannot_be_defined(of: Any) -> None:
    with pytest.raises(TypeError):

        class Late(of.NamedTuple):  # type: ignore[misc]
            a: int = 1
            b: int

    with pytest.raises((TypeError, AttributeError)):

        class Own(of.NamedTuple):  # type: ignore[misc]
            a: int

            def __new__(cls) -> Any:
                return ()


def test_they_cost_little() -> None:
    def cost(of: Any) -> float:
        best = float("inf")
        for _ in range(20):
            began = time.process_time()
            for _ in range(5):
                classes(of)
            best = min(best, time.process_time() - began)
        return best

    assert cost(tuples) < cost(typing) / 2
