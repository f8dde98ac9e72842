"""Write a conda-lock.yml (CEP 37)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envkit.inputs.made_for import made_for_line
from envkit.models.build import Record, digest
from envkit.models.inputs import Locked, LockedDistribution
from envkit.outputs.yaml import block


def conda_lock_text(parts: Sequence[Locked], made_for: Mapping[str, Any], *, sources: Sequence[str] = ()) -> str:
    """Return a conda-lock.yml of one part for each platform; `sources` are paths relative to the file.

    Raises:
        ValueError: Two parts are for one platform, which the format cannot hold.
    """
    by_platform = {str(part.platform): part for part in parts}
    if len(by_platform) != len(parts):
        raise ValueError("two parts are for one platform")
    channels = dict.fromkeys(channel.name for part in parts for channel in part.channels)
    document = {
        "version": 1,
        "metadata": {
            "content_hash": {platform: digest(by_platform[platform].records) for platform in sorted(by_platform)},
            "channels": [{"url": name, "used_env_vars": []} for name in channels],
            "platforms": sorted(by_platform),
            "sources": list(sources),
        },
        "package": [entry for platform in sorted(by_platform) for entry in _entries(platform, by_platform[platform])],
    }
    lines = [made_for_line(made_for)] if made_for else []
    return "\n".join([*lines, *block(document)]) + "\n"


def _entries(platform: str, part: Locked) -> list[Mapping[str, Any]]:
    conda = [_package(platform, record) for record in sorted(part.records, key=lambda record: record.name)]
    pip = [_distribution(platform, item) for item in sorted(part.distributions)]
    return [*conda, *pip]


def _package(platform: str, record: Record) -> Mapping[str, Any]:
    needs: dict[str, list[str]] = {}
    for text in record.depends:
        name, _, rest = text.partition(" ")
        needs.setdefault(name, []).append(rest.strip())
    md5 = record.raw.get("md5")
    return {
        "name": record.name,
        "version": record.version,
        "manager": "conda",
        "platform": platform,
        "dependencies": {name: _joined(needs[name]) for name in sorted(needs)},
        "url": record.url,
        "hash": {**({"md5": md5} if md5 else {}), **({"sha256": record.sha256} if record.sha256 else {})},
        "category": "main",
        "optional": False,
    }


def _joined(specs: Sequence[str]) -> str:
    """Return one constraint for several on a package; one with a build cannot be joined and wins."""
    given = [spec for spec in dict.fromkeys(specs) if spec]
    with_build = [spec for spec in given if " " in spec]
    return with_build[0] if with_build else ",".join(given)


def _distribution(platform: str, item: LockedDistribution) -> Mapping[str, Any]:
    return {
        "name": item.name,
        "version": item.version or "0",
        "manager": "pip",
        "platform": platform,
        "dependencies": {},
        "url": item.url,
        "hash": {kind: value for kind, value in item.hashes if kind in {"sha256", "md5"}},
        "category": "main",
        "optional": False,
    }
