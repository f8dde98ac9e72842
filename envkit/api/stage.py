"""stage: a copy of an environment on this node's own disk, made once however many processes ask for it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from envkit.api.profile_here import referenced
from envkit.api.session import Session
from envkit.api.unpack import refuse_short, refuse_strange, settle_tree
from envkit.errors import HeldError, IntegrityError, NoSpaceError, UnknownEnvironmentError, VolumeError
from envkit.layout.atomic import sync_file_system, write_atomic
from envkit.layout.gc import remove_generation
from envkit.layout.generation import active_name, read_manifest, refuse_moved
from envkit.layout.mounting import is_packed
from envkit.layout.packs import find_pack
from envkit.layout.private import read_file
from envkit.layout.refusal import no_space
from envkit.layout.space import refuse_full
from envkit.layout.staged import staged_copy
from envkit.layout.stages import copying, new_copy, open_stage, remove_parts
from envkit.layout.validations import read_all_validations, write_validation
from envkit.layout.volume import Volume
from envkit.models.manifest import ValidationRecord
from envkit.models.pack import PackIndex, StageResult
from envkit.packing.listing import list_prefix
from envkit.packing.source import PackSource, copy_tree, open_pack
from envkit.packing.tree import FolderSource, TreeWriter
from envkit.paths import MANIFEST, STAGED
from envkit.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class _Original:
    """The things to copy."""

    generation: str
    digest: str  # sha256 of its manifest
    name: str | None  # the environment that points to it
    volume: Volume | None  # None for a pack that lies elsewhere
    prefix: Path | None
    pack: Path | None
    validations: tuple[ValidationRecord, ...]


def stage(session: Session, reference: str, place: Path, *, profile: str | None = None) -> StageResult:
    """Copy a generation to a directory of this node's disk, unless it is there.

    Args:
        reference: An environment, ``NAME@N``, the path of a generation, or that of a pack.
        place: The directory; each user has a folder of his own in it.
        profile: One of its profiles; None for that of this machine.

    Raises:
        UnknownEnvironmentError: There is no such environment, or another tool made it.
        IntegrityError: The pack is damaged.
        VolumeError: The directory cannot be written, or has no room.
    """
    original = _original(session, reference, profile)
    place = Path(os.path.abspath(place))  # noqa: PTH100 - the path as it is written is part of the copy
    return _there(place, original) or _copied(session, place, original)


def _original(session: Session, reference: str, profile: str | None) -> _Original:
    if "/" in reference and Path(reference).is_file():
        with _opened(Path(reference)) as source:
            manifest = source.index.manifest
            digest = next(file.sha256 for file in source.index.files if file.path == MANIFEST)
            known = source.index.validations
        return _Original(manifest.generation, digest, manifest.name, None, None, Path(reference), known)
    volume = session.find_volume()
    prefix = referenced(session, volume, reference, profile)
    found = read_manifest(prefix)
    if found is None:
        raise UnknownEnvironmentError(
            f"{reference} was not made by envkit", hint="Stage an environment that `envkit list` shows."
        )
    refuse_moved(found, prefix)
    digest = hashlib.sha256(read_file(prefix / MANIFEST)).hexdigest()
    pack = find_pack(volume, found.generation)
    known = tuple(read_all_validations(volume, found.generation))
    return _Original(found.generation, digest, active_name(prefix), volume, prefix, pack[0] if pack else None, known)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[PackSource]:
    with contextlib.closing(open_pack(path)) as source:
        refuse_strange(source.index, source.name)
        yield source


def _there(place: Path, original: _Original) -> StageResult | None:
    found = staged_copy(str(place), original.generation, original.digest)
    if found is None:
        return None
    note = json.loads(read_file(Path(found) / STAGED))
    return StageResult(
        environment=original.name,
        generation=original.generation,
        prefix=found,
        reused=True,
        source=str(note.get("source")),
        size_bytes=int(note.get("size_bytes", 0)),
        files=int(note.get("files", 0)),
    )


def _copied(session: Session, place: Path, original: _Original) -> StageResult:
    readable = original.prefix is not None and bool(original.prefix.stat().st_mode & stat.S_IROTH)
    store = open_stage(place, shared=readable)
    with copying(store, original.generation, session.reporter):
        found = _there(place, original)
        if found is not None:
            return found
        remove_parts(store, original.generation)
        _remove_other(store, original.generation)
        with _source(session, original) as source:
            index = source.index
            target = store.generations / original.generation
            refuse_short(index, target)
            refuse_full(store.root, index.content_bytes, index.inodes)
            try:
                with new_copy(store, original.generation) as part:
                    _fill(session, source, original, part, target)
            except OSError as error:
                if not no_space(error):
                    raise
                raise NoSpaceError(
                    f"no space left in {place} while {original.generation} was copied", hint="Free space there."
                ) from error
        for record in original.validations:
            write_validation(store, record)
        result = _there(place, original)
    if result is None:
        raise IntegrityError(f"{target} is not what was copied there", hint="Run it again.")
    return replace(result, reused=False)


@contextlib.contextmanager
def _source(session: Session, original: _Original) -> Iterator[PackSource]:
    if original.pack is not None:
        with _opened(original.pack) as source:
            if source.index.manifest.generation == original.generation:
                yield source
                return
    prefix = original.prefix
    manifest = read_manifest(prefix) if prefix is not None else None
    if prefix is None or manifest is None:
        raise IntegrityError(f"{original.pack} is the pack of another generation", hint="Pack it again.")
    if is_packed(prefix):
        raise VolumeError(
            f"{original.generation} is only a pack, and that is not in {Volume(prefix.parents[2]).packs}",
            hint="Copy the file there from a backup, or make the environment again.",
        )
    files = list_prefix(prefix, hashed=False, reporter=session.reporter, phase="read")
    session.reporter.finish("read", f"{len(files):,} files")
    yield FolderSource(PackIndex(str(prefix), "", manifest, tuple(files)))


def _fill(session: Session, source: PackSource, original: _Original, part: Path, target: Path) -> None:
    index = source.index
    writer = TreeWriter(part, target, source.name)
    copy_tree(source, writer, reporter=session.reporter, phase="stage")
    settle_tree(part, target, writer)
    note = {
        "digest": original.digest,
        "name": index.manifest.name,
        "volume": str(original.volume.root) if original.volume is not None else None,
        "created": index.manifest.created,
        "source": str(original.pack or original.prefix),
        "size_bytes": index.content_bytes,
        "files": len(index.content),
    }
    write_atomic(part / STAGED, json.dumps(note, indent=1) + "\n", durable=False)
    manifest = replace(index.manifest, prefix=str(target))
    write_atomic(part / MANIFEST, manifest.to_text(), durable=False)
    sync_file_system(part)  # a name that outlives a power cut has its bytes


def _remove_other(store: Volume, generation: str) -> None:
    """Remove a copy of that name whose original was another one."""
    path = store.generations / generation
    if path.is_dir() and not remove_generation(store, path):
        raise HeldError(
            f"{path} is the copy of another generation of that name, and in use",
            hint="Wait until its processes have ended, or name another directory.",
        )
