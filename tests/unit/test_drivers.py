from __future__ import annotations

import pytest

from envkit.cuda.drivers import (
    at_least,
    driver_ceiling,
    forward_compat_branches,
    is_beyond_tables,
    min_driver,
    minor_compat_min,
    newest_toolkit,
    os_of,
)
from envkit.models.version import CudaVersion, DriverVersion


@pytest.mark.parametrize(
    ("driver", "ceiling"),
    [
        ("470.256.02", "11.4"),
        ("535", "12.2"),
        ("548", "12.3"),
        ("550.54", "12.4"),
        ("580.95.05", "13.0"),
        ("572.60", "12.8"),
        ("999.1.1", "13.4"),
    ],
)
def test_a_branch_has_a_ceiling(driver: str, ceiling: str) -> None:
    assert str(driver_ceiling(DriverVersion.parse(driver))) == ceiling


def test_l4t_releases_are_no_drivers() -> None:
    with pytest.raises(ValueError, match="L4T"):
        driver_ceiling(DriverVersion.parse("34.1.1"))


def test_drivers_newer_than_the_tables_are_told() -> None:
    assert is_beyond_tables(DriverVersion.parse("999"))
    assert not is_beyond_tables(DriverVersion.parse("580"))


@pytest.mark.parametrize(
    ("toolkit", "linux", "windows"),
    [
        ("12.4", "550.54.14", "551.61"),
        ("12.7", "570.26", "570.65"),
        ("11.0", "450.51.05", "451.48"),
        ("13.0", "580.65.06", "580"),
        ("14.0", "615", "615"),
    ],
)
def test_a_toolkit_has_a_least_driver(toolkit: str, linux: str, windows: str) -> None:
    assert str(min_driver(CudaVersion.parse(toolkit))) == linux
    assert str(min_driver(CudaVersion.parse(toolkit), "windows")) == windows


def test_minor_compatibility_begins_with_cuda_11() -> None:
    found = {
        text: minor_compat_min(CudaVersion.parse(text)) for text in ("10.2", "11.0", "11.8", "12.9", "13.3", "14.0")
    }
    assert {text: str(driver) if driver else None for text, driver in found.items()} == {
        "10.2": None,
        "11.0": "450.36.06",
        "11.8": "450.80.02",
        "12.9": "525.60.13",
        "13.3": "580.65.06",
        "14.0": None,
    }


def test_a_branch_means_its_newest_driver() -> None:
    minimum = DriverVersion.parse("525.60.13")
    assert at_least(DriverVersion.parse("525"), minimum)
    assert at_least(DriverVersion.parse("525.60.13"), minimum)
    assert not at_least(DriverVersion.parse("525.53.01"), minimum)
    assert not at_least(DriverVersion.parse("470.256.02"), minimum)


def test_forward_compatibility_follows_the_matrix() -> None:
    assert forward_compat_branches(CudaVersion(12, 8)) == (535,)
    assert forward_compat_branches(CudaVersion(13, 0)) == (535, 570)
    assert 470 not in forward_compat_branches(CudaVersion(13, 0))


def test_newest_toolkit_of_a_major() -> None:
    assert newest_toolkit(11) == (11, 8)
    assert newest_toolkit(12) == (12, 9)
    assert newest_toolkit(20) == (20, 0)


def test_columns_by_platform() -> None:
    assert os_of("win-64") == "windows"
    assert os_of("linux-aarch64") == "linux"
