"""Outcomes of validations: one file for each generation and fingerprint.

On the volume; for a volume that takes no writes, in the user's cache. Where both have one, the newer counts.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from envkit.host.cache import default_cache_dir
from envkit.layout.atomic import write_atomic
from envkit.layout.volume import Volume
from envkit.models.manifest import PastValidation, ValidationRecord
from envkit.paths import validation_folders

__all__ = ["add_token", "last_pass", "latest_validation", "past_validations", "read_validation", "write_validation"]

_KEPT = 50
_TOKENS = 64
# EROFS, EACCES, EPERM, ENOSPC, EDQUOT: this volume takes no report, which is no reason to have none.
_TAKES_NONE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT})


def write_validation(volume: Volume, record: ValidationRecord) -> Path | None:
    """Keep the outcome; an earlier one of the same generation and fingerprint goes into its history.

    Returns:
        Where it is kept; None where neither volume nor cache take it.
    """
    before = read_validation(volume, record.generation, record.fingerprint)
    if before is not None:
        past = before.history
        if before.created != record.created:
            past = (PastValidation(verdict=before.verdict, created=before.created, seconds=before.seconds), *past)
        record = record.model_copy(update={"history": past[:_KEPT]})
    text = record.model_dump_json(indent=1)
    for folder in _folders(volume, record.generation):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{record.fingerprint}.json"
            write_atomic(path, text)
        except OSError as error:
            if error.errno not in _TAKES_NONE:
                raise
        else:
            return path
    return None


def add_token(volume: Volume, record: ValidationRecord, token: str) -> None:
    """Note on a validation that it holds where a quick look gives `token`. Two at once: one of them is noted later."""
    if token not in record.tokens:
        write_validation(volume, record.model_copy(update={"tokens": (*record.tokens, token)[-_TOKENS:]}))


def read_validation(volume: Volume, generation: str, fingerprint: str) -> ValidationRecord | None:
    """The outcome on hosts with this fingerprint, or None where there is none or it cannot be read."""
    found = [_read(folder / f"{fingerprint}.json") for folder in _folders(volume, generation)]
    return max(filter(None, found), key=lambda record: record.created, default=None)


def latest_validation(volume: Volume, generation: str) -> ValidationRecord | None:
    """The newest outcome on any host."""
    return max(_all(volume, generation), key=lambda record: record.created, default=None)


def last_pass(volume: Volume, generation: str) -> tuple[str, ValidationRecord] | None:
    """When a generation last passed on any host, and the record of that kind of host; None if it never did."""
    passes = [
        (past.created, record)
        for record in _all(volume, generation)
        for past in (record, *record.history)
        if past.verdict == "pass"
    ]
    return max(passes, key=lambda item: item[0], default=None)


def past_validations(volume: Volume, generation: str) -> list[tuple[PastValidation, ValidationRecord]]:
    """Every validation that is remembered, newest first, each with the record of its kind of host."""
    found = [
        (PastValidation(verdict=past.verdict, created=past.created, seconds=past.seconds), record)
        for record in _all(volume, generation)
        for past in (record, *record.history)
    ]
    return sorted(found, key=lambda item: item[0].created, reverse=True)


def _all(volume: Volume, generation: str) -> Iterator[ValidationRecord]:
    """The newest record for each fingerprint."""
    names = {path.name for folder in _folders(volume, generation) if folder.is_dir() for path in folder.glob("*.json")}
    for name in sorted(names):
        record = read_validation(volume, generation, name.removesuffix(".json"))
        if record is not None:
            yield record


def _folders(volume: Volume, generation: str) -> list[Path]:
    return list(map(Path, validation_folders(str(volume.root), generation, default_cache_dir(os.environ))))


def _read(path: Path) -> ValidationRecord | None:
    try:
        return ValidationRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
