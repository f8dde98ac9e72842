"""Every ptxas assembles the kernels for every architecture that it knows. No GPU is needed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cuda_tools import fetch_tool

from envkit.probe import PROBES_DIR

PTX = PROBES_DIR / "kernels.ptx"

# Architectures that a toolkit has at least (NVIDIA's release notes); each ptxas also names its own.
SM_12 = {50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90}
SM_13 = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121}
VERSIONS = {
    "nvidia-cuda-nvcc-cu11==11.7.99": SM_12 - {89, 90},
    "nvidia-cuda-nvcc-cu11==11.8.89": SM_12,
    "nvidia-cuda-nvcc-cu12==12.0.140": SM_12,
    "nvidia-cuda-nvcc-cu12==12.1.105": SM_12,
    "nvidia-cuda-nvcc-cu12==12.2.140": SM_12,
    "nvidia-cuda-nvcc-cu12==12.3.107": SM_12,
    "nvidia-cuda-nvcc-cu12==12.4.131": SM_12,
    "nvidia-cuda-nvcc-cu12==12.5.82": SM_12,
    "nvidia-cuda-nvcc-cu12==12.6.85": SM_12,
    "nvidia-cuda-nvcc-cu12==12.8.93": SM_12 | {100, 101, 120},
    "nvidia-cuda-nvcc-cu12==12.9.86": SM_12 | {100, 101, 103, 120, 121},
    "nvidia-cuda-nvcc==13.0.*": SM_13,
    "nvidia-cuda-nvcc==13.1.*": SM_13,
    "nvidia-cuda-nvcc==13.2.*": SM_13,
    "nvidia-cuda-nvcc==13.3.*": SM_13,
    "nvidia-cuda-nvcc==13.4.*": SM_13 | {107},
    "nvidia-cuda-nvcc==13.5.*": SM_13 | {107},
}
KEPLER = ("sm_35", "sm_37")
ALWAYS = ("nvidia-cuda-nvcc-cu12==12.9.86", "nvidia-cuda-nvcc==13.0.*")


@pytest.fixture(scope="session")
def fetch_ptxas(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """Gives the ptxas of a PyPI requirement, kept from run to run."""
    assert pytestconfig.cache is not None
    folder = Path(pytestconfig.cache.mkdir("cuda-tools"))
    return lambda requirement: fetch_tool(folder, requirement, "ptxas")


def known_architectures(ptxas: Path) -> list[str]:
    """The values of ``--gpu-name`` that ``ptxas --help`` lists as real architectures."""
    text = subprocess.run([ptxas, "--help"], check=True, capture_output=True, text=True).stdout
    section = text[text.index("--gpu-name") :]
    return sorted(set(re.findall(r"'(sm_\d+[af]?)'", section[: section.index("Default value")])))


@pytest.mark.parametrize(
    "requirement",
    [pytest.param(r, marks=[] if r in ALWAYS else [pytest.mark.full]) for r in VERSIONS],
)
def test_the_kernels_assemble(requirement: str, fetch_ptxas: Callable[[str], Path], tmp_path: Path) -> None:
    ptxas = fetch_ptxas(requirement)
    architectures = known_architectures(ptxas)
    assert {f"sm_{number}" for number in VERSIONS[requirement]} <= set(architectures)
    for architecture in architectures:
        out = tmp_path / architecture
        command = [str(ptxas), "-v", "-arch", architecture, str(PTX), "-o", str(out)]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        if architecture in KEPLER:  # below the kernels' target: what a driver answers with CUDA_ERROR_NO_BINARY_FOR_GPU
            assert "SM version specified by .target is higher" in ran.stderr
            continue
        assert ran.returncode == 0, f"{architecture}: {ran.stderr}"
        assert "warning" not in ran.stderr, f"{architecture}: {ran.stderr}"
        assert re.search(r"[1-9]\d* bytes spill", ran.stderr) is None, f"{architecture}: {ran.stderr}"
        for kernel in (b"vadd", b"matmul", b"reduce"):
            assert b".text." + kernel in out.read_bytes()
