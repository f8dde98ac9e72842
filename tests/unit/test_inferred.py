"""Arch lists by source: measured here before the table, and inferred from the nearest relative where neither is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from envkit.builds.archlists import ArchTable, arch_lists
from envkit.builds.classify import classify, classify_all
from envkit.builds.knowledge import Knowledge
from envkit.builds.version import version_key
from envkit.checks.verdict import judge
from envkit.cuda.architectures import dropped_by_toolkit, fits_ptx, runs_sass
from envkit.cuda.target import describe_target
from envkit.models.build import ArchList, Record, Tier
from envkit.models.gpucode import Architecture, GpuLibrary, GpuPackage
from envkit.models.host import Gpu, Target
from envkit.models.version import ComputeCapability, CudaVersion
from envkit.wire.results import build_json
from envkit.words.reasons import phrase
from envkit.words.say import say

BASE = Target("linux-64", glibc="2.35", microarch="x86_64_v3")
CAPABILITIES = [*("3.7", "5.0", "5.2", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "10.3", "12.0")]


def row(cuda: str, sass: str, ptx: str = "", low: str = "1.0", before: str | None = None) -> dict[str, object]:
    """Return a row of the table for ``thing`` on conda-forge."""
    return {
        "channel": "conda-forge",
        "names": ["thing"],
        "version_from": low,
        "version_before": before,
        "number_from": 0,
        "number_to": None,
        "subdirs": ["linux-64"],
        "arm_variant": None,
        "cuda": [cuda],
        "sass": sass,
        "ptx": ptx,
        "source": "a recipe",
    }


def record(version: str, cuda: str, *, name: str = "thing", subdir: str = "linux-64", **more: object) -> Record:
    build = f"cuda{cuda.replace('.', '')}_h1234567_{more.pop('number', 0)}"
    fn = f"{name}-{version}-{build}.conda"
    major = int(cuda.split(".", maxsplit=1)[0])
    depends = ("__cuda", f"cuda-version >={cuda},<{major + 1}", *more.pop("depends", ()))  # type: ignore[misc]
    return Record(name, version, build, 0, subdir, fn, channel="conda-forge", depends=depends, **more)  # type: ignore[arg-type]


def sass_of(arch: ArchList | None) -> str:
    return " ".join(str(code) for code in sorted(arch.sass)) if arch is not None else ""


OLD = row("12.6", "5.0 7.0 8.0 9.0", before="2.0")
NEWER = row("12.6", "7.0 8.0 9.0", low="2.0", before="3.0")
LAGGING = row("12.6", "5.0 7.0 8.0", before="2.0")
BLACKWELL = row("12.9", "7.0 8.0 9.0 10.0 12.0", "12.0", low="2.0", before="3.0")


@pytest.mark.parametrize(
    ("rows", "version", "cuda", "sass", "relative"),
    [
        ([OLD, NEWER], "3.0", "12.6", "7.0 8.0 9.0", ">=2.0,<3.0"),
        ([OLD, NEWER], "1.5", "12.6", "5.0 7.0 8.0 9.0", ""),
        ([OLD, NEWER], "0.9", "12.6", "", ""),
        ([OLD, BLACKWELL], "3.0", "12.6", "5.0 7.0 8.0 9.0", ">=1.0,<2.0"),
        ([OLD, BLACKWELL], "3.0", "12.9", "7.0 8.0 9.0 10.0 12.0", ">=2.0,<3.0"),
        ([OLD, BLACKWELL], "3.0", "13.0", "7.5 8.0 9.0 10.0 12.0", ">=2.0,<3.0"),
        ([OLD, BLACKWELL], "1.5", "12.4", "", ""),
        # A recipe that had code for the newest of its toolkit keeps up with the next one; one that lagged does not.
        ([OLD], "3.0", "12.9", "5.0 7.0 8.0 9.0 10.0 12.0", ">=1.0,<2.0"),
        ([OLD], "3.0", "13.0", "7.5 8.0 9.0 10.0 12.0", ">=1.0,<2.0"),
        ([LAGGING], "3.0", "12.9", "5.0 7.0 8.0", ">=1.0,<2.0"),
        ([row("11.8", "3.5 5.0")], "3.0", "13.0", "", ""),
    ],
)
def test_the_nearest_relative(
    rows: Sequence[dict[str, object]], version: str, cuda: str, sass: str, relative: str
) -> None:
    arch = Knowledge(ArchTable(rows)).find(record(version, cuda), CudaVersion.parse(cuda))
    assert sass_of(arch) == sass
    assert (arch.relative.versions if arch is not None and arch.relative is not None else "") == relative


def test_a_platform_without_rows_takes_those_of_another() -> None:
    knowledge = Knowledge(ArchTable([OLD]))
    arm = knowledge.find(record("1.5", "12.6", subdir="linux-aarch64"), CudaVersion(12, 6))
    assert (sass_of(arm), arm.origin if arm else "") == ("5.0 7.0 8.0 9.0", "inferred")
    assert knowledge.find(record("1.5", "12.6", subdir="linux-aarch64"), CudaVersion(12, 6), "tegra") is None


@pytest.mark.parametrize(
    ("rows", "cuda", "gpu", "answer"),
    [
        ([BLACKWELL], "12.9", "rtx 5090", (Tier.NATIVE, "driver-covers-toolkit")),
        ([BLACKWELL], "13.0", "t4", (Tier.NATIVE, "driver-covers-toolkit")),
        ([BLACKWELL], "13.0", "v100", (Tier.NO, "gpu-dropped-by-toolkit")),
        ([BLACKWELL], "12.9", "p100", (Tier.NO, "no-kernel-image")),
        ([LAGGING], "12.9", "h100", (Tier.NO, "no-kernel-image")),
        ([LAGGING], "12.9", "rtx 5090", (Tier.UNKNOWN, "arch-list-unknown")),
        ([row("12.9", "7.0 8.0 9.0", before="2.0")], "12.9", "rtx 5090", (Tier.NO, "no-kernel-image")),
        ([row("12.6", "7.0 8.0", "8.0")], "12.9", "rtx 5090", (Tier.JIT, "jit")),
    ],
)
def test_inferred_verdicts_say_so(
    rows: Sequence[dict[str, object]], cuda: str, gpu: str, answer: tuple[Tier, str]
) -> None:
    build = classify(record("9.0", cuda), Knowledge(ArchTable(rows)))
    verdict = judge(build, describe_target(BASE, driver="580", gpus=[gpu]))
    assert (verdict.tier, verdict.code) == answer
    marked = [reason for reason in verdict.reasons if reason.code == "code-inferred"]
    assert len(marked) == (answer[1] != "gpu-dropped-by-toolkit")
    for reason in marked:
        assert say(reason).startswith("which GPUs it holds code for is inferred from thing >=")
        assert phrase(verdict).endswith("(inferred)")
    told = build_json(verdict)["envkit"]["gpu_code"]
    assert (told["origin"], told["relative"]["name"], told["relative"]["channel"]) == (
        "inferred",
        "thing",
        "conda-forge",
    )


def test_without_a_gpu_the_list_is_marked_too() -> None:
    build = classify(record("9.0", "12.9"), Knowledge(ArchTable([BLACKWELL])))
    verdict = judge(build, describe_target(BASE, driver="580"))
    assert verdict.tier is Tier.NATIVE
    assert [reason.code for reason in verdict.reasons][-1] == "code-inferred"


def _kind(arch: ArchList, capability: ComputeCapability) -> str:
    gpu = Gpu(None, capability)
    if any(runs_sass(code, gpu) for code in arch.sass):
        return "sass"
    return "ptx" if any(fits_ptx(code, gpu) for code in arch.ptx) else "no"


def test_rows_left_out_are_inferred_as_they_are() -> None:
    """Leave out each row and all that are newer, and infer it from the older ones, for every GPU of its toolkits."""
    rows, found = arch_lists(), Counter[tuple[str, str]]()
    everything = Knowledge(ArchTable(rows))
    for listed in rows:
        low, arm = version_key(listed["version_from"]), listed["arm_variant"]
        for text in listed["cuda"] if arm is None else ():
            cuda = CudaVersion.parse(text)
            older = [
                other
                for other in rows
                if version_key(other["version_from"]) < low
                or (version_key(other["version_from"]) == low and text not in other["cuda"])
            ]
            number = listed["number_from"]
            build = Record(
                *(listed["names"][0], listed["version_from"], ""),
                *(number, listed["subdirs"][0]),
                channel=listed["channel"],
            )
            true, guess = everything.find(build, cuda), Knowledge(ArchTable(older)).find(build, cuda)
            assert true is not None
            for capability in map(ComputeCapability.parse, CAPABILITIES):
                if guess is not None and not dropped_by_toolkit(capability, cuda):
                    found[_kind(guess, capability), _kind(true, capability)] += 1
    same = sum(number for (guess, true), number in found.items() if guess == true)
    promised = sum(number for (guess, true), number in found.items() if guess == "sass" != true)
    assert same / found.total() > 0.95, found
    assert promised / found.total() < 0.03, found


@dataclass
class Store:
    """Measured packages."""

    packages: Sequence[GpuPackage]

    def __bool__(self) -> bool:
        return bool(self.packages)

    def get(self, sha256: str) -> GpuPackage | None:
        return next((package for package in self.packages if package.sha256 == sha256), None)

    def named(self, name: str, version: str) -> Sequence[GpuPackage]:
        return [package for package in self.packages if (package.name, package.version) == (name, version)]


def measured(of: Record, sass: str, *, file: str = "libthing.so") -> GpuPackage:
    library = GpuLibrary(f"lib/{file}", 1, {Architecture.parse(word): 40 for word in sass.split()})
    return GpuPackage(of.name, of.version, of.build, of.fn, of.sha256 or "", "2026-11-25", (library,) if sass else ())


def test_what_was_read_here_goes_before_the_table() -> None:
    build = record("1.5", "12.6", sha256="a" * 64)
    knowledge = Knowledge(ArchTable([OLD]), here=Store([measured(build, "8.0 9.0")]))
    found = classify(build, knowledge)
    assert (sass_of(found.arch), found.arch.origin if found.arch else "") == ("8.0 9.0", "measured")
    verdict = judge(found, describe_target(BASE, driver="580", gpus=["v100"]))
    assert verdict.tier is Tier.NO
    assert say(verdict.reasons[0]) == "libthing.so of thing 1.5 holds 8.0 9.0: nothing for V100 (7.0)"
    h100 = judge(found, describe_target(BASE, driver="580", gpus=["h100"]))
    assert h100.tier is Tier.NATIVE
    assert "libthing.so of thing 1.5 has machine code for H100 (9.0)" in map(say, h100.reasons)
    assert build_json(h100)["envkit"]["gpu_code"] == {"origin": "measured", "source": build.fn, "relative": None}


def test_a_measured_build_is_the_nearest_relative_of_its_neighbours() -> None:
    read, other, newer = (
        record("2.5", "12.6", sha256="a" * 64),
        record("1.5", "12.6", sha256="b" * 64),
        record("2.6", "12.6", sha256="c" * 64),
    )
    knowledge = Knowledge(ArchTable([OLD]), here=Store([measured(read, "8.0 9.0")]))
    classify_all([other, newer, read], knowledge)
    by_version = {build.record.version: build.arch for build in classify_all([other, newer, read], knowledge)}
    assert {version: sass_of(arch) for version, arch in by_version.items()} == {
        "1.5": "5.0 7.0 8.0 9.0",
        "2.6": "8.0 9.0",
        "2.5": "8.0 9.0",
    }
    relative = by_version["2.6"].relative if by_version["2.6"] else None
    assert relative is not None
    assert (relative.versions, relative.origin) == ("2.5", "measured")


def test_kernels_in_a_package_that_is_named_to_the_build_count_as_own() -> None:
    libtorch = record("2.99.0", "13.0", name="libtorch", sha256="a" * 64)
    depends = (f"libtorch 2.99.0 {libtorch.build}",)
    torch = record("2.99.0", "13.0", name="pytorch", sha256="b" * 64, number=1, depends=depends)
    store = Store([measured(torch, ""), measured(libtorch, "9.0 10.0", file="libtorch_cuda.so")])
    found = classify(torch, Knowledge(here=store))
    assert (sass_of(found.arch), found.arch.origin if found.arch else "") == ("9.0 10.0", "measured")
    without = classify(torch, Knowledge(here=Store([measured(torch, "")])))
    assert without.arch is not None
    assert without.arch.origin == "inferred"


@pytest.mark.parametrize(
    ("name", "version", "cuda", "sass", "origin"),
    [
        ("torch", "2.5.1", None, "5.0 6.0 7.0 7.5 8.0 8.6 9.0", "measured"),
        ("torch", "2.14.1", "13.0", "7.5 8.0 8.6 9.0 10.0 12.0", "measured"),
        ("torch", "2.14.0", "13.0", "7.5 8.0 8.6 9.0 10.0 12.0", "inferred"),
        ("torch", "2.9.1", "13.0", "7.5 8.0 8.6 9.0 10.0 12.0", "inferred"),
        ("torch", "2.5.1", "11.8", "", ""),
        ("xgboost", "3.1.0", None, "5.0 6.0 7.0 8.0 9.0 10.0 12.0", "inferred"),
        ("numpy", "2.0", None, "", ""),
    ],
)
def test_wheels(name: str, version: str, cuda: str | None, sass: str, origin: str) -> None:
    arch = Knowledge().wheel(name, version, CudaVersion.parse(cuda) if cuda else None)
    assert (sass_of(arch), arch.origin if arch is not None else "") == (sass, origin)
