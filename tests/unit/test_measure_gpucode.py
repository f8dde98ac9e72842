"""scripts/measure_gpucode: rows from real files, each file once; and what it measured against the typed rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from gpu_files import Entry, library
from harness import ROOT

from envkit.builds.shipped import shipped_measurements
from envkit.checks.gpucode import judge_package
from envkit.cuda.gpus import parse_gpu
from envkit.cuda.libraries import dropped_by_library, library_min_version
from envkit.cuda.target import describe_target
from envkit.models.build import Tier
from envkit.models.gpucode import GpuPackage
from envkit.models.host import Target
from envkit.models.version import CudaVersion


def measure(table: Path, *packages: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "measure_gpucode.py"), "--table", *map(str, (table, *packages))]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))


def wheel(path: Path, *requires: str) -> Path:
    needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("torch/lib/libtorch_cuda.so", library(Entry("9.0"), Entry("9.0"), Entry("9.0", "8.4")))
        archive.writestr("torch/lib/cpu.so", b"\x7fELF nothing")
        archive.writestr("torch-9.1.dist-info/METADATA", f"Name: Torch_Like\nVersion: 9.1\n{needs}\n")
    return path


def test_a_wheel_becomes_a_row_and_is_measured_once(tmp_path: Path) -> None:
    table = tmp_path / "gpucode.json"
    path = wheel(tmp_path / "torch-9.1-py3-none-any.whl", "nvidia-cuda-runtime-cu12==12.8.90; platform_system=='Linux'")
    for _ in range(2):
        done = measure(table, path)
        assert done.returncode == 0, done.stderr
    (row,) = json.loads(table.read_text())["packages"]
    told = {key: row[key] for key in ("name", "version", "build", "cuda", "fn")}
    assert told == {"name": "torch-like", "version": "9.1", "build": "", "cuda": "12.8", "fn": path.name}
    ((file, _, sass, ptx),) = row["libraries"]
    assert (file, sass, ptx) == ("torch/lib/libtorch_cuda.so", "9.0:2", "9.0:1@8.4")


def test_a_file_that_is_no_package_leaves_the_table_as_it_is(tmp_path: Path) -> None:
    table, broken = tmp_path / "gpucode.json", tmp_path / "broken-1.0-py3-none-any.whl"
    good = wheel(tmp_path / "torch-9.1-py3-none-any.whl")
    broken.write_bytes(good.read_bytes()[:-40])
    done = measure(table, broken, good)
    assert done.returncode == 1
    assert f"error: {broken}" in done.stderr
    assert [row["fn"] for row in json.loads(table.read_text())["packages"]] == [good.name]


def _shipped(prefix: str) -> list[GpuPackage]:
    shipped = shipped_measurements()
    found = [shipped.get(row["sha256"]) for row in shipped.rows if row["name"].startswith(prefix)]
    return [package for package in found if package is not None]


@pytest.mark.parametrize("package", _shipped("nvidia-cudnn-cu1"), ids=lambda p: f"{p.name}-{p.version}")
def test_typed_rules_on_cudnn_are_what_its_bytes_say(package: GpuPackage) -> None:
    major, version = int(package.name[-2:]), CudaVersion.parse(package.version)
    for name in ("v100", "rtx 5090", "b200"):
        capability = parse_gpu(name).compute_capability
        assert capability is not None
        found = judge_package(package, describe_target(Target("linux-64"), driver="580", gpus=[name]))
        assert found is not None
        least = library_min_version("cudnn", capability)
        dropped = dropped_by_library("cudnn", version, major, capability) is not None
        # CUDA 13 itself has no Volta, CUDA 11 no Blackwell: no rule of cuDNN is needed there.
        never = (major == 13 and name == "v100") or (major == 11 and name != "v100")
        machine_code = found.tier is Tier.NATIVE
        assert machine_code is not (dropped or never or (least is not None and version < least)), (name, found.reasons)


@pytest.mark.parametrize("package", _shipped("nvidia-cublas-cu12"), ids=lambda p: f"{p.version}")
def test_cublas_has_machine_code_for_blackwell_from_12_8_on(package: GpuPackage) -> None:
    found = judge_package(package, describe_target(Target("linux-64"), driver="580", gpus=["b200"]))
    assert found is not None
    assert (found.tier is Tier.NATIVE) is (CudaVersion.parse(package.version) >= CudaVersion(12, 8))
