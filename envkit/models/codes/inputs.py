"""Codes of notes on files of packages: how they were read, where that is not plain."""

from __future__ import annotations

from envkit.models.fact import Code


def _note(name: str, meaning: str) -> Code:
    return Code("advice", name, meaning)


BUILDS_GONE = _note("builds-gone", "The channels no longer have the builds that a file names; the versions stay.")
FILE_PLATFORMS = _note("file-platforms", "The file does not name the target among its platforms.")
HASHES_ADDED = _note("hashes-added", "The channels' indexes gave the digests that a file lacks.")
KEY_IGNORED = _note("key-ignored", "A key of an environment.yml means nothing here (CEP 24).")
LINE_DROPPED = _note("line-dropped", "A selector drops a line of the file for the target's platform.")
LOCK_PART = _note("lock-part", "The part of a lock file that was taken.")
PIP_SECTION_EMPTY = _note("pip-section-empty", "A `pip:` section lists nothing.")
PYTHON_ASSUMED = _note("python-assumed", "A file of requirements names no Python.")
READ_AS = _note("read-as", "The format that a file without marks of one was read as.")
SPEC_READ_AS = _note("spec-read-as", "A spec that is read as conda reads it, and not as it stands.")
