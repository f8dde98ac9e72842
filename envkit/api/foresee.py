"""validate for another machine: by the bytes of an environment, without running anything."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from collections.abc import Sequence
from pathlib import Path

from envkit.api.inspect import inspect_folder, judge_inspection
from envkit.api.profile_here import named_profile
from envkit.builds.classify import classify
from envkit.builds.record import record_from_repodata
from envkit.checks.foresight import BuiltWith, code_findings, copies_findings, foresee
from envkit.errors import UnknownEnvironmentError
from envkit.frameworks.table import TOOLKIT_PACKAGES
from envkit.layout.generation import read_manifest, resolve
from envkit.layout.profiles import prefix_for
from envkit.layout.volume import Volume
from envkit.models.codes.driver import NO_KERNEL_FOR_DEVICE
from envkit.models.codes.frameworks import NO_KERNEL_IMAGE
from envkit.models.host import Host, Target
from envkit.models.inspection import Foreseen
from envkit.models.progress import Reporter
from envkit.models.report import Finding, Report
from envkit.models.version import CudaVersion
from envkit.profiles import facts_of
from envkit.scan.copies import find_copies
from envkit.scan.owners import group_by_package
from envkit.scan.tree import scan_tree
from envkit.wire.results import target_json
from envkit.words.values import plural


def foresee_environment(
    name_or_prefix: str, target: Target, *, volume: Volume | None, reporter: Reporter, profile: str | None = None
) -> Foreseen:
    """Judge an environment of the volume, or any prefix, for a machine that is described.

    Of an environment with profiles it is that of the machine, or `profile`.

    Raises:
        UnknownEnvironmentError: There is no such environment, or it is no prefix.
    """
    began = time.monotonic()
    prefix = resolve(volume, name_or_prefix)
    named = named_profile(prefix, name_or_prefix, profile)
    if named is not None or "/" not in name_or_prefix:
        prefix = named or Path(prefix_for(str(prefix), name_or_prefix, lambda: facts_of(target_json(target))))
    if not prefix.is_dir():
        raise UnknownEnvironmentError(f"{prefix} is no folder", hint="Give an environment, or the folder of one.")
    manifest = read_manifest(prefix)
    reporter.start("read", str(prefix))
    found = judge_inspection(inspect_folder(prefix, name_or_prefix), target)
    findings = foresee(found.packages, _built(prefix), target) + copies_findings(find_copies(prefix))
    reporter.finish("read", f"{plural(len(found.libraries), 'file')} with code for GPUs")
    report = Report(
        prefix=str(prefix),
        fingerprint="",
        needs_gpu=False,
        findings=tuple(findings),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 3),
    )
    return Foreseen(report, found, manifest.name if manifest else None)


def explain_kernels(prefix: Path, findings: Sequence[Finding], host: Host) -> list[Finding]:
    """Return, after a kernel that found no code, which packages hold none for this host's GPUs."""
    codes = {finding.code for finding in findings}
    if not codes & {NO_KERNEL_IMAGE, NO_KERNEL_FOR_DEVICE} or not host.gpus:
        return []
    packages = group_by_package(prefix, scan_tree(prefix).libraries)
    return [finding for finding in code_findings(packages, Target.from_host(host)) if finding.status != "pass"]


def _built(prefix: Path) -> list[BuiltWith]:
    """Return the CUDA builds of a prefix that decide: its frameworks, else all packages that name their CUDA.

    Conda packages tell it in their records; of wheels the run-time library does.
    """
    found: list[tuple[bool, BuiltWith]] = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            raw = json.loads(path.read_bytes())
            record = record_from_repodata(raw, str(raw.get("fn") or f"{path.stem}.conda"), "", str(raw.get("subdir")))
        except (OSError, ValueError, AttributeError, RecursionError):
            continue
        build = classify(record)
        if build.variant == "cuda" and build.build_cuda is not None and record.name not in TOOLKIT_PACKAGES:
            one = BuiltWith(f"{record.name} {record.version}", build.build_cuda, build.cuda_major_only)
            found.append((build.framework is not None, one))
    for info in sorted(prefix.glob("lib/python3*/site-packages/nvidia_cuda_runtime*.dist-info")):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        with contextlib.suppress(ValueError):
            one = BuiltWith(f"{name.replace('_', '-')} {version}", CudaVersion.parse(version), major_only=False)
            found.append((False, one))
    frameworks = [one for is_framework, one in found if is_framework]
    return frameworks or [one for _, one in found]
