"""The machine that a changed environment is solved for: a CUDA build never turns into a CPU build by itself.

An environment on a shared volume may be made on a GPU node and changed on a login node, which has no GPU: it still
runs on the GPU node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.builds.dependency import dependency_names
from envkit.checks.driver import ceiling_of, wants_cuda
from envkit.errors import HostCannotRunError
from envkit.frameworks.table import TOOLKIT_PACKAGES
from envkit.models.host import Target
from envkit.models.manifest import Manifest
from envkit.models.progress import Reporter
from envkit.models.request import Request
from envkit.plan.implied import imply_cuda
from envkit.values import replace
from envkit.wire.results import target_from_json

_NO_CUDA = (
    "Change it on a machine with a GPU, or make it for one: envkit create --replace with --driver and --gpu. For a CPU "
    "build say so: --cuda none, or a spec such as 'pytorch=*=cpu*'."
)


def keep_target(manifest: Manifest, request: Request, target: Target, reporter: Reporter) -> Target:
    """Return the machine to solve for: `target`, or the recorded one if only that has the CUDA that is needed.

    `target` is this host, or the machine that the request describes.
    """
    if imply_cuda(request).cuda.kind == "none" or target.described:
        return target
    made_for = target_from_json(manifest.target) if manifest.target else None
    foreign = made_for is not None and made_for.subdir != target.subdir
    if not foreign and (wants_cuda(target) or not _holds_cuda(manifest)):
        return target
    if made_for is None or not (foreign or wants_cuda(made_for)):
        raise HostCannotRunError(
            f"{manifest.name} holds CUDA packages, this host has no usable NVIDIA GPU, and {manifest.name} does not "
            "say for which machine it was made",
            hint=_NO_CUDA,
        )
    reporter.note(f"{manifest.name} is solved for the machine that it was made for ({_words(made_for)}), not this host")
    # Described rather than detected: explanations speak of the target, and no GPU is expected here.
    return replace(made_for, described=made_for.described | {"driver_version", "gpus"})


def refuse_loss(manifest: Manifest, request: Request, target: Target, choice: Mapping[str, Any]) -> None:
    """Refuse a solution that puts a CPU build of the framework in the place of its CUDA build."""
    before = manifest.choice
    lost = before.get("variant") == "cuda" and choice.get("variant") not in {None, "cuda"}
    if not lost or before.get("name") != choice.get("name") or imply_cuda(request).cuda.kind == "none":
        return
    if target.described and not wants_cuda(target):
        return  # --no-gpu, or an empty CONDA_OVERRIDE_CUDA: the user asked for it
    raise HostCannotRunError(
        f"{manifest.name} holds a CUDA build ({before.get('fn')}); with this request only a CPU build would fit "
        f"({choice.get('fn')})",
        hint="See `envkit find` for what runs, or pin the version that is there. For a CPU build say so: --cuda none, "
        "or a spec such as 'pytorch=*=cpu*'.",
    )


def _holds_cuda(manifest: Manifest) -> bool:
    return manifest.choice.get("variant") == "cuda" or any(
        package.name in TOOLKIT_PACKAGES or "__cuda" in dependency_names(package.record.get("depends", ()))
        for package in manifest.packages
    )


def _words(target: Target) -> str:
    driver = f"driver {target.driver_version}" if target.driver_version else f"CUDA {ceiling_of(target)}"
    gpus = {gpu.name or str(gpu.compute_capability) for gpu in target.gpus}
    parts = [driver] if wants_cuda(target) else []
    return ", ".join([target.subdir, *parts, *sorted(gpus)])
