"""The start of a kernel: what a machine without the right GPU or driver says, by its files; and names of kernels."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from envkit import kernels
from envkit.api.kernel import kernels_here, refresh_kernels
from envkit.cuda.drivers import driver_ceiling, least_drivers
from envkit.layout.generation import write_manifest
from envkit.layout.volume import Volume
from envkit.models.build import Tier
from envkit.models.host import Gpu, Host
from envkit.models.kernel import KernelFacts
from envkit.models.manifest import LockedPackage, Manifest, RecordedRequest
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.words.kernels import kernel_words


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("kernelspec")
    for name, text in kernels._scripts().items():
        (folder / name).write_text(text)
    path = folder / "start.py"
    spec = importlib.util.spec_from_file_location("kernel_start", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FACTS = {"drivers": {str(toolkit): str(least) for toolkit, least in least_drivers().items()}}


def generation(folder: Path, **choice: Any) -> Path:
    prefix = folder / "envs" / ".envkit" / "g" / "train-0a1b2c3d"
    prefix.mkdir(parents=True)
    manifest = {"choice": choice, "request": {"specs": ["pytorch=2.7", "numpy"]}}
    (prefix / ".envkit.json").write_text(json.dumps(manifest))
    return prefix


def machine(folder: Path, driver: str | None, *gpus: str) -> str:
    root = folder / "root"
    (root / "dev").mkdir(parents=True)
    if driver is not None:
        (root / "proc/driver/nvidia/gpus").mkdir(parents=True)
        text = f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {driver}  Thu Jan  1 00:00:00 UTC 2026\n"
        (root / "proc/driver/nvidia/version").write_text(text)
    for index, name in enumerate(gpus):
        (root / "dev" / f"nvidia{index}").touch()
        (root / f"proc/driver/nvidia/gpus/0000:0{index}").mkdir()
        (root / f"proc/driver/nvidia/gpus/0000:0{index}/information").write_text(f"Model: \t\t {name}\nIRQ: 1\n")
    return str(root)


def validated(prefix: Path, driver: str, gpu: str, verdict: str, *findings: dict[str, str]) -> None:
    folder = prefix.parents[1] / "validations" / prefix.name
    folder.mkdir(parents=True)
    host = {"driver_version": driver, "gpus": [{"name": gpu}]}
    record = {"verdict": verdict, "created": "2026-01-01", "host": host, "findings": findings}
    (folder / "f.json").write_text(json.dumps(record))


A100 = "NVIDIA A100-SXM4-80GB"
BAD = {"status": "fail", "blames": "host", "text": "error 802", "hint": "Start the fabric manager."}


@pytest.mark.skipif(sys.platform != "linux", reason="CUDA environments run on Linux")
def test_a_machine_is_judged_by_its_files(start: ModuleType, tmp_path: Path) -> None:
    cuda = {"variant": "cuda", "build_cuda": "12.6", "tier": "minor"}
    cases: list[tuple[dict[str, Any], tuple[str | None, tuple[str, ...]], tuple[Any, ...] | None, str | None]] = [
        ({"variant": "cpu"}, (None, ()), None, None),
        ({}, (None, ()), None, None),
        (cuda, (None, ()), None, "no NVIDIA GPU here"),
        (cuda, ("550.54.14", ()), None, "no NVIDIA GPU here"),  # the module is the host's, the container has no device
        (cuda, ("550.54.14", (A100,)), None, None),
        (cuda, ("470.82.01", (A100,)), None, "need driver 525.60.13 or newer, and here is driver 470.82.01"),
        ({**cuda, "tier": "compat"}, ("470.82.01", (A100,)), None, None),
        (cuda, ("470.82.01", (A100,)), ("470.82.01", A100, "pass"), None),
        (cuda, ("550.54.14", (A100, A100)), ("550.54.14", A100, "fail", BAD), "such a machine failed: error 802"),
        (cuda, ("550.54.14", ("Tesla T4",)), ("550.54.14", A100, "fail", BAD), None),
        (cuda, ("550.54.14", (A100,)), ("550.54.14", A100, "fail", {**BAD, "blames": "environment"}), None),
        ({"variant": "cuda", "build_cuda": None}, (None, ()), None, "it needs a GPU, and there is no"),
    ]
    for number, (choice, (driver, gpus), known, expected) in enumerate(cases):
        folder = tmp_path / str(number)
        prefix = generation(folder, **choice)
        if known is not None:
            validated(prefix, *known)
        said = start.judge(str(prefix), "train", FACTS, root=machine(folder, driver, *gpus))
        assert (said is None) == (expected is None), (number, said)
        if said is not None and expected is not None:
            assert expected in said[0], number
            assert said[1]
    no_gpu = start.judge(str(generation(tmp_path, **cuda)), "train", FACTS, root=machine(tmp_path, None))
    assert no_gpu[1].endswith("envkit create -n train-cpu --cuda none 'pytorch=2.7' 'numpy'")


def test_what_is_gone_is_named_and_damage_is_no_error(start: ModuleType, tmp_path: Path) -> None:
    assert "no volume at" in start.find(str(tmp_path / "gone" / "train"), "train")[1][0]
    assert "no such environment" in start.find(str(tmp_path / "train"), "train")[1][0]
    prefix = generation(tmp_path)
    link = tmp_path / "envs" / "train"
    link.symlink_to(prefix)
    assert start.find(str(link), "train")[1][0] == "it has no Python"
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python").symlink_to(sys.executable)
    assert start.find(str(link), "train")[1][0] == "it has no ipykernel any more"
    (prefix / ".envkit-profiles.json").write_text("{")
    assert start.find(str(link), "train")[1][0].startswith("its profiles are damaged")
    for text in ("", "[]", "{", "[" * 100_000, "\0"):
        (prefix / ".envkit.json").write_text(text)
        assert start.judge(str(prefix), "train", {}) is None
    assert start.read_json(str(tmp_path)) == {}


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (("3.11", "PyTorch", "2.7.1", "12.6", Tier.NATIVE, ("A100",)), "train (PyTorch 2.7, CUDA 12.6, A100)"),
        (("3.9", "JAX", "0.5.0", "12.9", Tier.MINOR, ("T4", "T4")), "train (JAX 0.5, CUDA 12.9, minor on 2 x T4)"),
        (("3.11", "PyTorch", "2.13.0", "12.9", Tier.NO, ("V100",)), "train (PyTorch 2.13, CUDA 12.9, not on V100)"),
        (("3.11", "JAX", "0.5.0", "12.6", Tier.NO, ()), "train (JAX 0.5, CUDA 12.6, no GPU here)"),
        (("3.11", "PyTorch", "2.13.0", None, Tier.CPU, ("A100",)), "train (PyTorch 2.13, CPU)"),
        (("3.11", "PyTorch", "2.13.0", None, Tier.NATIVE, ()), "train (PyTorch 2.13, MPS)"),
        (("3.11",), "train (Python 3.11)"),
    ],
)  # fmt: skip
def test_names_of_kernels(facts: tuple[Any, ...], name: str) -> None:
    assert kernel_words(KernelFacts("train", *facts)) == name


def test_every_toolkit_has_its_least_driver() -> None:
    assert str(least_drivers()[CudaVersion.parse("12.6")]) == "525.60.13"
    assert json.loads(kernels._scripts()["facts.json"])["drivers"]["13.0"] == "580.65.06"


TORCH = {
    "name": "pytorch",
    "version": "2.7.1",
    "build": "cuda126_mkl_py311_h0000000_300",
    "build_number": 300,
    "subdir": "linux-64",
    "depends": ["cuda-version >=12.6,<13", "python 3.11.*", "__cuda"],
}


def made(folder: Path) -> Volume:
    """A volume whose environment ``train`` holds PyTorch for CUDA 12.6, as a manifest tells, and has a kernel."""
    volume = Volume(folder / "envs")
    prefix = volume.generations / "train-0a1b2c3d"
    site = prefix / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (site / "ipykernel_launcher.py").touch()
    (volume.root / "train").symlink_to(prefix.relative_to(volume.root))
    fn = f"pytorch-2.7.1-{TORCH['build']}.conda"
    package = LockedPackage(
        name="pytorch",
        version="2.7.1",
        build=str(TORCH["build"]),
        subdir="linux-64",
        fn=fn,
        url=f"https://conda.anaconda.org/conda-forge/linux-64/{fn}",
        channel="conda-forge",
        record=TORCH,
    )
    manifest = Manifest(
        envkit_version="0",
        name="train",
        generation=prefix.name,
        prefix=str(prefix),
        created="2026-01-01T00:00:00+00:00",
        request=RecordedRequest(specs=("pytorch",)),
        channels=("conda-forge",),
        digest="0",
        packages=(package,),
        choice={"name": "pytorch", "fn": fn, "variant": "cuda", "build_cuda": "12.6", "tier": "native"},
    )
    write_manifest(manifest, prefix)
    return volume


def host(driver: str | None, *gpus: tuple[str, str]) -> Host:
    version = DriverVersion.parse(driver) if driver else None
    return Host(
        "linux-64",
        glibc="2.36",
        driver_version=version,
        driver_cuda=driver_ceiling(version) if version else None,
        gpus=tuple(Gpu(name, ComputeCapability.parse(capability)) for name, capability in gpus),
    )


MACHINES = [
    (host("570.86.10", (A100, "8.0")), "train (PyTorch 2.7, CUDA 12.6, A100)"),
    (host("535.54.03", ("Tesla T4", "7.5")), "train (PyTorch 2.7, CUDA 12.6, minor on T4)"),
    (host("470.82.01", (A100, "8.0")), "train (PyTorch 2.7, CUDA 12.6, not on A100)"),
    (host(None), "train (PyTorch 2.7, CUDA 12.6, no GPU here)"),
]


def test_a_kernel_is_named_anew_on_another_machine_and_a_chosen_name_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jupyter = pytest.importorskip("envkit.jupyter", exc_type=ImportError)
    monkeypatch.setenv("JUPYTER_PATH", "")
    volume = made(tmp_path)
    env = {"HOME": str(Path.home())}
    kernels.install_kernel(str(volume.root), "train", env=env)
    kernels.install_kernel(str(volume.root), "train", shared=True, display_name="Ours", env=env)
    for machine_, name in MACHINES:
        shown = {kernel.shared: kernel.display_name for kernel in refresh_kernels(volume, "train", machine_, env)}
        assert shown == {False: name, True: "Ours"}
        assert {k.shared: k.display_name for k in kernels.list_kernels([str(volume.root)], env)} == shown
    # A Jupyter that has envkit tells it at each listing, whatever the file says; and so does `kernel list`.
    listed = kernels.list_kernels([str(volume.root)], env)
    manager = jupyter.MachineKernelSpecManager(ensure_native_kernel=False)
    for machine_, name in MACHINES:
        manager._host = machine_
        assert manager.get_all_specs()["envkit-train"]["spec"]["display_name"] == name
        here = kernels_here(listed, machine_)
        assert {kernel.shared: kernel.here for kernel in here} == {False: name, True: "Ours"}
    (volume.generations / "train-0a1b2c3d" / ".envkit.json").write_text("{")
    assert {k.here for k in kernels_here(listed, MACHINES[0][0])} == {MACHINES[-1][1], "Ours"}
    assert manager.get_all_specs()["envkit-train"]["spec"]["display_name"] == MACHINES[-1][1]
