"""Read a file of plain specs (CEP 23), and what ``conda list --export`` prints."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from envkit.errors import RecipeError
from envkit.inputs.conda_spec import names_one_build, read_as_conda
from envkit.inputs.requirements import Line, read_lines
from envkit.inputs.text import decode_text
from envkit.models.channel import redact
from envkit.models.codes.inputs import READ_AS, SPEC_READ_AS
from envkit.models.fact import Advice
from envkit.models.inputs import Recipe
from envkit.models.pip import FilePlace
from envkit.models.spec import parse_match_spec
from envkit.patterns import regex

_MAX_BYTES = 1 << 20
_HINT = "A file of specs has one in each line, such as numpy>=1.26 or pytorch=2.5.1 (CEP 23)."
_FROM_CONDA = regex(r"^# (?:\$ conda (?:create|install)\b|platform: )", re.MULTILINE)
_SINGLE_EQUALS = regex(r"^\s*[A-Za-z0-9_.:/-]+ ?=(?![=>])", re.MULTILINE)
_SPACED = regex(r"^\s*[A-Za-z0-9_.-]+ [0-9<>=!~*]\S*\s*$", re.MULTILINE)
_PIP_BUILD = regex(r"([A-Za-z0-9_.-]+)=([^=\s]+)=(?:pypi|dev)_\d+\Z")


def is_spec_file(text: str) -> bool:
    """Recognise specs as only conda writes them: ``name=1.2``, ``name 1.2``, ``channel::name``, or its own comment."""
    return bool(
        _FROM_CONDA.search(text) or _SINGLE_EQUALS.search(text) or _SPACED.search(text) or re.search(r"\w::\w", text)
    )


def parse_spec_file(data: bytes, path: Path) -> Recipe:
    """Parse a file with a MatchSpec in each line; what pip had installed (``name=1.2=pypi_0``) becomes its section."""
    if len(data) > _MAX_BYTES:
        raise RecipeError(f"{path} is larger than {_MAX_BYTES // 1024} KiB: not a file of specs", hint=_HINT)
    specs: list[str] = []
    pip: list[Line] = []
    notes: list[Advice] = []
    for number, line in enumerate(decode_text(data, path).splitlines(), 1):
        text = line.split("#", 1)[0].strip()
        if not text:
            continue
        if found := _PIP_BUILD.match(text):
            pip.append((FilePlace(str(path), number), f"{found[1]}=={found[2]}"))
            continue
        spec = read_as_conda(text)
        if not parse_match_spec(spec).name:
            raise RecipeError(
                f"{path}:{number}: {redact(text)[:80]!r} is no package specification",
                hint=_HINT,
            )
        if spec != text:
            notes.append(Advice(SPEC_READ_AS, path=f"{path}", place=f":{number}", spec=text, read=spec))
        specs.append(spec)
    exact = sum(map(names_one_build, specs)) * 2 > len(specs)
    named = "output of `conda list --export`" if exact else "file of conda specs (CEP 23)"
    if not specs:
        raise RecipeError(f"{path} names no package", hint=_HINT)
    return Recipe(
        path=str(path),
        name=None,
        channels=(),
        dependencies=tuple(specs),
        pip=read_lines(pip, path.parent),
        sha256=hashlib.sha256(data).hexdigest(),
        format=named,
        exact=exact,
        notes=(Advice(READ_AS, path=str(path), format_name=named), *notes),
    )
