"""Write the Python distributions of a lock as a requirements file."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.models.inputs import Locked, LockedDistribution


def requirements_text(part: Locked, added: Sequence[tuple[str, str]] = ()) -> str:
    """Return each Python distribution by URL with its digests, and those `added` by version.

    Conda packages are a comment: their names are not those of PyPI.
    """
    lines = [f"# {len(part.records)} conda packages are not in this file; see --format explicit, pixi or conda-lock."]
    lines += [_line(item) for item in sorted(part.distributions)]
    lines += [f"{name}=={version}" for name, version in added]
    return "\n".join(lines) + "\n"


def _line(item: LockedDistribution) -> str:
    return " ".join([f"{item.name} @ {item.url}", *(f"--hash={kind}:{value}" for kind, value in item.hashes)])
