from __future__ import annotations

from dataclasses import replace

import pytest

from envkit.builds.classify import classify
from envkit.checks.hosts import judge_builds
from envkit.checks.verdict import judge
from envkit.cuda.gpus import parse_gpu
from envkit.cuda.target import describe_target
from envkit.models.build import Build, Record, Tier
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.version import CudaVersion, DriverVersion
from envkit.words.say import say

BASE = Target("linux-64", glibc="2.35", microarch="x86_64_v3")


def _torch(
    version: str = "2.7.1", build: str = "cuda129_mkl_py312_h0000000_301", *depends: str, channel: str = "conda-forge"
) -> Build:
    number = int(build.rsplit("_", 1)[1])
    return classify(Record("pytorch", version, build, number, "linux-64", channel=channel, depends=depends))


def _target(driver: str, *gpus: str) -> Target:
    return describe_target(BASE, driver=driver, gpus=gpus)


def _codes(build: Build, target: Target, python: str | None = None) -> tuple[Tier, str]:
    verdict = judge(build, target, request=Request(python=python))
    return verdict.tier, verdict.reasons[0].code


@pytest.mark.parametrize(
    ("driver", "gpu", "answer"),
    [
        ("580", "a100", (Tier.NATIVE, "driver-covers-toolkit")),
        ("535", "a100", (Tier.MINOR, "minor-compatibility")),
        ("525.60.13", "a100", (Tier.MINOR, "minor-compatibility")),
        ("525.53.01", "a100", (Tier.NO, "driver-too-old")),
        ("470.256.02", "a100", (Tier.NO, "driver-too-old")),
        ("590.48.01", "v100", (Tier.NO, "gpu-dropped-by-driver")),
        ("580", "k80", (Tier.NO, "gpu-dropped-by-driver")),
        ("550", "rtx 5090", (Tier.NO, "gpu-needs-newer-driver")),
        ("570", "rtx 5090", (Tier.MINOR, "minor-compatibility")),
        ("999", "a100", (Tier.NATIVE, "driver-covers-toolkit")),
    ],
)
def test_driver_and_gpu_decide(driver: str, gpu: str, answer: tuple[Tier, str]) -> None:
    assert _codes(_torch(), _target(driver, gpu)) == answer


def test_the_text_has_the_numbers() -> None:
    text = say(judge(_torch(), _target("470.256.02", "a100")).reasons[0])
    assert text == "CUDA 12.9 needs driver 525.60.13 or newer, the target has 470.256.02"


def test_drivers_newer_than_the_tables_are_said_to_be() -> None:
    assert "driver-newer-than-tables" in {r.code for r in judge(_torch(), _target("999", "a100")).reasons}


def test_cuda_13_dropped_volta() -> None:
    build = _torch("2.12.1", "cuda130_mkl_py312_h0000000_300")
    assert _codes(build, _target("580", "v100")) == (Tier.NO, "gpu-dropped-by-toolkit")


def test_ptx_alone_needs_the_driver_of_its_toolkit() -> None:
    build = _torch("2.0.0", "cuda118_py39h0000000_304", "cudatoolkit >=11.8,<12")
    assert _codes(build, _target("550", "h100")) == (Tier.JIT, "jit")
    assert _codes(build, _target("470.256.02", "h100")) == (Tier.NO, "jit-needs-newer-driver")


def test_old_libraries_lack_blackwell_even_where_ptx_would_do() -> None:
    build = _torch("2.7.1", "cuda126_mkl_py312_h0000000_300")
    assert _codes(build, _target("580", "b200")) == (Tier.NO, "library-lacks-gpu")


def test_channel_pytorch_has_no_ptx_for_blackwell() -> None:
    build = _torch("2.5.1", "py3.11_cuda12.4_cudnn9.1.0_0", channel="pytorch")
    assert _codes(build, _target("580", "rtx 5090")) == (Tier.NO, "no-kernel-image")


def test_unknown_arch_lists_are_unknown() -> None:
    build = _torch(channel="elsewhere")
    assert _codes(build, _target("580", "a100")) == (Tier.UNKNOWN, "arch-list-unknown")
    assert _codes(build, _target("580")) == (Tier.NATIVE, "driver-covers-toolkit")


def test_a_gpu_without_a_driver_is_unknown() -> None:
    assert _codes(_torch(), describe_target(BASE, gpus=["a100"])) == (Tier.UNKNOWN, "driver-unknown")


def test_a_target_without_a_gpu_takes_no_cuda_build() -> None:
    assert _codes(_torch(), BASE) == (Tier.NO, "no-gpu")
    traces = replace(BASE, nvidia_traces=("module nvidia",))
    assert "module nvidia" in say(judge(_torch(), traces).reasons[1])


def test_a_driver_version_alone_on_a_host_is_not_a_usable_gpu() -> None:
    leaked = replace(BASE, driver_version=DriverVersion.parse("550.54.14"))
    assert _codes(_torch(), leaked) == (Tier.NO, "no-gpu")


def test_cpu_builds_are_cpu() -> None:
    build = _torch("2.7.1", "cpu_mkl_py312_h0000000_100")
    assert _codes(build, BASE) == (Tier.CPU, "cpu-build")
    assert _codes(build, _target("580", "a100")) == (Tier.CPU, "cpu-build")


def test_packages_that_know_no_gpu_run_anywhere() -> None:
    numpy = classify(Record("numpy", "2.0", "py312h0000000_0", subdir="linux-64"))
    assert _codes(numpy, BASE) == (Tier.NATIVE, "any-host")


@pytest.mark.parametrize(
    ("depends", "code"),
    [
        ("__glibc >=2.38,<3.0.a0", "glibc-too-old"),
        ("_x86_64-microarch-level >=4", "microarch-too-low"),
        ("__win", "wrong-platform"),
        ("python >=3.13,<3.14.0a0", "wrong-python"),
    ],
)
def test_the_machine_decides_before_cuda(depends: str, code: str) -> None:
    build = _torch("2.7.1", "cuda129_mkl_h0000000_301", depends)
    assert _codes(build, _target("580", "a100"), python="3.12") == (Tier.NO, code)


def test_builds_of_another_platform_or_vendor_are_refused() -> None:
    assert _codes(_torch(), replace(BASE, subdir="osx-arm64")) == (Tier.NO, "wrong-platform")
    rocm = classify(Record("pytorch", "2.9", "rocm62_py312_h0000000_0", subdir="linux-64"))
    assert _codes(rocm, _target("580", "a100")) == (Tier.NO, "wrong-gpu-vendor")


def test_a_record_can_demand_a_driver_and_an_architecture() -> None:
    driver = _torch("2.7.1", "cuda129_mkl_py312_h0000000_301", "__cuda >=12.9")
    assert _codes(driver, _target("550", "a100")) == (Tier.NO, "driver-too-old")
    arch = _torch("2.7.1", "cuda129_mkl_py312_h0000000_301", "__cuda_arch >=9.0")
    assert _codes(arch, _target("580", "h100", "a100")) == (Tier.NO, "no-kernel-image")
    assert _codes(arch, _target("580", "h100"))[0] is Tier.NATIVE


def test_cuda_compat_is_a_tier_of_its_own() -> None:
    target = Target(
        "linux-64",
        driver_version=DriverVersion.parse("535.216.03"),
        driver_cuda=CudaVersion(13, 0),
        gpus=(parse_gpu("a100"),),
        compat=True,
    )
    assert _codes(_torch("2.12.1", "cuda130_mkl_py312_h0000000_300"), target) == (Tier.COMPAT, "cuda-compat")
    assert _codes(_torch("2.5.1", "cuda120_mkl_py312_h0000000_300"), target)[0] is Tier.NATIVE


def test_forward_compatibility_is_named_where_it_would_help() -> None:
    build = _torch("2.12.1", "cuda130_mkl_py312_h0000000_300")
    assert [r.code for r in judge(build, _target("535", "a100")).reasons] == [
        "driver-too-old",
        "forward-compat-possible",
    ]
    assert [r.code for r in judge(build, _target("535", "rtx 4090")).reasons] == ["driver-too-old"]


def test_jetson_takes_its_own_code_and_its_own_variant() -> None:
    base = Target("linux-aarch64", glibc="2.35")
    orin = describe_target(base, gpus=["orin"], override_cuda="12.9")

    def made(*depends: str) -> Build:
        record = Record(
            "pytorch", "2.11.0", "cuda129_generic_py312_h0000000_201", 201, "linux-aarch64", channel="conda-forge",
            depends=("cuda-version >=12.9,<13", *depends),
        )  # fmt: skip
        return classify(record)

    assert _codes(made("arm-variant * tegra"), orin)[0] is Tier.NATIVE
    assert _codes(made("arm-variant * sbsa"), orin) == (Tier.NO, "wrong-platform")
    assert _codes(made(), orin) == (Tier.NO, "no-kernel-image")
    older = replace(orin, driver_cuda=CudaVersion(12, 6))
    assert _codes(made("arm-variant * tegra"), older) == (Tier.NO, "driver-too-old")


def test_several_machines_are_as_good_as_the_worst() -> None:
    targets = {"login": _target("580", "a100"), "node7": _target("535", "a100"), "old": _target("470", "t4")}
    [worst] = judge_builds([_torch()], BASE, targets)
    assert worst.tier is Tier.NO
    assert say(worst.reasons[0]).startswith("old: ")
    del targets["old"]
    [worst] = judge_builds([_torch()], BASE, targets)
    assert worst.tier is Tier.MINOR


def test_conflicts_of_a_record_are_among_the_reasons() -> None:
    build = _torch("2.7.1", "cuda126_mkl_py312_h0000000_300", "cuda-version 12.9.*")
    assert judge(build, _target("580", "a100")).reasons[-1].code == "record-conflict"
