"""Dataclasses that cost little to define: most commands load a hundred of them and make instances of ten.

Those of the standard library compile six functions for each class, half a millisecond on Pythons before 3.13, and its
module loads `inspect`. Here `__init__` is compiled once a class has many instances, and the other methods are shared.
All else is as there: checkers, `dataclasses.fields`, `dataclasses.replace` and `dataclasses.asdict` see no difference.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["MISSING", "asdict", "dataclass", "field", "fields", "replace"]

T = TypeVar("T")
_SPEC = "__envkit_fields__"
_FEW = 64  # instances are made without an `__init__` of their own: compiling it takes as long
_made_of: dict[type, int] = {}


class _Missing:
    """The value of what is not given."""

    def __repr__(self) -> str:
        return "<factory>"  # in a signature


_MISSING: Any = _Missing()


class _Member:
    """A field: its name and annotation, and what the signature, `repr` and comparisons do with it."""

    __slots__ = ("compare", "default", "default_factory", "init", "kw_only", "name", "repr", "type")

    def __init__(self, default: Any, default_factory: Any, *, init: bool, repr: bool, compare: bool) -> None:
        self.name = self.type = ""
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare
        self.kw_only = False


def _field(
    *,
    default: Any = _MISSING,
    default_factory: Any = _MISSING,
    init: bool = True,
    repr: bool = True,
    compare: bool = True,
) -> Any:
    """See `dataclasses.field`."""
    return _Member(default, default_factory, init=init, repr=repr, compare=compare)


def _dataclass(
    cls: type[T] | None = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
    eq: bool = True,
    order: bool = False,
) -> Any:
    """See `dataclasses.dataclass`."""

    def make(cls: type[T]) -> type[T]:
        return _made(cls, frozen=frozen, slots=slots, kw_only=kw_only, eq=eq, order=order)

    return make if cls is None else make(cls)


def _made(cls: type[T], *, frozen: bool, slots: bool, kw_only: bool, eq: bool, order: bool) -> type[T]:
    own = list(_own_members(cls, kw_only=kw_only))
    spec = {member.name: member for base in reversed(cls.__mro__[1:]) for member in base.__dict__.get(_SPEC, ())}
    spec.update((member.name, member) for member in own)
    members = tuple(spec.values())
    space = {name: value for name, value in cls.__dict__.items() if name not in {"__dict__", "__weakref__"}}
    for member in own:
        if not slots and member.default is not _MISSING:
            space[member.name] = member.default
        else:
            space.pop(member.name, None)
    if slots:
        taken = {name for base in cls.__mro__[1:] for name in base.__dict__.get("__slots__", ())}
        space["__slots__"] = tuple(member.name for member in own if member.name not in taken)
    space[_SPEC] = members
    space["__dataclass_fields__"] = _Fields()
    space["__signature__"] = _Signature()
    space["__match_args__"] = tuple(member.name for member in members if member.init and not member.kw_only)
    space["__init__"] = _first_init
    space.setdefault("__repr__", _repr)
    if eq and "__eq__" not in cls.__dict__:
        space["__eq__"] = _first_eq
    if eq and cls.__dict__.get("__hash__") is None:  # a class body with `__eq__` has None
        space["__hash__"] = _first_hash if frozen else None
    if order:
        space.update((name, _first_order(name)) for name in _ORDERS)
    if frozen:
        space["__setattr__"] = _set_nothing
        space["__delattr__"] = _delete_nothing
    if slots:
        space.setdefault("__getstate__", _state)
        space.setdefault("__setstate__", _set_state)
    made: Any = type(cls)(cls.__name__, cls.__bases__, space)  # type: ignore[misc]
    made.__qualname__ = cls.__qualname__
    return made  # type: ignore[no-any-return]


def _own_members(cls: type, *, kw_only: bool) -> Iterator[_Member]:
    for name, annotation in cls.__annotations__.items():
        if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            continue
        default = cls.__dict__.get(name, _MISSING)
        member = default if isinstance(default, _Member) else _field(default=default)
        member.name, member.type, member.kw_only = name, annotation, kw_only
        yield member


def _members(cls: type) -> tuple[_Member, ...]:
    members: tuple[_Member, ...] = getattr(cls, _SPEC)
    return members


def _owner(cls: type) -> type:
    """Return the class that defines the fields of a class."""
    return next(base for base in cls.__mro__ if _SPEC in base.__dict__)


def _first_init(self: Any, *args: Any, **kwargs: Any) -> None:
    """Set the fields of an instance; compile the class's own `__init__` once it has made a few."""
    owner = next(cls for cls in type(self).__mro__ if cls.__dict__.get("__init__") is _first_init)
    _made_of[owner] = _made_of.get(owner, 0) + 1
    if _made_of[owner] > _FEW or not _set_members(self, owner, args, kwargs):
        owner.__init__ = _compiled_init(owner)  # type: ignore[misc]
        owner.__init__(self, *args, **kwargs)  # type: ignore[misc]


def _set_members(self: Any, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Set the fields as the class's own `__init__` would; return False where that would refuse."""
    given = dict(zip(cls.__match_args__, args, strict=False))
    if len(given) < len(args) or not given.keys().isdisjoint(kwargs):
        return False
    given.update(kwargs)
    for member in _members(cls):
        name = member.name
        if name in given and member.init:
            value = given.pop(name)
        elif member.default_factory is not _MISSING:
            value = member.default_factory()
        elif member.default is not _MISSING:
            value = member.default
        elif member.init:
            return False
        else:
            continue  # `__post_init__` sets it
        object.__setattr__(self, name, value)
    if given:
        return False
    if hasattr(cls, "__post_init__"):
        self.__post_init__()
    return True


def _compiled_init(cls: type) -> Callable[..., None]:
    """Return the `__init__` of a class, as `dataclasses` writes it."""
    space: dict[str, Any] = {"MISSING": _MISSING}
    positional: list[str] = []
    named: list[str] = []
    body: list[str] = []
    setters = _setters(cls)
    for number, member in enumerate(_members(cls)):
        name, value = member.name, member.name
        if member.init:
            parameter = name
            if member.default_factory is not _MISSING:
                parameter = f"{name}=MISSING"
            elif member.default is not _MISSING:
                space[f"default_{number}"] = member.default
                parameter = f"{name}=default_{number}"
            (named if member.kw_only else positional).append(parameter)
        if member.default_factory is not _MISSING:
            space[f"make_{number}"] = member.default_factory
            value = f"make_{number}() if {name} is MISSING else {name}" if member.init else f"make_{number}()"
        elif not member.init:
            if member.default is _MISSING:
                continue  # `__post_init__` sets it
            space[f"default_{number}"] = member.default
            value = f"default_{number}"
        space[f"set_{number}"] = setters[name]
        body.append(f" set_{number}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    exec(f"def __init__({parameters}):\n" + "\n".join(body or [" pass"]), space)
    init: Callable[..., None] = space["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = {member.name: member.type for member in _members(cls) if member.init} | {"return": None}
    return init


def _setters(cls: type) -> dict[str, Callable[[Any, Any], None]]:
    """Return what sets each field of an instance, past a frozen `__setattr__`."""
    return {member.name: _setter(cls, member.name) for member in _members(cls)}


def _setter(cls: type, name: str) -> Callable[[Any, Any], None]:
    slot = getattr(cls, name, None)
    if type(slot).__name__ == "member_descriptor":
        set_slot: Callable[[Any, Any], None] = slot.__set__  # type: ignore[union-attr]
        return set_slot
    return lambda self, value: object.__setattr__(self, name, value)


def _values_of(cls: type) -> Callable[[Any], Any]:
    """Return what gives the values of an instance that are compared."""
    names = [member.name for member in _members(cls) if member.compare]
    return attrgetter(*names) if names else _nothing


def _nothing(_: Any) -> tuple[()]:
    return ()


def _first_eq(self: Any, other: object) -> Any:
    """Make the class's own `__eq__`, and call it."""
    for cls in type(self).__mro__:
        if cls.__dict__.get("__eq__") is _first_eq:
            cls.__eq__ = _own_eq(_values_of(cls))  # type: ignore[assignment]
    return self.__eq__(other)


def _own_eq(values: Callable[[Any], Any]) -> Callable[[Any, object], Any]:
    def eq(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    return eq


def _first_hash(self: Any) -> int:
    """Make the class's own `__hash__`, and call it."""
    for cls in type(self).__mro__:
        if cls.__dict__.get("__hash__") is _first_hash:
            cls.__hash__ = _own_hash(_values_of(cls))  # type: ignore[assignment]
    return hash(self)


def _own_hash(values: Callable[[Any], Any]) -> Callable[[Any], int]:
    def own_hash(self: Any) -> int:
        return hash(values(self))

    return own_hash


_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "__lt__": operator.lt,
    "__le__": operator.le,
    "__gt__": operator.gt,
    "__ge__": operator.ge,
}


def _first_order(name: str) -> Callable[[Any, object], Any]:
    """Return a method that makes the class's own in its place, and calls it."""

    def first(self: Any, other: object) -> Any:
        for cls in type(self).__mro__:
            if cls.__dict__.get(name) is first:
                setattr(cls, name, _own_order(_values_of(cls), _ORDERS[name]))
        return getattr(self, name)(other)

    return first


def _own_order(values: Callable[[Any], Any], compare: Callable[[Any, Any], Any]) -> Callable[[Any, object], Any]:
    def order(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return compare(values(self), values(other))

    return order


def _repr(self: Any) -> str:
    cls = self.__class__
    shown = (f"{member.name}={getattr(self, member.name)!r}" for member in _members(cls) if member.repr)
    return f"{cls.__qualname__}({', '.join(shown)})"


def _set_nothing(self: Any, name: str, value: object) -> NoReturn:
    del value
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r} of {type(self).__name__}")


def _delete_nothing(self: Any, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r} of {type(self).__name__}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, member.name) for member in _members(type(self))]


def _set_state(self: Any, state: list[Any]) -> None:
    for member, value in zip(_members(type(self)), state, strict=True):
        object.__setattr__(self, member.name, value)


class _Fields:
    """The fields as `dataclasses` has them, made when somebody asks."""

    def __get__(self, instance: object, cls: type) -> dict[str, Any]:
        import dataclasses

        @dataclasses.dataclass
        class Example:
            one: int

        found = {}
        for member in _members(cls):
            none = dataclasses.MISSING
            make: Any = dataclasses.field
            field = make(
                default=none if member.default is _MISSING else member.default,
                default_factory=none if member.default_factory is _MISSING else member.default_factory,
                init=member.init,
                repr=member.repr,
                compare=member.compare,
                kw_only=member.kw_only,
            )
            field.name, field.type = member.name, member.type
            field._field_type = dataclasses.fields(Example)[0]._field_type  # type: ignore[attr-defined]  # noqa: SLF001
            found[member.name] = field
        return found


class _Signature:
    """The signature of a class, for `inspect`."""

    def __get__(self, instance: object, cls: type) -> Any:
        import inspect

        signature = inspect.signature(_compiled_init(_owner(cls)))
        return signature.replace(parameters=list(signature.parameters.values())[1:])


def _fields(value: Any) -> tuple[_Member, ...]:
    """Return the fields of a class or an instance; see `dataclasses.fields`."""
    return _members(value if isinstance(value, type) else type(value))


def _replace(value: T, /, **changes: Any) -> T:
    """See `dataclasses.replace`."""
    for member in _members(type(value)):
        if member.init and member.name not in changes:
            changes[member.name] = getattr(value, member.name)
    return type(value)(**changes)


def _asdict(value: Any) -> Any:
    """See `dataclasses.asdict`; for values of JSON, too, which stay as they are."""
    if hasattr(type(value), _SPEC):
        return {member.name: _asdict(getattr(value, member.name)) for member in _members(type(value))}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_asdict, value))
    if isinstance(value, list | tuple):
        return type(value)(map(_asdict, value))
    if isinstance(value, dict):
        return {_asdict(name): _asdict(item) for name, item in value.items()}
    return value


if TYPE_CHECKING:
    from dataclasses import MISSING, asdict, dataclass, field, fields, replace
else:
    MISSING = _MISSING
    asdict, dataclass, field, fields, replace = _asdict, _dataclass, _field, _fields, _replace
