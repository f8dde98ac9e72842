"""The records that a manifest locks."""

from __future__ import annotations

from envkit.builds.record import record_from_repodata
from envkit.models.build import Record
from envkit.models.manifest import Manifest


def records_of(manifest: Manifest) -> tuple[Record, ...]:
    """Return the records that a manifest locks: enough to fetch and link them again, bit for bit."""
    return tuple(record_from_repodata(p.record, p.fn, p.channel, p.subdir) for p in manifest.packages)
