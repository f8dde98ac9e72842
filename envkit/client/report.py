"""A validation as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from envkit.errors import HostCannotRunError, ValidationFailedError
from envkit.tuples import NamedTuple

if TYPE_CHECKING:  # a script that goes on asks a report whether it passed, and no more
    from envkit.client.host import HostView


class FindingView(NamedTuple):
    """The result of one check.

    Attributes:
        check: Name of the check, such as ``files`` or ``torch.matmul``.
        status: ``pass``, ``fail``, ``skip`` or ``warn``.
        text: The observation, with numbers.
        code: Stable code of the result; None for a plain pass.
        blames: ``environment`` or ``host`` for a failure.
        hint: How to mend it.
        data: Details: ``gpu`` is true if the check computed on a GPU, ``figures`` maps names to numbers.
    """

    check: str
    status: str
    text: str = ""
    code: str | None = None
    blames: str | None = None
    hint: str | None = None
    data: Mapping[str, Any] = {}


class ReportView:
    """All findings about one environment on one host.

    Attributes:
        prefix: The prefix that was checked.
        verdict: ``pass``, ``fail``, or ``skip`` for a CUDA environment on a host without a GPU.
        findings: The results, in the order of the checks.
        fingerprint: Fingerprint of the host.
        created: Time in ISO 8601, UTC.
        seconds: Duration.
    """

    __slots__ = ("_host", "created", "findings", "fingerprint", "prefix", "seconds", "verdict")

    def __init__(self, document: Mapping[str, Any], *, prefix: str = "") -> None:
        self.prefix = str(document.get("prefix") or prefix)
        self.verdict = str(document.get("verdict", "fail"))
        self.fingerprint = str(document.get("fingerprint", ""))
        self.created = str(document.get("created", ""))
        self.seconds = float(document.get("seconds") or 0.0)
        self._host: Mapping[str, Any] = document.get("host") or {}
        self.findings = tuple(
            FindingView(
                str(f.get("check", "")),
                str(f.get("status", "")),
                str(f.get("text", "")),
                f.get("code"),
                f.get("blames"),
                f.get("hint"),
                f.get("data") or {},
            )
            for f in document.get("findings", ())
        )

    @property
    def host(self) -> HostView | None:
        """The host, if it is known."""
        if not self._host:
            return None
        from envkit.client.host import HostView

        return HostView(self._host)

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return self.verdict != "fail"

    @property
    def on_gpu(self) -> bool:
        """True if something was computed correctly on a GPU."""
        return any(f.status == "pass" and f.data.get("gpu") is True for f in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def raise_for_error(self) -> ReportView:
        """Return the report itself if nothing failed.

        Raises:
            ValidationFailedError: The environment is at fault.
            HostCannotRunError: The host is at fault.
        """
        if self.ok:
            return self
        failed = [f for f in self.findings if f.status == "fail"]
        blamed = [f for f in failed if f.blames == "environment"]
        chosen = blamed or failed
        what = "; ".join(f.text for f in chosen) or "its validation failed"
        hint = next((f.hint for f in chosen if f.hint), None)
        error = ValidationFailedError if blamed else HostCannotRunError
        raise error(f"{self.prefix}: {what}", hint=hint)

    def _rows(self) -> list[tuple[str, str, str]]:
        return [
            (f.status, f.check, f.text + (f" ({f.hint})" if f.hint and f.status != "pass" else ""))
            for f in self.findings
        ]

    def __repr__(self) -> str:
        failed = sum(f.status == "fail" for f in self.findings)
        return f"<Report {self.verdict}: {len(self.findings)} checks, {failed} failed, {self.prefix}>"

    def __str__(self) -> str:
        from envkit.client.table import text_table

        return f"{text_table(('', 'check', 'what was seen'), self._rows())}\n{self.verdict}  {self.prefix}"

    def _repr_html_(self) -> str:
        from envkit.client.table import html_table

        caption = f"{self.verdict}: {self.prefix} ({self.created}, {self.seconds:.1f} s)"
        return html_table(caption, ("", "check", "what was seen"), self._rows())
