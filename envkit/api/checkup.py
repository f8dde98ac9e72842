"""Read environments of any origin and the volume, and have what was read judged by `envkit.checks`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from envkit.api.examine import repair_of
from envkit.checks.files import (
    added_findings,
    closed_finding,
    duplicate_findings,
    files_findings,
    gone_finding,
    manifest_finding,
    no_manifest_finding,
    place_finding,
    record_findings,
    validation_finding,
    venv_findings,
)
from envkit.checks.foresight import copies_findings
from envkit.checks.sharing import barred_findings, sharing_findings, tampered_finding
from envkit.checks.volume import bytecode_findings, cache_finding, leftover_findings, volume_finding
from envkit.errors import IntegrityError, TamperedError, UnknownEnvironmentError
from envkit.host.wire import host_to_json
from envkit.installer.bytecode_lists import damaged_lists
from envkit.installer.pin import wrong_pins
from envkit.installer.verify import cached_packages, find_damage
from envkit.layout import lease
from envkit.layout.damage import distributions, find_wrong, moved_from, sha256_of
from envkit.layout.generation import active, is_finished, is_moved, known_manifest, list_generations, read_manifest
from envkit.layout.intruders import find_intruders
from envkit.layout.lineage import generation_of
from envkit.layout.mounting import is_packed
from envkit.layout.opening import read_volume_file
from envkit.layout.permissions import owner_of, read_barred, read_sharing
from envkit.layout.profiles import read_profiles
from envkit.layout.records import installed_packages
from envkit.layout.validations import latest_validation, read_validation
from envkit.layout.volume import Volume, environments
from envkit.models.care import Subject
from envkit.models.codes.files import BAD_MANIFEST, PACK_DAMAGED, PACK_SOUND, PROFILES_BROKEN, PROFILES_LOST
from envkit.models.fact import Fact
from envkit.models.host import Host
from envkit.models.installed import Distribution, InstalledPackage, WrongFile, project_name
from envkit.models.manifest import Manifest
from envkit.models.progress import Reporter, working
from envkit.models.report import Finding
from envkit.paths import PACKED
from envkit.plain import read_json
from envkit.profiles import choose_profile, facts_of
from envkit.scan.copies import find_copies
from envkit.values import dataclass, replace
from envkit.words.values import plural


def check_subjects(
    volume: Volume | None, reference: str | None, host: Host, *, full: bool, reporter: Reporter
) -> list[Subject]:
    """Check what a reference names, or the volume and all its environments.

    Args:
        volume: Where names are looked up; None for a prefix alone.
        reference: A name, ``NAME@N`` or a path; None for the volume.
        host: This host.
        full: Hash every file, in the package cache too.
        reporter: Is told of each environment, and of the bytes that are hashed.

    Raises:
        UnknownEnvironmentError: There is no such environment or prefix.
    """
    if reference is not None:
        prefix = generation_of(volume, reference)
        look = _Look(volume, host, full, reporter)
        return _with_profiles(look, _subject(look, reference, prefix), prefix)
    if volume is None:
        raise UnknownEnvironmentError("nothing to check", hint="Name an environment, a prefix or --persist DIR.")
    intruders = find_intruders(volume)
    if intruders:  # nothing else is looked at: what is read may be anybody's
        return [Subject("volume", str(volume.root), (tampered_finding(intruders),))]
    first = Subject("volume", str(volume.root), tuple(_check_volume(volume, full=full, reporter=reporter)))
    return [first, *_check_environments(volume, _Look(volume, host, full, reporter))]


@dataclass(frozen=True, slots=True)
class _Look:
    """A way to look at environments."""

    volume: Volume | None  # where names are looked up; None for a prefix alone
    host: Host
    full: bool  # hash every file
    reporter: Reporter


def _check_environments(volume: Volume, look: _Look) -> Iterator[Subject]:
    waiting = list(environments(volume))
    while waiting:
        name, prefix = waiting.pop(0)
        subject = _subject(look, name, prefix)
        now = active(volume, name) if not subject.healthy else prefix
        if now == prefix:
            yield from _with_profiles(look, subject, prefix)
        elif now is not None:  # else it was removed meanwhile
            waiting.insert(0, (name, now))


def _with_profiles(look: _Look, subject: Subject, prefix: Path) -> list[Subject]:
    """Return a subject, and those of the profiles beside it, each called ``NAME:PROFILE``."""
    if not os.access(prefix, os.R_OK | os.X_OK):  # the subject says so
        return [subject]
    try:
        profiles = read_profiles(str(prefix))
    except TamperedError as error:
        broken = Finding("profiles", "fail", Fact(PROFILES_BROKEN, error=error.message))
        return [replace(subject, findings=(*subject.findings, broken))]
    manifest = known_manifest(prefix) if not profiles else None
    if manifest is not None and manifest.profile is not None and not manifest.side:
        broken = Finding("profiles", "fail", Fact(PROFILES_LOST, generation=prefix.name))
        return [replace(subject, findings=(*subject.findings, broken))]
    here = choose_profile(profiles, facts_of(host_to_json(look.host)))
    found = [subject] if here is None or here.generation == prefix.name else [_elsewhere(subject)]
    for profile in profiles:
        if profile.generation != prefix.name:
            path = prefix.parent / profile.generation
            beside = _subject(look, f"{subject.name}:{profile.name}", path)
            found.append(beside if profile is here else _elsewhere(beside))
    return found


def _elsewhere(subject: Subject) -> Subject:
    """Return a profile of other machines without what a validation on this one would say."""
    return replace(subject, findings=tuple(f for f in subject.findings if f.check != "validation"))


def _subject(look: _Look, name: str, prefix: Path) -> Subject:
    with working(look.reporter, "check", name):
        return Subject(name, str(prefix), tuple(_check_prefix(look, name, prefix)))


def _check_volume(volume: Volume, *, full: bool, reporter: Reporter) -> list[Finding]:
    described = read_volume_file(volume)
    here = described is not None and _is_same(Path(described.mounted_at), volume.root)
    unfinished = [
        path.name for path in list_generations(volume) if not is_finished(path) and not lease.is_held(volume, path.name)
    ]
    packages = cached_packages(volume)
    with working(reporter, "check", plural(len(packages), "package") + " of the cache", total=len(packages)):
        damaged = _damaged(packages, full=full, reporter=reporter)
    lists = damaged_lists(volume)
    names = {package.parent.name: package.name for package in packages}
    return [
        volume_finding(str(volume.root), described, made=volume.private.is_dir(), here=here),
        *leftover_findings(unfinished),
        cache_finding(len(packages), damaged, full=full),
        *bytecode_findings([str(p) for p in lists], [names.get(p.parts[-3], p.parts[-3]) for p in lists]),
        *sharing_findings(read_sharing(volume, packages)),
    ]


def _is_same(home: Path, root: Path) -> bool:
    return home == root or (home.exists() and home.samefile(root))


def _damaged(packages: Sequence[Path], *, full: bool, reporter: Reporter) -> dict[str, WrongFile]:
    found = {}
    for package in packages:
        if full:
            item = find_damage(package)
        else:
            name = "info/index.json"
            item = None if (package / name).is_file() else WrongFile(package.name, name, "missing")
        if item is not None:
            found[str(package)] = item
        reporter.advance("check", 1)
    return found


def _check_prefix(look: _Look, name: str, prefix: Path) -> list[Finding]:
    """Check one prefix of any origin: records, place, files, additions, permissions, validation."""
    volume, full = look.volume, look.full
    if not prefix.is_dir():
        return [gone_finding(prefix.name, name)]
    if not os.access(prefix, os.R_OK | os.X_OK):
        return [closed_finding(prefix.name, owner_of(prefix))]
    ours = volume is not None and prefix.parent == volume.generations
    if ours and volume is not None and is_packed(prefix):
        return [_pack_finding(volume, prefix, full=full)]
    findings: list[Finding] = []
    manifest: Manifest | None = None
    try:
        manifest = read_manifest(prefix)
    except IntegrityError as error:
        findings.append(Finding("manifest", "fail", Fact(BAD_MANIFEST, error=error.message)))
    packages, bad = installed_packages(prefix)
    repair = repair_of(prefix, ours=ours or manifest is not None)
    findings += record_findings(bad, repair)
    findings += duplicate_findings(packages, repair)
    findings += copies_findings(find_copies(prefix))
    added, pip = _split(distributions(prefix, packages, full=full), manifest)
    if manifest is not None:
        findings.append(manifest_finding(manifest, packages, repair, pip))
    elif ours and not findings:
        findings.append(no_manifest_finding())
    if not packages and manifest is None:
        return findings + _check_venv(prefix, full=full)
    moved = moved_from(prefix, packages) if manifest is None else is_moved(manifest, prefix)
    findings.append(place_finding(manifest.prefix if manifest else None, repair, moved=moved))
    own = wrong_pins(prefix, manifest.own_files) if manifest is not None else []
    wrong = [
        *_wrong_files(look, name, prefix, packages),
        *own,
        *(item for distribution in pip for item in distribution.wrong),
    ]
    files = sum(len(p.paths) for p in packages) + sum(d.files for d in pip)
    findings += files_findings(wrong, repair, files=files, full=full)
    findings += added_findings(added, repair, ours=manifest is not None)
    if ours and volume is not None:
        findings += barred_findings(str(volume.root), *read_barred(volume, prefix))
        if manifest is not None:
            findings.append(_check_validation(volume, name, manifest, look.host))
    return findings


def _wrong_files(look: _Look, name: str, prefix: Path, packages: Sequence[InstalledPackage]) -> list[WrongFile]:
    if not look.full:
        return find_wrong(prefix, packages, full=False)
    total = sum(size or 0 for package in packages for _, size, is_link in package.paths if not is_link)
    with working(look.reporter, "read", f"files of {name}", total=total, unit="B"):
        return find_wrong(prefix, packages, full=True, hashed=lambda size: look.reporter.advance("read", size))


def _pack_finding(volume: Volume, prefix: Path, *, full: bool) -> Finding:
    """Check the file of an environment of which only a pack is kept."""
    try:
        note = read_json(prefix / PACKED)
        name, size, digest = str(note["file"]), int(note["size_bytes"]), str(note["sha256"])
        file = volume.packs / Path(name).name
        if file.stat().st_size != size:
            fault = f"has {file.stat().st_size:,} bytes instead of {size:,}"
        else:
            fault = "has another sha256" if full and sha256_of(file) != digest else ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        name, fault = PACKED, f"cannot be read ({type(error).__name__})"
    if fault:
        return Finding("pack", "fail", Fact(PACK_DAMAGED, file=name, fault=fault))
    return Finding("pack", "pass", Fact(PACK_SOUND, file=name, full=full))


def _split(found: Sequence[Distribution], manifest: Manifest | None) -> tuple[list[Distribution], list[Distribution]]:
    """Split distributions into those that were added by hand, and those of the pip section."""
    names = {package.name for package in (manifest.pip.packages if manifest is not None and manifest.pip else ())}
    ours = [distribution for distribution in found if project_name(distribution.name) in names]
    return [distribution for distribution in found if distribution not in ours], ours


def _check_venv(prefix: Path, *, full: bool) -> list[Finding]:
    python = prefix / "bin" / "python"
    there = (prefix / "pyvenv.cfg").is_file()
    found = distributions(prefix, [], full=full) if there else []
    home = str(python.resolve()) if there else None
    return venv_findings(str(prefix), home, found, exists=python.exists())


def _check_validation(volume: Volume, name: str, manifest: Manifest, host: Host) -> Finding:
    known = read_validation(volume, manifest.generation, host.fingerprint)
    last = known or latest_validation(volume, manifest.generation)
    return validation_finding(name, known, last, here=host_to_json(host))
