"""What the probes of modules and frameworks saw, as findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.probe import ProbeOutcome
from envkit.models.report import Finding

__all__ = ["python_findings", "pytorch_findings"]

# A float32 product of 256 terms: the bound is 256 * 2**-24 relative to the largest entry, with room for the order.
MATMUL_TOLERANCE = 1e-5


def python_findings(outcome: ProbeOutcome) -> list[Finding]:
    """Whether the environment's Python started, and one finding for each module."""
    facts = outcome.facts
    if outcome.state != "done":
        step = outcome.last_step
        if step is not None and step.check == "import":
            return [
                Finding(
                    check=f"import {step.call}",
                    status="fail",
                    code="import-crashed" if outcome.state == "crashed" else "import-hung",
                    text=f"importing {step.call} {_ending(outcome)}",
                    blames="environment",
                    hint=_stderr_hint(outcome, "A compiled part of it does not fit the rest of the environment."),
                )
            ]
        return [
            Finding(
                check="python",
                status="fail",
                code="python-broken",
                text=f"the environment's Python {_ending(outcome)}",
                blames="environment",
                hint=_stderr_hint(outcome, "Make the environment again."),
            )
        ]
    python = facts.get("python")
    version = python.get("version") if isinstance(python, Mapping) else None
    findings = [Finding(check="python", status="pass", code=None, text=f"Python {version} starts")]
    modules = facts.get("modules")
    findings += [_module_finding(module) for module in (modules if isinstance(modules, list) else [])]
    return findings


def _module_finding(module: Mapping[str, Any]) -> Finding:
    name = str(module.get("name"))
    if module.get("ok"):
        version = module.get("version")
        text = f"{name} {version} imports" if version else f"{name} imports"
        return Finding(
            check=f"import {name}", status="pass", code=None, text=text, data={"seconds": module.get("seconds")}
        )
    return Finding(
        check=f"import {name}",
        status="fail",
        code="import-failed",
        text=f"{name} does not import: {module.get('error')}",
        blames="environment",
        hint="A file is missing or two packages do not fit together; see the finding on files, or make it again.",
    )


def pytorch_findings(outcome: ProbeOutcome, *, gpus: int) -> list[Finding]:
    """What PyTorch computed, on the CPU and on each GPU.

    Args:
        outcome: Of the probe ``pytorch.py``.
        gpus: How many GPUs the host has that CUDA can use.
    """
    if outcome.state != "done":
        step = outcome.last_step
        return [
            Finding(
                check="pytorch",
                status="fail",
                code="pytorch-crashed" if outcome.state == "crashed" else "pytorch-failed",
                text=f"PyTorch {_ending(outcome)}" + (f" in {step.call}" if step else ""),
                blames="environment",
                hint=_stderr_hint(outcome, "See the findings above; make the environment again if files differ."),
            )
        ]
    facts = outcome.facts
    findings = [_matmul(facts, "cpu_error_relative", "pytorch.matmul cpu", "the CPU", "environment")]
    if facts.get("mps_error_relative") is not None or facts.get("mps_error_relative_error") is not None:
        findings.append(_matmul(facts, "mps_error_relative", "pytorch.matmul mps", "the Apple GPU", "environment"))
    build_cuda = facts.get("build_cuda")
    if not build_cuda:
        return findings
    devices = facts.get("devices")
    if not gpus:
        findings.append(
            Finding(
                check="pytorch.cuda",
                status="skip",
                code="no-gpu",
                text=f"PyTorch {facts.get('version')} for CUDA {build_cuda} was not run on a GPU: there is none here",
                hint="Run `envkit validate` again on the machine with the GPU.",
            )
        )
    elif not devices:
        error = facts.get("init_error") or facts.get("available_error") or "torch.cuda.is_available() is False"
        findings.append(
            Finding(
                check="pytorch.cuda",
                status="fail",
                code="pytorch-sees-no-gpu",
                text=f"this host has {gpus} GPU and PyTorch for CUDA {build_cuda} sees none: {error}",
                blames="environment",
                hint="The driver's findings above say whether the host is at fault; else the build does not fit it.",
            )
        )
    for device in devices if isinstance(devices, list) else []:
        where = f"{device.get('name')} (cuda:{device.get('index')})"
        findings.append(
            _matmul(device, "error_relative", f"pytorch.matmul cuda:{device.get('index')}", where, "environment")
        )
    return findings


def _matmul(facts: Mapping[str, Any], key: str, check: str, where: str, blames: Any) -> Finding:  # noqa: ANN401
    error = facts.get(key)
    if isinstance(error, (int, float)) and error <= MATMUL_TOLERANCE:
        return Finding(
            check=check,
            status="pass",
            code=None,
            text=f"a 256 x 256 matrix product on {where} agrees with float64 (relative error {error:.1e})",
            data={"relative_error": error, "tolerance": MATMUL_TOLERANCE},
        )
    if isinstance(error, (int, float)):
        return Finding(
            check=check,
            status="fail",
            code="wrong-result",
            text=f"a matrix product on {where} is wrong: relative error {error:.3g}, at most {MATMUL_TOLERANCE:g}",
            blames=blames,
            hint="Do not trust this environment on this machine. Make it again; if it stays, the hardware is suspect.",
            data={"relative_error": str(error), "tolerance": MATMUL_TOLERANCE},
        )
    text = str(facts.get(f"{key}_error"))
    code = "no-kernel-image" if "no kernel image" in text else "compute-failed"
    return Finding(
        check=check,
        status="fail",
        code=code,
        text=f"a matrix product on {where} failed: {text}",
        blames=blames,
        hint="The build has no code for this GPU: choose another with `envkit find pytorch`."
        if code == "no-kernel-image"
        else "See the driver's findings above; else make the environment again.",
    )


def _ending(outcome: ProbeOutcome) -> str:
    if outcome.state == "crashed":
        return f"crashed ({outcome.signal})"
    if outcome.state == "timed-out":
        return f"did not end in {outcome.elapsed_s:.0f} s"
    if outcome.state == "not-started":
        return f"cannot be started: {outcome.reason}"
    last = outcome.stderr_tail.strip().splitlines()[-1:] or [outcome.reason or f"exit status {outcome.exit_code}"]
    return f"failed: {last[0]}"


def _stderr_hint(outcome: ProbeOutcome, hint: str) -> str:
    last = outcome.stderr_tail.strip().splitlines()[-1:]
    return f"{hint} It said: {last[0][:300]}" if last else hint
