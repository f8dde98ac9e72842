"""Machines of several kinds, and builds of PyTorch of which each kind needs another: for tests of profiles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from channels import Package


def torch(version: str, build: str, cuda: str | None = None, **more: Any) -> Package:
    """A stand-in with a program that says which build it is."""
    needs = ["__glibc >=2.17,<3.0.a0"]
    if cuda is not None:
        needs += [f"cuda-version >={cuda},<{int(cuda.split('.')[0]) + 1}.0a0", "__cuda"]
    files = {"bin/which-build": f"#!/bin/sh\necho {build}\n".encode()}
    return Package("pytorch", version, build, depends=needs, files=files, **more)


NEW, OLD, CPU = "cuda130_mkl_h0_300", "cuda118_mkl_h0_300", "cpu_mkl_h0_100"
PACKAGES = (
    torch("2.9.0", NEW, "13.0"),
    torch("2.5.1", OLD, "11.8"),
    torch("2.9.0", CPU),
    Package("cuda-version", "13.0"),
    Package("cuda-version", "11.8"),
    Package("extra", "1.0", files={"share/extra": b"1"}),
)
"""A V100 has no code in the first, a B200 none in the second, and a machine without a GPU takes the last."""


def machine(
    name: str, driver: str | None = None, ceiling: str | None = None, gpu: str | None = None, capability: str = ""
) -> dict[str, Any]:
    """The document of ``detect --json`` of a machine."""
    gpus = [{"name": gpu, "compute_capability": capability, "memory_bytes": 1 << 34, "uuid": name}] if gpu else []
    facts = {"subdir": "linux-64", "glibc": "2.36", "driver_version": driver, "driver_cuda": ceiling, "gpus": gpus}
    return {"schema_version": 1, "name": name, "facts": facts}


MACHINES = (
    machine("v1", "535.161.08", "12.2", "Tesla V100-SXM2-16GB", "7.0"),
    machine("v2", "535.161.08", "12.2", "Tesla V100-SXM2-16GB", "7.0"),
    machine("b1", "580.95.05", "13.0", "NVIDIA B200", "10.0"),
    machine("login"),
)
HOSTS: Mapping[str, Mapping[str, str]] = {
    OLD: {"CONDA_OVERRIDE_CUDA": "12.2", "CONDA_OVERRIDE_CUDA_ARCH": "7.0"},
    NEW: {"CONDA_OVERRIDE_CUDA": "13.0", "CONDA_OVERRIDE_CUDA_ARCH": "10.0"},
    CPU: {"CONDA_OVERRIDE_CUDA": ""},
}
"""Variables by which a process is on such a machine, by the build that it gets."""


def write_pool(path: Path, machines: Sequence[Mapping[str, Any]] = MACHINES) -> Path:
    """Write a file for ``--hosts``."""
    path.write_text("\n".join(map(json.dumps, machines)))
    return path
