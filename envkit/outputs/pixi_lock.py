"""Write a pixi.lock of version 6, which pixi and py-rattler read since 2024."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envkit.inputs.made_for import made_for_line
from envkit.models.build import Record
from envkit.models.inputs import Locked, LockedDistribution
from envkit.outputs.yaml import block

_INDEX = "https://pypi.org/simple"
# Members of a record in the order of the format; name, version, build and subdir follow from the URL.
_MEMBERS = (
    *("build_number", "arch", "platform", "noarch", "sha256", "md5", "depends", "constrains", "extra_depends"),
    *("features", "track_features", "license", "license_family", "purls", "size", "timestamp"),
    "python_site_packages_path",
)


def pixi_lock_text(parts: Sequence[Locked], made_for: Mapping[str, Any]) -> str:
    """Return a pixi.lock with one environment for each name in `parts`, on one or several platforms."""
    environments: dict[str, Any] = {}
    records: dict[str, Record] = {}
    distributions: dict[str, LockedDistribution] = {}
    for part in sorted(parts, key=lambda part: (part.environment != "default", part.environment, part.platform or "")):
        environment = environments.setdefault(part.environment, {"channels": [], "packages": {}})
        listed = [{"url": f"{channel.url}/"} for channel in part.channels]
        environment["channels"] += [channel for channel in listed if channel not in environment["channels"]]
        if part.distributions:
            environment["indexes"] = [_INDEX]
        urls = sorted(record.url for record in part.records)
        others = sorted(item.url for item in part.distributions)
        entries = [*({"conda": url} for url in urls), *({"pypi": url} for url in others)]
        environment["packages"][str(part.platform)] = entries
        records.update((record.url, record) for record in part.records)
        distributions.update((item.url, item) for item in part.distributions)
    packages = [_package(records[url]) for url in sorted(records)]
    packages += [_distribution(distributions[url]) for url in sorted(distributions)]
    ordered = {
        name: {key: value[key] for key in ("channels", "indexes", "packages") if key in value}
        for name, value in environments.items()
    }
    lines = ["version: 6", made_for_line(made_for)] if made_for else ["version: 6"]
    return "\n".join([*lines, *block({"environments": ordered, "packages": packages})]) + "\n"


def _package(record: Record) -> Mapping[str, Any]:
    raw = {**record.raw, "depends": list(record.depends), "constrains": list(record.constrains)}
    raw |= {"build_number": record.build_number, "size": record.size, "timestamp": record.timestamp}
    if record.sha256:
        raw["sha256"] = record.sha256
    features = raw.get("track_features")
    if isinstance(features, str):  # conda writes a string with spaces, CEP 36 a list
        raw["track_features"] = features.replace(",", " ").split()
    kept = {key: raw[key] for key in _MEMBERS if raw.get(key) not in (None, "", [], False)}
    if raw.get("purls") == []:  # PyPI does not have it
        kept["purls"] = []
    kept.setdefault("build_number", 0)
    return {"conda": record.url, **_named(record), **kept}


def _named(record: Record) -> Mapping[str, str]:
    """Return name, version and build where the file's name does not tell them; py-rattler reads them of no file URL."""
    stem = record.fn.removesuffix(".conda").removesuffix(".tar.bz2")
    if stem == f"{record.name}-{record.version}-{record.build}" and not record.url.startswith("file:"):
        return {}
    return {"name": record.name, "version": record.version, "build": record.build, "subdir": record.subdir}


def _distribution(item: LockedDistribution) -> Mapping[str, Any]:
    digests = {kind: digest for kind, digest in item.hashes if kind in {"sha256", "md5"}}
    version = {"version": item.version} if item.version else {}
    return {"pypi": item.url, "name": item.name, **version, **digests}
