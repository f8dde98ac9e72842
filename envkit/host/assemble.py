"""Combine the facts of files and driver: each with its source, each disagreement as a note. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.host.answers import Answers
from envkit.host.driver_facts import Draft, conclude_driver
from envkit.host.readings import Readings
from envkit.host.requirements import unmet_requirements
from envkit.models.host import OVERRIDES, Gpu, Host
from envkit.models.version import ComputeCapability, CudaVersion
from envkit.values import replace

# Variables in which 0 is a GPU, variables in which it is their number, and those with a list of resources.
_NAMING = (
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_REQUIRE_CUDA",
    "CUDA_VERSION",
    "SLURM_JOB_GPUS",
    "SLURM_STEP_GPUS",
    "CUDA_VISIBLE_DEVICES",
)
_COUNTING = (
    "SLURM_GPUS",
    "SLURM_GPUS_ON_NODE",
    "SLURM_GPUS_PER_NODE",
    "SLURM_GPUS_PER_TASK",
    "SLURM_GPUS_PER_SOCKET",
    "SBATCH_GPUS",
)
_MENTIONING = ("SLURM_JOB_GRES", "SLURM_TRES_PER_NODE", "SLURM_TRES_PER_TASK", "SBATCH_GRES")
_NOTHING = frozenset({"", "-1", "none", "void", "nodevfiles"})


def assemble_host(
    readings: Readings, answers: Answers, *, env: Mapping[str, str], overrides: Mapping[str, Any]
) -> Host:
    """Put the host together; `overrides` win (CEP 30, CEP 46)."""
    draft = Draft()
    draft.sources.update(
        subdir=readings.subdir[1],
        wsl=readings.wsl[1],
        jetson=readings.jetson[1],
        container=readings.container[1],
        toolkits="version.json and version.txt of /usr/local/cuda*, /opt/cuda* and CUDA_HOME",
        mps="subdir",
    )
    version, ceiling, gpus, compat = conclude_driver(readings, answers, env, draft)
    glibc, draft.sources["glibc"] = readings.glibc
    if glibc and answers.glibc and glibc != answers.glibc:
        draft.notes.append(f"glibc is {glibc} by {readings.glibc[1]}, {answers.glibc} by py-rattler")
    draft.sources["microarch"] = "py-rattler (archspec)"
    if failed := answers.failures.get("machine"):
        draft.sources["microarch"] += f", which {failed}"
        draft.notes.append(f"microarchitecture: py-rattler {failed}")
    draft.notes += answers.troubles
    osx, draft.sources["osx"] = (answers.osx, "py-rattler") if answers.osx and not readings.osx[0] else readings.osx
    host = Host(
        subdir=readings.subdir[0],
        glibc=glibc,
        microarch=answers.microarch,
        osx=osx,
        driver_version=version,
        driver_cuda=ceiling,
        gpus=gpus,
        compat=compat,
        toolkits=readings.toolkits,
        container=readings.container[0],
        wsl=readings.wsl[0],
        jetson=readings.jetson[0],
        mps=readings.subdir[0] == "osx-arm64",
    )
    _note_surroundings(host, env, draft)
    host = _override(host, overrides, draft)
    if not host.gpus and "driver_cuda" not in overrides:
        _trace(readings, env, draft)
    else:
        draft.traces.clear()
    return replace(
        host,
        nvidia_traces=tuple(dict.fromkeys(draft.traces)),
        sources=draft.sources,
        notes=tuple(dict.fromkeys(draft.notes)),
    )


def _note_surroundings(host: Host, env: Mapping[str, str], draft: Draft) -> None:
    draft.notes += [
        f"the toolkit {version} in {folder} says nothing about the driver"
        for folder, version in host.toolkits.items()
        if host.driver_cuda is None or CudaVersion.parse(version) > host.driver_cuda
    ]
    draft.notes += unmet_requirements(env, host)
    visible = env.get("NVIDIA_VISIBLE_DEVICES", "").strip()
    if visible in {"none", "void"}:
        draft.notes.append(f"NVIDIA_VISIBLE_DEVICES={visible}: the container was started without a GPU")
    if host.gpus and env.get("SLURM_JOB_ID") and "CUDA_VISIBLE_DEVICES" not in env:
        draft.notes.append("a Slurm job without CUDA_VISIBLE_DEVICES: these GPUs may not be handed to it")


def _trace(readings: Readings, env: Mapping[str, str], draft: Draft) -> None:
    """Collect signs of NVIDIA when no GPU can be used."""
    gpus = readings.gpu_nodes
    if readings.kernel:
        draft.traces.append(
            f"NVIDIA kernel module {readings.kernel.version or ''} is loaded ({readings.kernel.source})"
        )
        if readings.container[0] and not gpus:
            draft.notes.append(
                "the kernel module is the host's, seen from inside the container; no GPU is handed to it"
                " (start it with --gpus, or name the target with --driver and --gpu)"
            )
    if gpus:
        draft.traces.append(f"device nodes: {', '.join(f'/dev/{name}' for name in gpus[:4])}")
        if "nvidia-uvm" not in readings.nodes:
            draft.notes.append("/dev/nvidia-uvm is missing: CUDA cannot start without it")
    elif "nvidiactl" in readings.nodes:
        draft.traces.append("device node: /dev/nvidiactl")
    if readings.wsl_driver:
        draft.traces.append("WSL has an NVIDIA driver: /usr/lib/wsl/lib/libcuda.so.1")
    if readings.jetson[0]:
        draft.traces.append(f"Jetson, L4T {readings.jetson[0]} ({readings.jetson[1]})")
    draft.traces += variable_traces(env)


def variable_traces(env: Mapping[str, str]) -> tuple[str, ...]:
    """List variables of container images, Slurm and CUDA that speak of GPUs, as ``NAME=value``.

    A value that means "none" is no trace: orchestrators set ``NVIDIA_VISIBLE_DEVICES=void`` to give no GPU.
    """
    values = {name: env.get(name, "").strip() for name in (*_NAMING, *_COUNTING, *_MENTIONING)}
    telling = [
        *(name for name in _NAMING if values[name].lower() not in _NOTHING),
        *(name for name in _COUNTING if values[name].lower() not in _NOTHING | {"0"}),
        *(name for name in _MENTIONING if "gpu" in values[name].lower()),
    ]
    return tuple(f"{name}={value if len(value := values[name]) <= 80 else f'{value[:77]}...'}" for name in telling)


def _override(host: Host, overrides: Mapping[str, Any], draft: Draft) -> Host:
    for name in sorted(overrides.keys() - {"gpus"}):
        before, after = getattr(host, name), overrides[name]
        draft.sources[name] = OVERRIDES[name]
        draft.notes.append(f"{OVERRIDES[name]} replaces {name} {before or 'absent'} by {after or 'absent'}")
        host = replace(host, **{name: after})
    if overrides.get("gpus") is not None and host.driver_cuda is None:
        draft.notes.append(f"{OVERRIDES['gpus']} is void: there is no __cuda (CEP 46); set CONDA_OVERRIDE_CUDA too")
        overrides = {name: value for name, value in overrides.items() if name != "gpus"}
    if "gpus" in overrides:
        host = _override_gpus(host, overrides["gpus"], draft)
    return replace(host, overridden=frozenset(overrides))


def _override_gpus(host: Host, capability: ComputeCapability | None, draft: Draft) -> Host:
    variable = OVERRIDES["gpus"]
    was = ", ".join(f"{gpu.name} ({gpu.compute_capability})" for gpu in host.gpus) or "no GPU"
    if capability is None:  # CEP 46: __cuda_arch is absent; the GPUs remain, of unknown architecture
        draft.notes.append(f"{variable} is empty: no compute capability is known of {was}")
        draft.sources["gpus"] += f"; without architecture by {variable}"
        return replace(host, gpus=tuple(replace(gpu, compute_capability=None) for gpu in host.gpus))
    draft.notes.append(f"{variable} puts a GPU of {capability} in the place of {was}")
    draft.sources["gpus"] = variable
    return replace(host, gpus=(Gpu(name=None, compute_capability=capability),))
