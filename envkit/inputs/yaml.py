"""Parse YAML 1.2, as conda reads it."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from envkit.patterns import regex

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

# Quoted parts of the parser's messages: its own names of tokens, and text of the file from first to last quote.
_TOKEN_KIND = regex(r"'(?:<[a-z ]+>|.)'")
_QUOTED = regex(r"(['\"]).*\1|['\"].*", re.DOTALL)


def parse_yaml(data: bytes, *, kind: Literal["base", "safe", "rt"]) -> Any:
    """Parse a YAML document.

    Args:
        kind: ``safe`` with YAML's own types, ``base`` with every scalar as a string, ``rt`` with the comments.

    Raises:
        ValueError: It is not YAML. The message names the fault and its place, and quotes nothing: the file may hold
            passwords.
    """
    from ruamel.yaml import YAML

    with _translated():
        return YAML(typ=kind, pure=True).load(data.decode("utf-8-sig"))


def parse_large_yaml(text: str) -> Any:
    """Parse a YAML document with every scalar as a string, in a tenth of the time of `parse_yaml`.

    Raises:
        ValueError: As `parse_yaml`.
    """
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # PyPI's wheels have the C one
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - it makes strings, lists and mappings only
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ValueError(f"{_QUOTED.sub('...', error.problem or 'it cannot be read')}{where}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ValueError(f"a value or a character in it has no meaning ({type(error).__name__})") from None


def compose_yaml(text: str) -> Node | None:
    """Parse a YAML document to its nodes, which know their places and keep every scalar as text.

    Raises:
        ValueError: As `parse_yaml`.
    """
    from ruamel.yaml import YAML

    with _translated():
        node: Node | None = YAML(typ="base", pure=True).compose(text)
        return node


def edit_yaml(data: bytes, key: str, value: Any) -> str:
    """Return a mapping in YAML with another value of a key, or without the key for None; comments stay.

    Raises:
        ValueError: As `parse_yaml`.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    with _translated():
        document = yaml.load(data.decode("utf-8-sig")) or {}
    if value is None:
        document.pop(key, None)
    else:
        document[key] = value
    out = io.StringIO()
    if document:
        yaml.dump(document, out)
    return out.getvalue()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        yield
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except MarkedYAMLError as error:
        problem = error.problem or error.context or "it cannot be read"
        if "'\\t'" in problem:
            problem = "a tab indents, where YAML takes spaces only"
        elif not set(_TOKEN_KIND.sub("", problem)).isdisjoint("'\""):
            problem = _QUOTED.sub("...", problem)
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ValueError(f"{' '.join(problem.split())}{where}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (YAMLError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"a value or a character in it has no meaning ({type(error).__name__})") from None
