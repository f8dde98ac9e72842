"""The words of a request that has no answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from envkit.checks.locks import LockDrift, Misfit
from envkit.models.build import Record, Verdict
from envkit.models.fact import Advice, Reason
from envkit.models.host import MachineKind, Target
from envkit.models.inputs import LockFile
from envkit.models.request import Request
from envkit.words.say import say
from envkit.words.values import build_words, join

UNCLEAR_HINT = "Name the machine (--driver 550 --gpu a100), or ask for CPU builds with --cuda none."
_SHOWN = 8
_SHOWN_ALIKE = 3
_WHERE = {"hosts": "on all of the machines", "target": "there", "host": "here"}


def unclear(target: Target) -> str:
    """Return why neither CPU nor CUDA is chosen: signs of NVIDIA without a usable GPU."""
    return (
        f"there are signs of NVIDIA here ({', '.join(target.nvidia_traces)}) and no usable GPU, so it is not clear "
        "for which machine to choose"
    )


def _asked(name: str, request: Request) -> str:
    """Return the part of a request that is about one package."""
    specs = [text for text, spec in zip(request.specs, request.parsed, strict=True) if spec.name == name]
    words = [" ".join(specs) or name]
    if request.cuda.asks_cuda:
        words.append(f"for CUDA {request.cuda}")
    elif request.cuda.kind == "none":
        words.append("for CPU")
    if request.python is not None:
        words.append(f"for Python {request.python}")
    return " ".join(words)


def no_build(
    name: str, request: Request, target: Target, *, cuda: bool, advice: Sequence[Advice], near: Sequence[Verdict]
) -> tuple[str, str]:
    """Return message and hint where nothing matches."""
    message = f"there is no build of {_asked(name, request)}{' for CUDA' if cuda else ''} for {target.subdir}"
    known = ", ".join(f"{v.build.record.version} {v.build.record.build}" for v in near)
    return message, "; ".join([*map(say, advice), f"the nearest: {known}" if known else "check the version"])


def none_runs(
    name: str,
    request: Request,
    ranked: Sequence[Verdict],
    *,
    where: Literal["hosts", "target", "host"],
    culprits: Sequence[MachineKind],
    served: Verdict | None,
) -> str:
    """Return the message where builds match and none runs, with the decisive reason."""
    asked, number = _asked(name, request), len(ranked)
    which = f"the one build of {asked} does not run" if number == 1 else f"none of the {number} builds of {asked} runs"
    why = _because(served or ranked[0])
    if culprits:
        why = f"{join(culprits, ' or ')} rules them out: {why}"
    return f"{which} {_WHERE[where]}: {why}"


def _because(verdict: Verdict) -> str:
    reason = say(verdict.reasons[0]) if verdict.reasons else verdict.tier.value
    return f"{build_words(verdict.build)}: {reason}"


def no_gpu_code(lacking: Sequence[tuple[Record, Sequence[Reason]]]) -> str:
    """Return the message for packages whose libraries hold no code for a GPU."""
    return "; ".join(f"{record.fn}: {say(reasons[0])}" for record, reasons in lacking)


def what_helps(advice: Sequence[Advice]) -> str:
    """Return advice as a hint; the way to every reason where there is none."""
    return "; ".join(map(say, advice)) or "See every build with its reasons: envkit find --all --why."


WHEELS_HINT = "Name another driver or GPU, leave --cuda out, or take --cuda none."


def will_not_run(refusals: Sequence[str]) -> str:
    """Return the message for a solution that is refused."""
    return "the solution would not run: " + "; ".join(refusals)


def lock_misfits(lock: LockFile, misfits: Sequence[Misfit], target: Target) -> str:
    """Return why nothing of a lock file, or of a part of it, would run."""
    where = f"this host is {target.subdir}" if not target.described else f"the target is {target.subdir}"
    platforms = sorted({part.platform for part in lock.parts if part.platform is not None})
    if misfits and all(not misfit.refusals for misfit in misfits):
        foreign = [record for misfit in misfits for record in misfit.foreign][:_SHOWN]
        what = "; ".join(
            f"{record.fn}: it is for {record.subdir}, {where}" for record in foreign if len(lock.parts) == 1
        )
        known = f"{lock.path} ({lock.format}) is for {join(platforms)}, {where}"
        return f"what {lock.path} lists would not run: {what}" if what else known
    environments: dict[tuple[str, str], list[str]] = {}
    for misfit in misfits:
        for refused in _by_reason(misfit.refusals):
            environments.setdefault(refused, []).append(misfit.part.environment)
    told = []
    for refused, names in environments.items():
        of = f" in {'environment' if len(names) == 1 else 'environments'} {join(names, most=_SHOWN)}"
        told.append(f"{refused[0]}{of if len(lock.parts) > 1 else ''}: {refused[1]}")
    return f"what {lock.path} lists would not run: {'; '.join(told)}"


def _by_reason(refusals: Sequence[tuple[Record, Reason]]) -> list[tuple[str, str]]:
    """Return each reason once, with the packages that it is about."""
    packages: dict[str, list[str]] = {}
    for record, reason in refusals:
        named = record.fn if record.name == "lock" else f"{record.name} {record.version}"
        packages.setdefault(say(reason), []).append(named)
    return [(join(names, most=_SHOWN_ALIKE), reason) for reason, names in list(packages.items())[:_SHOWN]]


def lock_drift(lock: LockFile, files: str, drift: LockDrift) -> str:
    """Return how a lock differs from its files."""
    told = [f"new in the file: {join(drift.added, most=_SHOWN)}"] if drift.added else []
    told += [f"no longer in the file: {join(drift.removed, most=_SHOWN)}"] if drift.removed else []
    told += [f"not met by the lock: {join(drift.unmet, most=_SHOWN)}"] if drift.unmet else []
    return f"{lock.path} does not fit {files}: {'; '.join(told)}"
