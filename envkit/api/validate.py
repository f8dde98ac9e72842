"""validate: prove that an environment computes on this host, and remember it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.api.profile_here import named_profile
from envkit.api.session import Session
from envkit.errors import EnvkitError, HostCannotRunError, UnknownEnvironmentError
from envkit.host.detect import detect_host
from envkit.host.fingerprint import Quick
from envkit.host.tree import Tree
from envkit.host.wire import host_to_json
from envkit.layout.generation import read_manifest, refuse_moved, resolve
from envkit.layout.mounting import enter_packed
from envkit.layout.profiles import prefix_for
from envkit.layout.validations import add_token, latest_validation, past_validations, read_validation, write_validation
from envkit.layout.volume import Volume
from envkit.models.host import Host
from envkit.models.manifest import Manifest, PastValidation, ValidationRecord
from envkit.models.progress import Reporter
from envkit.models.report import Report
from envkit.models.results import ValidateResult
from envkit.profiles import facts_of
from envkit.wire.results import finding_from_json, finding_json, members
from envkit.words.values import host_words

if TYPE_CHECKING:
    from envkit.api.examine import ValidateOptions

_DETECT_S = 10.0  # the usual limit of detection


def validate_environment(
    name_or_prefix: str,
    *,
    volume: Volume | None,
    reporter: Reporter,
    options: ValidateOptions,
    profile: str | None = None,
) -> ValidateResult:
    """Validate an environment of the volume, or any prefix: conda, pixi or venv.

    Of an environment with profiles it is that of this machine, or `profile`.

    The outcome is kept for generations of a volume, unless only a part was validated.
    """
    from envkit.api.examine import validate_prefix
    from envkit.api.kernel import refresh_kernels

    prefix = resolve(volume, name_or_prefix)
    # Before a deadline, detection leaves half of the time to the checks: a driver that hangs holds both up.
    host = detect_host() if options.until is None else detect_host(timeout_s=min(_DETECT_S, options.limit_s / 2))
    named = named_profile(prefix, name_or_prefix, profile)
    if named is not None or "/" not in name_or_prefix:
        prefix = named or Path(prefix_for(str(prefix), name_or_prefix, lambda: facts_of(host_to_json(host))))
    manifest = read_manifest(prefix)
    refuse_moved(manifest, prefix)
    enter_packed(str(prefix))
    if manifest is None and not (prefix / "conda-meta").is_dir() and not (prefix / "bin" / "python").exists():
        raise UnknownEnvironmentError(
            f"{prefix} is no environment: it has neither conda-meta/ nor bin/python",
            hint="Give the directory that holds bin/ and conda-meta/ or pyvenv.cfg.",
        )
    refuse_moved(manifest, prefix)  # as `run` does: what its files name is elsewhere
    wanted = [device for device in options.devices if device != "cpu"]
    if wanted and not host.gpus:
        raise HostCannotRunError(
            f"--device {' '.join(wanted)}: this host has no GPU that CUDA can use",
            hint="Leave --device out, or give --device cpu; envkit detect shows what was found.",
        )
    report = validate_prefix(prefix, manifest=manifest, host=host, reporter=reporter, options=options)
    whole = options.level != "driver" and not options.devices
    history: tuple[tuple[PastValidation, ValidationRecord], ...] = ()
    if whole and manifest is not None and volume is not None and Path(manifest.prefix).parent == volume.generations:
        record_validation(volume, manifest.generation, report, host)
        history = tuple(past_validations(volume, manifest.generation))
        with contextlib.suppress(OSError, EnvkitError):  # it is validated, whatever becomes of a name
            refresh_kernels(volume, manifest.name, host)
    return ValidateResult(report, host, manifest.name if manifest else None, manifest, history)


def record_validation(volume: Volume, generation: str, report: Report, host: Host) -> None:
    """Keep a report on the volume, or in the user's cache where the volume is read-only."""
    before = read_validation(volume, generation, report.fingerprint)
    token = Quick(Tree(), os.environ).token
    record = ValidationRecord(
        generation=generation,
        **members(report, "fingerprint", "verdict", "created", "seconds", "needs_gpu"),
        host=host_to_json(host),
        findings=tuple(finding_json(finding) for finding in report.findings),
        tokens=(*(known for known in (before.tokens if before else ()) if known != token), token),
    )
    write_validation(volume, record)


def revalidate(session: Session, manifest: Manifest, *, validate: bool) -> Report | None:
    """Return the validation of a generation on this kind of host; if there is none, validate it here or return None."""
    volume, host = session.volume, session.host
    known = read_validation(volume, manifest.generation, host.fingerprint)
    if known is not None and known.verdict != "fail":
        add_token(volume, known, Quick(Tree(), os.environ).token)  # for the next quick look
        return Report(
            prefix=manifest.prefix,
            findings=tuple(map(finding_from_json, known.findings)),
            **members(known, "fingerprint", "needs_gpu", "created", "seconds"),
        )
    if not validate:
        return None
    last = latest_validation(volume, manifest.generation)
    if last is not None and last.fingerprint != host.fingerprint:
        here, there = (host_words(facts) for facts in (host_to_json(host), last.host))
        session.reporter.note(
            f"{manifest.name} was last validated on another kind of host ({there}; here {here}): again"
        )
    from envkit.api.examine import validate_prefix

    enter_packed(manifest.prefix)
    report = validate_prefix(Path(manifest.prefix), manifest=manifest, host=host, reporter=session.reporter)
    record_validation(volume, manifest.generation, report, host)
    return report
