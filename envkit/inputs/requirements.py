"""Read requirements as pip does: the lines of a requirements file, or of the pip section of an environment.yml.

The format is pip's (https://pip.pypa.io/en/stable/reference/requirements-file-format/), a requirement in it that of
the dependency specifiers standard (PEP 508). A file that another one includes is read too.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from envkit.errors import RecipeError
from envkit.inputs.requirement import Broken, address_of, parse_pip_requirement
from envkit.models.channel import redact
from envkit.models.pip import Address, FilePlace, PipRequirement, PipSection
from envkit.patterns import regex
from envkit.values import dataclass, field, replace

_MAX_BYTES = 4 << 20
_MAX_DEPTH = 16
_HOW = "Write each as NAME, NAME==1.2, NAME @ URL, a URL, a path, or an option that pip takes in requirements files."
_COMMENT = regex(r"(?:^|\s)#.*$")
_VARIABLE = regex(r"\$\{([A-Z0-9_]+)\}")
_CODING = regex(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BOMS = (  # the longer ones first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Options of whole files, with their short forms; True: it takes a value.
_OPTIONS: Mapping[str, bool] = {
    "--index-url": True,
    "--pypi-url": True,
    "--extra-index-url": True,
    "--no-index": False,
    "--constraint": True,
    "--requirement": True,
    "--editable": True,
    "--find-links": True,
    "--no-binary": True,
    "--only-binary": True,
    "--prefer-binary": False,
    "--require-hashes": False,
    "--pre": False,
    "--trusted-host": True,
    "--use-feature": True,
    "--upgrade": False,
    "--no-deps": False,
    "--no-cache-dir": False,
    "--process-dependency-links": False,
    "--always-unzip": False,
}
_SHORT = {
    "-i": "--index-url",
    "-c": "--constraint",
    "-r": "--requirement",
    "-e": "--editable",
    "-f": "--find-links",
    "-U": "--upgrade",
    "-Z": "--always-unzip",
}
# Options of one requirement, after it.
_OWN = (
    "--hash",
    "--global-option",
    "--install-option",
    "--build-option",
    "--config-settings",
    "--config-setting",
    "-C",
)
_NO_EFFECT = {
    "--prefer-binary": "envkit builds nothing unless --allow-build says so",
    "--trusted-host": "envkit checks the certificate of every server",
    "--use-feature": "it is about pip itself",
    "--upgrade": "every generation is resolved anew",
    "--no-cache-dir": "the volume's cache is used",
    "--process-dependency-links": "pip has not had it since version 19",
    "--always-unzip": "pip has not had it since version 20",
}

Line = tuple[FilePlace, str]


def parse_requirements_txt(data: bytes, path: Path, *, env: Mapping[str, str] | None = None) -> PipSection:
    """Read a requirements file.

    Args:
        data: Its bytes.
        path: Where it is, for messages and for files that it includes.
        env: Variables for ``${NAME}``; None for those of this process.

    Raises:
        RecipeError: A line cannot be read, or a file that it includes. Nothing that may be a password is quoted.
    """
    return read_lines(_physical(data, path), path.parent, env=env)


def read_lines(lines: Iterable[Line], folder: Path, *, env: Mapping[str, str] | None = None) -> PipSection:
    """Read lines of requirements, each with its place; relative paths are below `folder`.

    Raises:
        RecipeError: See `parse_requirements_txt`.
    """
    reading = _Reading(os.environ if env is None else env)
    reading.take(lines, folder, ())
    return reading.section()


def section_of(lines: Sequence[str], constraints: Sequence[str], where: str) -> PipSection:
    """Read lines that `PipSection.lines` and `constraint_lines` gave, or that are made of such.

    Raises:
        RecipeError: See `parse_requirements_txt`.
    """
    limits = read_lines([(FilePlace(where, n), line) for n, line in enumerate(constraints, 1)], Path("/"), env={})
    section = read_lines([(FilePlace(where, n), line) for n, line in enumerate(lines, 1)], Path("/"), env={})
    return replace(section, constraints=limits.requirements)


def _physical(data: bytes, path: Path) -> list[Line]:
    """Split a file into lines. Bytes that are no text are an error only outside comments."""
    if len(data) > _MAX_BYTES:
        raise RecipeError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: not a requirements file", hint=_HOW)
    encoding = "utf-8"
    for mark, name in _BOMS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    else:
        for line in data.split(b"\n", 2)[:2]:  # PEP 263
            if found := _CODING.match(line):
                encoding = found[1].decode("ascii")
    try:
        text = data.decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    except LookupError:
        raise RecipeError(f"{path}: its encoding {encoding!r} is not known", hint="Save it as UTF-8.") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not {encoding} at byte {error.start}", hint="Save it as UTF-8.") from None
    return [(FilePlace(str(path), number), line) for number, line in enumerate(text.split("\n"), 1)]


def _logical(lines: Iterable[Line]) -> Iterator[Line]:
    """Join lines that a backslash continues, and drop comments and empty lines, in pip's order."""
    parts: list[str] = []
    first: FilePlace | None = None
    for place, raw in lines:
        text = raw.rstrip("\r")
        comment = text.lstrip().startswith("#")
        if text.endswith("\\") and not comment:
            first = first or place
            parts.append(text[:-1])
            continue
        # A comment ends a continued line and is not part of it.
        parts.append(f" {text}" if comment else text)
        yield first or place, "".join(parts)
        parts, first = [], None
    if first is not None:
        yield first, "".join(parts)


@dataclass
class _Reading:
    """The section as far as it was read."""

    env: Mapping[str, str]
    requirements: list[PipRequirement] = field(default_factory=list)
    constraints: list[PipRequirement] = field(default_factory=list)
    index: Address | None = None
    extra_indexes: list[Address] = field(default_factory=list)
    find_links: list[Address] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    no_binary: list[str] = field(default_factory=list)
    only_binary: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def section(self) -> PipSection:
        return PipSection(
            requirements=tuple(dict.fromkeys(self.requirements)),
            constraints=tuple(dict.fromkeys(self.constraints)),
            index=self.index,
            extra_indexes=tuple(dict.fromkeys(self.extra_indexes)),
            find_links=tuple(dict.fromkeys(self.find_links)),
            no_index="--no-index" in self.flags,
            pre="--pre" in self.flags,
            no_binary=tuple(self.no_binary),
            only_binary=tuple(self.only_binary),
            require_hashes="--require-hashes" in self.flags,
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def take(self, lines: Iterable[Line], folder: Path, above: tuple[Path, ...], *, constraint: bool = False) -> None:
        """Read lines; `above` are the files that include them, the outermost first."""
        for place, raw in _logical(lines):
            text = _COMMENT.sub("", raw).strip()
            if not text:
                continue
            indent = len(raw) - len(raw.lstrip())
            at = FilePlace(place.file, place.line, place.column + indent)
            text = _VARIABLE.sub(lambda found: self.env.get(found[1]) or found[0], text)
            if not text.isprintable() and any(ord(char) < 32 and char != "\t" for char in text):
                _refuse(at, "a control character", "Remove it.")
            if any("\ud800" <= char <= "\udfff" for char in text):
                _refuse(at, "bytes that are not UTF-8", "Save the file as UTF-8.")
            if text.startswith("-"):
                self._options(at, text, folder, above, constraint=constraint)
            else:
                self._add(at, text, folder, constraint=constraint)

    def _add(self, at: FilePlace, text: str, folder: Path, *, constraint: bool, editable: bool = False) -> None:
        words = text.split(" ")
        cut = next((index for index, word in enumerate(words) if word.startswith("-") and index), len(words))
        try:
            hashes = _own_options(" ".join(words[cut:]))
            found = parse_pip_requirement(" ".join(words[:cut]).strip(), at, folder, hashes, editable=editable)
        except Broken as error:
            _refuse(at, str(error), error.hint or _HOW)
        (self.constraints if constraint else self.requirements).append(found)

    def _options(self, at: FilePlace, text: str, folder: Path, above: tuple[Path, ...], *, constraint: bool) -> None:
        try:
            words = shlex.split(text)
        except ValueError as error:
            _refuse(at, f"{str(error).lower()} in an option", "Close the quotation, or leave the quotes out.")
        while words:
            name, value = self._next(at, words)
            match name:
                case "--requirement" | "--constraint":
                    self._include(at, value, folder, above, constraint=constraint or name == "--constraint")
                case "--editable":
                    rest, words = " ".join([value, *words]), []
                    self._add(at, rest, folder, constraint=constraint, editable=True)
                case "--index-url" | "--pypi-url":
                    self.index = self._address(at, value, folder)
                case "--extra-index-url":
                    self.extra_indexes.append(self._address(at, value, folder))
                case "--find-links":
                    self.find_links.append(self._address(at, value, folder))
                case "--no-binary" | "--only-binary":
                    self._formats(name, value)
                case "--no-index" | "--pre" | "--require-hashes":
                    self.flags.add(name)
                case "--no-deps":
                    _refuse(at, "--no-deps is no option of requirements files", "List every package, or leave it out.")
                case _:
                    self.notes.append(f"{at}: {name} has no effect: {_NO_EFFECT[name]}")

    def _next(self, at: FilePlace, words: list[str]) -> tuple[str, str]:
        """Take the next option and its value off the words."""
        word = words.pop(0)
        name, mark, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        name = _SHORT.get(name, name)
        known = [name] if name in _OPTIONS else [option for option in _OPTIONS if option.startswith(name)]
        if not name.startswith("--") or len(name) < 4 or len(known) != 1:
            _refuse(at, f"{redact(name)!r} is no option that pip takes in requirements files", _HOW)
        name = known[0]
        if not _OPTIONS[name]:
            return name, ""
        if not mark:
            if not words:
                _refuse(at, f"{name} needs a value", f"Write it as {name} VALUE.")
            value = words.pop(0)
        return name, value.lstrip("=") if not word.startswith("--") else value

    def _formats(self, name: str, value: str) -> None:
        """Apply ``--no-binary`` and ``--only-binary`` in order: the later one wins for a project."""
        mine, other = (
            (self.no_binary, self.only_binary) if name == "--no-binary" else (self.only_binary, self.no_binary)
        )
        for part in (part.strip() for part in value.split(",")):
            if part == ":none:":
                mine.clear()
            elif part == ":all:":
                mine[:], other[:] = [part], []
            elif part and part not in mine:
                mine.append(part)
                if part in other:
                    other.remove(part)

    def _address(self, at: FilePlace, value: str, folder: Path) -> Address:
        try:
            return address_of(value, folder)
        except Broken as error:
            _refuse(at, str(error), error.hint or _HOW)

    def _include(self, at: FilePlace, value: str, folder: Path, above: tuple[Path, ...], *, constraint: bool) -> None:
        parts = urlsplit(value)
        if parts.scheme in {"http", "https"}:
            _refuse(at, f"it includes {redact(value)}", "Download that file and name it by its path.")
        path = Path(unquote(parts.path) if parts.scheme == "file" else value)
        path = Path(os.path.normpath(folder / path.expanduser()))
        if path in above or len(above) >= _MAX_DEPTH:
            _refuse(at, f"{path} includes itself", "Take the line out.")
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            _refuse(
                at,
                f"it includes {path}, which cannot be read: {error.strerror}",
                "Paths are relative to the file that names them. Get the file, or take the line out.",
            )
        self.take(_physical(data, path), path.parent, (*above, path), constraint=constraint)


def _own_options(text: str) -> tuple[str, ...]:
    """Return the hashes among the options of a requirement; other options are about builds."""
    if not text:
        return ()
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Broken(f"{str(error).lower()} in an option", "Close the quotation.") from None
    hashes = []
    while words:
        word = words.pop(0)
        name, mark, value = word.partition("=")
        if name not in _OWN:
            raise Broken(f"{redact(name)!r} is no option of a requirement", "Only --hash=sha256:... goes there.")
        value = value if mark else words.pop(0) if words else ""
        if name == "--hash":
            kind, _, digest = value.partition(":")
            if kind not in {"sha256", "sha384", "sha512"} or not re.fullmatch(r"[0-9a-fA-F]+", digest):
                raise Broken("--hash is not sha256:, sha384: or sha512: and a hex digest", "Copy it from the index.")
            hashes.append(f"{kind}:{digest.lower()}")
        else:
            raise Broken(f"{name} has no equal here", "Take it out: builds are configured by the project itself.")
    return tuple(hashes)


def _refuse(at: FilePlace, what: str, hint: str) -> NoReturn:
    raise RecipeError(f"{at}: {what}", hint=hint) from None
