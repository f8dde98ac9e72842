"""Findings of a validation, and the report that gathers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Blame", "Finding", "Report", "Status", "Verdict"]

Status = Literal["pass", "fail", "skip", "warn"]
Blame = Literal["environment", "host"]
Verdict = Literal["pass", "fail", "skip"]


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
        data: Details for scripts; only JSON values.
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
    """All findings about one environment on one host."""

    prefix: str
    fingerprint: str
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    created: str = ""

    @property
    def verdict(self) -> Verdict:
        """``fail`` with any failure, ``skip`` when nothing ran on a GPU because there is none, else ``pass``."""
        if any(f.status == "fail" for f in self.findings):
            return "fail"
        return "pass"

    def blames(self, whom: Blame) -> tuple[Finding, ...]:
        """The failures that are the fault of `whom`."""
        return tuple(f for f in self.findings if f.status == "fail" and f.blames == whom)
