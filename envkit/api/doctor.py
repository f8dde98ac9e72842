"""doctor: whether environments and the volume are as they were made, and mending what is not."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from envkit.api.change import changing
from envkit.api.session import Session
from envkit.api.solve import plan_of, records_of
from envkit.api.validate import machine_words, record_validation, validate_prefix
from envkit.errors import IntegrityError, UnknownEnvironmentError
from envkit.host.wire import host_to_json
from envkit.installer.cache import package_dir
from envkit.installer.verify import cached_packages, damaged, remove_damaged
from envkit.layout import gc, lease
from envkit.layout.damage import check_contents, distributions, find_wrong, moved_from
from envkit.layout.generation import active, is_finished, is_moved, list_generations, read_manifest
from envkit.layout.health import InstalledPackage, installed_packages
from envkit.layout.lineage import generation_of
from envkit.layout.opening import probe_volume, read_volume_file
from envkit.layout.permissions import check_readable, check_sharing, mend_permissions, owner_of
from envkit.layout.trash import discard
from envkit.layout.validations import latest_validation, read_validation
from envkit.layout.volume import Volume, environments
from envkit.models.care import Checkup, Subject
from envkit.models.host import Host
from envkit.models.manifest import Manifest
from envkit.models.progress import Reporter
from envkit.models.report import Finding
from envkit.models.wire import target_from_json

__all__ = ["doctor"]

# How long those who make generations, and share the lease on the cache, may be at it.
_MAKERS_WAIT_S = 3600.0

_FIX = "Mend it with `envkit doctor {} --fix`: its packages are linked anew, the damaged generation stays for rollback."


def doctor(session: Session, reference: str | None, *, full: bool, fix: bool, alone: bool = False) -> Checkup:
    """Check one environment or prefix of any origin, or the whole volume with all its environments.

    Args:
        session: Settings and services.
        reference: A name, ``NAME@N`` or a path; None for the volume.
        full: Hash every file, in the package cache too.
        fix: Mend what can be mended: leftovers go, damaged packages leave the cache, environments are linked anew, or
            validated on this kind of host, and permissions are put right.
        alone: The reference is a path, and there may be no volume.

    Raises:
        UnknownEnvironmentError: There is no such environment or prefix.
    """
    began = time.monotonic()
    volume = None if alone else session.find_volume()
    mended: list[str] = []
    subjects = _check(volume, reference, session.host, full=full)
    if fix and volume is not None and not all(_spotless(subject) for subject in subjects):
        mended = _mend(session, subjects, reference)
        if mended:
            subjects = _check(volume, reference, session.host, full=full)
    return Checkup(tuple(subjects), full, tuple(mended), round(time.monotonic() - began, 3))


def _spotless(subject: Subject) -> bool:
    return all(finding.status == "pass" for finding in subject.findings)


def _check(volume: Volume | None, reference: str | None, host: Host, *, full: bool) -> list[Subject]:
    if reference is not None:
        prefix = generation_of(volume, reference)
        return [Subject(reference, str(prefix), tuple(_environment(volume, reference, prefix, host, full=full)))]
    if volume is None:
        raise UnknownEnvironmentError("nothing to check", hint="Name an environment, a prefix or --persist DIR.")
    subjects = [Subject("volume", str(volume.root), tuple(_volume(volume, full=full)))]
    for name, prefix in environments(volume):
        subjects.append(Subject(name, str(prefix), tuple(_environment(volume, name, prefix, host, full=full))))
    return subjects


def _volume(volume: Volume, *, full: bool) -> list[Finding]:
    """The volume itself: where it is mounted, leftovers, the package cache."""
    findings = [_mount(volume)]
    dead = [path for path in list_generations(volume) if not is_finished(path) and not lease.is_held(volume, path.name)]
    if dead:
        findings.append(
            Finding(
                "leftovers",
                "warn",
                "unfinished",
                f"{len(dead)} unfinished generations of runs that died: {', '.join(path.name for path in dead[:3])}",
                hint="The next command that makes something removes them; so does --fix.",
            )
        )
    packages = cached_packages(volume)
    if full:
        wrong = {package: fault for package in packages if (fault := damaged(package))}
    else:
        wrong = {p: "its info is gone" for p in packages if not (p / "info" / "index.json").is_file()}
    if wrong:
        some = "; ".join(f"{package.name}: {fault}" for package, fault in list(wrong.items())[:3])
        findings.append(
            Finding(
                "cache",
                "fail",
                "cache-damaged",
                f"{len(wrong)} of {len(packages)} cached packages: {some}",
                blames="environment",
                hint="--fix takes them out of the cache; they are fetched again when they are needed.",
                data={"packages": [str(package) for package in wrong]},
            )
        )
    else:
        how = "every file by sha256" if full else "present"
        findings.append(Finding("cache", "pass", None, f"{len(packages)} cached packages ({how})"))
    return [*findings, *check_sharing(volume, packages)]


def _mount(volume: Volume) -> Finding:
    described = read_volume_file(volume)
    if described is None:
        if not volume.private.is_dir():
            return Finding("volume", "warn", "not-a-volume", "no environments were made here yet")
        return Finding(
            "volume",
            "fail",
            "volume-file",
            ".envkit/volume.json is missing or cannot be read",
            blames="environment",
            hint="--fix writes it anew.",
        )
    home = Path(described.mounted_at)
    if home == volume.root or (home.exists() and home.samefile(volume.root)):
        return Finding("volume", "pass", None, f"volume {described.id}, at {volume.root}")
    return Finding(
        "volume",
        "fail",
        "moved",
        f"the volume was made at {home} and is at {volume.root} now; its environments hold the old path",
        blames="environment",
        hint=f"--fix links them anew (seconds); or mount it at {home}, or make {home} a link to {volume.root}.",
    )


def _environment(volume: Volume | None, name: str, prefix: Path, host: Host, *, full: bool) -> list[Finding]:
    """One environment of any origin, in the order: what it is, records, place, files, strangers, validation."""
    if not prefix.is_dir():
        return [
            Finding(
                "link",
                "fail",
                "gone",
                f"the link points to {prefix.name}, which is gone",
                blames="environment",
                hint=f"Go back with `envkit rollback {name} N`, or remove it with `envkit remove {name}`.",
            )
        ]
    if not os.access(prefix, os.R_OK | os.X_OK):
        text = f"{prefix.name} belongs to {owner_of(prefix)}, who keeps it closed to you"
        return [Finding("permissions", "fail", "closed", text, "host", "Its owner opens it: `envkit doctor --fix`.")]
    ours = volume is not None and prefix.parent == volume.generations
    hint = _FIX.format(name) if ours else "Install those packages again with the tool that made the environment."
    findings: list[Finding] = []
    manifest: Manifest | None = None
    try:
        manifest = read_manifest(prefix)
    except IntegrityError as error:
        findings.append(Finding("manifest", "fail", "bad-manifest", error.message, "environment", error.hint))
    packages, bad = installed_packages(prefix)
    findings += bad
    if manifest is not None:
        findings.append(_against_manifest(manifest, packages, hint))
    elif ours and not findings:
        text = "it has no manifest: the generation was not finished"
        findings.append(
            Finding("manifest", "fail", "no-manifest", text, "environment", "Make it again: create --replace.")
        )
    if not packages and manifest is None:
        return findings + _venv(prefix, full=full)
    findings.append(_place(prefix, packages, manifest, hint))
    wrong = find_wrong(prefix, packages, full=full)
    findings.append(check_contents(wrong, files=sum(len(p.paths) for p in packages), full=full, hint=hint))
    findings += _strangers(prefix, packages, ours=manifest is not None, hint=hint, full=full)
    if ours and volume is not None:
        findings += check_readable(volume, prefix)
        if manifest is not None:
            findings.append(_validation(volume, name, manifest, host))
    return findings


def _against_manifest(manifest: Manifest, packages: Sequence[InstalledPackage], hint: str) -> Finding:
    locked = {f"{p.name}-{p.version}-{p.build}" for p in manifest.packages}
    there = {f"{p.name}-{p.version}-{p.build}" for p in packages}
    if locked == there:
        return Finding("manifest", "pass", None, f"{len(locked)} packages, the ones that were asked for")
    parts = []
    if there - locked:
        parts.append(f"added by another tool: {', '.join(sorted(there - locked)[:3])}")
    if locked - there:
        parts.append(f"taken away: {', '.join(sorted(locked - there)[:3])}")
    return Finding("manifest", "fail", "records-differ", "; ".join(parts), "environment", hint)


def _place(prefix: Path, packages: Sequence[InstalledPackage], manifest: Manifest | None, hint: str) -> Finding:
    moved = moved_from(prefix, packages) if manifest is None else is_moved(manifest, prefix)
    if not moved:
        return Finding("place", "pass", None, "it lies where it was made")
    was = f" at {manifest.prefix}" if manifest else " elsewhere"
    return Finding("place", "fail", "moved", f"it was made{was}: its files hold that path", "environment", hint)


def _strangers(
    prefix: Path, packages: Sequence[InstalledPackage], *, ours: bool, hint: str, full: bool
) -> list[Finding]:
    """What pip and others put beside the packages."""
    found = distributions(prefix, packages, full=full)
    if not found:
        return []
    names = ", ".join(f"{d.name} {d.version} ({d.installer})" for d in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    wrong = [item for distribution in found for item in distribution.wrong]
    findings = [
        Finding(
            "added",
            "fail" if ours else "warn",
            "added-by-hand",
            f"installed besides the packages: {names}{more}",
            blames="environment" if ours else None,
            hint=f"Put them into the request: envkit install. {hint}" if ours else None,
            data={"distributions": [f"{d.name}=={d.version}" for d in found]},
        )
    ]
    if wrong:
        findings.append(check_contents(wrong, files=len(wrong), full=full, hint=hint))
    return findings


def _venv(prefix: Path, *, full: bool) -> list[Finding]:
    """A virtual environment: its interpreter, and the files of its distributions against their RECORD."""
    if not (prefix / "pyvenv.cfg").is_file():
        return [
            Finding(
                "environment",
                "fail",
                "not-an-environment",
                f"{prefix} is neither a conda environment nor a virtual one",
                "environment",
                "Give the directory that holds conda-meta/ or pyvenv.cfg.",
            )
        ]
    python = prefix / "bin" / "python"
    if not python.exists():
        text = f"bin/python leads to {python.resolve()}, which is gone: the Python that made it was removed"
        first = Finding("python", "fail", "no-python", text, "environment", "Make the virtual environment again.")
    else:
        first = Finding("python", "pass", None, f"a virtual environment of {python.resolve()}")
    found = distributions(prefix, [], full=full)
    wrong = [item for distribution in found for item in distribution.wrong]
    hint = "Install it again: pip install --force-reinstall --no-deps NAME."
    text = f"{len(found)} distributions, their files as recorded"
    files = (
        check_contents(wrong, files=len(wrong), full=full, hint=hint) if wrong else Finding("files", "pass", None, text)
    )
    return [first, files]


def _validation(volume: Volume, name: str, manifest: Manifest, host: Host) -> Finding:
    known = read_validation(volume, manifest.generation, host.fingerprint)
    hint = f"Prove it with `envkit validate {name}`."
    if known is not None:
        text = f"validated on a host like this one: {known.verdict}, {known.created[:10]}"
        if known.verdict == "fail":
            return Finding("validation", "warn", "validation-failed", text, hint=hint)
        return Finding("validation", "pass", None, text)
    last = latest_validation(volume, manifest.generation)
    if last is None:
        return Finding("validation", "warn", "never-validated", "it was never validated", hint=hint)
    here, there = machine_words(host_to_json(host)), machine_words(last.host)
    text = f"validated on another kind of host ({there}); here {here}"
    return Finding("validation", "warn", "host-changed", text, hint=f"{hint} --fix does so.")


def _mend(session: Session, subjects: Sequence[Subject], reference: str | None) -> list[str]:
    volume = session.make_volume()
    mended = []
    swept = gc.remove_leftovers(volume) if reference is None else 0
    if swept:
        mended.append(f"removed {swept} leftovers of runs that died")
    for subject in subjects:
        for finding in subject.findings:
            if finding.code in {"moved", "volume-file"} and subject.name == "volume":
                probe_volume(volume)
                mended.append(f"the volume is described as being at {volume.root}")
            if finding.code == "cache-damaged":
                wrong = [Path(package) for package in finding.data.get("packages", ())]  # type: ignore[attr-defined]
                mended += [f"took {package} out of the cache" for package in _drop(volume, wrong, session.reporter)]
    for subject in subjects:
        name = subject.name
        if subject.healthy or "/" in name or "@" in name or active(volume, name) is None:
            mended += _validate_here(session, subject)
        else:
            mended += _link_anew(session, name)
    packages = cached_packages(volume) if reference is None else []
    prefixes = [Path(subject.path) for subject in subjects if Path(subject.path).parent == volume.generations]
    return mended + mend_permissions(volume, packages, prefixes)


def _validate_here(session: Session, subject: Subject) -> list[str]:
    """Validate on this kind of host an environment that was validated on another kind."""
    if not any(finding.code == "host-changed" for finding in subject.findings):
        return []
    prefix = Path(subject.path)
    manifest = read_manifest(prefix)
    if manifest is None or not subject.healthy:
        return []
    report = validate_prefix(prefix, manifest=manifest, host=session.host, reporter=session.reporter)
    record_validation(session.volume, manifest.generation, report, session.host)
    return [f"validated {subject.name} on this kind of host: {report.verdict}"]


def _is_damaged(package: Path) -> bool:
    return package.is_dir() and damaged(package) is not None


def _drop(volume: Volume, packages: Sequence[Path], reporter: Reporter, *, wait_s: float = _MAKERS_WAIT_S) -> list[str]:
    """Take packages that are still damaged out of the cache, while nobody makes a generation of them."""
    dropped = []
    with lease.hold(volume, gc.CACHE, reporter=reporter, wait_s=wait_s):
        for package in packages:
            if package.is_dir() and (damaged(package) or not (package / "info" / "index.json").is_file()):
                discard(volume, package.parent)
                dropped.append(package.name)
    return dropped


def _link_anew(session: Session, name: str) -> list[str]:
    """Link an environment's packages at a new path. They are verified first: damage may have come through a link."""
    with changing(session, name) as change:
        try:
            manifest = change.manifest()
        except IntegrityError:
            manifest = None
        if manifest is None:
            return []  # without a manifest nothing says what it holds
        # Hash without the lease on the cache: it takes long, and processes that make something would have to wait.
        suspects = [record for record in records_of(manifest) if _is_damaged(package_dir(change.volume, record))]
        dropped: list[str] = []
        if suspects:
            with lease.hold(change.volume, gc.CACHE, reporter=session.reporter, wait_s=_MAKERS_WAIT_S):
                dropped = remove_damaged(change.volume, suspects)
        plan, target = plan_of(manifest, session.settings), target_from_json(manifest.target)
        made = change.make(plan, manifest.request, target=target, verb="doctor --fix")
    texts = [f"took {fn} out of the cache and fetched it again" for fn in dropped]
    return [*texts, f"linked {name} anew ({made.prefix.name})"]
