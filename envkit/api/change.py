"""The transaction: one environment changed, by one process at a time, as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.api.session import Session
from envkit.errors import EnvironmentExistsError, EnvkitError, IntegrityError
from envkit.hashes import sha256
from envkit.host.cache import default_cache_dir, read_entry, write_entry
from envkit.layout import lease
from envkit.layout.atomic import sync_directory
from envkit.layout.generation import active, publish, read_manifest, refuse_foreign, refuse_moved, resolve
from envkit.layout.lineage import next_origin
from envkit.layout.mounting import is_packed
from envkit.layout.opening import check_own, check_writable
from envkit.layout.permissions import foreign_owner
from envkit.layout.refusal import writing
from envkit.layout.volume import Volume, check_name
from envkit.models.codes.files import ROOT_ON_OTHERS
from envkit.models.fact import Fact
from envkit.models.host import Target
from envkit.models.manifest import Manifest, RecordedRequest
from envkit.values import dataclass
from envkit.words.say import say

if TYPE_CHECKING:
    from envkit.api.make import Made, Proof
    from envkit.api.solve import Plan

# How long `clean` may take to look at a generation that it wants to remove.
_CLEAN_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one environment, while its lease is held."""

    session: Session  # settings and services
    volume: Volume  # the volume, which can be written
    name: str  # the environment

    @property
    def prefix(self) -> Path | None:
        """The active generation, or None."""
        return active(self.volume, self.name)

    def manifest(self) -> Manifest | None:
        """Return the manifest of the active generation, or None where there is none."""
        return read_manifest(self.prefix) if self.prefix is not None else None

    def make(self, plan: Plan, recorded: RecordedRequest, *, target: Target, verb: str, proof: Proof = "any") -> Made:
        """Make the next generation and point the environment's link at it; see `make_generation`."""
        from envkit.api.make import Blueprint, make_generation

        origin = next_origin(self.volume, self.name, verb)
        return make_generation(self.session, Blueprint(self.name, plan, recorded, target, origin), proof=proof)

    def publish(self, prefix: Path) -> None:
        """Point the environment's link at a generation that was made before."""
        with self.sharing(prefix.name):
            manifest = read_manifest(prefix)
            if manifest is None or not ((prefix / "conda-meta").is_dir() or is_packed(prefix)):
                raise IntegrityError(
                    f"{prefix.name} is not whole: it has no conda-meta", hint=f"See `envkit doctor {prefix}`."
                )
            refuse_moved(manifest, prefix)
            if prefix != self.prefix:
                publish(self.volume, self.name, prefix)

    def rename(self, new_name: str) -> None:
        """Give the environment's link another name, whose lease is held too."""
        with writing(self.volume):
            self.volume.link(self.name).rename(self.volume.link(new_name))
        sync_directory(self.volume.root)

    def unlink(self) -> None:
        """Remove the environment's link: the generations that nothing points to are `clean`'s from now on."""
        self.volume.link(self.name).unlink()
        sync_directory(self.volume.root)

    def sharing(self, generation: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lease of a generation together with the jobs that run in it: `clean` removes it only alone."""
        return lease.hold(self.volume, generation, reporter=self.session.reporter, wait_s=_CLEAN_WAIT_S, shared=True)


@contextlib.contextmanager
def changing(session: Session, name: str, *, there: bool | None = None, also: str | None = None) -> Iterator[Change]:
    """Hold the lease of an environment's name while the block changes it.

    Everything that can be refused is refused before the volume is touched, and once more under the lease. Leftovers of
    runs that died are removed first.

    Args:
        there: True: it has to exist; False: nothing may have its name; None: only what envkit did not make is refused.
        also: A second name that has to be free, whose lease is held as well.

    Raises:
        UnknownEnvironmentError: It does not exist.
        EnvironmentExistsError: The name is taken.
        HeldError: Another process changes it.
        VolumeError: There is no volume, or this user may not write there.
    """
    standings = {check_name(name): there} | ({check_name(also): False} if also is not None else {})
    volume = session.find_volume() if there else session.volume
    check_writable(volume, named=session.volume_is_named)
    for one, expected in standings.items():
        _check_standing(volume, one, there=expected)
    volume = session.make_volume()
    _warn_root(session, volume)
    with contextlib.ExitStack() as leases:
        for one in sorted(standings):  # in one order: two renames cannot wait for each other
            leases.enter_context(lease.hold(volume, f"{one}.name", reporter=session.reporter, wait_s=lease.NAME_WAIT_S))
        from envkit.layout import gc

        if swept := gc.remove_leftovers(volume):
            session.reporter.note(f"removed {swept} leftovers of runs that died")
        for one, expected in standings.items():
            _check_standing(volume, one, there=expected)
        yield Change(session, volume, name)
    _rename_kernels(session, volume, name)


def _rename_kernels(session: Session, volume: Volume, name: str) -> None:
    """Name the environment's Jupyter kernels after what it is now; without any this loads nothing."""
    from envkit.kernels import list_kernels

    with contextlib.suppress(OSError, EnvkitError):  # the change is made, whatever becomes of a name
        if any(kernel.environment == name for kernel in list_kernels([str(volume.root)], os.environ)):
            from envkit.api.kernel import refresh_kernels

            refresh_kernels(volume, name, session.host)


def _warn_root(session: Session, volume: Volume) -> None:
    """Tell root once a day; `doctor` always does."""
    owner = foreign_owner(volume)
    if owner is None:
        return
    cache = default_cache_dir(os.environ)
    name = f"now-root-{sha256(os.fsencode(volume.root)).hexdigest()[:16]}"
    if cache is not None:
        if read_entry(cache, name) is not None:
            return
        write_entry(cache, name, {})
    session.reporter.note(say(Fact(ROOT_ON_OTHERS, root=str(volume.root), owner=owner)))


def _check_standing(volume: Volume, name: str, *, there: bool | None) -> None:
    """Refuse a name that is missing, taken, or not envkit's."""
    if there is None:
        refuse_foreign(volume, name)
    elif there:
        if active(volume, name) is None:
            resolve(volume, name)  # raises, and lists the environments that exist
        check_own(volume, name)
    elif os.path.lexists(volume.link(name)):
        raise EnvironmentExistsError(
            f"{volume.link(name)} is there already", hint="Choose another name, or remove that one."
        )
