"""Make a sentence of a fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from envkit.models.fact import Fact
from envkit.words.advice import ADVICE
from envkit.words.corrections import CORRECTIONS
from envkit.words.reasons import REASONS
from envkit.words.values import word

__all__ = ["fill", "say"]

Saying = str | Callable[..., str]
_SAYINGS: dict[str, Mapping[str, Saying]] = {"reason": REASONS, "advice": ADVICE, "correction": CORRECTIONS}


def say(fact: Fact) -> str:
    """Return the sentence of a fact, for people and for the ``text`` of JSON documents alike."""
    kinds = fact.params.get("on")
    params = {name: value for name, value in fact.params.items() if name != "on"}
    text = fill(_SAYINGS[fact.code.kind][fact.code], params)
    return text if kinds is None else f"{word(kinds)}: {text}"


def fill(saying: Saying, params: Mapping[str, Any]) -> str:
    """Return a saying with its parameters in place; facts among them become their sentences.

    A function gets values as they are, a format string gets words.
    """
    said = {name: say(value) if isinstance(value, Fact) else value for name, value in params.items()}
    if not isinstance(saying, str):
        return saying(**said)
    return saying.format_map({name: word(value) for name, value in said.items()})
