"""The conda plugin: cheap to load without conda, and at work in a conda that has envkit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from envkit.conda_plugin import cuda_arch


def test_conda_finds_it() -> None:
    [point] = [point for point in entry_points(group="conda") if point.name == "envkit"]
    assert point.value == "envkit.conda_plugin"


def test_loading_it_loads_nothing_else() -> None:
    code = "import sys, envkit.conda_plugin; print([m for m in sys.modules if m.startswith('envkit.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['envkit.conda_plugin']"


@pytest.mark.parametrize(
    ("cuda", "arch", "expected"),
    [("12.4", "8.6", "8.6"), ("", "8.6", None), ("12.4", "", None), ("12.4", "no version", None)],
)
def test_the_compute_capability_goes_with_cuda(cuda: str, arch: str, expected: str | None) -> None:
    env = {**os.environ, "CONDA_OVERRIDE_CUDA": cuda, "CONDA_OVERRIDE_CUDA_ARCH": arch}
    assert cuda_arch(env) == expected


@pytest.fixture
def conda(conda_program: Path, tmp_path: Path) -> list[str]:
    os.environ["CONDA_SOLVER"] = "classic"
    done = subprocess.run([conda_program, "envkit", "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("envkit is not installed in this conda")
    (tmp_path / "empty" / "conda-meta").mkdir(parents=True)
    (tmp_path / "empty" / "conda-meta" / "history").touch()
    return [str(conda_program)]


def test_it_is_a_subcommand(conda: list[str]) -> None:
    words = [*conda, "envkit", "detect", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "facts" in json.loads(done.stdout)
    wrong = subprocess.run([*conda, "envkit", "find"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2


def test_conda_knows_the_compute_capability(conda: list[str]) -> None:
    for cuda, expected in (("12.4", ["8.6"]), ("", [])):
        env = {**os.environ, "CONDA_OVERRIDE_CUDA": cuda, "CONDA_OVERRIDE_CUDA_ARCH": "8.6"}
        done = subprocess.run([*conda, "info", "--json"], capture_output=True, text=True, check=True, env=env)
        virtual = json.loads(done.stdout)["virtual_pkgs"]
        assert [version for name, version, _ in virtual if name == "__cuda_arch"] == expected


def test_doctor_asks_it(conda: list[str], tmp_path: Path) -> None:
    words = [*conda, "doctor", "--prefix", str(tmp_path / "empty"), "envkit"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "envkit: " in done.stdout, done.stdout + done.stderr
