"""Pure rules around a choice: what packages imply, several machines, corrections in turn, the table of builds."""

from __future__ import annotations

import pytest

from envkit.builds.classify import classify
from envkit.builds.published import published_builds, published_rows, table_date
from envkit.checks.hosts import common_target, judge_builds, ruling_out
from envkit.cuda.target import describe_target
from envkit.errors import UsageError
from envkit.models.build import Record, Tier
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request
from envkit.models.spec import _parse, parse_match_spec
from envkit.models.version import CudaVersion
from envkit.plan.corrections import apply_corrections
from envkit.plan.implied import allows_toolkit, imply_cuda
from envkit.printable import printable
from envkit.words.say import say

BASE = Target("linux-64", glibc="2.35", microarch="x86_64_v3")


def _on(driver: str | None, *gpus: str) -> Target:
    return describe_target(BASE, driver=driver, gpus=gpus)


@pytest.mark.parametrize(
    ("specs", "cuda"),
    [
        (("pytorch", "pytorch-cuda=12.1"), "12.1"),
        (("pytorch", "pytorch-cuda 11.8.*"), "11.8"),
        (("pytorch", "pytorch-cuda>=12"), "auto"),
        (("pytorch=1.12.1", "cudatoolkit=11.3"), "11.3"),
        (("pytorch", "cuda-version=12.6"), "12"),
        (("pytorch", "cuda-version 12.*", "pytorch-cuda=12.4"), "12.4"),
        (("pytorch", "cpuonly"), "none"),
        (("pytorch=2.5=*cuda12.1*",), "12.1"),
        (("pytorch=*=cpu_*",), "none"),
        (("pytorch=2.5=cuda*",), "auto"),
        (("numpy=1.26=*cpu*",), "auto"),
        (("pytorch",), "auto"),
    ],
)
def test_packages_imply_a_cuda(specs: tuple[str, ...], cuda: str) -> None:
    assert str(imply_cuda(Request(specs)).cuda) == cuda


@pytest.mark.parametrize(("flag", "fits"), [("12.1", True), ("12", True), ("11.8", False), ("none", False)])
def test_a_flag_agrees_with_the_packages_or_is_refused(flag: str, *, fits: bool) -> None:
    request = Request(("pytorch", "pytorch-cuda=12.1"), CudaChoice.parse(flag))
    if fits:
        assert imply_cuda(request) == request
    else:
        with pytest.raises(UsageError, match="contradicts"):
            imply_cuda(request)


def test_cuda_version_bounds_the_build() -> None:
    request = Request(("pytorch", "cuda-version=12.6"))
    assert allows_toolkit(request, CudaVersion(12, 6))
    assert not allows_toolkit(request, CudaVersion(12, 9))
    assert allows_toolkit(request, None)
    assert allows_toolkit(Request(("pytorch", "cuda-version>=12")), CudaVersion(13, 0))


def test_corrections_are_applied_until_none_is_left() -> None:
    request = Request(("pytorch", "pytorch-cuda=12.1", "cpuonly"), channels=("pytorch", "nvidia"))
    fixed, applied = apply_corrections(request, Target("osx-arm64"))
    assert fixed.specs == ("pytorch",)
    assert [correction.code for correction in applied] == ["pytorch-cuda-on-macos", "cpuonly-on-macos"]
    assert apply_corrections(fixed, Target("osx-arm64")) == (fixed, ())


def test_the_common_target_is_the_least_of_each() -> None:
    one = describe_target(Target("linux-64", glibc="2.35", microarch="x86_64_v4"), driver="580.95.05", gpus=["v100"])
    two = describe_target(Target("linux-64", glibc="2.17", microarch="x86_64_v3"), driver="535.104.05", gpus=["t4"])
    both = common_target({"one": one, "two": two})
    assert (both.glibc, both.microarch) == ("2.17", "x86_64_v3")
    assert both.driver_cuda == CudaVersion(12, 2)
    assert {gpu.name for gpu in both.gpus} == {"V100", "T4"}
    assert common_target({"a": one, "b": one}) == one
    with pytest.raises(UsageError, match="osx-arm64"):
        common_target({"one": one, "mac": Target("osx-arm64")})
    with pytest.raises(UsageError, match="no machine"):
        common_target({})


def test_machines_that_are_alike_are_one() -> None:
    record = Record("pytorch", "2.5.1", "py3.11_cuda12.1_cudnn9.1.0_0", 0, "linux-64", channel="https://x/pytorch")
    build = classify(record)
    old, new = _on("470.256.02", "t4"), _on("550.54.14", "t4")
    [verdict] = judge_builds([build], BASE, {"n1": old, "n2": old, "n3": old, "n4": new})
    assert verdict.tier is Tier.NO
    assert say(verdict.reasons[0]).startswith("n1 and 2 like it: ")
    assert [kind.names for kind in ruling_out([build], {"n1": old, "n2": old, "n4": new})] == [("n1", "n2")]
    assert ruling_out([build], {"n1": old, "n2": old}) == []


def test_rows_of_the_table_have_a_source_and_read_as_they_say() -> None:
    assert table_date() == "2026-08-20"
    for row in published_rows():
        assert row["source"]
        assert len(set(row["versions"])) == len(row["versions"])
        for subdir in row["subdirs"]:
            for record in published_builds(row["name"], subdir):
                build = classify(record)
                assert build.conflicts == ()
    for row in published_rows():
        wanted = CudaVersion.parse(row["cuda"]) if row["cuda"] else None
        for subdir in row["subdirs"]:
            found = [
                classify(r)
                for r in published_builds(row["name"], subdir)
                if r.build == row["build"] and r.version in row["versions"] and r.channel.endswith(row["channel"])
            ]
            assert found
            assert {build.build_cuda for build in found} == {wanted}


@pytest.mark.parametrize("driver", ["470", "535", "550", "570", "580"])
def test_the_table_answers_by_driver(driver: str) -> None:
    from envkit.checks.verdict import judge_all  # noqa: PLC0415
    from envkit.plan.rank import pick, rank  # noqa: PLC0415

    request, target = Request(("pytorch",)), _on(driver, "a100")
    verdicts = judge_all([classify(r) for r in published_builds("pytorch", "linux-64")], target)
    chosen = pick(rank(verdicts, request, target))
    assert chosen is not None
    best = (chosen.build.record.version, str(chosen.build.build_cuda))
    assert best == {"470": ("2.5.1", "11.8"), "580": ("2.13.0", "13.0")}.get(driver, ("2.13.0", "12.9"))


@pytest.mark.parametrize(
    "text",
    [
        "python",
        "python 3.11.*",
        "python >=3.11,<3.12.0a0",
        "pytorch 2.5.1 cuda126*",
        "mkl >=2023.2.0,<2024.0a0",
        "blas * mkl",
        "a 1.0|2.0 x_0",
        "A-b.c 1.*",
        "x !=1.2,>1",
        "x ==1.2",
        "x =1.2",
        "x >= 1.2",
        "x>=1",
        "c::x 1",
        "x[version='>=1']",
        "x 1 if y",
        "",
        "x  1",
        "x 1 0 0",
        "x 1 # c",
    ],
)
def test_the_short_way_to_read_a_spec_reads_the_same(text: str) -> None:
    assert parse_match_spec(text) == _parse(text)


def test_what_a_terminal_would_obey_is_replaced() -> None:
    assert printable("a\x1b[31mb\x9bc\u202ed\te\n") == "a\ufffd[31mb\ufffdc\ufffdd\te "
