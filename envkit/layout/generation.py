"""Generations: claimed with mkdir, finished by a manifest, published by a link."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.errors import EnvironmentExistsError, IntegrityError, TamperedError, UnknownEnvironmentError, VolumeError
from envkit.layout import lease
from envkit.layout.atomic import sync_file_system, write_atomic
from envkit.layout.private import Folder, folder, read_file, tampered
from envkit.layout.profiles import read_profiles
from envkit.layout.refusal import writing
from envkit.layout.trash import discard
from envkit.layout.volume import Volume, check_name, environments, linked
from envkit.models.manifest import Manifest
from envkit.models.stored import StoredError
from envkit.paths import MANIFEST, names_there, split_generation
from envkit.values import dataclass

if TYPE_CHECKING:
    from envkit.profiles import Profile


@dataclass(frozen=True, slots=True)
class Claimed:
    """A generation in the making, which only its maker may enter.

    Whoever may write the volume can give its name to another directory, or to a link to somebody's folder. So
    everything is written and read below `place`, which stays the directory that was made; files hold `prefix`.
    """

    prefix: Path  # the path of the generation
    here: Folder  # the directory itself

    @property
    def place(self) -> Path:
        """A path to the directory for this process and its children, by the descriptor where the system offers that."""
        return Path(self.here.through)

    def check(self) -> None:
        """Check that the path still leads to the directory that was made, before a program is started by it.

        Raises:
            TamperedError: It does not.
        """
        if not self.here.is_still_at(str(self.prefix)):
            raise tampered(str(self.prefix), "another directory than the one that was made")

    def open_up(self) -> None:
        """Let in those who share the volume."""
        self.here.share()


@contextlib.contextmanager
def claim(volume: Volume, name: str) -> Iterator[Claimed]:
    """Make a new, empty generation for `name` and hold its lease while the block runs.

    mkdir(2) decides between two processes that want the same name. The lease is taken first, so the maker of a
    generation without manifest and holder is always dead. An error in the block discards the generation.

    Raises:
        TamperedError: Its path leads to another directory after the block.
    """
    check_name(name)
    while True:
        path = volume.generations / f"{name}-{os.urandom(4).hex()}"
        with lease.hold(volume, path.name):
            with folder(volume.root, volume.generations) as home:
                try:
                    here = home.enter(path.name, new=True, mode=0o700)
                except FileExistsError:
                    continue
                with here:
                    made = Claimed(path, here)
                    try:
                        home.sync()
                        yield made
                    except BaseException as error:
                        discard(volume, path, unless=partial(_is_pointed_to, volume, path))
                        if isinstance(error, OSError) and isinstance(error.filename, str):
                            error.filename = error.filename.replace(here.through, str(path))
                        raise
                    made.check()
            return


def write_manifest(manifest: Manifest, place: Path | None = None) -> None:
    """Write the manifest: the last file of a generation, after everything else is on the disk.

    `place` is another path to the generation; see `Claimed`.
    """
    place = place or Path(manifest.prefix)
    sync_file_system(place)
    write_atomic(place / MANIFEST, manifest.to_text())


def write_variables(manifest: Manifest, place: Path) -> None:
    """Write the variables of an environment where `conda env config vars` keeps them, so every activation sets them."""
    if manifest.request.variables and (place / "conda-meta").is_dir():
        state = {"version": 1, "env_vars": manifest.request.variables}
        write_atomic(place / "conda-meta" / "state", json.dumps(state, indent=1), durable=False)


def is_finished(prefix: Path) -> bool:
    """Return whether a generation has its manifest. One that this user may not enter counts as finished."""
    try:
        (prefix / MANIFEST).stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def read_manifest(prefix: Path) -> Manifest | None:
    """Read the manifest of a generation; None for an unfinished one, or a prefix made by another tool.

    Raises:
        IntegrityError: The manifest cannot be read, or belongs to another generation. So its `generation` can be
            trusted as the name of the directory.
    """
    try:
        text = read_file(prefix / MANIFEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise IntegrityError(
            f"the manifest of {prefix} cannot be read: {error.strerror}",
            hint="Its owner has made it private. Ask them to run `envkit doctor --fix`.",
        ) from error
    try:
        manifest = Manifest.parse(text)
    except StoredError as error:
        raise IntegrityError(
            f"the manifest of {prefix} cannot be read: {error}",
            hint="It was written by a newer envkit, or damaged. Make the environment again with create --replace.",
        ) from error
    if manifest.generation not in {prefix.name, os.path.basename(os.path.realpath(prefix))}:  # noqa: PTH119
        raise IntegrityError(
            f"the manifest of {prefix} is that of another generation: {manifest.generation!r}",
            hint="It was copied there, or changed. Make the environment again with create --replace.",
        )
    return manifest


def known_manifest(prefix: Path | None) -> Manifest | None:
    """Read the manifest of a generation; None if there is none that can be read."""
    try:
        return read_manifest(prefix) if prefix is not None else None
    except IntegrityError:
        return None


def list_manifests(volume: Volume) -> Iterator[tuple[Path, Manifest | None]]:
    """List every generation with its manifest; None if it is unfinished or cannot be read."""
    return ((path, known_manifest(path)) for path in list_generations(volume))


def is_moved(manifest: Manifest, prefix: Path) -> bool:
    """Return whether a generation lies elsewhere than at the path in its files.

    It does not if the old path is a symbolic link that leads here.
    """
    home = Path(manifest.prefix)
    return home != prefix and not (home.exists() and home.samefile(prefix))


def refuse_moved(manifest: Manifest | None, prefix: Path) -> None:
    """Refuse to use a generation that lies elsewhere than at the path in its files."""
    if manifest is not None and is_moved(manifest, prefix):
        raise VolumeError(
            f"{manifest.name} was made at {manifest.prefix} and is at {prefix} now; its files hold the old path",
            hint="Link its packages anew (seconds): envkit doctor --fix. Or mount the volume where it was, or put a "
            "link there.",
        )


def publish(volume: Volume, name: str, generation: Path) -> Path:
    """Point the environment's link at a generation. This rename is the only commit point.

    The caller holds the generation's lease, so that `clean` does not remove it before the rename.
    """
    refuse_foreign(volume, name)
    link = volume.link(name)
    before = os.readlink(link) if link.is_symlink() else None
    with writing(volume), folder(volume.root, volume.root) as root:
        folder(volume.root, generation).close()  # still a directory of this volume, not a link
        # Relative, so that the link also works through another mount path.
        _point(root, name, str(generation.relative_to(volume.root)))
        try:
            root.sync()
        except OSError:
            with contextlib.suppress(OSError):  # it may not be on the disk: the old state, for those who read it now
                _point(root, name, before) if before is not None else root.unlink(name)
            raise
    return link


def _point(root: Folder, name: str, target: str) -> None:
    """Make the link `name`, or replace it: the environment is there at every instant."""
    temporary = f".{name}.{os.urandom(4).hex()}"
    root.link_to(temporary, target)
    try:
        root.move(temporary, root, name)
    except OSError:
        root.unlink(temporary)
        raise


def refuse_foreign(volume: Volume, name: str) -> None:
    """Refuse to replace anything but a link into this volume."""
    link = volume.link(name)
    if (link.exists() or link.is_symlink()) and active(volume, name) is None:
        raise EnvironmentExistsError(
            f"{link} is there and was not made by envkit", hint="Choose another name with -n NAME, or move it away."
        )


def active(volume: Volume, name: str) -> Path | None:
    """Return the generation that `name` points to, or None."""
    return linked(volume, name) if "/" not in name else None


def _is_pointed_to(volume: Volume, path: Path) -> bool:
    return path.name in pointed_to(volume)


def pointed_to(volume: Volume) -> dict[str, str]:
    """Map each generation that an environment's link names, or that is one of its profiles, to the environment."""
    found: dict[str, str] = {}
    for name, path in environments(volume):
        found.update({profile.generation: name for profile in known_profiles(path)})
        found[path.name] = name
    return found


def known_profiles(prefix: Path) -> tuple[Profile, ...]:
    """Return the profiles of a generation, its own among them; none if it is alone or its rule cannot be obeyed."""
    try:
        return read_profiles(str(prefix))
    except TamperedError:
        return ()


def active_name(prefix: Path) -> str | None:
    """Return the environment that a prefix is the generation of, or a profile; None for another prefix."""
    found = split_generation(str(prefix))
    if found is None:
        return None
    return pointed_to(Volume(Path(found[0]))).get(prefix.name)


def resolve(volume: Volume | None, name_or_prefix: str) -> Path:
    """Return the directory of an environment, given by name or by path, with links resolved.

    Raises:
        UnknownEnvironmentError: There is no such environment.
    """
    if "/" not in name_or_prefix and volume is not None:
        generation = active(volume, check_name(name_or_prefix))
        if generation is not None and generation.is_dir():
            return generation
        with contextlib.suppress(FileNotFoundError):
            folder(volume.root, volume.generations).close()  # it may be a link: that is said instead
        known = [name for name, _ in environments(volume)]
        raise UnknownEnvironmentError(
            f"there is no environment {name_or_prefix!r} in {volume.root}",
            hint=f"{names_there(name_or_prefix, known)} Another volume: --persist DIR. "
            "A prefix: write its path, with a '/'.",
        )
    prefix = Path(os.path.realpath(name_or_prefix))
    if not prefix.is_dir():
        raise UnknownEnvironmentError(f"there is no environment at {name_or_prefix}", hint="Check the path.")
    return prefix


def list_generations(volume: Volume) -> Iterator[Path]:
    """List every generation on the volume, finished or not."""
    try:
        home = folder(volume.root, volume.generations)
    except FileNotFoundError:
        return
    with home:
        found = [name for name in home.names() if home.is_folder(name)]
    yield from (volume.generations / name for name in found)
