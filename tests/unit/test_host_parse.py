"""Text to value: every `parse_*` of the host edge, and the pure rules on top."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envkit.host.answers import Device, parse_answers, parse_library_version
from envkit.host.assemble import variable_traces
from envkit.host.container import parse_cgroup, parse_root_mount, read_container
from envkit.host.kernel import parse_proc_version, parse_sys_version, read_kernel_module
from envkit.host.machine import (
    UNKNOWN_RELEASE,
    parse_glibc,
    parse_osx_version,
    parse_tegra_release,
    parse_version_json,
    parse_version_txt,
    parse_wsl,
    read_jetson,
    subdir_of,
)
from envkit.host.nodes import parse_model
from envkit.host.nvidia_smi import parse_smi_cuda, parse_smi_list, parse_smi_query
from envkit.host.requirements import parse_requirement, read_requirements, unmet_requirements
from envkit.host.tree import Tree
from envkit.host.visible import select_visible
from envkit.models.host import Gpu, Host
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion

NVRM = "NVRM version: NVIDIA UNIX "


def version(text: str) -> DriverVersion:
    return DriverVersion.parse(text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{NVRM}x86_64 Kernel Module  535.216.03  Thu Oct 24 14:01:41 UTC 2024", ("535.216.03", False)),
        (f"{NVRM}Open Kernel Module for x86_64  570.195.03  Release Build  (dvs-builder@U22)", ("570.195.03", True)),
        (f"{NVRM}Kernel Module for aarch64  34.1.1  Release Build  (buildbrain@mobile)", ("34.1.1", False)),
        (f"{NVRM}x86_64 Kernel Module  570.26  Thu", ("570.26", False)),
        (f"GCC version: gcc 12\n{NVRM}x86_64 Kernel Module  450.80.02  Wed", ("450.80.02", False)),
        (f"{NVRM}x86_64 Kernel Module 535.216.03 Thu", None),
        ("NVRM version:", None),
        (f"{NVRM}x86_64 Kernel Module  latest  Thu", None),
        ("", None),
    ],
)
def test_proc_version(line: str, expected: tuple[str, bool] | None) -> None:
    assert parse_proc_version(line) == (expected and (version(expected[0]), expected[1]))


@given(st.text())
def test_no_text_breaks_a_parser(text: str) -> None:
    parse_proc_version(text)
    parse_proc_version(NVRM + text)
    parse_sys_version(text)
    parse_model(text)
    parse_cgroup(text)
    parse_root_mount(text)
    parse_tegra_release(text)
    parse_glibc(text)
    parse_osx_version(text)
    parse_wsl(text)
    parse_smi_query(text)
    parse_smi_query(f"{text}, {text}, {text}, {text}, {text}")
    parse_smi_cuda(text)
    parse_smi_list(text)
    parse_version_json(text)
    parse_version_txt(text)
    parse_library_version(text)
    parse_requirement(text)


def test_sys_version() -> None:
    assert parse_sys_version("550.144.03\n") == version("550.144.03")
    assert parse_sys_version("550") is None
    assert parse_sys_version("\u0665\u0665\u0660.\u0661\u0664\u0664.\u0663") is None


def test_kernel_module_that_says_two_things_or_nothing(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    tree = Tree(tmp_path)
    assert read_kernel_module(tree) is None
    (tmp_path / "sys/module/nvidia").mkdir(parents=True)
    module = read_kernel_module(tree)
    assert module
    assert module.version is None
    write("sys/module/nvidia/version", "550.144.03\n")
    module = read_kernel_module(tree)
    assert module
    assert (module.version, module.source, module.note) == (version("550.144.03"), "/sys/module/nvidia/version", None)
    write("proc/driver/nvidia/version", "rubbish")
    module = read_kernel_module(tree)
    assert module
    assert module.version == version("550.144.03")
    assert module.note == "/proc/driver/nvidia/version is there and cannot be understood"
    write("proc/driver/nvidia/version", f"{NVRM}x86_64 Kernel Module  535.216.03  Thu\n")
    module = read_kernel_module(tree)
    assert module
    assert module.version == version("535.216.03")
    assert "535.216.03" in str(module.note)
    assert "550.144.03" in str(module.note)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12:devices:/docker/0123abc\n", "docker"),
        ("11:cpuset:/kubepods/burstable/pod1/2\n", "kubernetes"),
        ("1:name=systemd:/machine.slice/libpod-77.scope\n", "podman"),
        ("1:name=systemd:/lxc/box\n", "lxc"),
        ("0::/\n", None),
        ("0::/user.slice/user-1000.slice\n", None),
    ],
)
def test_cgroup(text: str, expected: str | None) -> None:
    assert parse_cgroup(text) == expected


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B", "docker"),
        ("lowerdir=/var/lib/buildkit/runc-overlayfs/snapshots/1/fs", "docker"),
        ("lowerdir=/home/me/.local/share/containers/storage/overlay/l/A", "podman"),
        ("lowerdir=/run/live/rootfs", None),
    ],
)
def test_mountinfo(layers: str, expected: str | None) -> None:
    assert parse_root_mount(f"22 1 0:21 / / rw,relatime - overlay overlay rw,{layers}\n") == expected
    assert parse_root_mount(f"22 1 0:21 / /mnt rw,relatime - overlay overlay rw,{layers}\n") is None


@pytest.mark.parametrize(
    ("files", "env", "expected"),
    [
        ([".dockerenv"], {}, "docker"),
        (["run/.containerenv"], {"container": "oci"}, "podman"),
        ([".dockerenv"], {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        (["var/run/secrets/kubernetes.io/token"], {}, "kubernetes"),
        ([".singularity.d/Singularity"], {}, "apptainer"),
        ([], {"APPTAINER_CONTAINER": "/images/a.sif"}, "apptainer"),
        ([], {"SINGULARITY_CONTAINER": "/images/a.sif"}, "apptainer"),
        ([], {"container": "lxc"}, "lxc"),
        ([], {"container": "systemd-nspawn"}, "systemd-nspawn"),
        ([], {"container": "wsl"}, None),
        ([], {"container": "\x1b[31m"}, None),
        (["dev/lxd/sock"], {}, "lxc"),
        ([], {"SLURM_JOB_ID": "1"}, None),
    ],
)
def test_container(tmp_path: Path, files: list[str], env: dict[str, str], expected: str | None) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    kind, source = read_container(Tree(tmp_path), env)
    assert kind == expected
    assert source


def test_jetson(tmp_path: Path) -> None:
    assert parse_tegra_release("# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref") == "35.4.1"
    assert parse_tegra_release("# R38 (release), REVISION: 2.0") == "38.2.0"
    assert parse_tegra_release("Ubuntu") is None
    assert read_jetson(Tree(tmp_path))[0] is None
    (tmp_path / "sys/devices/soc0").mkdir(parents=True)
    (tmp_path / "sys/devices/soc0/family").write_text("Tegra\n")
    assert read_jetson(Tree(tmp_path)) == (UNKNOWN_RELEASE, "/sys/devices/soc0/family")


@pytest.mark.parametrize(
    ("system", "machine", "bits", "expected"),
    [
        ("linux", "x86_64", 64, "linux-64"),
        ("linux", "x86_64", 32, "linux-32"),
        ("linux", "aarch64", 64, "linux-aarch64"),
        ("linux", "aarch64", 32, "linux-armv7l"),
        ("linux", "ppc64le", 64, "linux-ppc64le"),
        ("linux", "mips64", 64, "linux-mips64"),
        ("darwin", "arm64", 64, "osx-arm64"),
        ("darwin", "x86_64", 64, "osx-64"),
        ("win32", "AMD64", 64, "win-64"),
        ("win32", "ARM64", 64, "win-arm64"),
        ("linux", "", 64, "linux-unknown"),
    ],
)
def test_subdir(system: str, machine: str, bits: int, expected: str) -> None:
    assert subdir_of(system, machine, bits=bits) == expected


def test_small_parsers() -> None:
    assert parse_wsl("5.15.153.1-microsoft-standard-WSL2\n")
    assert not parse_wsl("4.4.0-19041-Microsoft\n")
    assert not parse_wsl("6.8.0-45-generic\n")
    assert parse_glibc("glibc 2.36") == "2.36"
    assert parse_glibc("musl 1.2") is None
    assert parse_glibc(None) is None
    assert parse_osx_version("<key>ProductVersion</key>\n\t<string>14.5</string>") == "14.5"
    assert parse_model("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:  1\n") == "NVIDIA H100 80GB HBM3"
    assert parse_model("Model:\n") is None
    assert parse_version_json(json.dumps({"cuda": {"version": "12.4.1"}})) == "12.4.1"
    assert parse_version_json('{"cuda": {"version": 12}}') is None
    assert parse_version_json("[" * 100_000) is None
    assert parse_version_txt("CUDA Version 10.2.89\n") == "10.2.89"
    assert parse_library_version("/usr/lib/libcuda.so.570.86.10") == version("570.86.10")
    assert parse_library_version("/usr/lib/libcuda.so.1") is None
    assert parse_library_version("/usr/lib/tegra/libcuda.so.1.1") is None
    assert parse_library_version(None) is None


def test_nvidia_smi() -> None:
    rows = parse_smi_query(
        "NVIDIA A100-SXM4-80GB, GPU-1, 550.54.14, 81920, 8.0, Enabled\n"
        "Unable to determine the device handle\n"
        "NVIDIA GB10, GPU-2, 580.95.05, [N/A], 12.1, [N/A]\n"
        "bad, GPU-3, x, y, z\n"
    )
    assert [(row.name, row.memory_bytes, str(row.compute_capability), row.mig_mode) for row in rows] == [
        ("NVIDIA A100-SXM4-80GB", 81920 << 20, "8.0", True),
        ("NVIDIA GB10", None, "12.1", False),
    ]
    assert parse_smi_cuda("| Driver Version: 550.54.14    CUDA Version: 12.4     |") == "12.4"
    assert parse_smi_cuda("CUDA Version        : 13.0") == "13.0"
    assert parse_smi_cuda("CUDA Version: N/A") == "N/A"
    assert parse_smi_cuda("") is None
    listed = "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 1g.10gb     Device  0: (UUID: MIG-a)\nGPU 1: T4 (UUID: GPU-2)\n"
    assert parse_smi_list(listed) == {"GPU-1": [("MIG 1g.10gb", "MIG-a")]}


def test_answer_of_nvidia_smi_with_mig() -> None:
    answers = parse_answers(
        [
            {
                "stage": "nvidia-smi",
                "library": "/usr/bin/nvidia-smi",
                "query": "A100, GPU-1, 550.54.14, 81920, 8.0, Enabled",
                "header": "CUDA Version: N/A",
                "list": "GPU 0: A100 (UUID: GPU-1)\n  MIG 1g.10gb     Device  0: (UUID: MIG-a)\n",
                "errors": [],
            }
        ]
    )
    assert answers.nvidia_smi
    assert answers.nvidia_smi.devices[0].instances == (Device("MIG 1g.10gb", ComputeCapability(8, 0), uuid="MIG-a"),)
    assert str(answers.nvidia_smi.errors[0]) == "nvidia-smi: CUDA Version: N/A"


def test_visible_devices_of_an_old_mig_name_and_ambiguous_ones() -> None:
    part = Device("part", None, uuid="MIG-GPU-1/1/0")
    devices = (Device("a", None, uuid="GPU-11", mig_mode=True, instances=(part,)), Device("b", None, uuid="GPU-12"))
    assert select_visible("MIG-GPU-1/1/0", devices).devices == (devices[0],)
    assert select_visible("GPU-1", devices).devices == ()
    assert select_visible("GPU-12, 0", devices).devices == (devices[1], devices[0])
    assert select_visible(None, devices).notes == ()
    assert select_visible("0", ()).notes == (
        "CUDA_VISIBLE_DEVICES: '0' names no GPU here; it and what follows it are ignored by CUDA",
    )


@given(st.text(max_size=30), st.integers(0, 3))
def test_any_value_of_visible_devices_leaves_a_part_of_what_is_there(value: str, count: int) -> None:
    devices = tuple(Device(f"gpu {index}", None, uuid=f"GPU-{index}") for index in range(count))
    chosen = select_visible(value, devices).devices
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(devices)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("cuda>=12.4", True),
        ("cuda>=12.5", False),
        ("cuda>=12.8 driver>=550,driver<551", True),
        ("cuda>=12.8 driver>=535,driver<536", False),
        ("cuda>=12.8 brand=tesla,driver>=550", True),
        ("arch>=8.0", True),
        ("arch>=9.0", False),
        ("driver=550.54.14", True),
        ("driver!=550.54.14", False),
        ("driver>550.54", True),
        ("driver<=550", False),
        ("nonsense", True),
        ("cuda>=twelve", True),
    ],
)
def test_requirement(text: str, met: bool) -> None:
    host = Host(
        "linux-64",
        driver_version=version("550.54.14"),
        driver_cuda=CudaVersion(12, 4),
        gpus=(Gpu("a", ComputeCapability(8, 6)),),
    )
    unmet = unmet_requirements({"NVIDIA_REQUIRE_CUDA": text}, host)
    assert (not unmet) == met
    if unmet:
        assert "NVIDIA_REQUIRE_CUDA" in unmet[0]
        assert "550.54.14" in unmet[0]


def test_which_requirements_are_in_force() -> None:
    assert read_requirements({"NVIDIA_REQUIRE_JETPACK": "a", "NVIDIA_REQUIRE_ARCH": "arch>=7"}) == {
        "NVIDIA_REQUIRE_ARCH": "arch>=7"
    }
    assert read_requirements({"CUDA_VERSION": "11.4.2"}) == {"CUDA_VERSION": "cuda>=11.4"}
    assert read_requirements({"CUDA_VERSION": "11.4.2", "NVIDIA_REQUIRE_CUDA": "cuda>=11.0"}) == {
        "NVIDIA_REQUIRE_CUDA": "cuda>=11.0"
    }
    assert read_requirements({"CUDA_VERSION": "11.4.2", "NVIDIA_DISABLE_REQUIRE": "1"}) == {}
    assert unmet_requirements({"CUDA_VERSION": "12.4"}, Host("linux-64")) == ()


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, ()),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, ()),
        ({"NVIDIA_VISIBLE_DEVICES": "none", "SLURM_GPUS": "0"}, ()),
        ({"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}, ("NVIDIA_DRIVER_CAPABILITIES=compute,utility",)),
        ({"SLURM_JOB_GPUS": "0"}, ("SLURM_JOB_GPUS=0",)),
        ({"NVIDIA_VISIBLE_DEVICES": "0"}, ("NVIDIA_VISIBLE_DEVICES=0",)),
        ({"SLURM_GPUS_ON_NODE": "0"}, ()),
        ({"SLURM_STEP_GPUS": "0,1"}, ("SLURM_STEP_GPUS=0,1",)),
        ({"SLURM_GPUS": "a100:2"}, ("SLURM_GPUS=a100:2",)),
        ({"SBATCH_GRES": "gpu:2"}, ("SBATCH_GRES=gpu:2",)),
        ({"SBATCH_GRES": "tmpfs:2"}, ()),
        ({"SLURM_TRES_PER_TASK": "gres/gpu:1"}, ("SLURM_TRES_PER_TASK=gres/gpu:1",)),
        ({"CUDA_VISIBLE_DEVICES": "0"}, ("CUDA_VISIBLE_DEVICES=0",)),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ()),
    ],
)
def test_traces_in_variables(env: dict[str, str], expected: tuple[str, ...]) -> None:
    assert variable_traces(env) == expected
