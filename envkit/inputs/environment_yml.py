"""Read an environment.yml (CEP 24), and what `conda env export` prints."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.activation import is_variable
from envkit.errors import RecipeError
from envkit.inputs.conda_spec import names_one_build, read_as_conda
from envkit.inputs.requirements import Line, read_lines
from envkit.inputs.selectors import comment_selector, is_selector
from envkit.inputs.text import decode_text
from envkit.inputs.yaml import compose_yaml
from envkit.models.codes.inputs import KEY_IGNORED, PIP_SECTION_EMPTY, SPEC_READ_AS
from envkit.models.fact import Advice
from envkit.models.inputs import Recipe, Selected
from envkit.models.pip import FilePlace
from envkit.patterns import regex

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

    from envkit.models.recipe import RecipeBlock

_KEYS = {"name", "channels", "dependencies", "platforms", "variables", "prefix", "category", "envkit"}
_MAX_BYTES = 1 << 20
_CEP = "CEP 24 says what an environment.yml may hold: name, channels, dependencies, platforms, variables."
_NULL = {"", "~", "null", "Null", "NULL"}
_SELECTED = regex(r"sel\((.+)\)\Z")
# What `envkit export` writes of a request beside its packages: a comment, which every reader of YAML leaves out.
_FLAGS = regex(r"^# envkit: (--\S.*)$", re.MULTILINE)
REQUEST_FLAGS = ("cuda", "python", "prefer")
"""Flags of ``create`` that a line ``# envkit: --cuda 12.4`` of an environment.yml may hold."""


def parse_environment_yml(data: bytes, path: Path) -> Recipe:
    """Parse an environment.yml."""
    if len(data) > _MAX_BYTES:
        raise RecipeError(f"{path} is larger than {_MAX_BYTES // 1024} KiB: not an environment.yml", hint=_CEP)
    text = decode_text(data, path)
    try:
        node = compose_yaml(text)
    except ValueError as error:
        raise RecipeError(f"{path} is not YAML: {error}", hint=_CEP) from None
    return _File(path, text).read(node, hashlib.sha256(data).hexdigest())


def _is_null(node: Node) -> bool:
    return isinstance(node.value, str) and node.value in _NULL and getattr(node, "style", None) is None


class _File:
    """One file while it is read: its path, its lines, and notes on how they were read."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.lines = text.splitlines()
        self.notes: list[Advice] = []

    def read(self, node: Node | None, sha256: str) -> Recipe:
        from ruamel.yaml.nodes import MappingNode

        if not isinstance(node, MappingNode):
            raise RecipeError(
                f"{self.path} is not an environment.yml: it holds no mapping", hint="It needs `dependencies:`."
            )
        content = self._mapping(node)
        self.notes += [Advice(KEY_IGNORED, path=str(self.path), key=key) for key in sorted(content.keys() - _KEYS)]
        dependencies, selected, pip = self._dependencies(content.get("dependencies"))
        name = content.get("name")
        if name is not None and not isinstance(name.value, str):
            raise self._error(name, "name: is not a string")
        platforms = tuple(text for text, _ in self._texts(content.get("platforms"), "platforms"))
        if "noarch" in platforms:
            raise self._error(content["platforms"], "platforms: noarch is no platform of a machine")
        block = self._block(content.get("envkit"))
        exact = bool(dependencies) and sum(map(names_one_build, dependencies)) * 2 > len(dependencies)
        return Recipe(
            path=str(self.path),
            name=None if name is None or _is_null(name) else name.value,
            channels=tuple(text for text, _ in self._texts(content.get("channels"), "channels")),
            dependencies=dependencies,
            # conda hands the section to pip as a requirements file beside the environment.yml.
            pip=read_lines(pip, self.path.parent),
            platforms=platforms,
            variables=tuple(sorted(self._variables(content.get("variables")).items())),
            sha256=sha256,
            format="conda env export" if exact else "environment.yml",
            selected=selected,
            exact=exact,
            flags=self._flags(block),
            block=block,
            notes=tuple(self.notes),
        )

    def _error(self, node: Node, message: str, hint: str = _CEP) -> RecipeError:
        mark = node.start_mark
        return RecipeError(f"{self.path}, line {mark.line + 1}, column {mark.column + 1}: {message}", hint=hint)

    def _mapping(self, node: Node) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key.value, str):
                raise self._error(key, "a key is not a word")
            if key.value in found:
                first = found[key.value].start_mark.line + 1
                raise self._error(
                    key, f"{key.value}: is there a second time (first in line {first})", "Put both into one."
                )
            found[key.value] = value
        return found

    def _items(self, node: Node | None, key: str) -> Iterator[Node]:
        from ruamel.yaml.nodes import SequenceNode

        if node is None or _is_null(node):
            return
        if not isinstance(node, SequenceNode):
            raise self._error(node, f"{key}: is not a list", "Put each entry on its own line after `- `.")
        yield from node.value

    def _texts(self, node: Node | None, key: str) -> Iterator[tuple[str, Node]]:
        for item in self._items(node, key):
            if not isinstance(item.value, str):
                raise self._error(item, f"{key}: is not a list of strings")
            if item.value.strip():
                yield item.value.strip(), item

    def _variables(self, node: Node | None) -> dict[str, str]:
        from ruamel.yaml.nodes import MappingNode

        if node is None or _is_null(node):
            return {}
        if not isinstance(node, MappingNode):
            raise self._error(node, "variables: is not a mapping of names to values")
        found = self._mapping(node)
        for name, value in found.items():
            if not isinstance(value.value, str):
                raise self._error(value, "variables: is not a mapping of names to values")
            if not is_variable(name):
                raise self._error(
                    value,
                    f"variables: {name!r} is not a name for a variable",
                    "Use letters, digits and '_', not starting with a digit: a shell would run other characters.",
                )
        return {name: value.value for name, value in found.items()}

    def _dependencies(self, node: Node | None) -> tuple[tuple[str, ...], tuple[Selected, ...], list[Line]]:
        from ruamel.yaml.nodes import MappingNode

        specs: list[str] = []
        selected: list[Selected] = []
        pip: list[Line] = []
        count = 0
        for item in self._items(node, "dependencies"):
            count += 1
            if isinstance(item.value, str) and item.value.strip():
                selector = comment_selector(self.lines[item.end_mark.line]) if self.lines else None
                spec = self._spec(item)
                if selector is None:
                    specs.append(spec)
                else:
                    selected.append(Selected(spec, selector))
            elif isinstance(item, MappingNode) and item.value:
                self._section(item, selected, pip)
            else:
                raise self._error(item, f"dependencies: entry {count} is neither a package nor `pip:`")
        if not count:
            raise RecipeError(
                f"{self.path}: dependencies: is not a list with entries", hint="List at least one package."
            )
        return tuple(specs), tuple(selected), pip

    def _section(self, item: Node, selected: list[Selected], pip: list[Line]) -> None:
        """Read an entry of the dependencies that is a mapping: ``pip:`` or ``sel(linux):``."""
        for key, value in self._mapping(item).items():
            found = _SELECTED.match(key)
            if key == "pip":
                lines = [line for text, at in self._texts(value, "dependencies: pip") for line in self._lines(text, at)]
                pip += lines
                if not lines:
                    line = item.start_mark.line + 1
                    self.notes.append(Advice(PIP_SECTION_EMPTY, path=str(self.path), line=line))
            elif found is not None and is_selector(found[1]) and isinstance(value.value, str):
                selected.append(Selected(self._spec(value), found[1]))
            else:
                raise self._error(
                    item, f"dependencies: {key}: is neither `pip:` nor `sel(...)`; no tool of that name is run"
                )

    def _lines(self, text: str, item: Node) -> Iterator[Line]:
        """Return the lines of one entry of a pip section, which may be a block of several."""
        # The text of a block begins in the line below its mark.
        first = item.start_mark.line + (2 if getattr(item, "style", None) in {"|", ">"} else 1)
        for offset, part in enumerate(text.split("\n")):
            yield FilePlace(str(self.path), first + offset, item.start_mark.column + 1), part

    def _spec(self, item: Node) -> str:
        text = str(item.value).strip()
        spec = read_as_conda(text)
        if spec != text:
            mark = item.start_mark
            place = f", line {mark.line + 1}, column {mark.column + 1}"
            self.notes.append(Advice(SPEC_READ_AS, path=str(self.path), place=place, spec=text, read=spec))
        return spec

    def _block(self, node: Node | None) -> RecipeBlock | None:
        if node is None or _is_null(node):
            return None
        from envkit.inputs.recipe_block import read_recipe_block

        return read_recipe_block(node, self._error)

    def _flags(self, block: RecipeBlock | None) -> Mapping[str, str]:
        """Read the flags of a line ``# envkit: --cuda 12.4``, which win over the `envkit:` block."""
        found: dict[str, str] = {} if block is None or block.cuda is None else {"cuda": block.cuda}
        for match in _FLAGS.finditer(self.text):
            line = self.text.count("\n", 0, match.start()) + 1
            hint = f"It takes {', '.join(f'--{name} VALUE' for name in REQUEST_FLAGS)}."
            try:
                words = shlex.split(match[1])
            except ValueError:
                words = []
            if not words or len(words) % 2 or any(word[2:] not in REQUEST_FLAGS for word in words[::2]):
                raise RecipeError(f"{self.path}, line {line}: these flags cannot be read", hint=hint)
            found.update((name[2:], value) for name, value in zip(words[::2], words[1::2], strict=True))
        return found
