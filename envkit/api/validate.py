"""validate: prove that an environment computes on this host."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from envkit.checks.driver_probe import check_driver
from envkit.checks.framework import python_findings, pytorch_findings
from envkit.errors import UnknownEnvironmentError
from envkit.host.detect import detect
from envkit.host.fingerprint import read_quick
from envkit.host.tree import Tree
from envkit.host.wire import host_to_json
from envkit.layout.generation import read_manifest, resolve
from envkit.layout.health import InstalledPackage, check_files, installed_packages
from envkit.layout.validations import add_token, read_validation
from envkit.layout.volume import Volume
from envkit.models.host import Host
from envkit.models.manifest import Manifest, ValidationRecord
from envkit.models.progress import Reporter
from envkit.models.report import Finding, Report
from envkit.models.results import ValidateResult
from envkit.models.wire import finding_json
from envkit.probe import PROBES_DIR, run_driver_probe, run_probe

__all__ = ["recognise", "record_validation", "run_environment", "validate", "validate_prefix"]

PROBE_TIMEOUT_S = 300.0
# Packages that say that an environment is meant for a GPU (facts of the channels conda-forge, pytorch and defaults).
_CUDA_PACKAGES = frozenset({"cuda-cudart", "cudatoolkit", "pytorch-cuda", "libcublas", "pytorch-gpu", "tensorflow-gpu"})
# What is imported in environments that carry no request of ours.
_FRAMEWORKS = ("numpy", "torch", "tensorflow", "jax", "cupy")
_MODULES = {"pytorch": "torch", "pytorch-gpu": "torch", "pytorch-cpu": "torch", "pillow": "PIL", "pyyaml": "yaml"}


def validate(
    name_or_prefix: str, *, volume: Volume | None, reporter: Reporter, timeout_s: float = PROBE_TIMEOUT_S
) -> ValidateResult:
    """Validate an environment of the volume, or any prefix: conda, pixi or venv.

    Raises:
        UnknownEnvironmentError: There is none.
    """
    prefix = resolve(volume, name_or_prefix)
    manifest = read_manifest(prefix)
    if manifest is None and not (prefix / "conda-meta").is_dir() and not (prefix / "bin" / "python").exists():
        raise UnknownEnvironmentError(
            f"{prefix} is no environment: it has neither conda-meta/ nor bin/python",
            hint="Give the directory that holds bin/ and conda-meta/ or pyvenv.cfg.",
        )
    host = detect()
    report = validate_prefix(prefix, manifest=manifest, host=host, reporter=reporter, timeout_s=timeout_s)
    if manifest is not None and volume is not None and Path(manifest.prefix).parent == volume.generations:
        record_validation(volume, manifest.generation, report, host)
    return ValidateResult(report, host, manifest.name if manifest else None)


def validate_prefix(
    prefix: Path, *, manifest: Manifest | None, host: Host, reporter: Reporter, timeout_s: float = PROBE_TIMEOUT_S
) -> Report:
    """Check files, interpreter, imports, driver and frameworks of a prefix, in this order."""
    began = time.monotonic()
    reporter.start("validate", str(prefix))
    packages, findings = installed_packages(prefix)
    if packages:
        findings.append(check_files(prefix, packages))
    env = run_environment(prefix, os.environ, name=manifest.name if manifest else None)
    needs_gpu = any(p.name in _CUDA_PACKAGES for p in packages) or (
        manifest is not None and manifest.choice.get("variant") == "cuda"
    )
    python = prefix / "bin" / "python"
    if python.exists():
        modules = _modules(prefix, packages, manifest)
        outcome = run_probe(python, PROBES_DIR / "modules.py", modules, env=env, timeout_s=timeout_s)
        findings += python_findings(outcome)
        if host.gpus and needs_gpu:
            outcomes = run_driver_probe(
                python, env=env, timeout_s=timeout_s, mig_uuids=[g.uuid for g in host.gpus if g.mig and g.uuid]
            )
            findings += check_driver(outcomes)
        if "torch" in modules or _site_packages(prefix, "torch"):
            outcome = run_probe(python, PROBES_DIR / "pytorch.py", [], env=env, timeout_s=timeout_s)
            findings += pytorch_findings(outcome, gpus=len(host.gpus))
            needs_gpu = needs_gpu or bool(outcome.facts.get("build_cuda"))
    else:
        findings.append(Finding("python", "skip", "no-python", "the environment has no Python; nothing was run in it"))
    report = Report(
        prefix=str(prefix),
        fingerprint=host.fingerprint,
        needs_gpu=needs_gpu,
        findings=tuple(findings),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 3),
    )
    reporter.finish("validate", f"{report.verdict}, {len(report.findings)} checks")
    return report


def record_validation(volume: Volume, generation: str, report: Report, host: Host) -> None:
    """Keep a report on the volume; a read-only volume just does not keep it."""
    before = read_validation(volume, generation, report.fingerprint)
    token = read_quick(Tree(), os.environ).token
    record = ValidationRecord(
        generation=generation,
        fingerprint=report.fingerprint,
        verdict=report.verdict,
        created=report.created,
        seconds=report.seconds,
        host=host_to_json(host),
        findings=tuple(finding_json(finding) for finding in report.findings),
        tokens=tuple(t for t in (before.tokens if before else ()) if t != token),
    )
    _keep(lambda: add_token(volume, record, token))


def recognise(volume: Volume, record: ValidationRecord) -> None:
    """Let the next quick look know that a validation holds on this host."""
    _keep(lambda: add_token(volume, record, read_quick(Tree(), os.environ).token))


def _keep(write: Callable[[], None]) -> None:
    try:
        write()
    except PermissionError:
        return
    except OSError as error:
        if error.errno not in {30, 28, 122}:  # EROFS, ENOSPC, EDQUOT: the report is shown all the same
            raise


def run_environment(prefix: Path, base: Mapping[str, str], *, name: str | None) -> dict[str, str]:
    """The variables that programs of an environment see; the generation's own path, never the link's."""
    env = {k: v for k, v in base.items() if k not in {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}}
    env["PATH"] = os.pathsep.join([str(prefix / "bin"), *filter(None, [base.get("PATH", os.defpath)])])
    if (prefix / "conda-meta").is_dir():
        env["CONDA_PREFIX"] = str(prefix)
        env["CONDA_DEFAULT_ENV"] = name or str(prefix)
    return env


def _site_packages(prefix: Path, module: str) -> bool:
    return any(prefix.glob(f"lib/python3*/site-packages/{module}/__init__.py"))


def _modules(prefix: Path, packages: Sequence[InstalledPackage], manifest: Manifest | None) -> list[str]:
    """Names to import: those of the requested packages, else of the frameworks that are there."""
    if manifest is None:
        return [name for name in _FRAMEWORKS if _site_packages(prefix, name)]
    requested = {_spec_name(spec) for spec in manifest.request.specs}
    modules: list[str] = []
    for package in packages:
        if package.name in requested:
            modules += [m for m in _modules_of(package) if m not in modules]
    return modules


def _spec_name(spec: str) -> str:
    text = spec.rsplit("::", 1)[-1].strip()
    for index, char in enumerate(text):
        if not (char.isalnum() or char in "._-"):
            return text[:index].lower()
    return text.lower()


def _modules_of(package: InstalledPackage) -> list[str]:
    """The module that carries the package's name, else the first few public ones that it installs."""
    found: list[str] = []
    for path, _, _ in package.paths:
        _, marker, rest = path.partition("site-packages/")
        if not marker:
            continue
        parts = rest.split("/")
        module = parts[0] if len(parts) == 2 and parts[1] == "__init__.py" else None  # noqa: PLR2004
        if len(parts) == 1 and parts[0].endswith((".py", ".so")):
            module = parts[0].split(".", 1)[0]
        if module and module.isidentifier() and not module.startswith("_") and module not in found:
            found.append(module)
    wanted = _MODULES.get(package.name, package.name.replace("-", "_"))
    exact = [module for module in found if module.lower() == wanted.lower()]
    return exact or found[:3]
