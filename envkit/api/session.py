"""Session: the settings and services that a verb works with."""

from __future__ import annotations

import contextlib
import os
import stat
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.errors import SettingsError
from envkit.layout.volume import Volume
from envkit.models.host import Host
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.paths import user_folder
from envkit.settings import Settings
from envkit.values import dataclass, field, replace

if TYPE_CHECKING:
    from envkit.builds.knowledge import Knowledge
    from envkit.engines.base import Engine
    from envkit.engines.rattler import RattlerEngine
    from envkit.models.request import Inquiry


@dataclass(frozen=True)
class Session:
    """The settings and services of one run."""

    settings: Settings  # the volume, the channels and the engine as they are configured
    policy: NetworkPolicy = field(default_factory=NetworkPolicy)  # how the network may be used
    reporter: Reporter = field(default_factory=Reporter)  # receives progress and notes
    solver: Engine | None = None  # an engine to use instead of the configured one
    indexes: Path | None = None  # a cache of channel indexes to use instead of the volume's

    @cached_property
    def engine(self) -> Engine:
        """The solver, loaded at its first use."""
        from envkit.engines.registry import make_engine

        return self.solver or make_engine(self.settings.engine)

    @cached_property
    def index(self) -> RattlerEngine:
        """The reader of indexes by name, whatever solves: the engine's own, so that no server is asked twice."""
        from envkit.engines.rattler import RattlerEngine

        found = None
        with contextlib.suppress(SettingsError):  # it is not installed: what only reads does without
            found = getattr(self.engine, "index", None)
        return found if isinstance(found, RattlerEngine) else RattlerEngine()

    @cached_property
    def knowledge(self) -> Knowledge:
        """The known GPU code of builds, with what was measured on the volume and by this user."""
        from envkit.builds.knowledge import Knowledge, shipped_knowledge
        from envkit.layout.measured import measured_store

        here = measured_store(self.volume)
        return Knowledge(here=here) if here else shipped_knowledge()

    @cached_property
    def host(self) -> Host:
        """This machine, detected once."""
        from envkit.host.detect import detect_host

        return detect_host()

    def dated(self, inquiry: Inquiry) -> Inquiry:
        """Return an inquiry with the configured ``exclude_newer``, where it says nothing of it itself."""
        request = inquiry.request
        cutoff = request.exclude_newer or self.settings.exclude_newer
        return replace(inquiry, request=replace(request, exclude_newer=cutoff))

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of this machine; a look at files mostly tells it without asking the driver."""
        from envkit.host.fingerprint import fingerprint_now

        return fingerprint_now()[1] or self.host.fingerprint

    @property
    def volume(self) -> Volume:
        """The configured volume, whether it exists or not."""
        return Volume(Path(os.path.abspath(self.settings.volume)))

    def find_volume(self) -> Volume:
        """Return the configured volume without touching it.

        Raises:
            VolumeError: Its directory does not exist, or its path cannot be used.
        """
        from envkit.layout.opening import open_volume

        return open_volume(self.settings.volume, create=False, named=self.volume_is_named)

    def other_volumes(self) -> tuple[Volume, ...]:
        """Return the other roots that the settings name and that are there: a name is looked up in each."""
        own = self.volume.root
        roots = [Path(os.path.abspath(path)) for path in self.settings.volumes]
        return tuple(Volume(root) for root in dict.fromkeys(roots) if root != own and root.is_dir())

    def make_volume(self) -> Volume:
        """Return the configured volume; make what is missing of it."""
        from envkit.layout.opening import open_volume

        root = self.settings.volume
        if not self.volume_is_named and not root.is_dir():
            self.reporter.note(f"the volume is {root}; for another, set CONDA_ENVS_PATH or give --persist DIR")
        return open_volume(root, create=True, named=self.volume_is_named)

    @property
    def volume_is_named(self) -> bool:
        """True where a flag, a variable or a file names the volume; else it is the default one."""
        return self.settings.origins.get("volume") != "default"

    @property
    def index_dir(self) -> Path:
        """The cache of channel indexes: on the volume, or the user's own until there is a volume.

        Raises:
            TamperedError: Something in it is not envkit's; engines write it by its path.
        """
        if self.indexes is not None:
            return self.indexes
        from envkit.layout.private import own_folder

        return own_folder(self.volume.root, self.volume.index) or user_index_dir()

    @property
    def wheel_cache(self) -> Path:
        """The cache of uv: on the volume, or the user's own until there is a volume; see `index_dir`."""
        from envkit.layout.private import own_folder

        return own_folder(self.volume.root, self.volume.wheels) or user_index_dir().parent / "uv"


def user_index_dir() -> Path:
    """Return the user's own cache of channel indexes; one in the temporary directory where home takes no writes."""
    usual = _user_cache() / "index"
    if _can_make(usual) or not hasattr(os, "geteuid"):
        return usual
    import tempfile

    private = Path(tempfile.gettempdir()) / f"envkit-cache-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        private.mkdir(mode=0o700)
    known = private.lstat()
    if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.geteuid() or known.st_mode & 0o077:
        return usual  # somebody else's, in a directory for all
    return private / "index"


def _user_cache() -> Path:
    if (folder := user_folder("XDG_CACHE_HOME", ".cache", os.environ)) is not None:
        return Path(folder)
    from platformdirs import user_cache_path

    try:
        return user_cache_path("envkit")
    except RuntimeError:  # a user without a home directory
        return Path("/nonexistent/envkit")


def _can_make(folder: Path) -> bool:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return False
    try:  # access(2) promises root what /proc and other file systems then refuse
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True
