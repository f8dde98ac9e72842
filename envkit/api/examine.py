"""Examine: everything that is checked of a prefix, in the order in which one finding explains the next."""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from envkit.checks.driver_probe import check_driver
from envkit.checks.files import files_findings, record_findings
from envkit.checks.foresight import copies_findings
from envkit.checks.framework import Gpus
from envkit.checks.frameworks import is_cuda_build, judge_collective, judge_framework
from envkit.checks.interpreter import python_findings
from envkit.frameworks.row import FrameworkRow
from envkit.frameworks.table import ROWS
from envkit.installer.pin import wrong_pins
from envkit.layout.contents import Contents, owners, read_contents
from envkit.layout.damage import distributions, find_wrong
from envkit.layout.generation import active_name
from envkit.layout.records import installed_packages
from envkit.models.codes.driver import NO_KERNEL_FOR_DEVICE
from envkit.models.codes.frameworks import DEADLINE, NO_KERNEL_IMAGE, NO_PYTHON, PYTHON_BROKEN, PYTHON_FOREIGN
from envkit.models.fact import Fact
from envkit.models.host import Host
from envkit.models.installed import InstalledPackage, Repair, WrongFile
from envkit.models.manifest import Manifest
from envkit.models.probe import Level
from envkit.models.progress import Reporter
from envkit.models.report import Finding, Report
from envkit.probe import PROBES_DIR, run_driver_probe, run_framework_probe, run_probe
from envkit.scan.copies import find_copies
from envkit.values import dataclass, replace

PROBE_TIMEOUT_S = 300.0
_LIBRARY = (".so", ".dylib")


@dataclass(frozen=True, slots=True)
class ValidateOptions:
    """The thoroughness of a validation.

    Attributes:
        level: ``driver``: files, interpreter and the GPU itself. ``framework``: also what is installed there.
            ``collective``: also several processes that compute together, and what takes its time on a CPU. None: as
            the environment's recipe says.
        devices: Ordinals or UUIDs to use; all that are visible when empty. ``cpu`` alone: no GPU.
        timeout_s: Limit for each check's process, in seconds.
        until: The time (`time.monotonic`) at which the answer is due; what was not checked by then fails.
    """

    level: Level | None = None
    devices: tuple[str, ...] = ()
    timeout_s: float = PROBE_TIMEOUT_S
    until: float | None = None

    @property
    def limit_s(self) -> float:
        """How long the next check may take."""
        return self.timeout_s if self.until is None else min(self.timeout_s, self.until - time.monotonic())

    def is_late(self) -> bool:
        """Return whether the answer is due."""
        return self.limit_s <= 0


_DEFAULTS = ValidateOptions()
_LATE = Finding("deadline", "fail", Fact(DEADLINE))


def manifest_level(manifest: Manifest | None) -> Level:
    """Return how thoroughly an environment is validated where nothing else is said: the level of its recipe."""
    levels: dict[str, Level] = {level: level for level in get_args(Level)}
    return levels.get(manifest.request.level, "framework") if manifest is not None else "framework"


def validate_prefix(
    prefix: Path,
    *,
    manifest: Manifest | None,
    host: Host,
    reporter: Reporter,
    options: ValidateOptions = _DEFAULTS,
) -> Report:
    """Check files, interpreter, imports, driver and frameworks of a prefix, in this order."""
    began = time.monotonic()
    options = replace(options, level=options.level or manifest_level(manifest))
    reporter.start("validate", str(prefix))
    packages, bad = installed_packages(prefix)
    repair = repair_of(prefix, ours=manifest is not None)
    findings = record_findings(bad, repair)
    count = sum(len(package.paths) for package in packages)
    own = wrong_pins(prefix, manifest.own_files) if manifest is not None else []
    wrong = [*find_wrong(prefix, packages, full=False), *own]
    virtual = not packages and options.level != "driver" and (prefix / "pyvenv.cfg").is_file()
    if virtual or (manifest is not None and manifest.pip):
        repair = Repair("pip") if virtual else repair
        added = distributions(prefix, packages, full=False)
        count += sum(distribution.files for distribution in added)
        wrong += [item for distribution in added for item in distribution.wrong]
    contents = read_contents(prefix, packages, manifest)
    ran = list(_run(prefix, contents, manifest, host, options))
    if host.gpus and any(finding.code in {NO_KERNEL_IMAGE, NO_KERNEL_FOR_DEVICE} for finding in ran):
        from envkit.api.foresee import explain_kernels

        ran += explain_kernels(prefix, ran, host)
    ran += copies_findings(find_copies(prefix)) if contents.for_gpu else []
    if packages or virtual:
        if any(finding.status == "fail" and finding.blames == "environment" for finding in ran):
            wrong = _look_closer(prefix, packages, wrong, ran)
        findings += files_findings(wrong, repair, files=count, full=False, lenient=manifest is None)
    findings += ran
    report = Report(
        prefix=str(prefix),
        fingerprint=host.fingerprint,
        needs_gpu=contents.for_gpu or options.level == "driver",
        findings=tuple(findings),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 3),
    )
    reporter.finish("validate", f"{report.verdict}, {len(report.findings)} checks")
    return report


def _run(
    prefix: Path,
    contents: Contents,
    manifest: Manifest | None,
    host: Host,
    options: ValidateOptions,
) -> Iterator[Finding]:
    """Run the interpreter, the driver and the frameworks, in this order, until the deadline."""
    env = run_environment(prefix, os.environ, name=manifest.name if manifest else None)
    python = contents.python
    if options.is_late():
        yield _LATE
        return
    if contents.python is None:
        yield Finding("python", "skip", Fact(NO_PYTHON))
    else:
        # Frameworks are imported by their own probes, once.
        probed = {row.module for row in ROWS.values() if row.probe}
        modules = [name for name in contents.modules if name not in probed]
        if options.level == "driver":
            modules = []
        outcome = run_probe(contents.python, PROBES_DIR / "modules.py", modules, env=env, timeout_s=options.limit_s)
        found = python_findings(outcome, modules)
        yield from found
        if any(finding.code in {PYTHON_BROKEN, PYTHON_FOREIGN} for finding in found):
            python = None
    gpus = Gpus("unasked" if "cpu" in options.devices else "none")
    if gpus.state != "unasked" and (contents.for_gpu or options.level == "driver") and sys.platform == "linux":
        if options.is_late():
            yield _LATE
            return
        found = _drive(python or Path(sys.executable), env, host, options)
        yield from found
        gpus = _gpus(found)
    if python is None or options.level == "driver":
        return
    for row in contents.frameworks:
        if options.is_late():
            yield _LATE
            return
        yield from _frame(python, row, _framework_variables(env, gpus, options), gpus, options)


def _drive(python: Path, env: Mapping[str, str], host: Host, options: ValidateOptions) -> list[Finding]:
    """Check the GPUs without any framework."""
    instances = [gpu.uuid for gpu in host.gpus if gpu.mig and gpu.uuid]
    # Each instance has a child of its own, one after the other; before a deadline they share the time.
    shares = 1 if options.until is None else max(1, len(options.devices or instances))
    limit_s = options.limit_s / shares
    outcomes = run_driver_probe(python, env=env, timeout_s=limit_s, devices=options.devices, mig_uuids=instances)
    return check_driver(outcomes)


def _gpus(found: Sequence[Finding]) -> Gpus:
    """Return which GPUs are left for frameworks."""
    if any(finding.status == "fail" for finding in found):
        return Gpus("failed")
    whole = {f.data.get("device") for f in found if f.check == "driver.vadd" and f.status == "pass"}
    return Gpus("ok", len(whole)) if whole else Gpus("none")


def _framework_variables(env: Mapping[str, str], gpus: Gpus, options: ValidateOptions) -> dict[str, str]:
    """Return the variables for frameworks: only the devices asked for, none if the driver failed; plain float32."""
    variables = {
        **env,
        "NVIDIA_TF32_OVERRIDE": "0",  # https://docs.nvidia.com/cuda/cublas: whatever the program says, no TF32
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_CPP_MIN_LOG_LEVEL": "1",
    }
    if gpus.state in {"failed", "unasked"}:
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    elif options.devices:
        visible = [word.strip() for word in env.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.strip()]
        # Ordinals count among the visible ones, as in the driver's probe.
        chosen = [visible[int(d)] if d.isdigit() and int(d) < len(visible) else d for d in options.devices]
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    return variables


def _frame(
    python: Path, row: FrameworkRow, env: Mapping[str, str], gpus: Gpus, options: ValidateOptions
) -> Iterator[Finding]:
    """Run one framework, and processes of it that compute together."""
    thorough = options.level == "collective"
    args = [*(["--gpu", str(gpus.count)] if gpus.state == "ok" else []), *(["--thorough"] if thorough else [])]
    outcome = run_framework_probe(python, [str(row.probe), *args], env=env, timeout_s=options.limit_s)
    found = judge_framework(row, outcome, gpus)
    yield from found
    by_gpu = gpus.state == "ok" and is_cuda_build(row, outcome)
    if row.collective and (thorough or by_gpu) and not options.is_late() and not any(f.status == "fail" for f in found):
        args = [*(["--gpu", str(gpus.count)] if by_gpu else []), *(["--thorough"] if thorough else [])]
        outcome = run_framework_probe(python, [row.collective, *args], env=env, timeout_s=options.limit_s)
        yield from judge_collective(row, outcome, gpus)


def _look_closer(
    prefix: Path, packages: Sequence[InstalledPackage], wrong: Sequence[WrongFile], ran: Sequence[Finding]
) -> list[WrongFile]:
    """After a failure, hash what can be the cause: all shared libraries, and all files of the packages that failed."""
    failed = {finding.subject for finding in ran if finding.status == "fail" and finding.subject}
    modules = {ROWS[name].module if name in ROWS else name for name in failed} | {"numpy"}  # which most of them load
    suspects = frozenset[str]().union(*(owners(packages, module) for module in modules))
    closer = [
        replace(
            package,
            hashes={
                name: digest
                for name, digest in package.hashes.items()
                if package.name in suspects or any(end in name.rsplit("/", 1)[-1] for end in _LIBRARY)
            },
        )
        for package in packages
    ]
    known = {(item.package, item.path) for item in wrong}
    return [*wrong, *(w for w in find_wrong(prefix, closer, full=True) if (w.package, w.path) not in known)]


def repair_of(prefix: Path, *, ours: bool) -> Repair:
    """Return how damage in a prefix is repaired.

    Args:
        prefix: The prefix.
        ours: Whether envkit made it.
    """
    name = active_name(prefix)
    if name is not None:
        return Repair("fix", name)
    return Repair("create" if ours else "tool")


def run_environment(prefix: Path, base: Mapping[str, str], *, name: str | None) -> dict[str, str]:
    """Return the variables for programs of an environment, with the path of its generation, never of its link."""
    env = {k: v for k, v in base.items() if k not in {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}}
    env["PATH"] = os.pathsep.join([str(prefix / "bin"), *filter(None, [base.get("PATH", os.defpath)])])
    if (prefix / "conda-meta").is_dir():
        env["CONDA_PREFIX"] = str(prefix)
        env["CONDA_DEFAULT_ENV"] = name or str(prefix)
    return env
