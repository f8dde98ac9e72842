"""Detection as a whole: real processes, real libraries, files below a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envkit.errors import SettingsError
from envkit.host.detect import detect_host
from envkit.models.host import Gpu, Target
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion

if TYPE_CHECKING:
    from machines import Machine

H100 = "NVIDIA H100 80GB HBM3,9,0,85520809984,GPU-aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa,-1"
T4 = "Tesla T4,7,5,15835660288,GPU-bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb,-1"
A100_MIG = "NVIDIA A100-SXM4-80GB,8,0,85899345920,GPU-cccccccc-cccc-cccc-cccc-cccccccccccc,2"


def names(gpus: tuple[Gpu, ...]) -> list[str | None]:
    return [gpu.name for gpu in gpus]


def test_this_machine(tmp_path: Path) -> None:
    host = detect_host(cache_dir=tmp_path)
    assert host.subdir.partition("-")[0] in {"linux", "osx", "win"}
    assert host.microarch
    assert not host.notes or host.gpus or host.nvidia_traces
    for name in ("subdir", "glibc", "microarch", "driver_version", "driver_cuda", "gpus", "container", "compat"):
        assert host.sources[name]
    assert detect_host(cache_dir=tmp_path) == host


def test_one_gpu(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.env["STAND_IN_GPUS"] = H100
    host = machine.detect()
    assert host.driver_version == DriverVersion((550, 54, 14))
    assert host.sources["driver_version"] == "/proc/driver/nvidia/version"
    assert host.driver_cuda == CudaVersion(12, 4)
    assert host.sources["driver_cuda"] == f"cuDriverGetVersion of {machine.libraries}/libcuda.so.1"
    assert host.gpus == (
        Gpu(
            name="NVIDIA H100 80GB HBM3",
            compute_capability=ComputeCapability(9, 0),
            memory_bytes=85520809984,
            uuid="GPU-aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
        ),
    )
    assert host.sources["gpus"] == "NVML, in the order of libcuda"
    assert not host.compat
    assert host.nvidia_traces == ()
    assert host.notes == ()
    assert Target.from_host(host).wants_cuda


def test_two_gpus_stand_in_the_order_of_cuda(machine: Machine) -> None:
    machine.driver("550.54.14", gpus=2)
    machine.env |= {"STAND_IN_GPUS": f"{T4};{H100}", "STAND_IN_CUDA_GPUS": f"{H100};{T4}"}
    assert names(machine.detect().gpus) == ["NVIDIA H100 80GB HBM3", "Tesla T4"]


def test_a_gpu_that_cuda_does_not_see_is_not_usable(machine: Machine) -> None:
    machine.driver("550.54.14", gpus=2)
    machine.env |= {"STAND_IN_GPUS": f"{T4};{H100}", "STAND_IN_CUDA_GPUS": H100}
    host = machine.detect()
    assert names(host.gpus) == ["NVIDIA H100 80GB HBM3"]
    assert "NVML lists Tesla T4, which CUDA does not see" in host.notes


def test_a_lost_gpu_leaves_the_others(machine: Machine) -> None:
    machine.driver("550.54.14", gpus=2)
    machine.env |= {"STAND_IN_GPUS": f"{T4};{H100}", "STAND_IN_CUDA_GPUS": H100, "STAND_IN_NVML_LOST": "0"}
    host = machine.detect()
    assert names(host.gpus) == ["NVIDIA H100 80GB HBM3"]
    assert any("NVML, GPU 0: 15" in note and "fell off the bus" in note for note in host.notes)


def test_memory_that_nvml_does_not_tell_comes_from_libcuda(machine: Machine) -> None:
    machine.env["STAND_IN_GPUS"] = H100.replace("85520809984", "0")
    assert machine.detect().gpus[0].memory_bytes == 1234


def test_mig_instances_are_the_gpus(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.env["STAND_IN_GPUS"] = A100_MIG
    host = machine.detect()
    assert [gpu.mig for gpu in host.gpus] == [True, True]
    assert {gpu.compute_capability for gpu in host.gpus} == {ComputeCapability(8, 0)}
    assert [gpu.uuid for gpu in host.gpus] == [f"MIG-00000000-0000-4000-8000-{index:012x}" for index in range(2)]
    assert host.gpus[0].memory_bytes == 85899345920 // 8
    assert "2 MIG instances: CUDA shows one of them to a process" in host.notes


def test_mig_mode_without_an_instance_is_no_gpu(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.env["STAND_IN_GPUS"] = A100_MIG.replace(",2", ",0")
    host = machine.detect()
    assert host.gpus == ()
    assert any("in MIG mode without an instance" in trace for trace in host.nvidia_traces)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0", ["Tesla T4"]),
        ("1,0", ["NVIDIA H100 80GB HBM3", "Tesla T4"]),
        ("GPU-aaaa", ["NVIDIA H100 80GB HBM3"]),
        ("1,7,0", ["NVIDIA H100 80GB HBM3"]),
        ("0,0,1", ["Tesla T4"]),
        ("", []),
        ("-1", []),
        ("-1,0", []),
        ("NoDevFiles", []),
        ("MIG-1", []),
    ],
)
def test_cuda_visible_devices(machine: Machine, visible: str, expected: list[str]) -> None:
    machine.driver("550.54.14", gpus=2)
    machine.env |= {"STAND_IN_GPUS": f"{T4};{H100}", "CUDA_VISIBLE_DEVICES": visible}
    host = machine.detect()
    assert names(host.gpus) == expected
    assert any(note.startswith(f"CUDA_VISIBLE_DEVICES={visible} leaves {len(expected)} of 2") for note in host.notes)
    if not expected:
        assert "CUDA_VISIBLE_DEVICES hides Tesla T4, NVIDIA H100 80GB HBM3" in host.nvidia_traces


def test_cuda_visible_devices_of_a_mig_instance(machine: Machine) -> None:
    machine.env |= {
        "STAND_IN_GPUS": A100_MIG,
        "CUDA_VISIBLE_DEVICES": "MIG-00000000-0000-4000-8000-000000000001",
    }
    assert [gpu.uuid for gpu in machine.detect().gpus] == ["MIG-00000000-0000-4000-8000-000000000001"]


# --- what is broken


def test_mismatch_of_library_and_module(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.library("/lib/libcuda.so.570.86.10")
    machine.library("/lib/libnvidia-ml.so.570.86.10", "libnvidia-ml.so.1")
    machine.env |= {
        "LD_LIBRARY_PATH": str(machine.root / "lib"),
        "STAND_IN_GPUS": H100,
        "STAND_IN_CUDA": "12080",
        "STAND_IN_NVML_INIT": "18",
        "STAND_IN_CUDA_INIT": "803",
    }
    host = machine.detect()
    assert host.gpus == ()
    assert host.driver_version == DriverVersion((550, 54, 14))
    assert host.driver_cuda == CudaVersion(12, 8)
    assert not host.compat
    assert any("nvmlInit: 18" in note and "reboot" in note for note in host.notes)
    assert any("libcuda is of driver 570.86.10" in note and "without a reboot" in note for note in host.notes)
    assert any("803" in trace for trace in host.nvidia_traces)
    assert not Target.from_host(host).wants_cuda


def test_the_driver_is_not_loaded(machine: Machine) -> None:
    machine.env |= {"STAND_IN_NVML_INIT": "9", "STAND_IN_CUDA_INIT": "100"}
    host = machine.detect()
    assert host.gpus == ()
    assert any("100" in trace for trace in host.nvidia_traces)
    assert any("the kernel driver is not loaded" in note for note in host.notes)


def test_gpus_stay_when_cuda_is_not_ready_yet(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_CUDA_INIT": "802"}
    host = machine.detect()
    assert names(host.gpus) == ["NVIDIA H100 80GB HBM3"]
    assert any("cuInit: 802" in note and "fabric manager" in note for note in host.notes)


@pytest.mark.parametrize("mode", ["crash", "exit"])
def test_nvml_crashes_and_libcuda_answers(machine: Machine, mode: str) -> None:
    machine.driver("550.54.14")
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_NVML_MODE": mode}
    host = machine.detect()
    assert names(host.gpus) == ["NVIDIA H100 80GB HBM3"]
    assert host.sources["gpus"] == "libcuda"
    assert host.gpus[0].uuid == "GPU-aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
    assert host.gpus[0].memory_bytes == 85520809984
    assert host.microarch
    assert f"NVML {'was ended by SIGSEGV' if mode == 'crash' else 'ended with exit status 7'}" in host.notes


def test_libcuda_crashes_and_nvml_answers(machine: Machine) -> None:
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_CUDA_MODE": "crash"}
    host = machine.detect()
    assert names(host.gpus) == ["NVIDIA H100 80GB HBM3"]
    assert host.driver_cuda == CudaVersion(12, 4)
    assert host.sources["driver_cuda"] == "NVML"
    assert "libcuda was ended by SIGSEGV" in host.notes


@pytest.mark.parametrize("mode", ["hang", "stubborn"])
def test_a_driver_that_hangs_is_cut_off_and_not_remembered(machine: Machine, mode: str, tmp_path: Path) -> None:
    machine.driver("550.54.14")
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_NVML_MODE": mode}
    began = time.monotonic()
    host = machine.detect(timeout_s=1.5, cache_dir=tmp_path / "cache")
    assert time.monotonic() - began < 5
    assert host.gpus == ()
    assert host.microarch, "what was found out before counts"
    assert host.driver_version == DriverVersion((550, 54, 14))
    assert any(trace.startswith("NVML ran into the time limit") for trace in host.nvidia_traces)
    assert not (tmp_path / "cache").exists()
    del machine.env["STAND_IN_NVML_MODE"]
    assert names(machine.detect(cache_dir=tmp_path / "cache").gpus) == ["NVIDIA H100 80GB HBM3"]


def test_no_process_is_left_behind(machine: Machine, tmp_path: Path) -> None:
    machine.only()
    smi = machine.write("/bin/nvidia-smi", f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 300\n")
    smi.chmod(0o755)
    machine.env["PATH"] = f"{smi.parent}:{os.environ['PATH']}"
    host = machine.detect(timeout_s=2)
    assert any("nvidia-smi ran into the time limit" in note for note in host.notes)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.02)
    else:
        pytest.fail("nvidia-smi outlived its time limit")


def test_a_driver_that_prints_does_not_spoil_the_answer(machine: Machine) -> None:
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_NVML_MODE": "talk", "STAND_IN_CUDA_MODE": "talk"}
    assert names(machine.detect().gpus) == ["NVIDIA H100 80GB HBM3"]


def test_no_time_at_all(machine: Machine) -> None:
    host = machine.detect(timeout_s=0)
    assert host.gpus == ()
    assert host.microarch is None
    assert host.glibc == machine.detect().glibc


# --- kinds of user-mode driver


def test_compat_by_path(machine: Machine) -> None:
    machine.driver("535.104.05")
    machine.library("/usr/local/cuda-12.8/compat/libcuda.so.570.86.10")
    folder = machine.root / "usr/local/cuda-12.8/compat"
    machine.env |= {
        "LD_LIBRARY_PATH": f"{folder}:{machine.libraries}",
        "STAND_IN_GPUS": H100,
        "STAND_IN_DRIVER": "535.104.05",
        "STAND_IN_CUDA": "12080",
    }
    host = machine.detect()
    assert host.compat
    assert host.driver_version == DriverVersion((535, 104, 5))
    assert host.driver_cuda == CudaVersion(12, 8)
    assert any("forward-compatibility" in note and "535.104.05" in note for note in host.notes)


def test_compat_by_version(machine: Machine) -> None:
    machine.driver("535.104.05")
    machine.library("/lib/libcuda.so.570.86.10")
    machine.env |= {"LD_LIBRARY_PATH": f"{machine.root}/lib:{machine.libraries}", "STAND_IN_GPUS": H100}
    assert machine.detect().compat


def test_compat_that_the_gpu_does_not_support(machine: Machine) -> None:
    machine.driver("535.104.05")
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_CUDA_INIT": "804"}
    host = machine.detect()
    assert host.gpus == ()
    assert any("take it off LD_LIBRARY_PATH" in trace for trace in host.nvidia_traces)


def test_a_stub_of_libcuda_is_no_driver(machine: Machine) -> None:
    machine.library("/stubs/libcuda.so.1")
    machine.env |= {
        "LD_LIBRARY_PATH": f"{machine.root}/stubs:{machine.libraries}",
        "STAND_IN_CUDA_INIT": "34",
        "STAND_IN_GPUS": H100,
    }
    host = machine.detect()
    assert host.sources["driver_cuda"] == "NVML"
    assert any("is a toolkit's stub" in note for note in host.notes)
    assert (host.gpus, host.nvidia_traces[0]) == (
        (),
        f"NVIDIA H100 80GB HBM3: {machine.root}/stubs/libcuda.so.1 hides the driver's libcuda",
    )


def test_a_container_without_the_compute_capability(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.only("libnvidia-ml.so.1")
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_NVML_CUDA": "12"}
    host = machine.detect()
    assert host.gpus == ()
    assert any("libcuda is not here" in trace for trace in host.nvidia_traces)


def test_nvml_alone_that_knows_the_ceiling(machine: Machine) -> None:
    machine.only("libnvidia-ml.so.1")
    machine.env["STAND_IN_GPUS"] = H100
    host = machine.detect()
    assert names(host.gpus) == ["NVIDIA H100 80GB HBM3"]
    assert host.sources["gpus"] == "NVML"
    assert host.sources["driver_version"] == "NVML"


def test_nvidia_smi_alone(machine: Machine) -> None:
    machine.only()
    machine.env |= {
        "PATH": f"{Path(__file__).parent.parent / 'nvidia'}:{os.environ['PATH']}",
        "STAND_IN_SMI_ROWS": "NVIDIA L4, GPU-dddd, 550.54.14, 23034, 8.9, Disabled",
        "STAND_IN_SMI_HEADER": "| NVIDIA-SMI 550.54.14   Driver Version: 550.54.14   CUDA Version: 12.4 |",
    }
    host = machine.detect()
    assert host.sources["gpus"] == "nvidia-smi"
    assert host.gpus == (Gpu("NVIDIA L4", ComputeCapability(8, 9), 23034 << 20, "GPU-dddd"),)
    assert host.driver_cuda == CudaVersion(12, 4)
    assert host.driver_version == DriverVersion((550, 54, 14))
    machine.env |= {"STAND_IN_SMI_MODE": "old", "STAND_IN_SMI_ROWS": "NVIDIA L4, GPU-dddd, 470.256.02, 23034"}
    assert machine.detect(refresh=True).gpus[0].compute_capability is None
    machine.env |= {"STAND_IN_SMI_MODE": "broken"}
    host = machine.detect(refresh=True)
    assert host.gpus == ()
    assert host.driver_cuda is None


# --- places


def test_docker_build_sees_the_module_of_the_host_and_no_gpu(machine: Machine) -> None:
    machine.only()
    machine.write("/.dockerenv")
    machine.write("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.216.03  Thu\n")
    machine.env |= {"NVIDIA_VISIBLE_DEVICES": "all", "CUDA_VERSION": "12.4.1"}
    host = machine.detect()
    assert host.container == "docker"
    assert host.gpus == ()
    assert host.driver_cuda is None
    assert host.driver_version == DriverVersion((535, 216, 3))
    assert host.nvidia_traces == (
        "NVIDIA kernel module 535.216.03 is loaded (/proc/driver/nvidia/version)",
        "NVIDIA_VISIBLE_DEVICES=all",
        "CUDA_VERSION=12.4.1",
    )
    assert any("seen from inside the container" in note for note in host.notes)
    assert not Target.from_host(host).wants_cuda


def test_wsl(machine: Machine) -> None:
    machine.write("/proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n")
    machine.write("/dev/dxg")
    machine.library("/usr/lib/wsl/lib/libcuda.so.1")
    machine.library("/usr/lib/wsl/lib/libnvidia-ml.so.1", "libnvidia-ml.so.1")
    machine.env |= {
        "LD_LIBRARY_PATH": f"{machine.root}/usr/lib/wsl/lib",
        "STAND_IN_DRIVER": "572.60",
        "STAND_IN_CUDA": "12080",
        "STAND_IN_GPUS": "NVIDIA GeForce RTX 4090,8,9,25757220864,GPU-dddddddd-dddd-dddd-dddd-dddddddddddd,-1",
    }
    host = machine.detect()
    assert host.wsl
    assert host.driver_version == DriverVersion((572, 60))
    assert host.sources["driver_version"] == "NVML"
    assert not host.compat
    assert names(host.gpus) == ["NVIDIA GeForce RTX 4090"]
    machine.env |= {"STAND_IN_GPUS": "", "STAND_IN_NVML_INIT": "9"}
    assert "WSL has an NVIDIA driver: /usr/lib/wsl/lib/libcuda.so.1" in machine.detect(refresh=True).nvidia_traces


def test_wsl_libraries_that_the_loader_does_not_know(machine: Machine) -> None:
    machine.library("/usr/lib/wsl/lib/libcuda.so.1")
    machine.library("/usr/lib/wsl/lib/libnvidia-ml.so.1", "libnvidia-ml.so.1")
    machine.env |= {"LD_LIBRARY_PATH": "", "STAND_IN_GPUS": H100}
    host = machine.detect()
    if "/usr/lib/wsl" not in host.sources["driver_cuda"]:
        pytest.skip("this machine has NVIDIA libraries of its own, which the loader finds first")
    assert names(host.gpus) == ["NVIDIA H100 80GB HBM3"]
    assert host.sources["gpus"] == "NVML, in the order of libcuda"


def test_jetson(machine: Machine) -> None:
    machine.only("libcuda.so.1")
    machine.write("/etc/nv_tegra_release", "# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic\n")
    machine.write(
        "/proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.3.0  Release Build  (buildbrain@host)\n",
    )
    machine.write("/dev/nvmap")
    machine.env |= {
        "STAND_IN_CUDA": "12060",
        "STAND_IN_GPUS": "Orin,8,7,65859895296,GPU-dddddddd-dddd-dddd-dddd-dddddddddddd,-1",
    }
    host = machine.detect()
    assert host.jetson == "36.3.0"
    assert host.driver_cuda == CudaVersion(12, 6)
    assert host.driver_version == DriverVersion((540, 3, 0))
    assert [(gpu.name, gpu.tegra) for gpu in host.gpus] == [("Orin", True)]
    machine.env["STAND_IN_CUDA_INIT"] = "100"
    assert "Jetson, L4T 36.3.0 (/etc/nv_tegra_release)" in machine.detect(refresh=True).nvidia_traces


def test_toolkits_say_nothing_about_the_driver(machine: Machine) -> None:
    machine.only()
    machine.write("/usr/local/cuda-12.4/version.json", json.dumps({"cuda": {"name": "CUDA SDK", "version": "12.4.1"}}))
    machine.write("/usr/local/cuda-10.2/version.txt", "CUDA Version 10.2.89\n")
    (machine.root / "usr/local/cuda").symlink_to("cuda-12.4")
    host = machine.detect()
    assert host.toolkits == {"/usr/local/cuda-12.4": "12.4.1", "/usr/local/cuda-10.2": "10.2.89"}
    assert host.driver_cuda is None
    assert host.nvidia_traces == ()
    assert "the toolkit 12.4.1 in /usr/local/cuda-12.4 says nothing about the driver" in host.notes


def test_slurm_login_and_compute(machine: Machine) -> None:
    machine.only()
    machine.env |= {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0,1", "SLURM_JOB_GRES": "gpu:a100:2"}
    assert machine.detect().nvidia_traces == ("SLURM_JOB_GPUS=0,1", "SLURM_JOB_GRES=gpu:a100:2")


def test_requirements_of_an_image(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.env |= {"STAND_IN_GPUS": H100, "NVIDIA_REQUIRE_CUDA": "cuda>=12.8 brand=tesla,driver>=570,driver<571"}
    assert any(note.startswith("NVIDIA_REQUIRE_CUDA is not met") for note in machine.detect().notes)
    machine.env["NVIDIA_DISABLE_REQUIRE"] = "true"
    assert machine.detect().notes == ()


def test_a_hostile_version_file(machine: Machine) -> None:
    machine.only()
    machine.write("/proc/driver/nvidia/version", os.urandom(1 << 20))
    machine.write("/sys/module/nvidia/version", b"\xff\x00" * 100_000)
    host = machine.detect()
    assert host.driver_version is None
    assert any(trace.startswith("NVIDIA kernel module") for trace in host.nvidia_traces)


def test_nothing_can_be_read(machine: Machine) -> None:
    machine.only()
    for folder in ("proc", "sys", "dev", "etc"):
        machine.write(f"/{folder}", "not a folder")
    host = machine.detect()
    assert host.driver_version is None
    assert host.nvidia_traces == ()


def test_a_fifo_does_not_stop_it(machine: Machine) -> None:
    machine.only()
    path = machine.root / "usr/local/cuda/version.json"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert machine.detect().toolkits == {}


# --- overrides (CEP 30, CEP 46)


def test_override_of_cuda_on_a_machine_without_gpu(machine: Machine) -> None:
    machine.only()
    machine.env |= {"CONDA_OVERRIDE_CUDA": "12.4", "NVIDIA_VISIBLE_DEVICES": "all"}
    host = machine.detect()
    assert host.driver_cuda == CudaVersion(12, 4)
    assert host.sources["driver_cuda"] == "CONDA_OVERRIDE_CUDA"
    assert host.overridden == {"driver_cuda"}
    assert host.nvidia_traces == ()
    target = Target.from_host(host)
    assert target.wants_cuda
    assert target.described == {"driver_cuda"}


def test_override_of_cuda_and_arch(machine: Machine) -> None:
    machine.only()
    machine.env |= {"CONDA_OVERRIDE_CUDA": "12", "CONDA_OVERRIDE_CUDA_ARCH": "8.6"}
    host = machine.detect()
    assert host.driver_cuda == CudaVersion(12, 0)
    assert host.gpus == (Gpu(name=None, compute_capability=ComputeCapability(8, 6)),)
    assert host.sources["gpus"] == "CONDA_OVERRIDE_CUDA_ARCH"


def test_overrides_replace_what_was_detected_and_say_so(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.env |= {
        "STAND_IN_GPUS": H100,
        "CONDA_OVERRIDE_CUDA": "11.8",
        "CONDA_OVERRIDE_CUDA_ARCH": "7.0",
        "CONDA_OVERRIDE_GLIBC": "2.17",
        "CONDA_OVERRIDE_ARCHSPEC": "x86_64_v2",
        "CONDA_OVERRIDE_OSX": "13.0",
    }
    host = machine.detect()
    assert (host.driver_cuda, host.glibc, host.microarch, host.osx) == (CudaVersion(11, 8), "2.17", "x86_64_v2", "13.0")
    assert [gpu.compute_capability for gpu in host.gpus] == [ComputeCapability(7, 0)]
    assert "CONDA_OVERRIDE_CUDA replaces driver_cuda 12.4 by 11.8" in host.notes
    assert "CONDA_OVERRIDE_CUDA_ARCH puts a GPU of 7.0 in the place of NVIDIA H100 80GB HBM3 (9.0)" in host.notes


def test_empty_overrides_take_away(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.env |= {"STAND_IN_GPUS": H100, "CONDA_OVERRIDE_CUDA": " ", "CONDA_OVERRIDE_CUDA_ARCH": ""}
    host = machine.detect()
    assert host.driver_cuda is None
    assert host.nvidia_traces == ()
    assert [(gpu.name, gpu.compute_capability) for gpu in host.gpus] == [("NVIDIA H100 80GB HBM3", None)]
    assert not Target.from_host(host).wants_cuda


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONDA_OVERRIDE_CUDA", "twelve"),
        ("CONDA_OVERRIDE_CUDA", "12.x"),
        ("CONDA_OVERRIDE_CUDA_ARCH", "86"),
        ("CONDA_OVERRIDE_CUDA_ARCH", "8.6a"),
        ("CONDA_OVERRIDE_GLIBC", "2"),
        ("CONDA_OVERRIDE_ARCHSPEC", "x86/64"),
        ("CONDA_OVERRIDE_OSX", "sonoma"),
    ],
)
def test_an_override_that_means_nothing_is_refused(machine: Machine, variable: str, value: str) -> None:
    machine.env[variable] = value
    with pytest.raises(SettingsError, match=variable) as caught:
        machine.detect()
    assert caught.value.hint


# --- the cache


def test_the_second_time_no_process_is_started(machine: Machine, tmp_path: Path) -> None:
    machine.driver("550.54.14")
    machine.env["STAND_IN_GPUS"] = H100
    first = machine.detect(cache_dir=tmp_path / "cache")
    machine.env["STAND_IN_GPUS"] = T4  # would be seen if the library were asked
    began = time.perf_counter()
    assert machine.detect(cache_dir=tmp_path / "cache") == first
    assert time.perf_counter() - began < 0.1
    assert names(machine.detect(cache_dir=tmp_path / "cache", refresh=True).gpus) == ["Tesla T4"]
    assert names(machine.detect(cache_dir=tmp_path / "cache").gpus) == ["Tesla T4"]


def test_what_changes_the_answer_changes_the_key(machine: Machine, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    machine.driver("550.54.14")
    machine.env["STAND_IN_GPUS"] = H100
    machine.detect(cache_dir=cache)
    for change in (
        lambda: machine.write("/proc/sys/kernel/random/boot_id", "another\n"),
        lambda: machine.driver("550.90.07"),
        lambda: machine.write("/dev/nvidia1"),
        lambda: machine.write("/etc/ld.so.cache", "newer"),
        lambda: machine.write("/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access"),
        lambda: machine.env.update(LD_LIBRARY_PATH=f"{machine.libraries}:/elsewhere"),
        lambda: machine.env.update(CUDA_DEVICE_ORDER="PCI_BUS_ID"),
    ):
        before = len(list(cache.glob("driver-*.json")))
        change()
        machine.detect(cache_dir=cache)
        assert len(list(cache.glob("driver-*.json"))) == before + 1


def test_variables_laid_over_the_answer_use_the_same_entry(machine: Machine, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    machine.env["STAND_IN_GPUS"] = f"{T4};{H100}"
    assert len(machine.detect(cache_dir=cache).gpus) == 2
    machine.env |= {"CUDA_VISIBLE_DEVICES": "1", "CONDA_OVERRIDE_CUDA": "11.8"}
    host = machine.detect(cache_dir=cache)
    assert (names(host.gpus), host.driver_cuda) == (["NVIDIA H100 80GB HBM3"], CudaVersion(11, 8))
    assert len(list(cache.glob("driver-*.json"))) == 1


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": 1}'],
    ids=["empty", "cut", "list", "null", "binary", "deep", "bare"],
)
def test_a_damaged_cache_is_ignored_and_mended(machine: Machine, tmp_path: Path, damage: bytes) -> None:
    cache = tmp_path / "cache"
    machine.env["STAND_IN_GPUS"] = H100
    host = machine.detect(cache_dir=cache)
    (entry,) = cache.glob("driver-*.json")
    entry.write_bytes(damage)
    assert machine.detect(cache_dir=cache) == host
    assert json.loads(entry.read_bytes())["lines"]


@pytest.mark.parametrize(
    "change",
    [
        {"created": 0},
        {"created": time.time() + 1e6},
        {"created": "yesterday"},
        {"schema_version": 99},
        {"name": "another"},
        {"lines": []},
        {"lines": [{"stage": "nvml"}]},
        {"lines": [{"stage": "of fools"}]},
        {"lines": [7]},
    ],
)
def test_an_entry_that_is_odd_is_ignored(machine: Machine, tmp_path: Path, change: dict[str, object]) -> None:
    cache = tmp_path / "cache"
    machine.env["STAND_IN_GPUS"] = H100
    machine.detect(cache_dir=cache)
    (entry,) = cache.glob("driver-*.json")
    entry.write_text(json.dumps(json.loads(entry.read_text()) | change))
    assert names(machine.detect(cache_dir=cache).gpus) == ["NVIDIA H100 80GB HBM3"]


def test_a_cache_that_cannot_be_written(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    machine.env["STAND_IN_GPUS"] = H100
    assert machine.detect(cache_dir=tmp_path / "file" / "cache").gpus
    machine.env["HOME"] = ""
    assert machine.detect().gpus


def test_an_old_entry_goes(machine: Machine, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    old, foreign = cache / "driver-0123456789abcdef.json", cache / "other.json"
    for path in (old, foreign):
        path.write_text("{}")
        os.utime(path, (0, 0))
    machine.detect(cache_dir=cache)
    assert not old.exists()
    assert foreign.exists()


def test_an_error_that_may_pass_is_not_remembered(machine: Machine, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_CUDA_INIT": "802"}
    machine.detect(cache_dir=cache)
    assert not list(tmp_path.glob("cache/*.json"))


def test_two_at_once(machine: Machine, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    machine.env["STAND_IN_GPUS"] = H100
    with ThreadPoolExecutor(4) as pool:
        hosts = list(pool.map(lambda _: machine.detect(cache_dir=cache), range(8)))
    assert all(host == hosts[0] for host in hosts)
    assert sorted(path.name.partition("-")[0] for path in cache.iterdir()) == ["driver", "now"]


# --- the promise that nothing is loaded into the caller


def test_detection_loads_no_engine_into_the_caller(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from envkit.host.detect import detect_host\n"
        f"detect_host(cache_dir=pathlib.Path({str(tmp_path)!r}))\n"
        "print([name for name in ('rattler', 'pynvml', 'ctypes', 'pydantic', 'platformdirs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- smaller disagreements


def test_libcuda_fills_in_for_a_gpu_that_nvml_cannot_ask(machine: Machine) -> None:
    machine.driver("550.54.14", gpus=2)
    machine.env |= {"STAND_IN_GPUS": f"{T4};{H100}", "STAND_IN_NVML_LOST": "0"}
    host = machine.detect()
    assert [(gpu.name, str(gpu.compute_capability)) for gpu in host.gpus] == [
        ("Tesla T4", "7.5"),
        ("NVIDIA H100 80GB HBM3", "9.0"),
    ]


def test_uuids_that_cannot_be_compared(machine: Machine) -> None:
    machine.env |= {"STAND_IN_GPUS": f"{T4};{H100}", "STAND_IN_CUDA_GPUS": H100.replace("aaaa", "1234")}
    host = machine.detect()
    assert host.sources["gpus"] == "libcuda"
    assert names(host.gpus) == ["NVIDIA H100 80GB HBM3"]
    machine.env["STAND_IN_CUDA_GPUS"] += f";{T4.replace('bbbb', '5678')}"
    assert machine.detect(refresh=True).sources["gpus"] == "NVML"


def test_cuda_starts_and_sees_nothing(machine: Machine) -> None:
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_CUDA_GPUS": "", "STAND_IN_CUDA_INIT": "0"}
    host = machine.detect()
    assert host.gpus == ()
    assert "NVIDIA H100 80GB HBM3: CUDA starts and sees no GPU" in host.nvidia_traces


def test_a_driver_library_that_fails_is_a_trace(machine: Machine) -> None:
    machine.env |= {"STAND_IN_NVML_INIT": "999", "STAND_IN_CUDA_INIT": "999"}
    host = machine.detect()
    assert host.gpus == ()
    assert len(host.nvidia_traces) == 2
    assert "nvidia-uvm" in host.nvidia_traces[1]


def test_nodes_without_a_driver(machine: Machine) -> None:
    machine.only()
    machine.write("/dev/nvidia0")
    machine.env["NVIDIA_VISIBLE_DEVICES"] = "void"
    host = machine.detect()
    assert host.nvidia_traces == ("device nodes: /dev/nvidia0",)
    assert "/dev/nvidia-uvm is missing: CUDA cannot start without it" in host.notes
    assert "NVIDIA_VISIBLE_DEVICES=void: the container was started without a GPU" in host.notes
    (machine.root / "dev/nvidia0").rename(machine.root / "dev/nvidiactl")
    assert machine.detect().nvidia_traces == ("device node: /dev/nvidiactl",)


def test_a_slurm_job_that_sees_every_gpu(machine: Machine) -> None:
    machine.env |= {"STAND_IN_GPUS": H100, "SLURM_JOB_ID": "7"}
    assert any("a Slurm job without CUDA_VISIBLE_DEVICES" in note for note in machine.detect().notes)


def test_ceilings_and_drivers_that_disagree(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.env |= {"STAND_IN_GPUS": H100, "STAND_IN_DRIVER": "550.90.07"}
    assert "the driver is 550.54.14 by /proc/driver/nvidia/version, 550.90.07 by NVML" in machine.detect().notes


def test_an_interrupt_takes_the_child_along(machine: Machine, tmp_path: Path) -> None:
    code = (
        "import os, sys, signal, threading, pathlib\n"
        "from envkit.host.detect import detect_host\n"
        "threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        f"    detect_host(root=pathlib.Path({str(tmp_path)!r}), timeout_s=60)\n"
        "except KeyboardInterrupt:\n"
        "    children = pathlib.Path('/proc/self/task', str(os.getpid()), 'children')\n"
        "    print('interrupted', children.read_text() if children.exists() else '')\n"
    )
    env = machine.variables() | {"STAND_IN_NVML_MODE": "stubborn", "PYTHONPATH": os.pathsep.join(sys.path)}
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.split() == ["interrupted"]
    assert time.monotonic() - began < 20


def test_an_interpreter_that_cannot_be_started(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for executable, said in (("", "embedded"), ("/nowhere/python", "could not be started")):
        monkeypatch.setattr(sys, "executable", executable)
        host = machine.detect()
        assert host.microarch is None
        assert said in host.sources["microarch"]
