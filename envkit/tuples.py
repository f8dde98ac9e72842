"""Named tuples that cost little to define, as `envkit.values` has dataclasses.

`typing.NamedTuple` compiles each annotation and a constructor for each class, a tenth of a millisecond and more. Here
`__new__` is compiled once a class has many instances, and the other methods are shared. All else is as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

try:
    # As `collections.namedtuple`: it takes half the time of a property.
    from _collections import _tuplegetter as _getter  # type: ignore[import-not-found]
except ImportError:  # other Pythons than CPython
    from operator import itemgetter

    def _getter(index: int, doc: str) -> property:
        return property(itemgetter(index), doc=doc)


__all__ = ["NamedTuple"]

_FEW = 128  # instances are made without a constructor of their own: compiling it takes as long
_KEPT = {"__new__", "__slots__", "_fields", "_field_defaults"}


class _Tuple(tuple[Any, ...]):
    """The base of all named tuples."""

    __slots__ = ()

    if TYPE_CHECKING:
        _fields: tuple[str, ...]

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Any:
        found = tuple.__new__(cls, iterable)
        if len(found) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(found)}")
        return found

    def _replace(self, /, **changes: Any) -> Any:
        found = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"Got unexpected field names: {list(changes)!r}")
        return found

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({', '.join(shown)})"


class _Definition(type):
    """Makes a named tuple of the body of a class."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        if not bases:
            return super().__new__(cls, name, bases, space)
        taken = _KEPT & space.keys()
        if taken or len(bases) > 1:
            raise TypeError(f"{name}: a named tuple has one base, and {', '.join(sorted(_KEPT))} of its own")
        fields = tuple(space.get("__annotations__", ()))
        defaults = {field: space[field] for field in fields if field in space}
        if tuple(defaults) != fields[len(fields) - len(defaults) :]:
            raise TypeError(f"{name}: fields without default follow those with one")
        space |= {field: _getter(at, f"Alias for field number {at}") for at, field in enumerate(fields)}
        space |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
        space["__new__"] = _first_new(fields, defaults)
        return type(name, (_Tuple,), space)


def _first_new(fields: tuple[str, ...], defaults: dict[str, Any]) -> Callable[..., Any]:
    """Return a constructor that puts a compiled one in its place when it has made a few instances."""
    made = 0

    def new(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made += 1
        values = args
        if len(args) < len(fields):
            given = {**defaults, **kwargs}
            values = (*args, *(given[field] for field in fields[len(args) :] if field in given))
        named = kwargs.keys() <= set(fields[len(args) :]) if kwargs else True
        if made <= _FEW and named and len(values) == len(fields):
            return tuple.__new__(cls, values)
        owner = next(base for base in cls.__mro__ if base.__dict__.get("_fields") is fields)
        owner.__new__ = _compiled_new(owner.__name__, fields, defaults)
        return owner.__new__(cls, *args, **kwargs)

    return new


def _compiled_new(name: str, fields: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    """Return the `__new__` of a class, as `collections.namedtuple` writes it."""
    parameters = ", ".join(f"{field}=defaults[{field!r}]" if field in defaults else field for field in fields)
    row = "".join(f"{field}, " for field in fields)
    space: dict[str, Any] = {"defaults": defaults, "make": tuple.__new__}
    exec(f"def __new__(_cls, {parameters}): return make(_cls, ({row}))", space)
    new = space["__new__"]
    new.__qualname__ = f"{name}.__new__"
    return staticmethod(new)


if TYPE_CHECKING:
    from typing import NamedTuple
else:

    class NamedTuple(metaclass=_Definition):
        """See `typing.NamedTuple`."""
