"""Findings of a validation, and the report that gathers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from envkit.models.fact import Blame

__all__ = ["Blame", "Finding", "Report", "ReportVerdict", "Status", "describe_figure"]

Status = Literal["pass", "fail", "skip", "warn"]
ReportVerdict = Literal["pass", "fail", "skip"]
_WITHOUT_GPU = frozenset({"no-gpu", "gpu-not-asked"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        check: What was checked, such as ``files`` or ``torch.matmul``.
        status: How it went.
        code: Stable code of the outcome; None for a plain pass.
        text: What was seen, with numbers.
        blames: Whose fault a failure is.
        hint: What to do about it.
        data: Details for scripts; only JSON values. ``gpu`` is true for what was computed on a GPU, ``figures`` maps
            names that end in their unit (``matmul_flop_per_s``) to numbers.
    """

    check: str
    status: Status
    code: str | None
    text: str
    blames: Blame | None = None
    hint: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about one environment on one host.

    Attributes:
        prefix: The prefix that was checked.
        fingerprint: Fingerprint of the host (`envkit.models.host.Host.fingerprint`).
        needs_gpu: Whether the environment holds CUDA builds, so that a run on the CPU proves little.
        findings: What was checked, in order.
        created: When, in ISO 8601, UTC.
        seconds: How long it took.
    """

    prefix: str
    fingerprint: str
    needs_gpu: bool
    findings: tuple[Finding, ...]
    created: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> ReportVerdict:
        """``fail`` with any failure; ``skip`` when a CUDA environment met no GPU; else ``pass``."""
        if any(f.status == "fail" for f in self.findings):
            return "fail"
        if self.needs_gpu and any(f.status == "skip" and f.code in _WITHOUT_GPU for f in self.findings):
            return "skip"
        return "pass"

    @property
    def on_gpu(self) -> bool:
        """Whether something was computed on a GPU, and came out right."""
        return any(f.status == "pass" and f.data.get("gpu") is True for f in self.findings)

    @property
    def figures(self) -> tuple[tuple[str, str, float], ...]:
        """What was measured, of which no verdict is made: check, name with its unit at the end, number."""
        return tuple(
            (finding.check, str(name), float(value))
            for finding in self.findings
            if isinstance(figures := finding.data.get("figures"), Mapping)
            for name, value in figures.items()
            if isinstance(value, int | float)
        )

    def blaming(self, whom: Blame) -> tuple[Finding, ...]:
        """Return the failures that are the fault of `whom`."""
        return tuple(f for f in self.findings if f.status == "fail" and f.blames == whom)


def describe_figure(name: str, value: float) -> tuple[str, str]:
    """Return the name of a figure and its number with its unit, which ends the name."""
    for end, unit in (("_flop_per_s", "FLOP/s"), ("_bytes_per_s", "B/s"), ("_s", "s")):
        if name.endswith(end):
            what = name.removesuffix(end).replace("_", " ")
            for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1.0, ""), (1e-3, "m")):
                if value >= factor and (unit != "s" or factor <= 1):
                    return what, f"{value / factor:.3g} {prefix}{unit}"
            return what, f"{value:.3g} {unit}"
    return name.replace("_", " "), f"{value:.4g}"
