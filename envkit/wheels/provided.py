"""Python distributions that are in a prefix already, by their metadata: after linking, those of conda's packages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from envkit.layout.records import installed_packages
from envkit.models.pip import Provided
from envkit.patterns import regex

_EGG = regex(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-py\d+(?:\.\d+)?)?\.egg-info\Z")


def read_provided(prefix: Path) -> tuple[Provided, ...]:
    """Return the distributions in a prefix, with what their extras need."""
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    owners = {path: package.name for package in installed_packages(prefix)[0] for path, _, _ in package.paths}
    found: dict[str, Provided] = {}
    for info in dist_infos(prefix):
        name, version = _named(info)
        try:
            version = str(Version(version))
        except InvalidVersion:
            continue
        inner = "PKG-INFO" if info.suffix == ".egg-info" else "METADATA"
        place = str(info.relative_to(prefix))
        owner = owners.get(f"{place}/{inner}") or owners.get(place) or name
        found[canonicalize_name(name)] = Provided(canonicalize_name(name), version, owner, tuple(_of_extras(info)))
    return tuple(found[name] for name in sorted(found))


def dist_infos(prefix: Path) -> list[Path]:
    """List the metadata folders of the distributions in a prefix."""
    sites = sorted(prefix.glob("lib/python3*/site-packages"))
    return [info for site in sites for pattern in ("*.egg-info", "*.dist-info") for info in sorted(site.glob(pattern))]


def _named(info: Path) -> tuple[str, str]:
    egg = _EGG.match(info.name)
    if egg is not None:
        return egg["name"], egg["version"]
    name, _, version = info.name.removesuffix(info.suffix).partition("-")
    return name, version


def _of_extras(info: Path) -> Iterator[str]:
    """List the requirements that only an extra asks for; the others are conda's affair."""
    try:
        text = (info / "METADATA").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    head: Iterable[str] = text.partition("\n\n")[0].splitlines()
    for line in head:
        if line.startswith("Requires-Dist:") and re.search(r"\bextra\s*==", line):
            yield line.removeprefix("Requires-Dist:").strip()
