"""Judge by its validation whether a generation may become the environment."""

from __future__ import annotations

from envkit.errors import EnvkitError, NotOnGpuError, ValidationFailedError
from envkit.models.report import Report
from envkit.words.cures import cure
from envkit.words.say import say


def check_publishable(name: str, report: Report | None, *, require_gpu: bool) -> EnvkitError | None:
    """Return what keeps a generation from being published; None when nothing does.

    A finding that blames the environment does. One that blames the host does not: the environment is as good as
    another, and is published as not validated, unless a validation on a GPU was asked for.

    Args:
        name: The environment.
        report: Its validation; None when there was none.
        require_gpu: Whether something must have been computed on a GPU.
    """
    if report is None:
        if not require_gpu:
            return None
        return NotOnGpuError(
            f"{name} was not validated on a GPU, which --require-gpu asks for: it is for another platform",
            hint="Create it on the machine with the GPU.",
        )
    if blamed := report.blaming("environment"):
        return ValidationFailedError(
            f"{name} was made and does not work, so it was not published: {'; '.join(map(say, blamed))}",
            hint=cure(blamed[0]) or "Choose other packages, or publish it all the same with --no-validate.",
        )
    if not require_gpu or (report.on_gpu and report.verdict == "pass"):
        return None
    if faults := [finding for finding in report.findings if finding.status == "fail"]:
        return NotOnGpuError(
            f"{name} could not be validated on a GPU, so it was not published: {'; '.join(map(say, faults))}",
            hint=cure(faults[0]),
        )
    if report.needs_gpu:
        return NotOnGpuError(
            f"{name} was not published: --require-gpu, and there is no GPU here",
            hint="Create it on the machine with the GPU, or leave --require-gpu out.",
        )
    return NotOnGpuError(
        f"{name} was not published: --require-gpu, and it holds nothing that uses a GPU",
        hint="Ask for a CUDA build with --cuda, or leave --require-gpu out.",
    )
