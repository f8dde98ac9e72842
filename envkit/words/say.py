"""Make a sentence of a fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from envkit.models.fact import Fact, FactKind
from envkit.models.report import Finding, Recorded
from envkit.words.values import word


def sayings(kind: FactKind) -> Mapping[str, str | Callable[..., str]]:
    """Return the sayings of a kind of fact by code; each kind is loaded when it is first said."""
    if kind == "reason":
        from envkit.words.reasons import REASONS

        return REASONS
    if kind == "correction":
        from envkit.words.corrections import CORRECTIONS

        return CORRECTIONS
    if kind in {"finding", "seen"}:
        from envkit.words.findings import FINDINGS

        return FINDINGS
    from envkit.words.advice import ADVICE, TOPICS

    return ADVICE if kind == "advice" else {**TOPICS}


def say(said: Fact | Finding) -> str:
    """Return the sentence of a fact or a finding, for people and for the ``text`` of JSON documents alike."""
    fact = said.fact if isinstance(said, Finding) else said
    if isinstance(fact, Recorded):
        return fact.text
    kinds = fact.params.get("on")
    text = fill(sayings(fact.code.kind)[fact.code.family], fact.params)
    return text if kinds is None else f"{word(kinds)}: {text}"


def fill(saying: str | Callable[..., str], params: Mapping[str, Any]) -> str:
    """Return a saying with its parameters in place; facts among them become their sentences.

    A function gets values as they are, and only those that it takes; a format string gets words.
    """
    if isinstance(saying, str):
        return saying.format_map({name: word(_said(value)) for name, value in params.items()})
    code = saying.__code__
    takes = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return saying(**{name: _said(params[name]) for name in takes if name in params})


def _said(value: object) -> object:
    if isinstance(value, Fact):
        return say(value)
    return [_said(item) for item in value] if isinstance(value, list) else value
