"""Annotations are evaluated as Python does it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from envkit.annotations import evaluate
from envkit.cli.commands import COMMANDS, function_of, has_function
from envkit.models import manifest, outcome  # noqa: F401 - their classes are looked at
from envkit.models.stored import Stored


def written() -> list[tuple[str, dict[str, Any]]]:
    """The annotations of all commands, and of all classes that are read from files."""
    found = []
    for function in (function_of(path) for path in COMMANDS if has_function(path)):
        found += [(text, function.__globals__) for text in function.__annotations__.values() if isinstance(text, str)]
    for cls in Stored.__subclasses__():
        found += [(text, vars(sys.modules[cls.__module__])) for text in cls.__annotations__.values()]
    return found


def test_ours() -> None:
    every = written()
    assert len(every) > 300
    for text, names in every:
        try:
            wanted = eval(text, names)
        except NameError:  # for checkers only
            continue
        assert evaluate(text, names) == wanted, text


@pytest.mark.parametrize("text", ["nothing", "int | nothing", "dict[str, nothing]"])
def test_a_name_that_is_not_there(text: str) -> None:
    with pytest.raises((NameError, AttributeError)):
        evaluate(text, {})
