"""Facts: a registered code and its parameters. `envkit.words` makes sentences of them; nothing else does."""

from __future__ import annotations

from typing import Any, Literal

from envkit.tuples import NamedTuple

FactKind = Literal["reason", "finding", "seen", "advice", "correction", "topic"]
"""``seen`` is part of a finding without being its code: what passed, and parts of sentences."""
Blame = Literal["environment", "host"]
REGISTRY: dict[FactKind, dict[str, Code]] = {}
"""Every registered code by kind and name, in the order of registration."""


class Code(str):
    """A stable code, as scripts read it; the modules of `envkit.models.codes` register each as a constant.

    Attributes:
        kind: What carries the code.
        meaning: One sentence for the reference.
        blames: The side at fault where the fact is a failure; None where there is none, or where it depends.
        family: The registered name: another than the code itself for a member of a family (`of`).
    """

    __slots__ = ("blames", "family", "kind", "meaning")
    kind: FactKind
    meaning: str
    blames: Blame | None
    family: str

    def __new__(cls, kind: FactKind, name: str, meaning: str, blames: Blame | None = None) -> Code:  # noqa: D102, PYI034
        code = super().__new__(cls, name)
        code.kind, code.meaning, code.blames, code.family = kind, meaning, blames, name
        known = REGISTRY.setdefault(kind, {})
        if name in known:
            raise ValueError(f"the {kind} {name!r} is registered twice")
        known[name] = code
        return code

    def __reduce__(self) -> tuple[Any, ...]:
        return (_registered, (self.kind, self.family, str(self)))

    def of(self, **names: str) -> Code:
        """Return a member of a family: ``{framework}-crashed`` of ``framework="jax"`` is ``jax-crashed``."""
        return _registered(self.kind, self.family, self.family.format_map(names))


def _registered(kind: FactKind, family: str, name: str) -> Code:
    registered = REGISTRY[kind][family]
    if name == family:
        return registered
    code = str.__new__(Code, name)
    code.kind, code.meaning, code.blames, code.family = kind, registered.meaning, registered.blames, family
    return code


class Fact:
    """A code and the values that a sentence about it needs. Immutable by convention; equal by value.

    Parameters are values by name: numbers, names, other facts; never a sentence.
    """

    __slots__ = ("code", "params")

    def __init__(self, code: Code, /, **params: Any) -> None:
        self.code = code
        self.params = params

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and (self.code, self.params) == (other.code, other.params)

    def __hash__(self) -> int:
        return hash(self.code)

    def __repr__(self) -> str:
        told = "".join(f", {name}={value!r}" for name, value in self.params.items())
        return f"{type(self).__name__}({str(self.code)!r}{told})"


class Reason(Fact):
    """One reason of a verdict, or of a refusal."""

    __slots__ = ()


class Advice(Fact):
    """Something to know or to change."""

    __slots__ = ()


class Answer(NamedTuple):
    """A fact, and the question of an explanation that it answers."""

    topic: Code
    fact: Fact
