"""Read conda's configuration: its files, in conda's order, and the ``CONDA_*`` variables of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from envkit.errors import SettingsError
from envkit.inputs.places import settings_paths
from envkit.patterns import regex
from envkit.values import dataclass, field

Mark = Literal["final", "top", "bottom"]

_MARKS: Mapping[str, Mark] = {"final": "final", "top": "top", "bottom": "bottom"}
_MARKED = regex(rb"#\s*!(?:final|top|bottom)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A key as one file or variable has it.

    Attributes:
        origin: The path of the file, or the name of the variable.
        mark: ``final`` where no later source may change the key.
        marks: The marks of members, by position in a list or key of a map.
    """

    value: Any
    origin: str
    mark: Mark | None = None
    marks: Mapping[int | str, Mark] = field(default_factory=dict)


def may_be_key(name: str) -> bool:
    """Return whether a variable may be that of a key."""
    return name.startswith("CONDA_")


def condarc_files(env: Mapping[str, str]) -> list[Path]:
    """List the files that are there, earliest first (conda 26.7, ``SEARCH_PATH``; mamba's own names after conda's).

    ``CONDA_ROOT`` is set by conda for itself only, so the installation is found by ``CONDA_EXE`` too.
    """
    return [Path(path) for path in settings_paths(env)]


_HINT = "Mend the file or move it away."


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings.

    Raises:
        SettingsError: It cannot be read, or is no mapping. The message quotes nothing of it.
    """
    return {key: entry.value for key, entry in _read(path).items()}


def _read(path: Path) -> dict[str, Entry]:
    from envkit.inputs.yaml import parse_yaml

    try:
        data = path.read_bytes()
        marked = _MARKED.search(data) is not None
        content = parse_yaml(data, kind="rt" if marked else "safe")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error
    except ValueError as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint=_HINT) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} is not a mapping of settings", hint=_HINT)
    found = {}
    for key, value in content.items():
        if marked:
            found[str(key)] = Entry(_plain(value), str(path), _mark_of(content, key), _marks(value))
        else:
            found[str(key)] = Entry(_dated(value), str(path))
    return found


def _plain(value: Any) -> Any:
    """Return a value of the parser that keeps comments as plain Python."""
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return _dated(value)


def _dated(value: Any) -> Any:
    """Return a date as text, as YAML has it, and anything else as it is."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def _mark(comment: object) -> Mark | None:
    """Return the mark that the comment behind a value is, such as ``#!final``."""
    text = str(getattr(comment, "value", "")).strip().partition("\n")[0]
    return _MARKS.get(text.strip("#! "))


def _mark_of(content: Any, key: object) -> Mark | None:
    """Return the mark on the line of a key; of a list or map below it, the parser keeps that with the value."""
    found = getattr(content, "ca", None)
    tokens = list(found.items.get(key) or ()) if found is not None else []
    value = content[key]
    inner = getattr(value, "ca", None)
    if inner is not None and inner.comment:
        tokens.append(inner.comment[0])
    return next((mark for token in tokens if (mark := _mark(token)) is not None), None)


def _marks(value: Any) -> dict[int | str, Mark]:
    """Return the marks of a list's or map's members."""
    found = getattr(value, "ca", None)
    marks: dict[int | str, Mark] = {}
    for place, tokens in (found.items if found is not None else {}).items():
        flat = [token for one in tokens or () for token in (one if isinstance(one, list) else [one])]
        mark = next((mark for token in flat if (mark := _mark(token)) is not None), None)
        if mark is not None:
            marks[place if isinstance(place, int) else str(place)] = mark
    return marks


def read_condarc(env: Mapping[str, str]) -> list[dict[str, Entry]]:
    """Return what each file, then the variables, say, by the name of the key; earliest first.

    A key that conda does not know stays under its own name. One without a value is not set.

    Raises:
        SettingsError: A file cannot be read, or has two names of one key.
    """
    files = condarc_files(env)
    if not files and not any(map(may_be_key, env)):
        return []
    from envkit.models.conda_keys import BY_ALIAS, BY_VARIABLE

    sources = []
    for path in files:
        named: dict[str, Entry] = {}
        for text, entry in _read(path).items():
            if entry.value is None:
                continue
            key = BY_ALIAS.get(text)
            name = key.name if key is not None else text
            if name in named:
                raise SettingsError(f"{path} sets {name} under two names", hint="Keep one of them.")
            named[name] = entry
        sources.append(named)
    variables: dict[str, Entry] = {}
    for variable, key in BY_VARIABLE.items():
        text = env.get(variable, "")
        if not text.strip():
            continue
        if key.kind == "text":
            value, _, important = text.partition("!important")
            entry = Entry(value.strip(), variable, "final" if important or text.endswith("!important") else None)
        else:
            entry = Entry([part.strip() for part in _split(text, key.delimiter) if part.strip()], variable)
        before = variables.get(key.name)
        if before is not None and before.value != entry.value:
            raise SettingsError(
                f"{before.origin} and {variable} are both set and differ: "
                f"{before.origin}={env[before.origin]} and {variable}={text}",
                hint="They are two names of one setting; unset one of them.",
            )
        variables.setdefault(key.name, entry)
    sources.append(variables)
    return sources


_USERINFO = regex(r"(?<=://)[^/]*@")


def _split(text: str, delimiter: str) -> list[str]:
    """Split at delimiters, except those before the ``@`` of a URL, which belong to its user or password."""
    hidden = _USERINFO.sub(lambda userinfo: userinfo[0].replace(delimiter, "\0"), text)
    return [part.replace("\0", delimiter) for part in hidden.split(delimiter)]
