"""What no table knows yet: releases that came after the last row, on the real indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from envkit.builds.archlists import ArchTable, arch_lists
from envkit.builds.classify import classify_all
from envkit.builds.knowledge import Knowledge
from envkit.builds.version import version_key
from envkit.checks.verdict import judge_all
from envkit.cuda.target import describe_target
from envkit.models.build import Build, Record, Tier, Verdict
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.plan.rank import pick, rank
from envkit.words.say import say

Records = Callable[[str, str], list[Record]]

CHANNELS = ("pytorch", "conda-forge", "pkgs/main")
NAMES = ("pytorch", "libtorch", "pytorch-gpu", "tensorflow", "tensorflow-base", "jaxlib", "faiss", "libfaiss")
SUBDIRS = ("linux-64", "linux-aarch64")
MACHINES = [
    (driver, gpu)
    for driver, gpus in {
        "470.256.02": ("v100", "t4", "a100"),
        "535": ("p100", "v100", "t4", "a100", "l4", "h100"),
        "570": ("v100", "a100", "h100", "b200", "rtx 5090"),
        "580": ("p100", "v100", "t4", "a100", "l4", "h100", "b200", "b300", "rtx 5090", "gb10"),
        "595": ("t4", "h100", "rtx 5090"),
    }.items()
    for gpu in gpus
]


def _target(driver: str, gpu: str, subdir: str = "linux-64") -> Target:
    return describe_target(Target(subdir, glibc="2.35"), driver=driver, gpus=[gpu])


def _without_newest(names: Sequence[str], versions: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows as they were before the oldest of some versions was published."""
    cut = min(versions, key=version_key)
    kept: list[dict[str, Any]] = []
    for row in arch_lists():
        if not set(row["names"]) & set(names):
            kept.append(row)
        elif version_key(row["version_from"]) < version_key(cut):
            before = row["version_before"]
            late = before is None or version_key(before) > version_key(cut)
            kept.append({**row, "version_before": cut if late else before})
    return kept


def _pick(builds: Sequence[Build], target: Target) -> tuple[Verdict | None, list[Verdict]]:
    request = Request((builds[0].record.name,))
    ranked = rank(judge_all(builds, target, request=request), request, target)
    return pick(ranked), ranked


@pytest.mark.parametrize("name", NAMES)
def test_no_newer_version_is_passed_over_because_a_row_is_missing(records: Records, name: str) -> None:
    compared = 0
    for subdir in SUBDIRS:
        listed = [r for channel in CHANNELS for r in records(channel, subdir) if r.name == name]
        versions = sorted({r.version for r in listed if "cuda" in r.build}, key=version_key)[-3:]
        if not versions:
            continue
        known = classify_all(listed, Knowledge(ArchTable(arch_lists())))
        ahead = classify_all(listed, Knowledge(ArchTable(_without_newest([name], versions))))
        for machine in MACHINES:
            target = _target(*machine, subdir)
            (best, _), (chosen, ranked) = _pick(known, target), _pick(ahead, target)
            if best is None or best.tier is Tier.UNKNOWN:
                continue
            compared += 1
            assert chosen is not None, machine
            taken = version_key(chosen.build.record.version)
            assert taken >= version_key(best.build.record.version), machine
            newer = [v for v in ranked if v.tier is Tier.UNKNOWN and version_key(v.build.record.version) > taken]
            assert [verdict.build.record.fn for verdict in newer] == [], machine
    assert compared > len(MACHINES) / 2


PYTORCH_2_14 = Record(
    "pytorch",
    "2.14.0",
    "cuda130_mkl_py312_h1234567_300",
    300,
    "linux-64",
    "pytorch-2.14.0-cuda130_mkl_py312_h1234567_300.conda",
    channel="https://example.org/conda-forge",
    depends=("__cuda", "cuda-version >=13.0,<14", "__glibc >=2.28,<3.0.a0", "python >=3.12,<3.13.0a0"),
)


@pytest.mark.parametrize(
    ("gpu", "expected", "inferred"),
    [("h100", "2.14.0", True), ("rtx 5090", "2.14.0", True), ("v100", "2.12.1", False)],
)
def test_a_release_that_no_row_knows_is_picked_where_its_relative_runs(
    records: Records, gpu: str, expected: str, inferred: bool
) -> None:
    listed = [r for channel in CHANNELS for r in records(channel, "linux-64") if r.name == "pytorch"]
    target = _target("580", gpu)
    chosen, ranked = _pick(classify_all([*listed, PYTORCH_2_14]), target)
    assert chosen is not None
    assert (chosen.build.record.version, chosen.tier) == (expected, Tier.NATIVE)
    assert ("code-inferred" in {reason.code for reason in chosen.reasons}) is inferred
    newest = next(verdict for verdict in ranked if verdict.build.record.version == "2.14.0")
    if inferred:
        assert "pytorch >=2.10.0,<2.14 for CUDA 13.0 of conda-forge" in say(newest.reasons[-1])
    else:
        assert (newest.tier, newest.code) == (Tier.NO, "gpu-dropped-by-toolkit")
        assert say(newest.reasons[0]) == "CUDA 13.0 compiles nothing for V100 (7.0)"


@pytest.mark.parametrize("gpu", ["v100", "t4", "h100", "rtx 5090"])
def test_jaxlib_of_the_index_is_picked_alike(records: Records, gpu: str) -> None:
    listed = [r for r in records("conda-forge", "linux-64") if r.name == "jaxlib"]
    chosen, _ = _pick(classify_all(listed), _target("580", gpu))
    assert chosen is not None
    assert (chosen.build.record.version, chosen.tier) == ("0.10.2", Tier.NATIVE)
    assert "code-inferred" in {reason.code for reason in chosen.reasons}
