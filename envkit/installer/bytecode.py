"""Bytecode: compiled once for each package and Python, then hard-linked, since nobody may write into a generation."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from envkit.errors import NoSpaceError
from envkit.installer import cache
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter
from envkit.probe import PROBES_DIR, run_probe

__all__ = ["link_bytecode"]

_TIMEOUT_S = 1800.0


def link_bytecode(
    volume: Volume, records: Sequence[Record], prefix: Path, *, env: Mapping[str, str], reporter: Reporter
) -> None:
    """Give each module in the prefix its bytecode, with the prefix's own Python.

    Without bytecode everything still works, so only a full disk is an error here.

    Raises:
        NoSpaceError: The volume is full.
    """
    python = prefix / "bin" / "python"
    if not python.exists():
        return
    files: list[tuple[str, str]] = []
    for record in records:
        meta = prefix / "conda-meta" / f"{record.name}-{record.version}-{record.build}.json"
        names = json.loads(meta.read_bytes()).get("files", [])
        files += [(cache.key(record), name) for name in names if name.endswith(".py") and "site-packages" in name]
        files += [(cache.key(record), name) for name in names if _is_standard_library(name)]
    reporter.start("bytecode", f"{len(files)} modules")
    with tempfile.TemporaryDirectory(prefix="envkit-") as folder:
        listing = Path(folder) / "files.json"
        listing.write_text(json.dumps(files), encoding="utf-8")
        outcome = run_probe(
            python,
            PROBES_DIR / "bytecode.py",
            [str(prefix), str(volume.bytecode), str(listing)],
            env=env,
            timeout_s=_TIMEOUT_S,
        )
    space = volume.space()
    if space.free_bytes == 0 or space.free_inodes == 0 or os.strerror(28) in outcome.stderr_tail:
        raise NoSpaceError(
            f"no space left on {volume.root} while modules were compiled",
            hint="Free space or inodes, or choose another volume. The packages are in the cache and stay there.",
        )
    counts = outcome.facts.get("counts")
    done = counts if isinstance(counts, Mapping) else {}
    text = ", ".join(f"{count} {what}" for what, count in sorted(done.items())) or f"not made: {outcome.state}"
    reporter.finish("bytecode", text)


def _is_standard_library(name: str) -> bool:
    return name.startswith("lib/python3") and name.endswith(".py") and "site-packages" not in name
