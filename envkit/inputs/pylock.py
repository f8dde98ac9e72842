"""Read a pylock.toml (PEP 751): a Python, and exactly these distributions."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envkit.errors import RecipeError
from envkit.inputs.requirements import Line, read_lines
from envkit.inputs.text import decode_text
from envkit.models.codes.inputs import READ_AS
from envkit.models.fact import Advice
from envkit.models.inputs import Recipe
from envkit.models.pip import FilePlace

if TYPE_CHECKING:
    from packaging.pylock import Package

FORMAT = "pylock.toml"
_HINT = "Write it again: uv export --format pylock.toml, or pip lock."


def parse_pylock_toml(data: bytes, path: Path) -> Recipe:
    """Parse a pylock.toml: a recipe of the Python that it asks for, and requirements of exactly its distributions.

    Which file of a distribution is taken is left to the resolver, which knows the machine; its digest has to be one of
    the lock's.
    """
    from packaging.pylock import Pylock, PylockValidationError

    try:
        lock = Pylock.from_dict(_loads(decode_text(data, path)))
    except (ValueError, PylockValidationError, RecursionError) as error:
        raise RecipeError(f"{path} is a {FORMAT}, and cannot be read: {error}", hint=_HINT) from None
    lines: list[Line] = []
    for number, package in enumerate(lock.packages, 1):
        lines += [(FilePlace(f"{path}, package", number), text) for text in _lines(package, path)]
    python = f"python {lock.requires_python}".replace(" ==", " =") if lock.requires_python else "python"
    return Recipe(
        path=str(path),
        name=None,
        channels=(),
        dependencies=(python.strip(),),
        pip=read_lines(lines, path.parent),
        sha256=hashlib.sha256(data).hexdigest(),
        format=FORMAT,
        notes=(Advice(READ_AS, path=str(path), format_name=FORMAT),),
    )


def _loads(text: str) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found: Mapping[str, Any] = tomllib.loads(text)
    return found


def _lines(package: Package, path: Path) -> Iterator[str]:
    marker = f" ; {package.marker}" if package.marker else ""
    if package.vcs is not None and package.vcs.url:
        inner = f"#subdirectory={package.vcs.subdirectory}" if package.vcs.subdirectory else ""
        yield f"{package.name} @ git+{package.vcs.url}@{package.vcs.commit_id}{inner}{marker}"
    elif package.archive is not None and package.archive.url:
        hashes = "".join(f" --hash={kind}:{value}" for kind, value in package.archive.hashes.items())
        yield f"{package.name} @ {package.archive.url}{marker}{hashes}"
    elif package.directory is not None or package.version is None:
        raise RecipeError(
            f"{path}: {package.name} is a folder of the machine that wrote the lock", hint="Lock without it."
        )
    else:
        hashes_of = [file.hashes for file in package.wheels or ()] + ([package.sdist.hashes] if package.sdist else [])
        digests = dict.fromkeys(f" --hash=sha256:{found['sha256']}" for found in hashes_of if "sha256" in found)
        yield f"{package.name}=={package.version}{marker}{''.join(digests)}"
