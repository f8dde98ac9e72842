"""The pins of one environment: ``conda-meta/pinned``, which its user writes, a MatchSpec a line."""

from __future__ import annotations

from pathlib import Path

from envkit.builds.dependency import dependency_names
from envkit.errors import SettingsError
from envkit.layout.atomic import write_atomic
from envkit.plain import read_plain

_LIMIT = 1 << 20


def read_pinned(prefix: Path) -> tuple[str, ...]:
    """Return the specs that a prefix pins; none where it has no such file.

    Raises:
        SettingsError: The file cannot be read, or a line is no spec.
    """
    path = prefix / "conda-meta" / "pinned"
    try:
        lines = read_plain(path, _LIMIT).decode().splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}",
            hint="Mend the file, move it away, or give --no-pin.",
        ) from error
    specs = [text for line in lines if (text := line.partition("#")[0].strip())]
    wrong = next((spec for spec, name in zip(specs, dependency_names(specs), strict=True) if name in {"", "*"}), None)
    if wrong is not None:
        raise SettingsError(
            f"{path}: {wrong!r} is no package specification", hint="Write one a line, such as numpy 1.26.*"
        )
    return tuple(specs)


def carry_pinned(before: Path, prefix: Path) -> None:
    """Take the pins of one generation over to the next, as they are written."""
    try:
        text = read_plain(before / "conda-meta" / "pinned", _LIMIT).decode()
    except (OSError, UnicodeDecodeError):
        return
    write_atomic(prefix / "conda-meta" / "pinned", text, durable=False)
