"""Dataclasses of envkit behave as those of the standard library, and cost a tenth to define."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import time
from typing import Any, ClassVar

import pytest

from envkit import values


def classes(of: Any) -> dict[str, Any]:
    """The same classes, by the standard library and by envkit."""
    dataclass, field = of.dataclass, of.field

    @dataclass(frozen=True, slots=True)
    class Point:
        """A point."""

        x: int
        y: int = 2
        tags: tuple[str, ...] = ()
        more: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
        sum: int = field(init=False, repr=False, compare=False)
        kind: ClassVar[str] = "point"

        def __post_init__(self) -> None:
            object.__setattr__(self, "sum", self.x + self.y)

        @property
        def double(self) -> int:
            return 2 * self.sum

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        name: str
        note: str = ""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Aged(Named):
        age: int = 0
        note: str = "none"

    @dataclass(frozen=True, slots=True, order=True)
    class Version:
        numbers: tuple[int, ...]

    @dataclass(slots=True)
    class Counter:
        count: int = 0
        seen: list[int] = field(default_factory=list)

    @dataclass
    class Loose:
        a: int = 1

    @dataclass(frozen=True)
    class Cached:
        a: int = 1

    @dataclass(frozen=True, slots=True, eq=False)
    class Identity:
        a: int = 1

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    @dataclass(frozen=True, slots=True)
    class Own:
        a: int
        b: int = 0

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own) and other.a == self.a

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    return {cls.__name__: cls for cls in (Point, Named, Aged, Version, Counter, Loose, Cached, Identity, Empty, Own)}


STANDARD, OURS = classes(dataclasses), classes(values)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Point", (1,), {}),
    ("Point", (1, 3), {"tags": ("a",)}),
    ("Point", (1,), {"more": {"b": 1}}),
    ("Point", (), {"y": 1}),
    ("Point", (1,), {"sum": 4}),
    ("Point", (1, 2, (), {}, 5), {}),
    ("Named", (), {"name": "n"}),
    ("Named", ("n",), {}),
    ("Aged", (), {"name": "n", "age": 3}),
    ("Aged", (), {"age": 3}),
    ("Version", ((1, 2),), {}),
    ("Counter", (), {}),
    ("Counter", (2, [3]), {}),
    ("Loose", (5,), {}),
    ("Cached", (5,), {}),
    ("Empty", (), {}),
    ("Own", (1, 2), {}),
]


def outcome(action: Any) -> Any:
    """What an action gives, apart from the module that the class stands in; or its error."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - whatever the standard library raises
        return type(error)


def behaviour(cls: Any, args: tuple[Any, ...], more: dict[str, Any]) -> list[Any]:
    made = outcome(lambda: cls(*args, **more))
    if isinstance(made, type):
        return [made]
    other = dataclasses.replace(made)
    names = [member.name for member in dataclasses.fields(made)]
    return [
        repr(made),
        made == other,
        made != other,
        made == 1,
        outcome(lambda: hash(made) == hash(other)),
        outcome(lambda: made < other),
        outcome(lambda: made >= other),
        dataclasses.asdict(made),
        [(f.name, f.init, f.repr, f.compare, f.kw_only) for f in dataclasses.fields(made)],
        [outcome(lambda name=name: setattr(other, name, 1)) for name in names],
        [outcome(lambda name=name: delattr(other, name)) for name in names],
        outcome(lambda: vars(made)),
        outcome(lambda: copy.deepcopy(made) == made),
        getattr(made, "double", None),
    ]


@pytest.mark.parametrize(("name", "args", "more"), CALLS)
def test_instances_are_alike(name: str, args: tuple[Any, ...], more: dict[str, Any]) -> None:
    assert behaviour(OURS[name], args, more) == behaviour(STANDARD[name], args, more)


@pytest.mark.parametrize("name", STANDARD)
def test_classes_are_alike(name: str) -> None:
    def told(cls: Any) -> Any:
        signature = inspect.signature(cls)
        return [
            cls.__name__,
            cls.__match_args__,
            getattr(cls, "__slots__", None),
            dataclasses.is_dataclass(cls),
            [(p.name, p.kind, p.default is p.empty) for p in signature.parameters.values()],
            getattr(cls, "kind", None),
            cls.__hash__ is None,
        ]

    assert told(STANDARD[name]) == told(OURS[name])


@values.dataclass(frozen=True, slots=True)
class Sent:
    a: int
    b: tuple[int, ...] = ()


def test_instances_are_pickled_and_are_keys() -> None:
    one = Sent(1, (2,))
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own
    assert {one: 1}[Sent(1, (2,))] == 1
    assert values.replace(one, a=3) == Sent(3, (2,))
    assert [member.name for member in values.fields(one)] == ["a", "b"]
    assert values.asdict(one) == dataclasses.asdict(one) == {"a": 1, "b": (2,)}
    match one:
        case Sent(1, rest):
            assert rest == (2,)


def test_the_first_instance_may_be_of_a_class_with_its_own_init() -> None:
    @values.dataclass(frozen=True)
    class Base:
        a: int
        b: list[int] = values.field(default_factory=list)

    class Derived(Base):
        def __init__(self, a: int) -> None:
            super().__init__(a + 1, [a])

    assert (Derived(1).a, Derived(1).b, Base(1).b) == (2, [1], [])
    assert str(inspect.signature(Base)) == "(a: 'int', b: 'list[int]' = <factory>) -> None"


def test_it_costs_little() -> None:
    def cost(of: Any) -> float:
        best = float("inf")
        for _ in range(20):
            began = time.process_time()
            for _ in range(5):
                classes(of)
            best = min(best, time.process_time() - began)
        return best

    assert cost(values) < cost(dataclasses) / 3


def test_many_instances_are_as_the_first() -> None:
    for name, args, more in CALLS:
        once = behaviour(OURS[name], args, more)
        for _ in range(100):
            assert behaviour(OURS[name], args, more) == once
