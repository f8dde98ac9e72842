from __future__ import annotations

import pytest

from envkit.cuda.gpus import parse_gpu
from envkit.cuda.target import describe_target
from envkit.errors import UsageError
from envkit.host.overrides import override_host, parse_overrides
from envkit.models.host import Host, Target
from envkit.models.version import CudaVersion, DriverVersion

HOST = Target(
    "linux-64",
    glibc="2.35",
    microarch="x86_64_v3",
    driver_version=DriverVersion.parse("535.216.03"),
    driver_cuda=CudaVersion(12, 2),
    gpus=(parse_gpu("t4"),),
)


def test_without_flags_the_target_is_the_host() -> None:
    assert describe_target(HOST) == HOST


def test_a_driver_keeps_the_gpus_and_has_its_own_ceiling() -> None:
    target = describe_target(HOST, driver="580")
    assert (target.driver_cuda, target.gpus) == ((13, 0), HOST.gpus)
    assert target.described == {"driver_version"}


def test_gpus_and_architectures_are_named() -> None:
    target = describe_target(HOST, gpus=["h100", "rtx 4090"], cuda_archs=["8.0"])
    assert [str(gpu.compute_capability) for gpu in target.gpus] == ["9.0", "8.9", "8.0"]


def test_another_platform_keeps_nothing_of_the_host() -> None:
    target = describe_target(HOST, platform="linux-aarch64", glibc="2.28")
    assert (target.subdir, target.glibc, target.driver_version, target.gpus) == ("linux-aarch64", "2.28", None, ())


def test_no_gpu_takes_all_away_and_contradicts_the_rest() -> None:
    target = describe_target(HOST, no_gpu=True)
    assert (target.driver_version, target.driver_cuda, target.gpus) == (None, None, ())
    with pytest.raises(UsageError, match="contradicts"):
        describe_target(HOST, no_gpu=True, driver="550")


def test_overrides_are_those_of_conda() -> None:
    assert describe_target(HOST, override_cuda="12.8").driver_cuda == (12, 8)
    assert describe_target(HOST, override_cuda="12.8").gpus == HOST.gpus
    assert describe_target(HOST, override_cuda="").driver_cuda is None
    assert describe_target(HOST, override_cuda="").gpus == ()


def test_flags_win_over_overrides() -> None:
    target = describe_target(HOST, override_cuda="", driver="550", gpus=["a100"])
    assert (target.driver_cuda, len(target.gpus)) == ((12, 4), 1)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"driver": "new"}, "--driver: not a driver version"),
        ({"driver": "34.1.1"}, "L4T"),
        ({"gpus": ["h1000"]}, "--gpu: no GPU named 'h1000'"),
        ({"cuda_archs": ["86"]}, "--cuda-arch: not a compute capability"),
        ({"override_cuda": "twelve"}, "CONDA_OVERRIDE_CUDA"),
    ],
)
def test_bad_values_are_usage_errors(flags: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        describe_target(HOST, **flags)  # type: ignore[arg-type] # the values of the table


@pytest.mark.parametrize(
    ("package", "value", "platform", "member", "found"),
    [
        ("glibc", "2.17", "linux-aarch64", "glibc", "2.17"),
        ("glibc", "2.17", "osx-arm64", "glibc", None),
        ("linux", "4.18", "linux-aarch64", "linux", "4.18"),
        ("linux", "4.18", "win-64", "linux", None),
        ("osx", "11.0", "osx-arm64", "osx", "11.0"),
        ("win", "10.0.17763", "win-64", "win", "10.0.17763"),
        ("archspec", "m2", "osx-arm64", "microarch", "m2"),
        ("cuda", "12.4", "linux-aarch64", "driver_cuda", CudaVersion(12, 4)),
        ("cuda_arch", "8.6", "linux-aarch64", "gpus", ()),  # CEP 46: void without __cuda
    ],
)
def test_overrides_hold_for_the_platforms_that_they_are_about(
    package: str, value: str, platform: str, member: str, found: object
) -> None:
    """CEP 30: by variable, and by the configuration in its stead."""
    overrides = parse_overrides({f"CONDA_OVERRIDE_{package.upper()}": value})
    by_variable = (
        Host("linux-64", **overrides, overridden=frozenset(overrides)) if member != "gpus" else Host("linux-64")
    )
    assert getattr(describe_target(Target.from_host(by_variable), platform=platform), member) == found
    configured = override_host(Host("linux-64"), {package: value})
    cuda = value if package == "cuda" else None
    assert getattr(describe_target(configured, platform=platform, override_cuda=cuda), member) == found
