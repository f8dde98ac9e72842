"""Packages that were measured and hold no code for a GPU of the machines that they are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from envkit.checks.gpucode import CodeVerdict, judge_package
from envkit.models.build import Record, Tier
from envkit.models.codes.advice import CODE_JIT, CODE_MISSING_PARTLY
from envkit.models.codes.reasons import JIT, LIBRARY_WITHOUT_CODE
from envkit.models.fact import Advice, Reason
from envkit.models.gpucode import GpuPackage
from envkit.models.host import MachineKind
from envkit.tuples import NamedTuple


class Lacking(NamedTuple):
    """A package that does not run for want of GPU code, and why: the decisive reason first."""

    record: Record
    reasons: tuple[Reason, ...]


class Judged(NamedTuple):
    """The measured packages of a solution, judged.

    Attributes:
        lacking: Those that do not run.
        advice: What to know of those that do.
    """

    lacking: tuple[Lacking, ...]
    advice: tuple[Advice, ...]


def judge_code(records: Sequence[Record], measured: Mapping[str, GpuPackage], kinds: Sequence[MachineKind]) -> Judged:
    """Judge the packages of a solution for every kind of machine that it is for.

    Args:
        records: The solution.
        measured: The packages with GPU code, by file name.
        kinds: The machines; one that names no GPU asks for nothing.
    """
    lacking: list[Lacking] = []
    advice: dict[tuple[str, Reason], Advice] = {}
    for record in records:
        package = measured.get(record.fn)
        verdicts = list(_verdicts(package, kinds)) if package is not None else []
        refusing = [reason for verdict, reasons in verdicts if verdict.refuses for reason in reasons]
        if refusing:
            lacking.append(Lacking(record, tuple(refusing)))
            continue
        for verdict, reasons in verdicts:
            for reason in reasons:
                if reason.code == LIBRARY_WITHOUT_CODE:
                    advice.setdefault(
                        (record.fn, reason), Advice(CODE_MISSING_PARTLY, package=record.fn, reason=reason)
                    )
                elif reason.code == JIT and verdict.tier is Tier.JIT:
                    advice.setdefault((record.fn, reason), Advice(CODE_JIT, package=record.fn, reason=reason))
    return Judged(tuple(lacking), tuple(advice.values()))


def _verdicts(package: GpuPackage, kinds: Sequence[MachineKind]) -> Iterable[tuple[CodeVerdict, tuple[Reason, ...]]]:
    """Yield the verdict on a package for each kind of machine; its reasons name the kind where there are several."""
    for kind in kinds:
        verdict = judge_package(package, kind.target)
        if verdict is not None and len(kinds) > 1:
            yield verdict, tuple(Reason(reason.code, **{**reason.params, "on": kind}) for reason in verdict.reasons)
        elif verdict is not None:
            yield verdict, verdict.reasons
