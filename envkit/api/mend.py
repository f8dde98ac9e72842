"""Mend what `doctor` found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envkit.api.change import Change, changing
from envkit.api.examine import validate_prefix
from envkit.api.make import Made
from envkit.api.make_profiles import make_profiles
from envkit.api.profile_set import profile_set, read_set
from envkit.api.records import records_of
from envkit.api.session import Session
from envkit.api.solve import plan_of
from envkit.api.validate import record_validation
from envkit.api.wheels import forget_damaged
from envkit.errors import IntegrityError
from envkit.installer.bytecode_lists import damaged_lists, remove_lists
from envkit.installer.cache import package_dir
from envkit.installer.verify import cached_packages, find_damage, remove_damaged
from envkit.layout import gc, lease
from envkit.layout.generation import active, read_manifest
from envkit.layout.opening import probe_volume
from envkit.layout.permissions import mend_permissions
from envkit.layout.volume import Volume
from envkit.models.care import Subject
from envkit.models.codes.files import (
    BYTECODE_DAMAGED,
    BYTECODE_MENDED,
    CACHE_DAMAGED,
    CACHE_MENDED,
    HOST_CHANGED,
    HOST_VALIDATED,
    LEFTOVERS_REMOVED,
    LINKED_ANEW,
    MOVED,
    VOLUME_DESCRIBED,
    VOLUME_FILE,
)
from envkit.models.fact import Fact
from envkit.models.manifest import Manifest
from envkit.models.progress import Reporter
from envkit.wire.results import target_from_json

# How long to wait for processes that make generations; they share the lease on the cache.
_MAKERS_WAIT_S = 3600.0


def mend(session: Session, subjects: Sequence[Subject], reference: str | None) -> list[Fact]:
    """Mend what was found of a volume and its environments, and return what was done; see `doctor`."""
    volume = session.make_volume()
    mended = []
    removed = gc.remove_leftovers(volume) if reference is None else 0
    if removed:
        mended.append(Fact(LEFTOVERS_REMOVED, count=removed))
    for subject in subjects:
        for finding in subject.findings:
            if finding.code in {MOVED, VOLUME_FILE} and subject.name == "volume":
                probe_volume(volume)
                mended.append(Fact(VOLUME_DESCRIBED, root=volume.root))
            if finding.code == CACHE_DAMAGED:
                wrong = [Path(package) for package in finding.data.get("packages", ())]  # type: ignore[attr-defined]
                names = _remove_damaged(volume, wrong, session.reporter)
                mended += [Fact(CACHE_MENDED, package=name, fetched=False) for name in names]
            if finding.code == BYTECODE_DAMAGED and (gone := remove_lists(volume, damaged_lists(volume))):
                mended.append(Fact(BYTECODE_MENDED, count=len(gone)))
    anew: set[str] = set()
    for subject in subjects:
        name = subject.name.partition(":")[0]  # of one of its profiles
        if name in anew:
            continue
        if subject.healthy or "/" in name or "@" in name or active(volume, name) is None:
            mended += _validate_here(session, subject)
        else:
            mended += _link_anew(session, name)
            anew.add(name)
    packages = cached_packages(volume) if reference is None else []
    prefixes = [Path(subject.path) for subject in subjects if Path(subject.path).parent == volume.generations]
    return mended + mend_permissions(volume, packages, prefixes)


def _validate_here(session: Session, subject: Subject) -> list[Fact]:
    """Validate on this kind of host an environment that was validated on another kind."""
    if not any(finding.code == HOST_CHANGED for finding in subject.findings):
        return []
    prefix = Path(subject.path)
    manifest = read_manifest(prefix)
    if manifest is None or not subject.healthy:
        return []
    report = validate_prefix(prefix, manifest=manifest, host=session.host, reporter=session.reporter)
    record_validation(session.volume, manifest.generation, report, session.host)
    return [Fact(HOST_VALIDATED, name=subject.name, verdict=report.verdict)]


def _remove_damaged(
    volume: Volume, packages: Sequence[Path], reporter: Reporter, *, wait_s: float = _MAKERS_WAIT_S
) -> list[str]:
    """Remove packages that are still damaged from the cache while no process links them; return their names."""
    if not packages:
        return []
    with lease.hold(volume, gc.CACHE, reporter=reporter, wait_s=wait_s):
        return remove_damaged(volume, packages)


def _linked(change: Change, manifest: Manifest) -> Made:
    """Link a generation anew, with all profiles; return the one that the link names then."""
    settings = change.session.settings
    if manifest.profile is not None and change.prefix is not None:
        every = make_profiles(change, profile_set(change.session, change.prefix), verb="doctor --fix")
        return next(made for _, made in every if not made.manifest.side)
    target = target_from_json(manifest.target)
    return change.make(plan_of(manifest, settings), manifest.request, target=target, verb="doctor --fix")


def _link_anew(session: Session, name: str) -> list[Fact]:
    """Link an environment's packages at a new path. They are verified first: damage may have come through a link."""
    with changing(session, name) as change:
        try:
            manifest = change.manifest()
        except IntegrityError:
            manifest = None
        if manifest is None:
            return []  # without a manifest nothing says what it holds
        try:
            every = [one for _, one in read_set(change.prefix)] if manifest.profile and change.prefix else [manifest]
        except IntegrityError:
            return []  # nor of a profile that is gone
        # Hash without the lease on the cache: it takes long, and processes that make something would have to wait.
        packages = list(dict.fromkeys(package_dir(change.volume, r) for one in every for r in records_of(one)))
        suspects = [package for package in packages if package.is_dir() and find_damage(package)]
        removed = _remove_damaged(change.volume, suspects, session.reporter)
        for one in every:
            forget_damaged(session, one)
        made = _linked(change, manifest)
    mended = [Fact(CACHE_MENDED, package=package, fetched=True) for package in removed]
    return [*mended, Fact(LINKED_ANEW, name=name, generation=made.prefix.name)]
