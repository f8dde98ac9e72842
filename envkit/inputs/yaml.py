"""Parse YAML 1.2, as conda reads it."""

from __future__ import annotations

import re
from typing import Any, Literal

# Quoted parts of the parser's messages: its own names of tokens, and text of the file from first to last quote.
_TOKEN_KIND = re.compile(r"'(?:<[a-z ]+>|.)'")
_QUOTED = re.compile(r"(['\"]).*\1|['\"].*", re.DOTALL)


def find_lines(data: bytes, *keys: str | int) -> list[tuple[int, int]]:
    """Return line and column, from 1, of each entry of a sequence in a YAML document that `parse_yaml` reads.

    Args:
        data: The document.
        keys: The way to the sequence: a key for a mapping, an index for a sequence.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    node = YAML(typ="base", pure=True).compose(data.decode("utf-8-sig"))
    for key in keys:
        if isinstance(node, MappingNode):
            node = next((value for name, value in node.value if name.value == key), None)
        else:
            node = node.value[key] if isinstance(node, SequenceNode) else None
    entries = node.value if isinstance(node, SequenceNode) else []
    # The text of a block begins in the line below its mark.
    begins = (entry.start_mark.line + (2 if entry.style in {"|", ">"} else 1) for entry in entries)
    return list(zip(begins, (entry.start_mark.column + 1 for entry in entries), strict=True))


def parse_yaml(data: bytes, *, kind: Literal["base", "safe"]) -> Any:
    """Parse a YAML document, ``safe`` with YAML's own types, or ``base`` with every scalar as a string.

    Raises:
        ValueError: It is not YAML. The message names the fault and its place, and quotes nothing: the file may hold
            passwords.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ=kind, pure=True).load(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except MarkedYAMLError as error:
        problem = error.problem or error.context or "it cannot be read"
        if not set(_TOKEN_KIND.sub("", problem)).isdisjoint("'\""):
            problem = _QUOTED.sub("...", problem)
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ValueError(f"{' '.join(problem.split())}{where}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (YAMLError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"a value or a character in it has no meaning ({type(error).__name__})") from None
