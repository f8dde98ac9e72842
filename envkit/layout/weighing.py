"""Weigh generations: write the inventory of a new one, find that of any."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.errors import EnvkitError
from envkit.host.cache import default_cache_dir
from envkit.layout.disk import BLOCK
from envkit.layout.inventory import (
    Held,
    Inventory,
    Origins,
    inventory_text,
    number_files,
    parse_inventory,
    read_inventory,
    weigh,
)
from envkit.layout.private import Folder, folder
from envkit.layout.volume import Volume
from envkit.paths import INVENTORY, MANIFEST
from envkit.plain import read_plain

if TYPE_CHECKING:
    from envkit.models.manifest import Manifest

_FOLDER = "inventories"  # in the user's cache


def weigh_generation(
    volume: Volume,
    generation: str,
    place: Path,
    manifest: Manifest | None,
) -> Inventory:
    """Look at every file of a generation; without a manifest, it is not known what its files are linked from.

    Args:
        volume: Its volume.
        generation: Its name.
        place: A path to its directory.
        manifest: Its manifest, if it can be read.
    """
    own, linked = _weigh(volume, place, manifest)
    if manifest is None:
        return Inventory(generation, str(place), "", 0, None, own, linked)
    return _inventory(manifest, os.lstat(place / MANIFEST).st_size, own, linked)


def _weigh(
    volume: Volume, place: Path, manifest: Manifest | None, known: Origins | None = None, without: str = ""
) -> tuple[Held, dict[str, Held]]:
    if manifest is None:
        return weigh(str(place), dict)
    from envkit.layout.contents import read_wheels

    names = {p.name: digest for p in (manifest.pip.packages if manifest.pip else ()) if (digest := _wheel_key(p))}
    paths = {
        path: f"wheels/{names[wheel.name]}"
        for wheel in (read_wheels(place, manifest) if names else ())
        if wheel.name in names
        for path, _, _ in wheel.paths
    }
    number = partial(_origins, volume, place, manifest)
    return weigh(str(place), number, paths=paths, known=known, without=without)


def _inventory(manifest: Manifest, manifest_bytes: int, own: Held, linked: dict[str, Held]) -> Inventory:
    return Inventory(
        generation=manifest.generation,
        prefix=manifest.prefix,
        created=manifest.created,
        packages=len(manifest.packages) + len(manifest.pip.packages if manifest.pip else ()),
        manifest_bytes=manifest_bytes,
        own=own,
        linked=linked,
    )


@contextlib.contextmanager
def weighing(volume: Volume, here: Folder, manifest: Manifest, known: Origins | None = None) -> Iterator[None]:
    """Look at a generation whose files are there while the block runs, and write its inventory at the end of it.

    The block writes the manifest, if that is not done, and validates the generation: it mostly waits for the disk and
    for other processes. `known` is what it was linked from.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        weighed = pool.submit(_weigh, volume, Path(here.through), manifest, known, MANIFEST)
        yield
        own, linked = weighed.result()
    state = here.state(MANIFEST)
    own = Held(own.size_bytes + state.st_blocks * BLOCK, own.inodes + 1)
    here.write(INVENTORY, inventory_text(_inventory(manifest, state.st_size, own, linked)), durable=False)


def inventories_of(volume: Volume, prefixes: Sequence[Path]) -> list[Inventory]:
    """Return the inventories of generations: as recorded, else by a look at their files.

    What had to be looked at (generations of envkit before it recorded this) is remembered in the user's cache.
    """
    try:
        home = folder(volume.root, volume.generations)
    except OSError:
        return [Inventory(prefix.name, str(prefix), "", 0, None, Held()) for prefix in prefixes]
    with home:
        recorded = [read_inventory(home, prefix.name) for prefix in prefixes]
    return [known or _looked_at(volume, prefix) for known, prefix in zip(recorded, prefixes, strict=True)]


def _origins(volume: Volume, place: Path, manifest: Manifest) -> dict[int, str]:
    """Map the inodes of files in the caches of packages and bytecode to their folder."""
    from envkit.layout.trust import own_name

    keys = [p.sha256.lower() if p.sha256 else f"md5-{p.record.get('md5')}" for p in manifest.packages]
    wheels = [key for p in (manifest.pip.packages if manifest.pip else ()) if (key := _wheel_key(p))]
    origins: dict[int, str] = {}
    for kind, cache, names in (("pkgs", volume.packages, keys), ("pyc", volume.bytecode, [*keys, *wheels])):
        with contextlib.suppress(OSError):
            if os.lstat(cache).st_dev != place.stat().st_dev:
                continue  # numbers of another file system
            for key in names:
                name = own_name(volume, cache, key)
                number_files(f"{cache}/{name}", f"{kind}/{name}", origins)
    return origins


def _wheel_key(package: object) -> str | None:
    digest = getattr(package, "hashes", {}).get("sha256")
    return str(digest).lower() if digest else None


def _looked_at(volume: Volume, prefix: Path) -> Inventory:
    from envkit.layout.generation import known_manifest

    place = _remembered_at(volume)
    state = _state_of(prefix)
    if place is not None and state is not None:
        known = _remembered(place / f"{prefix.name}.json", state)
        if known is not None and known.generation == prefix.name:
            return known
    try:
        manifest = known_manifest(prefix)
    except (EnvkitError, OSError):
        manifest = None
    found = weigh_generation(volume, prefix.name, prefix, manifest)
    if place is not None and state is not None and manifest is not None:
        _remember(volume, place, found, state)
    return found


def _state_of(prefix: Path) -> list[int] | None:
    """Return what tells the manifest of a generation from another one at its place."""
    try:
        state = os.lstat(prefix / MANIFEST)
    except OSError:
        return None
    return [state.st_ino, state.st_mtime_ns, state.st_size]


def _remembered_at(volume: Volume) -> Path | None:
    from hashlib import sha256

    cache = default_cache_dir(os.environ)
    identity = sha256(os.fsencode(volume.root)).hexdigest()[:16]
    return Path(cache, _FOLDER, identity) if cache else None


def _remembered(path: Path, state: list[int]) -> Inventory | None:
    try:
        if os.lstat(path).st_uid != os.geteuid():  # planted by somebody in a cache that others write
            return None
        data = read_plain(path)
        return parse_inventory(data) if json.loads(data).get("manifest") == state else None
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def _remember(volume: Volume, place: Path, found: Inventory, state: list[int]) -> None:
    """Keep an inventory in the user's cache, and none of generations that are gone."""
    from envkit.layout.atomic import write_atomic

    text = json.dumps({**json.loads(inventory_text(found)), "manifest": state}, separators=(",", ":"))
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        write_atomic(place / f"{found.generation}.json", text, durable=False)
        for name in os.listdir(place):
            if not (volume.generations / name.removesuffix(".json")).exists():
                (place / name).unlink()
