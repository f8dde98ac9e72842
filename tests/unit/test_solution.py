from __future__ import annotations

from envkit.checks.solution import asks_cuda, check_solution
from envkit.cuda.target import describe_target
from envkit.models.build import Record
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request

BASE = Target("linux-64", glibc="2.35")


def _record(name: str, version: str, build: str = "h0000000_0", *depends: str, channel: str = "conda-forge") -> Record:
    fn = f"{name}-{version}-{build}.conda"
    number = int(tail) if (tail := build.rsplit("_", 1)[-1]).isdigit() else 0
    return Record(name, version, build, number, "linux-64", fn=fn, channel=channel, depends=depends)


def _torch(build: str = "cuda129_mkl_py312_h0000000_301") -> Record:
    return _record("pytorch", "2.7.1", build)


def _codes(records: list[Record], target: Target, cuda: str = "auto", *specs: str) -> list[tuple[str, str]]:
    request = Request(specs or ("pytorch",), CudaChoice.parse(cuda))
    return [(refusal.record.name, refusal.reason.code) for refusal in check_solution(records, target, request)]


def _target(driver: str, *gpus: str) -> Target:
    return describe_target(BASE, driver=driver, gpus=gpus)


def test_a_sound_solution_has_no_refusals() -> None:
    good = [_torch(), _record("libcublas", "12.9.1.4", "h0000000_0", "cuda-version >=12.9,<12.10.0a0")]
    assert _codes(good, _target("580", "rtx 5090")) == []


def test_cpu_where_cuda_was_asked_and_the_other_way() -> None:
    cpu = [_torch("cpu_mkl_py312_h0000000_100")]
    assert _codes(cpu, _target("580", "a100")) == [("pytorch", "cpu-build")]
    assert _codes(cpu, _target("580", "a100"), "none") == []
    assert ("pytorch", "cuda-build") in _codes([_torch()], _target("580", "a100"), "none")
    assert ("pytorch", "cpu-build") in _codes(cpu, BASE, "12")


def test_a_framework_that_nobody_named_must_be_cuda_too() -> None:
    cpu = [_record("transformers", "5.0"), _torch("cpu_mkl_py312_h0000000_100")]
    assert _codes(cpu, _target("580", "a100"), "auto", "transformers") == [("pytorch", "cpu-build")]


def test_a_framework_that_only_came_along_may_be_cpu() -> None:
    records = [
        _record("tensorflow", "2.12.1", "cuda112py310h0000000_1", "cudatoolkit >=11.2,<12"),
        _record("jaxlib", "0.4.14", "cpu_py310h67d73b5_1"),
    ]
    assert _codes(records, _target("535", "t4"), "auto", "tensorflow") == []
    assert _codes(records, _target("535", "t4"), "auto", "tensorflow", "jaxlib") == [("jaxlib", "cpu-build")]


def test_another_toolkit_than_the_one_asked_for() -> None:
    assert _codes([_torch()], _target("580", "a100"), "12.6") == [("pytorch", "wrong-cuda")]


def test_a_framework_that_is_missing() -> None:
    assert _codes([_record("numpy", "2.0")], _target("580", "a100")) == [("pytorch", "not-in-solution")]


def test_builds_that_do_not_run() -> None:
    assert _codes([_torch()], _target("470", "a100")) == [("pytorch", "driver-too-old")]


def test_majors_do_not_mix() -> None:
    mixed = [_torch(), _record("nccl", "2.28", "h0000000_0", "cuda-version >=13.0,<14")]
    assert ("nccl", "mixed-cuda") in _codes(mixed, _target("580", "a100"))


def test_cudnn_that_dropped_volta() -> None:
    cudnn = _record("cudnn", "9.13.1.26", "h0000000_0", "cuda-version >=12,<13.0a0")
    assert _codes([_torch(), cudnn], _target("580", "v100")) == [("cudnn", "library-dropped-gpu")]
    assert _codes([_torch(), cudnn], _target("580", "t4")) == []
    kept = _record("cudnn", "9.10.2.21", "h0000000_0", "cuda-version >=12,<13.0a0")
    assert _codes([_torch(), kept], _target("580", "v100")) == []


def test_libraries_that_lack_blackwell() -> None:
    cublas = _record("libcublas", "12.6.4.1", "h0000000_0", "cuda-version >=12.6,<12.7.0a0")
    assert _codes([_torch(), cublas], _target("580", "b200")) == [("libcublas", "library-lacks-gpu")]
    old = _record("cudnn", "9.5.1.17", "h0000000_0", "cuda-version >=12,<13.0a0")
    assert _codes([_torch(), old], _target("580", "b200")) == [("cudnn", "library-lacks-gpu")]


def test_mkl_that_channel_pytorch_cannot_load() -> None:
    torch = _record("pytorch", "2.5.1", "py3.11_cuda12.1_cudnn9.1.0_0", channel="https://example.org/pytorch")
    mkl = _record("mkl", "2024.2.2")
    assert _codes([torch, mkl], _target("535", "t4")) == [("mkl", "mkl-too-new")]
    assert _codes([torch, _record("mkl", "2024.0.0")], _target("535", "t4")) == []
    assert _codes([_torch(), mkl], _target("535", "t4")) == []


def test_libraries_without_a_driver_do_not_block_a_cpu_environment() -> None:
    records = [_torch("cpu_mkl_py312_h0000000_100"), _record("nccl", "2.28", "h0000000_0", "cuda-version >=12,<13")]
    assert _codes(records, BASE) == []


def test_what_asks_for_cuda() -> None:
    assert asks_cuda(Request(), _target("550"))
    assert not asks_cuda(Request(), BASE)
    assert asks_cuda(Request(cuda=CudaChoice.parse("12")), BASE)
    assert not asks_cuda(Request(cuda=CudaChoice.parse("none")), _target("550"))
