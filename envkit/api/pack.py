"""pack: a generation in one file, to carry, to keep or to mount."""

from __future__ import annotations

import contextlib
from pathlib import Path

from envkit.api.profile_here import referenced
from envkit.api.session import Session
from envkit.errors import HeldError, TamperedError, UnknownEnvironmentError, UsageError, VolumeError
from envkit.layout import lease
from envkit.layout.generation import read_manifest, refuse_moved
from envkit.layout.mounting import enter_packed
from envkit.layout.packs import pack_path
from envkit.layout.validations import read_all_validations
from envkit.models.pack import PackFormat, PackResult
from envkit.packing.build import make_pack
from envkit.values import dataclass

_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class PackOptions:
    """Options of `pack`, apart from what it packs."""

    output: Path | None = None  # the file to make; None for one named after the generation
    form: PackFormat = "tar.zst"
    level: int = 6  # of zstd
    keep: bool = False  # keep it on the volume, where `stage` finds it
    profile: str | None = None  # one of its profiles; None for that of this machine


def pack(session: Session, reference: str, options: PackOptions) -> PackResult:
    """Write a generation into one file.

    Args:
        reference: An environment, ``NAME@N``, or the path of a generation.

    Raises:
        UnknownEnvironmentError: There is no such environment, or another tool made it.
        IntegrityError: The environment is damaged.
        VolumeError: The file cannot be written.
    """
    volume = session.find_volume()
    prefix = referenced(session, volume, reference, options.profile)
    manifest = read_manifest(prefix)
    if manifest is None:
        raise UnknownEnvironmentError(
            f"{reference} was not made by envkit: a pack of it would say nothing of its packages",
            hint=f"Pack it with conda-pack itself: conda-pack -p {prefix}.",
        )
    refuse_moved(manifest, prefix)
    if options.keep and options.output is not None:
        raise UsageError("--keep and -o exclude each other", hint="--keep names the file itself, on the volume.")
    if options.keep:
        out = pack_path(session.make_volume(), manifest.generation, options.form)
    else:
        out = (options.output or Path(f"{manifest.generation}.{options.form}")).absolute()
    with contextlib.ExitStack() as held:
        with contextlib.suppress(VolumeError, HeldError, TamperedError):  # a volume that takes no writes
            held.enter_context(lease.hold(volume, prefix.name, shared=True, wait_s=_WAIT_S, reporter=session.reporter))
        enter_packed(str(prefix))
        digest, index = make_pack(
            prefix,
            manifest,
            out,
            form=options.form,
            level=options.level,
            validations=read_all_validations(volume, manifest.generation),
            reporter=session.reporter,
        )
    return PackResult(
        environment=manifest.name,
        generation=manifest.generation,
        file=str(out),
        format=options.form,
        sha256=digest,
        size_bytes=out.stat().st_size,
        content_bytes=index.size_bytes,
        files=len(index.files),
    )
