from __future__ import annotations

import pytest

from envkit.cuda.architectures import (
    dropped_by_driver,
    dropped_by_toolkit,
    first_branch,
    fits_ptx,
    is_tegra,
    knows_arch,
    parse_arch,
    runs_sass,
    supported_archs,
)
from envkit.models.host import Gpu
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion


def _gpu(text: str) -> Gpu:
    return Gpu(name=None, compute_capability=ComputeCapability.parse(text))


@pytest.mark.parametrize(
    ("sass", "gpu", "runs"),
    [
        ("8.0", "8.6", True),
        ("8.6", "8.0", False),
        ("8.0", "9.0", False),
        ("12.0", "12.1", True),
        ("9.0a", "9.0", True),
        ("sm_100a", "10.3", False),
        ("sm_100f", "10.3", True),
        ("sm_100f", "12.0", False),
        ("8.6", "8.7", False),  # Tegra takes exactly its own code
        ("8.7", "8.7", True),
        ("8.7", "8.9", False),  # and nobody else takes Tegra's
        ("10.1", "11.0", True),  # sm_101 was renamed
        ("7.0", "7.2", False),
    ],
)
def test_machine_code_runs_by_the_rule_and_its_corrections(sass: str, gpu: str, runs: bool) -> None:
    assert runs_sass(parse_arch(sass), _gpu(gpu)) is runs


@pytest.mark.parametrize(
    ("ptx", "gpu", "fits"),
    [
        ("8.6", "12.0", True),
        ("9.0", "8.0", False),
        ("9.0a", "10.0", False),
        ("compute_100f", "10.3", True),
    ],
)
def test_ptx_needs_a_later_gpu(ptx: str, gpu: str, *, fits: bool) -> None:
    assert fits_ptx(parse_arch(ptx), _gpu(gpu)) is fits


def test_a_gpu_of_unknown_architecture_runs_nothing_for_sure() -> None:
    unknown = Gpu(name="?", compute_capability=None)
    assert not runs_sass(ComputeCapability(8, 0), unknown)
    assert not fits_ptx(ComputeCapability(8, 0), unknown)


def test_toolkits_gain_and_lose_architectures() -> None:
    assert ComputeCapability(9, 0) in supported_archs(CudaVersion(11, 8))
    assert ComputeCapability(9, 0) not in supported_archs(CudaVersion(11, 7))
    assert dropped_by_toolkit(ComputeCapability(7, 0), CudaVersion(13, 0))
    assert not dropped_by_toolkit(ComputeCapability(7, 0), CudaVersion(12, 9))
    assert not knows_arch(CudaVersion(12, 6), ComputeCapability(12, 0))
    assert knows_arch(CudaVersion(12, 8), ComputeCapability(12, 0))


def test_drivers_lose_architectures() -> None:
    assert dropped_by_driver(ComputeCapability(7, 0), DriverVersion.parse("590.48.01")) == 580
    assert dropped_by_driver(ComputeCapability(7, 0), DriverVersion.parse("580.95.05")) is None
    assert dropped_by_driver(ComputeCapability(3, 5), DriverVersion.parse("535")) == 470
    assert dropped_by_driver(ComputeCapability(7, 5), DriverVersion.parse("615")) is None
    assert first_branch(ComputeCapability(12, 0)) == 570
    assert first_branch(ComputeCapability(9, 0)) is None


def test_tegra_is_known_by_its_architecture() -> None:
    assert is_tegra(ComputeCapability(8, 7))
    assert not is_tegra(ComputeCapability(8, 6))


def test_an_architecture_is_read_in_every_spelling() -> None:
    spellings = [parse_arch(text) for text in ("sm_86", "sm86", "compute_86", "8.6")]
    assert len(set(spellings)) == 1
    with pytest.raises(ValueError, match="not an architecture"):
        parse_arch("ampere")
