"""Read a pixi.lock with py-rattler, which knows every version of the format."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envkit.builds.record import record_from_repodata
from envkit.checks.package import check_record
from envkit.errors import RecipeError
from envkit.inputs.made_for import read_made_for
from envkit.models.build import Record
from envkit.models.channel import Channel, parse_channel, redact
from envkit.models.inputs import Locked, LockedDistribution, LockFile

if TYPE_CHECKING:
    from rattler.lock import Environment, LockPlatform, PypiLockedPackage

FORMAT = "pixi.lock"
_HINT = "Write it again with a current pixi: pixi lock."


def parse_pixi_lock(text: str, path: Path) -> LockFile:
    """Parse a pixi.lock: one part for each environment on each platform.

    Raises:
        RecipeError: It cannot be read, or a part of it cannot be installed from a lock (a package built from source).
    """
    from rattler.lock import LockFile as RattlerLockFile

    with tempfile.TemporaryDirectory(prefix="envkit-") as folder:
        copy = Path(folder) / "pixi.lock"  # the text may have come over the network, or in another encoding
        copy.write_text(text, encoding="utf-8")
        try:
            found = RattlerLockFile.from_path(copy)
            environments = sorted(found.environments(), key=lambda item: (item[0] != "default", item[0]))
        except Exception as error:  # noqa: BLE001 - py-rattler's exceptions share no base
            why = redact(" ".join(str(error).split()))[:300]
            raise RecipeError(f"{path} is a {FORMAT}, and cannot be read: {why}", hint=_HINT) from None
    parts = [
        _part(path, name, environment, platform)
        for name, environment in environments
        for platform in sorted(environment.platforms(), key=lambda platform: str(platform.name))
    ]
    if not parts:
        raise RecipeError(f"{path} is a {FORMAT} that holds no environment", hint=_HINT)
    return LockFile(str(path), FORMAT, tuple(parts), made_for=read_made_for(text))


def _part(path: Path, name: str, environment: Environment, platform: LockPlatform) -> Locked:
    from rattler.lock import CondaLockedBinaryPackage, PypiLockedPackage

    records: dict[str, Record] = {}
    channels: dict[str, Channel] = {}
    distributions = []
    for package in environment.packages(platform) or []:
        place = f"{path}, environment {name}, {platform.name}: {package.name}"
        if isinstance(package, PypiLockedPackage):
            distributions.append(_distribution(package))
            continue
        if not isinstance(package, CondaLockedBinaryPackage):
            raise RecipeError(
                f"{place} is built from source, which only pixi does", hint="Publish it to a channel and lock again."
            )
        record, channel = _record(package.repo_data_record(), place)
        records[record.name] = record
        channels.setdefault(channel.url, channel)
    for listed in environment.channels():
        _add(str(listed), channels)
    return Locked(
        str(path),
        tuple(records[key] for key in sorted(records)),
        tuple(channels.values()),
        platform=str(platform.subdir),
        environment=name,
        distributions=tuple(distributions),
        needs=tuple(_needs(platform.virtual_packages)),
    )


def _needs(virtual_packages: list[str]) -> Iterator[str]:
    """Yield the least versions of virtual packages that a platform is locked for (since version 7 of the format)."""
    for text in virtual_packages:
        name, _, version = text.partition("=")
        if name in {"__cuda", "__glibc", "__osx"} and version:
            yield f"{name} >={version.partition('=')[0]}"


def _add(text: str, channels: dict[str, Channel]) -> None:
    """Add a channel of the environment's list that can be read; packages name theirs by their URL."""
    try:
        channel = parse_channel(text)
    except ValueError:
        return
    channels.setdefault(channel.url, channel)


def _record(found: Any, place: str) -> tuple[Record, Channel]:
    base, _, fn = str(found.url).rpartition("/")
    before, _, subdir = base.rpartition("/")
    try:
        channel = parse_channel(before)
    except ValueError:  # do not quote the error: it may contain a password
        raise RecipeError(f"{place}: its URL cannot be read", hint=_HINT) from None
    raw: dict[str, Any] = json.loads(found.to_json())
    for derived in ("fn", "url", "channel"):
        raw.pop(derived, None)
    record = record_from_repodata(raw, found.file_name or fn, channel.url, str(found.subdir) or subdir)
    fault = check_record(record)
    if fault is not None:
        raise RecipeError(f"{place}: {fault}", hint=_HINT)
    return record, channel


def _distribution(package: PypiLockedPackage) -> LockedDistribution:
    try:
        digest = package.hashes.sha256 if package.hashes is not None else None
    except AttributeError:  # py-rattler 0.28 wraps hashes that are not there
        digest = None
    sha256 = digest.hex() if digest is not None else None
    location = re.sub(r"^direct\+", "", str(package.location))
    return LockedDistribution(
        str(package.name), str(package.version), location, (("sha256", sha256),) if sha256 else ()
    )
