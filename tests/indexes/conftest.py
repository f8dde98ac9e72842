"""The real channel indexes beside the checkout; tests that need them skip where they are absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import zstandard
from harness import REAL_CHANNELS

from envkit.builds.classify import classify
from envkit.builds.record import record_from_repodata
from envkit.models.build import Build, Record

Load = Callable[[str, str], list[Record]]


@cache
def _load(channel: str, subdir: str) -> list[Record]:
    if REAL_CHANNELS is None:
        pytest.skip("the real channel indexes are not here")
    path = REAL_CHANNELS / channel / subdir / "repodata.json.zst"
    if not path.exists():
        return []
    with path.open("rb") as stream:
        index: dict[str, Any] = json.loads(zstandard.ZstdDecompressor().stream_reader(stream).read())
    return [
        record_from_repodata(raw, fn, f"https://example.org/{channel}", subdir)
        for kind in ("packages", "packages.conda")
        for fn, raw in index.get(kind, {}).items()
    ]


@cache
def _builds(channel: str, subdir: str, name: str) -> list[Build]:
    return [classify(record) for record in _load(channel, subdir) if record.name == name]


@pytest.fixture
def records() -> Load:
    """All records of one index."""
    return _load


@pytest.fixture
def builds() -> Callable[[str, str, str], list[Build]]:
    """The builds of one package in one index."""
    return _builds
