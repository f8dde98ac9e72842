"""Outcomes: the recorded validations of generations, read with the standard library only.

`list` reads hundreds of them; see `envkit.layout.validations` for the whole records.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from envkit.host.cache import default_cache_dir
from envkit.layout.private import Folder, folder
from envkit.layout.volume import Volume
from envkit.models.outcome import Outcome
from envkit.paths import validation_folders

_VERDICTS = ("pass", "fail", "skip")


def outcomes_of(volume: Volume, generations: Sequence[str]) -> dict[str, list[Outcome]]:
    """Return the outcomes of generations, the newest first, one for each kind of host."""
    homes = [(str(volume.root), str(volume.validations))]
    cache = default_cache_dir(os.environ)
    if cache:
        homes.append((cache, os.path.dirname(validation_folders(str(volume.root), "-", cache)[1])))
    with ExitStack() as opened:
        there: list[Folder] = []
        for root, place in homes:
            with suppress(OSError):
                there.append(opened.enter_context(folder(root, place)))
        return {generation: _outcomes(there, generation) for generation in generations}


def _outcomes(homes: Sequence[Folder], generation: str) -> list[Outcome]:
    newest: dict[str, Outcome] = {}
    for home in homes:
        for outcome in _read_all(home, generation):
            known = newest.get(outcome.fingerprint)
            if known is None or outcome.created > known.created:
                newest[outcome.fingerprint] = outcome
    return sorted(newest.values(), key=lambda outcome: outcome.created, reverse=True)


def _read_all(home: Folder, generation: str) -> Iterator[Outcome]:
    try:
        with home.enter(generation) as here:
            for name in os.listdir(here.descriptor):
                if name.endswith(".json") and not name.startswith("."):
                    outcome = _read(here, name)
                    if outcome is not None:
                        yield outcome
    except OSError:
        return


def _read(here: Folder, name: str) -> Outcome | None:
    try:
        record = json.loads(here.read(name))
        if record["schema_version"] != 1 or record["verdict"] not in _VERDICTS:
            return None
        passes = [str(past["created"]) for past in (record, *record.get("history", ())) if past["verdict"] == "pass"]
        return Outcome(
            verdict=record["verdict"],
            created=str(record["created"]),
            fingerprint=str(record["fingerprint"]),
            host=_mapping(record.get("host") or {}),
            findings=tuple(map(_mapping, record.get("findings") or ())),
            last_pass=max(passes, default=None),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value
