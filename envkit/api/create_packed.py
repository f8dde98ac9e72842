"""create --packed: an environment of which only one file lies on the volume, for volumes that are short of inodes."""

from __future__ import annotations

import contextlib
import datetime
import json
import shutil
from pathlib import Path

from envkit.api.change import Change, changing
from envkit.api.create import CreateOptions, create_environment
from envkit.api.session import Session
from envkit.api.unpack import settle_tree
from envkit.api.validate import record_validation
from envkit.errors import IntegrityError, NoSpaceError
from envkit.layout.atomic import write_atomic
from envkit.layout.generation import Claimed, active, claim, publish, read_manifest, write_manifest
from envkit.layout.lineage import next_origin
from envkit.layout.packs import pack_path
from envkit.layout.permissions import sharing
from envkit.layout.refusal import no_space, what_is_full, writing
from envkit.layout.weighing import weighing
from envkit.models.codes.advice import EPHEMERAL_VOLUME, NETWORK_VOLUME, NO_HARD_LINKS, NO_LOCKS
from envkit.models.manifest import Manifest
from envkit.models.pack import PackFormat, PackIndex
from envkit.models.progress import Reporter, working
from envkit.models.request import Inquiry
from envkit.models.results import CreateResult
from envkit.packing.build import make_pack
from envkit.packing.listing import list_prefix
from envkit.packing.source import copy_tree
from envkit.packing.tree import FolderSource, TreeWriter
from envkit.paths import MANIFEST, PACKED
from envkit.scratch import scratch
from envkit.values import replace
from envkit.wire.results import members

_LEVEL = 6
_OF_THE_FOLDER = {EPHEMERAL_VOLUME, NETWORK_VOLUME, NO_HARD_LINKS, NO_LOCKS}


class _WithoutNotes(Reporter):
    """Passes progress on, but no notes: they are about the folder for temporary files."""

    def __init__(self, reporter: Reporter) -> None:
        self.start = reporter.start  # type: ignore[method-assign]
        self.advance = reporter.advance  # type: ignore[method-assign]
        self.finish = reporter.finish  # type: ignore[method-assign]
        self.detail = reporter.detail  # type: ignore[method-assign]


def create_packed(session: Session, name: str, inquiry: Inquiry, options: CreateOptions) -> CreateResult:
    """Make an environment in a folder for temporary files, and put its pack on the session's volume.

    An environment that is there is reused or refused as it is; see `create_environment`.

    Raises:
        EnvkitError: Whatever is raised, the volume is as it was.
    """
    options = replace(options, alone=True)
    if options.dry_run or active(session.volume, name) is not None:
        return create_environment(session, name, inquiry, options)
    with contextlib.ExitStack() as temporary:
        folder = temporary.enter_context(scratch())
        settings = replace(session.settings, volume=folder / "volume")
        reporter = _WithoutNotes(session.reporter)
        inner = replace(session, settings=settings, reporter=reporter, indexes=session.index_dir)
        result = create_environment(inner, name, inquiry, options)
        made = read_manifest(Path(str(result.prefix)))
        if made is None:
            raise IntegrityError(f"{result.prefix} has no manifest", hint="Run it again.")
        with changing(session, name, there=False) as change:
            prefix = _packed(session, change, made, folder / "tree")
        if result.report is not None:
            record_validation(session.volume, prefix.name, result.report, session.host)
        with working(session.reporter, "remove", "temporary files"):
            temporary.close()
    root = session.volume.root
    advice = tuple(fact for fact in result.advice if fact.code not in _OF_THE_FOLDER)
    return replace(result, volume=str(root), path=str(root / name), prefix=str(prefix), advice=advice)


def _packed(session: Session, change: Change, made: Manifest, tree: Path) -> Path:
    volume = change.volume
    origin = next_origin(volume, change.name, "create --packed")
    try:
        with writing(volume), sharing(volume), claim(volume, change.name) as claimed:
            manifest = replace(
                made,
                generation=claimed.prefix.name,
                prefix=str(claimed.prefix),
                created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                **members(origin, "lineage", "number", "parent", "verb"),
            )
            _settle(session, made, manifest, tree)
            form: PackFormat = "squashfs" if shutil.which("mksquashfs") else "tar.zst"
            out = pack_path(volume, claimed.prefix.name, form)
            try:
                digest, index = make_pack(
                    tree, manifest, out, form=form, level=_LEVEL, validations=(), reporter=session.reporter
                )
                note = {"file": out.name, "sha256": digest, "size_bytes": out.stat().st_size, "files": index.inodes}
                _publish(change, claimed, manifest, note)
            except BaseException:
                with contextlib.suppress(OSError):
                    out.unlink()
                raise
    except OSError as error:
        if not no_space(error):
            raise
        raise NoSpaceError(
            what_is_full(volume, error), hint="Free space, or name a larger folder for temporary files in TMPDIR."
        ) from error
    return claimed.prefix


def _settle(session: Session, made: Manifest, manifest: Manifest, tree: Path) -> None:
    """Write the files of an environment as those of the generation that only has a pack."""
    files = list_prefix(Path(made.prefix), hashed=False, reporter=session.reporter, phase="read")
    source = FolderSource(PackIndex(made.prefix, "", made, tuple(files)))
    tree.mkdir()
    writer = TreeWriter(tree, Path(manifest.prefix), made.prefix)
    copy_tree(source, writer, reporter=session.reporter, phase="read")
    settle_tree(tree, Path(manifest.prefix), writer)
    write_atomic(tree / MANIFEST, manifest.to_text(), durable=False)


def _publish(change: Change, claimed: Claimed, manifest: Manifest, note: dict[str, object]) -> None:
    write_atomic(claimed.place / PACKED, json.dumps(note, indent=1) + "\n")
    write_manifest(manifest, claimed.place)
    with weighing(change.volume, claimed.here, manifest):
        pass
    claimed.check()
    claimed.open_up()
    publish(change.volume, change.name, claimed.prefix)
