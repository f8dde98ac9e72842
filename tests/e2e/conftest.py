"""Fixtures of several files: a host with a driver that was compiled here, a channel for it, a cluster."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import dask_cluster
import fake_driver
import pytest
import slurm_cluster
from channels import Package, write_channel
from dask_cluster import DaskCluster
from machines import SOURCE as NVML_SOURCE
from machines import gpu
from slurm_cluster import Cluster

H100 = {
    "STAND_IN_GPUS": gpu("NVIDIA H100", "9.0"),
    "STAND_IN_DRIVER": "570.86.10",
    "STAND_IN_CUDA": "12080",
    "FAKECUDA_VERSION": "12080",
    "FAKECUDA_DEVICES": "NVIDIA H100,9.0,81920,0,1,0",
}


@pytest.fixture(scope="session")
def gpu_host(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Variables that make this machine one with an H100: its NVML and its libcuda were compiled here."""
    folder = tmp_path_factory.mktemp("driver")
    fake_driver.build(folder)
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-DNVML", "-Wl,-soname,libnvidia-ml.so.1", NVML_SOURCE, "-o", library], check=True
    )
    return {"LD_LIBRARY_PATH": str(folder), **H100}


@pytest.fixture(scope="session")
def cuda_channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel with a CUDA package that holds no Python: the driver level runs with envkit's own."""
    files = {"lib/libcudart.so.12": b"not loaded by anybody", "share/doc/cuda": b"text"}
    return write_channel(tmp_path_factory.mktemp("cuda-channel"), [Package("cuda-cudart", "12.8.90", files=files)])


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Slurm of three nodes."""
    if (reason := slurm_cluster.missing()) is not None:
        pytest.skip(reason)
    started = slurm_cluster.start(tmp_path_factory.mktemp("slurm"))
    yield started
    started.stop()


@pytest.fixture
def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The same, for the clients of this process; what was said to its nodes is taken back."""
    monkeypatch.setenv("SLURM_CONF", running_cluster.env["SLURM_CONF"])
    yield running_cluster
    for node in slurm_cluster.NODES:
        running_cluster.say(node)


@pytest.fixture(scope="session")
def running_dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A Dask with workers on three hosts."""
    if (reason := dask_cluster.missing()) is not None:
        pytest.skip(reason)
    with dask_cluster.start(tmp_path_factory.mktemp("dask"), ["n1", "n2", "n3"]) as cluster:
        yield cluster


@pytest.fixture
def dask(running_dask: DaskCluster) -> Iterator[DaskCluster]:
    """The same; its programs, which are never idle, stand still between the tests that use it."""
    running_dask.send(signal.SIGCONT)
    yield running_dask
    running_dask.send(signal.SIGSTOP)
