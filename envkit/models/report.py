"""Findings of a validation, and the report that gathers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from envkit.models.codes.frameworks import GPU_NOT_ASKED, NO_GPU
from envkit.models.fact import Blame, Code, Fact
from envkit.tuples import NamedTuple
from envkit.values import dataclass, field

Status = Literal["pass", "fail", "skip", "warn"]
ReportVerdict = Literal["pass", "fail", "skip"]
_WITHOUT_GPU = frozenset({NO_GPU, GPU_NOT_ASKED})


class Recorded(NamedTuple):
    """The words of a finding as an earlier run wrote them to the volume; its facts are not kept."""

    text: str
    cure: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `envkit.words` says what was seen and what to do about it.

    Attributes:
        check: What was checked, such as ``files`` or ``torch.matmul``.
        status: How it went.
        fact: What was seen.
        code: Stable code of the outcome, which names the cure: the fact's, unless another is given. None for a plain
            pass, whose fact is of the kind ``seen``.
        blames: Whose fault a failure is: the code's, unless another is given.
        data: Details for scripts; only JSON values and facts, which become sentences. ``gpu`` is true for what was
            computed on a GPU, ``figures`` maps names that end in their unit (``matmul_flop_per_s``) to numbers.
        subject: The module or the framework that it is about; empty for others.
    """

    check: str
    status: Status
    fact: Fact | Recorded
    code: str | None = None
    blames: Blame | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    subject: str = ""

    def __post_init__(self) -> None:
        """Take code and blame from the fact where they are not given."""
        if self.code is None and isinstance(self.fact, Fact) and self.fact.code.kind == "finding":
            object.__setattr__(self, "code", self.fact.code)
        if self.blames is None and isinstance(self.code, Code):
            object.__setattr__(self, "blames", self.code.blames)


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
        """Measured figures, which no verdict rests on: check, name with its unit at the end, number."""
        return tuple(
            (finding.check, str(name), float(value))
            for finding in self.findings
            if isinstance(figures := finding.data.get("figures"), Mapping)
            for name, value in figures.items()
            if isinstance(value, int | float)
        )

    def blaming(self, whom: Blame) -> tuple[Finding, ...]:
        """Return the failures that blame `whom`."""
        return tuple(f for f in self.findings if f.status == "fail" and f.blames == whom)
