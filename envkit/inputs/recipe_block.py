"""Read the `envkit:` block of an environment.yml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, get_args

from envkit.errors import EnvkitError
from envkit.models.probe import Level
from envkit.models.recipe import RecipeBlock, RecipeMachine
from envkit.models.request import CudaChoice

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

    Fail = Callable[[Node, str, str], EnvkitError]

_KEYS = (
    *("for", "note", "frameworks", "cuda", "validate", "kernel", "ports", "runs-on", "refused-on"),
)  # fmt: skip
_HINT = f"The block takes {', '.join(_KEYS)}; `envkit recipes show pytorch` is an example."
_LINE_CHARS = 200
_PORTS = range(1, 65536)
_SWITCH = {"true": True, "yes": True, "false": False, "no": False}


def read_recipe_block(node: Node, fail: Fail) -> RecipeBlock:
    """Read the block.

    Args:
        node: Its mapping.
        fail: Makes the error at a node, from a message and a hint.

    Raises:
        EnvkitError: As `fail` makes it.
    """
    content = _mapping(node, "envkit", fail)
    for key, value in content.items():
        if key not in _KEYS:
            raise fail(value, f"envkit: {key}: is no key of the block", _HINT)
    reader = _Reader(content, fail)
    return RecipeBlock(
        audience=reader.line("for"),
        note=reader.line("note"),
        frameworks=tuple(reader.frameworks()),
        cuda=reader.cuda(),
        level=reader.level(),
        kernel=reader.switch("kernel"),
        ports=tuple(reader.ports()),
        machines=tuple(reader.machines()),
    )


def _mapping(node: Node, what: str, fail: Fail) -> dict[str, Node]:
    from ruamel.yaml.nodes import MappingNode

    if not isinstance(node, MappingNode):
        raise fail(node, f"{what}: is not a mapping", _HINT)
    found: dict[str, Node] = {}
    for key, value in node.value:
        if not isinstance(key.value, str) or key.value in found:
            raise fail(key, f"{what}: {key.value} is there twice or is not a word", _HINT)
        found[key.value] = value
    return found


class _Reader:
    """The members of a block by name."""

    def __init__(self, content: dict[str, Node], fail: Fail) -> None:
        self._content = content
        self._fail = fail

    def _bad(self, key: str, node: Node, message: str, hint: str = _HINT) -> EnvkitError:
        return self._fail(node, f"envkit: {key}: {message}", hint)

    def _text(self, key: str) -> str | None:
        node = self._content.get(key)
        if node is None:
            return None
        return self._string(key, node)

    def _string(self, key: str, node: Node) -> str:
        if not isinstance(node.value, str) or not node.value.strip():
            raise self._bad(key, node, "is not a text")
        return node.value.strip()

    def _items(self, key: str) -> Iterator[Node]:
        from ruamel.yaml.nodes import SequenceNode

        node = self._content.get(key)
        if node is None:
            return
        if not isinstance(node, SequenceNode):
            raise self._bad(key, node, "is not a list")
        yield from node.value

    def line(self, key: str) -> str:
        text = self._text(key) or ""
        if "\n" in text or len(text) > _LINE_CHARS:
            raise self._bad(key, self._content[key], f"is longer than one line of {_LINE_CHARS} characters")
        return text

    def frameworks(self) -> Iterator[str]:
        from envkit.frameworks.table import ROWS

        for node in self._items("frameworks"):
            name = self._string("frameworks", node)
            if name not in ROWS:
                raise self._bad("frameworks", node, f"{name} is not known", f"One of {', '.join(sorted(ROWS))}.")
            yield name

    def cuda(self) -> str | None:
        text = self._text("cuda")
        try:
            return None if text is None else str(CudaChoice.parse(text))
        except ValueError:
            hint = "12.1, 12 for any 12.x, auto, or none for CPU."
            raise self._bad("cuda", self._content["cuda"], f"{text!r} cannot be read", hint) from None

    def level(self) -> Level | None:
        text = self._text("validate")
        levels: dict[str, Level] = {level: level for level in get_args(Level)}
        if text is not None and text not in levels:
            hint = f"One of {', '.join(levels)}."
            raise self._bad("validate", self._content["validate"], f"{text!r} is no level", hint)
        return None if text is None else levels[text]

    def switch(self, key: str) -> bool:
        text = self._text(key)
        if text is None:
            return False
        if text.lower() not in _SWITCH:
            raise self._bad(key, self._content[key], f"{text!r} is neither true nor false")
        return _SWITCH[text.lower()]

    def _pairs(self, key: str) -> dict[str, Any]:
        node = self._content.get(key)
        return {} if node is None else _mapping(node, f"envkit: {key}", self._fail)

    def ports(self) -> Iterator[tuple[str, int]]:
        for service, node in self._pairs("ports").items():
            text = self._string("ports", node)
            if not text.isascii() or not text.isdigit() or int(text) not in _PORTS:
                raise self._bad("ports", node, f"{service}: {text!r} is no port", "A port is a number, 1 to 65535.")
            yield service, int(text)

    def machines(self) -> Iterator[RecipeMachine]:
        for node in self._items("runs-on"):
            yield RecipeMachine(self._string("runs-on", node))
        for text, node in self._pairs("refused-on").items():
            yield RecipeMachine(text, self._string("refused-on", node))
