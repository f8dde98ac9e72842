"""remove and rename: the link goes, or gets another name."""

from __future__ import annotations

import contextlib
import shutil

from envkit.errors import EnvironmentExistsError, IntegrityError, UnknownEnvironmentError, UsageError
from envkit.kernels import remove_kernels
from envkit.layout import lease
from envkit.layout.atomic import sync_directory
from envkit.layout.gc import remove_generation
from envkit.layout.generation import active, read_manifest, resolve
from envkit.layout.lease import NAME_WAIT_S
from envkit.layout.lineage import directories_of
from envkit.layout.refusal import writing
from envkit.layout.usage import freed_by, in_use
from envkit.layout.validations import read_validation
from envkit.layout.volume import Volume, check_name
from envkit.models.changes import RemoveResult, SwitchResult
from envkit.models.progress import Reporter

__all__ = ["remove", "rename"]


def remove(volume: Volume, name: str, *, reporter: Reporter) -> RemoveResult:
    """Take away an environment and all its generations. Packages stay in the cache until `clean`.

    The link goes first: from then on nothing finds the environment, and what a crash leaves behind is an orphan that
    `clean` takes. A generation that a process is using is left to `clean` as well.

    Raises:
        UnknownEnvironmentError: There is no environment of that name.
        VolumeError: This user may not write there.
    """
    with lease.hold(volume, f"{check_name(name)}.name", reporter=reporter, wait_s=NAME_WAIT_S), writing(volume):
        generation = active(volume, name)
        if generation is None:
            resolve(volume, name)  # says which there are
        prefixes = {generation} if generation is not None else set()
        # Without a manifest to read there is no lineage; then only what the link names goes.
        with contextlib.suppress(UnknownEnvironmentError, IntegrityError):
            prefixes |= set(directories_of(volume, name).values())
        used = in_use(volume)
        doomed = sorted(path for path in prefixes if path.is_dir() and path.name not in used)
        freed = freed_by(doomed).size_bytes
        volume.link(name).unlink()
        sync_directory(volume.root)
        remove_kernels(volume.root, name)  # what starts in an environment goes with it
        gone = [path for path in doomed if remove_generation(volume, path)]
        for path in gone:
            shutil.rmtree(volume.validations / path.name, ignore_errors=True)
        if gone != doomed:
            freed = max(0, freed - freed_by(path for path in doomed if path not in gone).size_bytes)
    kept = sorted(path.name for path in prefixes if path not in gone and path.is_dir())
    return RemoveResult(name, tuple(path.name for path in gone), tuple(kept), freed)


def rename(
    volume: Volume, name: str, new_name: str, *, fingerprint: str | None = None, reporter: Reporter
) -> SwitchResult:
    """Give an environment another name: the link is renamed, the generations stay where they are.

    Raises:
        UnknownEnvironmentError: There is no environment of the old name.
        EnvironmentExistsError: The new name is taken.
        UsageError: It is the old one.
        VolumeError: This user may not write there.
    """
    if check_name(new_name) == check_name(name):
        raise UsageError(f"{name} has that name already", hint="Give another new name: envkit rename OLD NEW.")
    with contextlib.ExitStack() as stack:
        for one in sorted({check_name(name), new_name}):  # in one order: two renames cannot wait for each other
            stack.enter_context(lease.hold(volume, f"{one}.name", reporter=reporter, wait_s=NAME_WAIT_S))
        prefix = resolve(volume, name)
        link = volume.link(new_name)
        if link.exists() or link.is_symlink():
            raise EnvironmentExistsError(f"{link} is there already", hint="Choose another name, or remove that one.")
        with writing(volume):
            volume.link(name).rename(link)
        sync_directory(volume.root)
    manifest = read_manifest(prefix)
    return SwitchResult(
        environment=new_name,
        path=str(link),
        prefix=str(prefix),
        number=manifest.number if manifest else 0,
        before=None,
        difference=None,
        validated=bool(fingerprint and read_validation(volume, prefix.name, fingerprint)),
    )
