"""Session: the settings and services that a verb works with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.layout.volume import Volume
from envkit.models.host import Host
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.settings import Settings

if TYPE_CHECKING:
    from envkit.engines.base import Engine


@dataclass(frozen=True)
class Session:
    """The settings and services of one run."""

    settings: Settings  # the volume, the channels and the engine as they are configured
    policy: NetworkPolicy = field(default_factory=NetworkPolicy)  # how the network may be used
    reporter: Reporter = field(default_factory=Reporter)  # receives progress and notes
    solver: Engine | None = None  # an engine to use instead of the configured one

    @cached_property
    def engine(self) -> Engine:
        """The solver, loaded at its first use."""
        from envkit.engines.registry import make_engine

        return self.solver or make_engine(self.settings.engine)

    @cached_property
    def host(self) -> Host:
        """This machine, detected once."""
        from envkit.host.detect import detect_host

        return detect_host()

    @property
    def volume(self) -> Volume:
        """The configured volume, whether it exists or not."""
        return Volume(Path(os.path.abspath(self.settings.volume)))  # noqa: PTH100 - as `open_volume`

    def find_volume(self) -> Volume:
        """Return the configured volume without touching it.

        Raises:
            VolumeError: Its directory does not exist, or its path cannot be used.
        """
        from envkit.layout.opening import open_volume

        return open_volume(self.settings.volume, create=False)

    def make_volume(self) -> Volume:
        """Return the configured volume; make what is missing of it."""
        from envkit.layout.opening import open_volume

        return open_volume(self.settings.volume, create=True)

    @property
    def index_dir(self) -> Path:
        """The cache of channel indexes: on the volume, or the user's own until there is a volume."""
        if self.volume.index.is_dir():
            return self.volume.index
        return user_index_dir()


def user_index_dir() -> Path:
    """Return the user's own cache of channel indexes."""
    from platformdirs import user_cache_path

    return user_cache_path("envkit") / "index"
