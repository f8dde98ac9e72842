"""Outcomes of validations: one file for each generation and fingerprint.

They are kept on the volume or, if it cannot be written, in the user's cache. The newer of two counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from envkit.host.cache import default_cache_dir
from envkit.layout.private import folder, peek
from envkit.layout.refusal import is_refused
from envkit.layout.volume import Volume
from envkit.models.manifest import PastValidation, ValidationRecord
from envkit.models.stored import StoredError
from envkit.paths import validation_folders
from envkit.values import replace

_KEPT = 50
_TOKENS = 64


def write_validation(volume: Volume, record: ValidationRecord) -> Path | None:
    """Write an outcome, with an earlier one of the same generation and fingerprint in its history.

    Return the file; None if neither volume nor cache can be written.
    """
    before = read_validation(volume, record.generation, record.fingerprint)
    if before is not None:
        past = before.history
        if before.created != record.created:
            past = (PastValidation(verdict=before.verdict, created=before.created, seconds=before.seconds), *past)
        record = replace(record, history=past[:_KEPT])
    text = record.to_text()
    for root, path in _folders(volume, record.generation):
        name = f"{record.fingerprint}.json"
        try:
            if root != volume.root:
                root.mkdir(parents=True, exist_ok=True)
            with folder(root, path, make=True) as here:
                here.write(name, text)
        except OSError as error:
            if not is_refused(error):
                raise
        else:
            return path / name
    return None


def add_token(volume: Volume, record: ValidationRecord, token: str) -> None:
    """Add a host's token to a validation. If two processes do so at once, one token is lost and added next time."""
    if token not in record.tokens:
        write_validation(volume, replace(record, tokens=(*record.tokens, token)[-_TOKENS:]))


def read_validation(volume: Volume, generation: str, fingerprint: str) -> ValidationRecord | None:
    """Read the outcome on hosts with this fingerprint; None if it is missing or broken."""
    found = [_read(root, path, f"{fingerprint}.json") for root, path in _folders(volume, generation)]
    return max(filter(None, found), key=lambda record: record.created, default=None)


def latest_validation(volume: Volume, generation: str) -> ValidationRecord | None:
    """Read the newest outcome on any host."""
    return max(_all(volume, generation), key=lambda record: record.created, default=None)


def last_pass(volume: Volume, generation: str) -> tuple[str, ValidationRecord] | None:
    """Return when a generation last passed on any host, and that host's record; None if it never did."""
    known = past_validations(volume, generation)
    return next(((past.created, record) for past, record in known if past.verdict == "pass"), None)


def past_validations(volume: Volume, generation: str) -> list[tuple[PastValidation, ValidationRecord]]:
    """List every recorded validation, newest first, each with its host's record."""
    found = [
        (PastValidation(verdict=past.verdict, created=past.created, seconds=past.seconds), record)
        for record in _all(volume, generation)
        for past in (record, *record.history)
    ]
    return sorted(found, key=lambda item: item[0].created, reverse=True)


def read_all_validations(volume: Volume, generation: str) -> list[ValidationRecord]:
    """Read the newest outcome on each kind of host."""
    return list(_all(volume, generation))


def _all(volume: Volume, generation: str) -> Iterator[ValidationRecord]:
    """Yield the newest record for each fingerprint."""
    names = {name for root, path in _folders(volume, generation) for name in peek(root, path)}
    for name in sorted(name for name in names if name.endswith(".json") and not name.startswith(".")):
        record = read_validation(volume, generation, name.removesuffix(".json"))
        if record is not None:
            yield record


def _folders(volume: Volume, generation: str) -> list[tuple[Path, Path]]:
    """Return the folders that hold a generation's validations, each with the root below which no link is followed."""
    cache = default_cache_dir(os.environ)
    first, *others = map(Path, validation_folders(str(volume.root), generation, cache))
    return [(volume.root, first), *((Path(str(cache)), other) for other in others)]


def _read(root: Path, path: Path, name: str) -> ValidationRecord | None:
    try:
        with folder(root, path) as here:
            return ValidationRecord.parse(here.read(name))
    except (OSError, StoredError):
        return None
