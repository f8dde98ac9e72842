"""inspect: which GPUs a file, a package or an environment holds code for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from envkit.api.choose import channels_for
from envkit.api.indexes import channel_access
from envkit.api.session import Session, user_index_dir
from envkit.checks.gpucode import judge_library, judge_packages
from envkit.errors import NoAnswerError, UsageError, VolumeError
from envkit.frameworks.table import wheel_row
from envkit.installer.cache import cached, package_dir
from envkit.installer.remote import fetch_archive, fetch_url
from envkit.layout.generation import active, resolve
from envkit.layout.measured import read_measured, write_measured
from envkit.layout.volume import Volume, environments
from envkit.models.build import Record, Tier
from envkit.models.channel import Channel, redact
from envkit.models.gpucode import GpuPackage
from envkit.models.host import Target
from envkit.models.inspection import Inspected, Inspection, PackageVerdict
from envkit.models.progress import working
from envkit.models.request import Request
from envkit.scan.archive import is_archive, scan_archive
from envkit.scan.file import scan_file
from envkit.scan.owners import group_by_package, package_of_archive
from envkit.scan.tree import Scan, scan_tree
from envkit.values import dataclass, replace
from envkit.words.values import join, size_words

_SCHEMES = ("http://", "https://", "file://")
_SHOWN = 10
_HINT = "Give a library, a wheel, a .conda or .tar.bz2 (path or URL), a folder, an environment, or name=version=build."


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where packages are looked for.

    Attributes:
        channels: The channels that were given; those of the settings join them.
        subdir: The platform.
    """

    channels: tuple[Channel, ...]
    subdir: str


def inspect_code(session: Session, what: str, *, shelf: Shelf, target: Target | None) -> Inspection:
    """Read the GPU code of whatever `what` names, and judge it for a target.

    Args:
        what: A file, an archive, a folder or prefix, the URL of a file, an environment of the volume, or one package
            of a channel as ``name=version=build``. A path with a slash is never a name.
        shelf: Where to look for a package.
        target: The machine to judge for, if any.

    Raises:
        UsageError: It names nothing of these, or several packages.
        NoAnswerError: No channel has that package.
        IntegrityError: A library or an archive is damaged.
        ChannelError: A download failed.
    """
    found = _inspect(session, what, shelf)
    return found if target is None else judge_inspection(found, target)


def _inspect(session: Session, what: str, shelf: Shelf) -> Inspection:
    if what.startswith(_SCHEMES):
        path = fetch_url(what, policy=session.policy, reporter=session.reporter)
        return replace(_inspect_file(session, path), what=redact(what))
    if not what.strip():
        raise UsageError("what to inspect is empty", hint=_HINT)
    path = Path(what)
    if "/" not in what and not path.is_file():
        prefix = _environment(session, what)
        if prefix is not None:
            with working(session.reporter, "read", what):
                return inspect_folder(prefix, what)
        if "=" in what:
            return _inspect_record(session, what, shelf)
    if path.is_dir():
        with working(session.reporter, "read", what):
            return inspect_folder(path, what)
    if path.exists():
        return replace(_inspect_file(session, path), what=what)
    raise _nothing(session, what)


def _nothing(session: Session, what: str) -> UsageError:
    names = []
    if "/" not in what:
        try:
            names = [name for name, _ in environments(session.find_volume())]
        except VolumeError:
            names = []
    known = f" Environments of {session.volume.root}: {join(names, most=_SHOWN)}." if names else ""
    return UsageError(f"there is nothing to inspect at {redact(what)}", hint=_HINT + known)


def _environment(session: Session, name: str) -> Path | None:
    """Return the prefix of an environment of the volume; None if there is none of that name."""
    try:
        volume = session.find_volume()
        return resolve(volume, name) if active(volume, name) is not None else None
    except VolumeError:
        return None


def inspect_folder(folder: Path, what: str) -> Inspection:
    """Read the GPU code of a folder, by package; `what` names it in the answer."""
    place = Path(os.path.realpath(folder))
    scan = scan_tree(place)
    return _inspection(what, "prefix", place, group_by_package(place, scan.libraries), scan)


def _inspect_file(session: Session, path: Path) -> Inspection:
    if is_archive(path):
        session.reporter.start("read", path.name, total=path.stat().st_size, unit="B")
        scan = scan_archive(path, advance=lambda size: session.reporter.advance("read", size))
        session.reporter.finish("read", f"{path.name}, {size_words(path.stat().st_size)}")
        packages = (package_of_archive(path.name, scan.libraries),) if scan.libraries else ()
        return _inspection(str(path), "archive", path, packages, scan)
    library = scan_file(path)
    if library is None:
        raise UsageError(
            f"{path} is neither a library nor a package that envkit knows",
            hint="Libraries are ELF (.so), PE (.dll), .a, .lib, fatbin, cubin or PTX; packages are wheels, .conda and "
            ".tar.bz2. A Python module holds no GPU code itself: give the folder that it lies in.",
        )
    packages = (GpuPackage("", "", "", "", "", "", (library,)),) if library.has_code else ()
    return _inspection(str(path), "file", path, packages, Scan(()))


def _inspection(what: str, kind: Inspected, place: Path, packages: Sequence[GpuPackage], scan: Scan) -> Inspection:
    return Inspection(what, kind, str(place), tuple(packages), tuple((u.path, u.why) for u in scan.unreadable))


def _inspect_record(session: Session, spec: str, shelf: Shelf) -> Inspection:
    """Inspect one package of a channel: from an earlier measurement, a cache, or its archive, which is downloaded."""
    record = _one_record(session, spec, shelf)
    try:
        volume: Volume | None = session.find_volume()
    except VolumeError:
        volume = None
    if record.sha256 and (known := read_measured(volume, record.sha256)) is not None:
        session.reporter.note(f"{record.fn} was read on {known.measured}; nothing is downloaded")
        return Inspection(spec, "package", "", (known,) if known.libraries else ())
    folder = _cached(volume, record)
    if folder is not None:
        scan = scan_tree(folder)
        place = folder
    else:
        place = fetch_archive(record, shelf.channels, policy=session.policy, reporter=session.reporter)
        scan = scan_archive(place)
    today = datetime.now(tz=timezone.utc).strftime("%Y-%m-%d")
    names = (record.name, record.version, record.build, record.fn)
    package = GpuPackage(*names, record.sha256 or "", today, scan.libraries)
    if not scan.unreadable:
        write_measured(volume, package)
    return _inspection(spec, "package", place, [package] if scan.libraries else [], scan)


def _cached(volume: Volume | None, record: Record) -> Path | None:
    return package_dir(volume, record) if volume is not None and cached(volume, record) else None


def _one_record(session: Session, spec: str, shelf: Shelf) -> Record:
    parsed = Request((spec,)).parsed[0]
    listed, _ = channels_for([parsed.name], explicit=shelf.channels, override=False, settings=session.settings)
    access = channel_access(listed, session.policy, user_index_dir())
    found = session.engine.query(spec, platforms=(shelf.subdir, "noarch"), access=access).matching
    if not found:
        where = join([channel.name for channel in listed])
        raise NoAnswerError(
            f"no package of {where} matches {spec}",
            hint=f"See `envkit find {parsed.name} --all`, or name the channel with -c.",
        )
    if len(found) > 1:
        names = [f"{record.name}={record.version}={record.build}" for record in found]
        raise UsageError(f"{len(found)} packages match {spec}", hint=f"Give one: {join(names, most=_SHOWN)}.")
    return found[0]


def judge_inspection(found: Inspection, target: Target) -> Inspection:
    """Return an inspection with the judgements for a target."""
    judged = judge_packages(found.packages, target)
    judged.sort(
        key=lambda v: (-v.tier.rank, wheel_row(v.package.name) is None)
    )  # frameworks first: they were asked for
    verdicts = [PackageVerdict(f"{v.package.name} {v.package.version}".strip(), v.tier, v.reasons) for v in judged]
    gpus = [gpu for gpu in target.gpus if gpu.compute_capability is not None]
    tiers = [
        (library.path, max((judge_library(library, gpu, target)[0] for gpu in gpus), key=_rank))
        for library in found.libraries
        if gpus and (library.sass or library.ptx)
    ]
    return replace(found, target=target, verdicts=tuple(verdicts), tiers=tuple(tiers))


def _rank(tier: Tier) -> int:
    return tier.rank
