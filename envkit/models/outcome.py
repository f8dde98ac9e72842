"""The outcome of a validation, as `list` and `show` tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last validation of a generation on one kind of host.

    Attributes:
        verdict: ``pass``, ``fail`` or ``skip``.
        created: When, in ISO 8601, UTC.
        fingerprint: Fingerprint of the host.
        host: The host, as ``detect --json`` prints it.
        findings: What was checked, as ``validate --json`` prints it.
        last_pass: When the generation last passed there; None if it never did.
    """

    verdict: str
    created: str
    fingerprint: str
    host: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...] = ()
    last_pass: str | None = None

    @property
    def gpus(self) -> list[str]:
        """Names of the GPUs of that host, each once."""
        return sorted({str(gpu.get("name")) for gpu in self.host.get("gpus") or ()})
