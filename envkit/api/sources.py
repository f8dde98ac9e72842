"""Files of packages, from wherever they are given: paths, standard input, URLs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from envkit.errors import UsageError
from envkit.inputs.merge import merge_recipes
from envkit.inputs.recognise import MAX_BYTES, check_size, is_pixi_lock, parse_input, read_bytes
from envkit.inputs.text import decode_text
from envkit.models.inputs import LockFile, Recipe
from envkit.models.network import NetworkPolicy

_STDIN = "-"


def read_source(text: str | Path, policy: NetworkPolicy | None = None) -> Recipe | LockFile:
    """Read a file of packages, in whichever format it is: a path, ``-`` for standard input, or an http(s) URL.

    Raises:
        RecipeError: The file cannot be read, or breaks the rules of its format.
        ChannelError: The URL cannot be reached.
    """
    name = str(text)
    if name == _STDIN:
        return _parsed(check_size(sys.stdin.buffer.read(MAX_BYTES + 1), Path("stdin")), Path("stdin"))
    if name.startswith(("https://", "http://")):
        from envkit.engines.document import fetch_document

        data, shown = fetch_document(name, policy or NetworkPolicy(), most_bytes=MAX_BYTES)
        return _parsed(check_size(data, Path(shown)), Path(shown))
    path = Path(name)
    return _parsed(read_bytes(path), path)


def read_sources(texts: Sequence[str], policy: NetworkPolicy) -> Recipe | LockFile:
    """Read one or several files of packages; several are merged into one recipe.

    Raises:
        UsageError: There are several, and one is a lock, or they contradict each other.
    """
    if texts.count(_STDIN) > 1:
        raise UsageError("-f - is given twice: standard input is there once", hint="Give each file once.")
    found = [read_source(text, policy) for text in dict.fromkeys(texts)]
    recipes = [item for item in found if isinstance(item, Recipe)]
    if len(recipes) == len(found):
        return merge_recipes(recipes)
    lock = next(item for item in found if isinstance(item, LockFile))
    if len(found) > 1:
        raise UsageError(
            f"{lock.path} is a {lock.format}, which lists every package: it cannot be merged with another file",
            hint="Give it alone with -f, or merge the files that it was made from.",
        )
    return lock


def _parsed(data: bytes, path: Path) -> Recipe | LockFile:
    text = decode_text(data, path)
    if is_pixi_lock(text):
        from envkit.engines.pixi_lock import parse_pixi_lock

        return parse_pixi_lock(text, path)
    return parse_input(data, path)
