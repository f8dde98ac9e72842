"""unpack: a pack as an environment of this volume, at a path of its own."""

from __future__ import annotations

import contextlib
import datetime
import os
from pathlib import Path

from envkit.api.change import Change, changing
from envkit.api.make import Proof, complete
from envkit.api.session import Session
from envkit.api.validate import revalidate
from envkit.checks.requests import requests_differ
from envkit.errors import EnvironmentExistsError, HostCannotRunError, IntegrityError, NoSpaceError, VolumeError
from envkit.installer.hooks import write_hooks
from envkit.installer.pin import write_pin
from envkit.layout.generation import claim, publish
from envkit.layout.lineage import next_origin
from envkit.layout.permissions import sharing
from envkit.layout.refusal import no_space, what_is_full, writing
from envkit.layout.space import refuse_full
from envkit.layout.validations import write_validation
from envkit.models.manifest import Manifest
from envkit.models.pack import PackIndex, UnpackResult
from envkit.packing.records import mend_records
from envkit.packing.source import PackSource, check_digest, copy_tree, open_pack
from envkit.packing.tree import TreeWriter
from envkit.values import dataclass, replace
from envkit.wire.results import members


@dataclass(frozen=True, slots=True)
class UnpackOptions:
    """Options of `unpack`, apart from what it unpacks."""

    name: str | None = None  # the environment; None for its name when it was packed
    sha256: str | None = None  # of the file, which is read and compared before anything of it is believed
    replace: bool = False  # make the next generation of an environment that is there
    proof: Proof = "any"  # how much validation it takes to publish


def unpack(session: Session, file: Path, options: UnpackOptions) -> UnpackResult:
    """Make an environment of the session's volume out of a pack.

    Raises:
        IntegrityError: The file is no pack, is damaged, or would write outside its prefix.
        EnvironmentExistsError: Another environment has the name.
        EnvkitError: Whatever is raised, the volume is as it was.
    """
    if options.sha256 is not None:
        check_digest(file, options.sha256, session.reporter)
    source = open_pack(file)
    with contextlib.closing(source):
        index = source.index
        refuse_strange(index, source.name)
        name = options.name or index.manifest.name
        with changing(session, name) as change:
            existing = change.manifest()
            if existing is not None and not options.replace:
                return _reused(session, name, existing, index, options)
            return _unpacked(session, change, source, options)


def refuse_strange(index: PackIndex, name: str) -> None:
    """Refuse a pack whose manifest is not of its files.

    Raises:
        IntegrityError: It names other packages than are in it.
    """
    packages = {f"conda-meta/{p.name}-{p.version}-{p.build}.json" for p in index.manifest.packages}
    there = {f.path for f in index.files if f.path.startswith("conda-meta/") and f.path.endswith(".json")}
    if packages != there or index.manifest.prefix != index.prefix:
        raise IntegrityError(
            f"{name} is refused: its manifest is not that of its files", hint="Pack the environment again."
        )


def _reused(session: Session, name: str, existing: Manifest, index: PackIndex, options: UnpackOptions) -> UnpackResult:
    same = existing.digest == index.manifest.digest and existing.pip == index.manifest.pip
    if not same or requests_differ(existing.request, index.manifest.request):
        raise EnvironmentExistsError(
            f"{session.volume.link(name)} is there already, and is another environment",
            hint="Choose another name with -n NAME, or make it the next generation with --replace.",
        )
    result = _result(session, name, existing.prefix, index)
    return replace(result, reused=True, report=revalidate(session, existing, validate=options.proof != "none"))


def _result(session: Session, name: str, prefix: str, index: PackIndex) -> UnpackResult:
    root = session.volume.root
    counts = {"content_bytes": index.content_bytes, "files": len(index.content)}
    return UnpackResult(
        environment=name,
        volume=str(root),
        path=str(root / name),
        prefix=prefix,
        reused=False,
        report=None,
        host=session.host,
        **counts,
    )


def _unpacked(session: Session, change: Change, source: PackSource, options: UnpackOptions) -> UnpackResult:
    volume, index = change.volume, source.index
    verb = "unpack --replace" if change.prefix is not None else "unpack"
    runs_here = index.subdir in {session.host.subdir, "noarch"}
    if not runs_here and options.proof == "gpu":
        raise HostCannotRunError(
            f"{source.name} is for {index.subdir}, and this host is {session.host.subdir}",
            hint="Unpack it there, or leave --require-gpu out.",
        )
    refuse_full(volume.root, index.content_bytes, index.inodes)
    origin = next_origin(volume, change.name, verb)
    try:
        with writing(volume), sharing(volume), claim(volume, change.name) as claimed:
            prefix, place = claimed.prefix, claimed.place
            refuse_short(index, prefix)
            writer = TreeWriter(place, prefix, source.name)
            copy_tree(source, writer, reporter=session.reporter, phase="unpack")
            settle_tree(place, prefix, writer)
            manifest = replace(
                index.manifest,
                name=change.name,
                generation=prefix.name,
                prefix=str(prefix),
                created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                **members(origin, "lineage", "number", "parent", "verb"),
                profile=None,
                side=False,
            )
            for record in index.validations:
                write_validation(volume, replace(record, generation=prefix.name))
            report = complete(session, claimed, manifest, proof=options.proof, runs_here=runs_here)
            publish(volume, change.name, prefix)
    except OSError as error:
        if not no_space(error):
            raise
        raise NoSpaceError(what_is_full(volume, error), hint="See what `envkit clean --dry-run` would free.") from error
    return replace(_result(session, change.name, str(prefix), index), report=report)


def refuse_short(index: PackIndex, prefix: Path) -> None:
    """Refuse a path that is too long for the binaries, before anything is written.

    Raises:
        VolumeError: It is.
    """
    length = len(os.fsencode(prefix))
    for file in index.content:
        if file.embedded is not None and file.embedded.mode == "binary" and file.embedded.room < length:
            raise VolumeError(
                f"{file.path} has room for paths of at most {file.embedded.room} bytes, and {prefix} has {length}",
                hint="Choose a directory nearer to the root.",
            )


def settle_tree(folder: Path, prefix: Path, writer: TreeWriter) -> None:
    """Write anew what names the prefix and is envkit's own, once all files are there; the manifest comes after it.

    Args:
        folder: Where the files are.
        prefix: The path that they are to name.
    """
    mend_records(folder, writer.changed)
    write_hooks(prefix, folder)
    write_pin(prefix, folder)
