"""Outcomes of validations: one file for each generation and fingerprint."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from envkit.layout.volume import Volume, write_atomic
from envkit.models.manifest import ValidationRecord

__all__ = ["add_token", "latest_validation", "read_validation", "write_validation"]

_TOKENS = 64


def write_validation(volume: Volume, record: ValidationRecord) -> Path:
    """Keep the outcome; an earlier one of the same generation and fingerprint is replaced."""
    folder = volume.validations / record.generation
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.fingerprint}.json"
    write_atomic(path, record.model_dump_json(indent=1))
    return path


def add_token(volume: Volume, record: ValidationRecord, token: str) -> None:
    """Note on a validation that it holds where a quick look gives `token`. Two at once: one of them is noted later."""
    if token not in record.tokens:
        write_validation(volume, record.model_copy(update={"tokens": (*record.tokens, token)[-_TOKENS:]}))


def read_validation(volume: Volume, generation: str, fingerprint: str) -> ValidationRecord | None:
    """The outcome on hosts with this fingerprint, or None where there is none or it cannot be read."""
    return _read(volume.validations / generation / f"{fingerprint}.json")


def latest_validation(volume: Volume, generation: str) -> ValidationRecord | None:
    """The newest outcome on any host."""
    folder = volume.validations / generation
    records = [_read(path) for path in folder.glob("*.json")] if folder.is_dir() else []
    return max((record for record in records if record), key=lambda record: record.created, default=None)


def _read(path: Path) -> ValidationRecord | None:
    try:
        return ValidationRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
