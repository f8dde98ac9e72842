"""remove and rename: the link goes, or gets another name."""

from __future__ import annotations

import contextlib

from envkit.api.change import changing
from envkit.api.session import Session
from envkit.errors import IntegrityError, UnknownEnvironmentError, UsageError
from envkit.kernels import remove_kernels
from envkit.layout.disk import freed_by
from envkit.layout.gc import remove_generation
from envkit.layout.generation import read_manifest, resolve
from envkit.layout.lineage import directories_of
from envkit.layout.refusal import writing
from envkit.layout.trash import discard
from envkit.layout.usage import in_use
from envkit.layout.validations import read_validation
from envkit.layout.volume import check_name
from envkit.models.changes import RemoveResult, SwitchResult
from envkit.models.progress import working


def remove(session: Session, name: str) -> RemoveResult:
    """Remove an environment and all its generations. Packages stay in the cache until `clean`.

    The link goes first: a crash after that leaves orphans, which `clean` removes. A generation that a process is using
    is left to `clean` as well.
    """
    with (
        changing(session, name, there=True) as change,
        writing(change.volume),
        working(session.reporter, "remove", name),
    ):
        volume = change.volume
        prefixes = {change.prefix} if change.prefix is not None else set()
        # Without a manifest to read there is no lineage; then only what the link names goes.
        with contextlib.suppress(UnknownEnvironmentError, IntegrityError):
            prefixes |= set(directories_of(volume, name).values())
        used = in_use(volume)
        doomed = sorted(path for path in prefixes if path.is_dir() and path.name not in used)
        freed = freed_by(doomed).size_bytes
        change.unlink()
        remove_kernels(volume.root, name)  # what starts in an environment goes with it
        gone = [path for path in doomed if remove_generation(volume, path)]
        for path in gone:
            discard(volume, volume.validations / path.name)
        if gone != doomed:
            freed = max(0, freed - freed_by(path for path in doomed if path not in gone).size_bytes)
    kept = sorted(path.name for path in prefixes if path not in gone and path.is_dir())
    return RemoveResult(name, tuple(path.name for path in gone), tuple(kept), freed)


def rename(session: Session, name: str, new_name: str) -> SwitchResult:
    """Give an environment another name: the link is renamed, the generations stay where they are."""
    if check_name(new_name) == check_name(name):
        raise UsageError(f"{name} has that name already", hint="Give another new name: envkit rename OLD NEW.")
    with changing(session, name, there=True, also=new_name) as change:
        prefix = resolve(change.volume, name)
        change.rename(new_name)
    manifest = read_manifest(prefix)
    return SwitchResult(
        environment=new_name,
        path=str(change.volume.link(new_name)),
        prefix=str(prefix),
        number=manifest.number if manifest else 0,
        before=None,
        difference=None,
        validated=read_validation(change.volume, prefix.name, session.host.fingerprint) is not None,
    )
