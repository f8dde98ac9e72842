"""volume: where environments live and why, what its file system can do, what is on it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from envkit.installer.verify import cached_packages
from envkit.layout.disk import measure
from envkit.layout.filesystem import concerns, missing_abilities, probe_abilities, read_mount
from envkit.layout.generation import list_generations, pointed_to
from envkit.layout.opening import probe_volume, read_volume_file
from envkit.layout.space import free_space
from envkit.layout.volume import Volume, environments
from envkit.models.channel import redact
from envkit.models.volume import VolumeReport, VolumeUse
from envkit.settings import Settings
from envkit.wire.results import members


def describe_volume(settings: Settings, *, probe: bool) -> VolumeReport:
    """Describe the configured volume, without making it.

    With `probe`, test again what the file system can do, and remember it.
    """
    volume = Volume(settings.volume)
    known = read_volume_file(volume)
    if known is not None and probe:
        probe_volume(volume)
        known = read_volume_file(volume)
    mount = read_mount(volume.root)
    able = dict(known.capabilities) if known is not None else _try_out(volume.root)
    place = volume.root
    while not place.is_dir():
        place = place.parent
    space = free_space(place)
    launcher = volume.binaries / "envkit"
    values = {
        "volume": str(settings.volume),
        "channels": ", ".join(map(redact, settings.channels)) or "conda-forge (and pytorch, nvidia for frameworks)",
        "channel_alias": redact(settings.names.alias),
    }
    return VolumeReport(
        root=str(volume.root),
        settings={key: (value, settings.origins.get(key, "default")) for key, value in values.items()},
        notes=settings.notes,
        exists=known is not None,
        id=known.id if known else None,
        mounted_at=known.mounted_at if known else None,
        fs_type=mount.fs_type,
        mount_point=mount.point,
        abilities=able,
        missing=tuple(missing_abilities(able)) if able else (),
        concerns=tuple(concerns(mount, able)),
        **members(space, "free_bytes", "free_inodes", "quota"),
        use=_use(volume) if known is not None else None,
        launcher=str(launcher) if launcher.is_file() else None,
    )


def _try_out(root: Path) -> dict[str, bool]:
    """Test what the file system can do where no volume is yet; return nothing if it cannot be written."""
    place = root if root.is_dir() else root.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return {}
    try:
        with tempfile.TemporaryDirectory(prefix=".envkit-probe-", dir=place) as folder:
            return probe_abilities(Path(folder))
    except OSError:
        return {}


def _use(volume: Volume) -> VolumeUse:
    active = [volume.generations / generation for generation in pointed_to(volume)]
    generations = list(list_generations(volume))
    packages = cached_packages(volume)
    seen: set[tuple[int, int]] = set()

    def take(*roots: Path) -> int:
        size = 0
        for root in roots:
            for state in measure(root):
                if (state.st_dev, state.st_ino) not in seen:
                    seen.add((state.st_dev, state.st_ino))
                    size += state.st_blocks * 512
        return size

    return VolumeUse(
        environments=len(list(environments(volume))),
        generations=len(generations),
        packages=len(packages),
        active_bytes=take(*active),
        superseded_bytes=take(*generations),
        cache_bytes=take(volume.packages, volume.bytecode),
        other_bytes=take(volume.private),
    )
