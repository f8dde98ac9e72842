"""Files that envkit writes, as dataclasses: what is read is checked, member by member.

Files come from other versions, other users and broken disks. A member that is not known is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Union, cast, get_args, get_origin

from envkit.annotations import evaluate
from envkit.values import MISSING, fields

if TYPE_CHECKING:
    from dataclasses import Field

    from typing_extensions import Self

_Reader = Callable[[Any], Any]


class StoredError(ValueError):
    """A file is not what envkit writes: `place` says which member, ``packages.3.name``."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place or 'the file'}: {message}")
        self.place = place
        self.message = message


class Stored:
    """The content of a file, or of an object in it. Subclasses are dataclasses whose annotations say what is read."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: bytes | str) -> Self:
        """Read JSON.

        Raises:
            StoredError: It is not JSON, or a member lacks or has another type.
        """
        try:
            text = text if isinstance(text, str) else text.decode()
            document = json.loads(text, parse_constant=_refuse)
            if "\\u" in text:
                json.dumps(document, ensure_ascii=False).encode()  # half a pair of surrogates is no text
        except (ValueError, RecursionError) as error:
            raise StoredError("", f"it is not JSON: {error}") from error
        return cls.from_json(document)

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Read an object of JSON.

        Raises:
            StoredError: A member lacks, or has another type.
        """
        if not isinstance(document, Mapping):
            raise StoredError("", "it is not an object")
        values: dict[str, Any] = {}
        for name, (read, is_required) in _members(cast("Hashable", cls)).items():
            if name in document:
                values[name] = _within(name, read, document[name])
            elif is_required:
                raise StoredError(name, "it is missing")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the members as JSON has them."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]

    def to_text(self) -> str:
        """Return the JSON of the file."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _plain(value: Any) -> Any:
    if isinstance(value, Stored):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


@cache
def _members(cls: Any) -> dict[str, tuple[_Reader, bool]]:
    """Return how each member of a class is read, and whether it may not lack."""
    hints = {
        name: evaluate(text, vars(sys.modules[base.__module__]))
        for base in reversed(cls.__mro__)
        for name, text in vars(base).get("__annotations__", {}).items()
    }
    return {field.name: (_reader(hints[field.name]), _is_required(field)) for field in fields(cls)}


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _reader(kind: Any) -> _Reader:
    """Return the function that checks a value of JSON and returns it as the type of a member has it."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        (one,) = (_reader(part) for part in parts if part is not NoneType)
        return lambda value: None if value is None else one(value)
    if origin is Literal:
        return lambda value: _one_of(value, parts)
    if origin is tuple:
        return _tuple_reader([_reader(part) for part in parts if part is not ...], is_long=parts[-1] is ...)
    if origin is dict:
        return _dict_reader(_reader(parts[1]))
    if kind is Any:
        return lambda value: value
    if issubclass(kind, Stored):
        read: _Reader = kind.from_json
        return read
    return _scalar_reader(kind)


def _scalar_reader(kind: type) -> _Reader:
    def read(value: Any) -> Any:
        if kind is float and type(value) in {int, float} and abs(value) <= _MOST:
            return float(value)
        if type(value) is kind and kind is not float:
            return value
        raise StoredError("", f"it is not {_WORDS[kind]}")

    return read


_MOST = 1e300  # 1e999 would be read as infinity
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if type(value) in {str, int} and value in allowed:
        return value
    raise StoredError("", f"it is not one of {', '.join(map(str, allowed))}")


def _tuple_reader(readers: list[_Reader], *, is_long: bool) -> _Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not (is_long or len(value) == len(readers)):
            raise StoredError("", "it is not a list" if is_long else f"it is not a list of {len(readers)}")
        each = readers * len(value) if is_long else readers
        return tuple(_within(str(number), each[number], item) for number, item in enumerate(value))

    return read


def _dict_reader(reader: _Reader) -> _Reader:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise StoredError("", "it is not an object")
        return {name: _within(name, reader, item) for name, item in value.items()}

    return read


def _within(name: str, read: _Reader, value: Any) -> Any:
    """Read a member, and say in an error which one it was."""
    try:
        return read(value)
    except StoredError as error:
        raise StoredError(".".join(filter(None, (name, error.place))), error.message) from None
