"""Make a pack of a generation: the same generation is the same bytes, whoever packs it and when."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO

from envkit.errors import IntegrityError, UsageError, VolumeError
from envkit.layout.refusal import is_refused
from envkit.models.manifest import Manifest, ValidationRecord
from envkit.models.pack import Embedded, PackedFile, PackFormat, PackIndex
from envkit.models.progress import Reporter, working
from envkit.packing.extras import conda_packer, conda_unpack_files
from envkit.packing.listing import list_prefix, read_placeholders
from envkit.packing.relocate import put_prefix
from envkit.packing.squash import write_squash
from envkit.packing.tarball import write_tarball
from envkit.values import replace
from envkit.words.values import size_words

_PART = ".part"


def make_pack(
    prefix: Path,
    manifest: Manifest,
    out: Path,
    *,
    form: PackFormat,
    level: int,
    validations: Sequence[ValidationRecord],
    reporter: Reporter,
) -> tuple[str, PackIndex]:
    """Write a pack of a prefix to a file, whole or not at all; return its sha256 and its index.

    The prefix may lie elsewhere than at the path of its manifest, which its files name.

    Raises:
        IntegrityError: A file of the prefix is damaged, or changes meanwhile.
        UsageError: A program or a library that it takes is missing.
        VolumeError: The file cannot be written there.
    """
    _refuse_editable(manifest)
    if form != "squashfs":
        conda_packer()
    files = list_prefix(prefix, hashed=True, reporter=reporter, phase="read", named=Path(manifest.prefix))
    reporter.finish("read", f"{len(files):,} files, {size_words(sum(file.size for file in files))}")
    subdir = next((p.subdir for p in manifest.packages if p.subdir != "noarch"), "noarch")
    index = PackIndex(manifest.prefix, subdir, manifest, tuple(files), validations=tuple(validations))
    with _part_of(out) as part:
        if form == "squashfs":
            write_squash(Path(part.name), prefix, index, level=level, reporter=reporter)
        else:
            index, made = _with_placeholders(prefix, index)
            _write_tarball(part, prefix, index, made, level=level, reporter=reporter)
        with working(reporter, "read", f"{out.name} for its sha256"):
            digest = _finish(part, out)
    return digest, index


def _refuse_editable(manifest: Manifest) -> None:
    linked = [package.name for package in (manifest.pip.packages if manifest.pip else ()) if package.editable]
    if linked:
        raise UsageError(
            f"{', '.join(linked)} is used in place from a folder of this machine, which a pack cannot carry",
            hint="Install it as a copy: the requirement without -e.",
        )


def _with_placeholders(prefix: Path, index: PackIndex) -> tuple[PackIndex, Mapping[str, bytes]]:
    """Put the placeholders of packages back into binaries, and add the scripts of conda-pack.

    A binary with its placeholder has room for any path, also for tools that know nothing of the padding. The digest
    of the package's own file tells that it is right.
    """
    made: dict[str, bytes] = {}
    files = list(index.files)
    placeholders = read_placeholders(prefix)
    for place, file in enumerate(files):
        placeholder, digest = placeholders.get(file.path, ("", ""))
        if file.embedded is None or file.embedded.mode != "binary" or not placeholder:
            continue
        with contextlib.suppress(ValueError, OSError):
            data = put_prefix((prefix / file.path).read_bytes(), file.embedded, placeholder)
            if hashlib.sha256(data).hexdigest() == digest:
                made[file.path] = data
                embedded = Embedded("binary", placeholder, len(os.fsencode(placeholder)))
                files[place] = replace(file, sha256=digest, size=len(data), embedded=embedded)
    extras = conda_unpack_files(Path(index.prefix), files)
    for path, data in extras.items():
        mode = 0o755 if path == "bin/conda-unpack" else 0o644
        files.append(PackedFile(path, "file", mode, 0, len(data), hashlib.sha256(data).hexdigest()))
    files.sort(key=lambda file: file.path)
    return replace(index, files=tuple(files), extras=frozenset(extras)), {**made, **extras}


def _write_tarball(
    out: BinaryIO, prefix: Path, index: PackIndex, made: Mapping[str, bytes], *, level: int, reporter: Reporter
) -> None:
    def opened(file: PackedFile) -> IO[bytes]:
        data = made.get(file.path)
        if data is not None:
            return io.BytesIO(data)
        return open(f"{prefix}/{file.path}", "rb", buffering=0)

    reporter.start("pack", f"{len(index.files):,} files", total=index.size_bytes, unit="B")
    try:
        for size in write_tarball(out, index, opened, level=level, threads=os.cpu_count() or 1):
            reporter.advance("pack", size)
    except ValueError as error:
        raise IntegrityError(
            f"{error} changed while it was packed", hint="Pack again; generations are never changed in place."
        ) from error
    reporter.finish("pack", size_words(out.tell()))


@contextlib.contextmanager
def _part_of(out: Path) -> Iterator[BinaryIO]:
    """Open a new file beside the one to be made; remove it, and those of runs that died."""
    start = f".{out.name}."
    try:
        for name in os.listdir(out.parent):
            if name.startswith(start) and name.endswith(_PART):
                _sweep(out.parent / name)
        path = out.parent / f"{start}{secrets.token_hex(4)}{_PART}"
        part = path.open("xb+")
    except OSError as error:
        if not is_refused(error) and not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise
        raise VolumeError(
            f"{out} cannot be written: {error.strerror}", hint="Name another file with -o FILE."
        ) from error
    with part:
        with contextlib.suppress(OSError):  # no locks here: a part of a run that died stays
            fcntl.flock(part.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield part
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _sweep(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("rb") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _finish(part: BinaryIO, out: Path) -> str:
    """Give the file its name, once it is on the disk; return its sha256."""
    part.flush()
    os.fsync(part.fileno())
    part.seek(0)
    digest = hashlib.sha256()
    while data := part.read(1 << 20):
        digest.update(data)
    os.replace(part.name, out)
    return digest.hexdigest()
