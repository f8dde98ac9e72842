"""The frameworks for which there is a probe, and what their builds are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from envkit.checks.framework import Framework, Gpus, Run, framework_findings
from envkit.checks.pytorch import PYTORCH, pytorch_findings
from envkit.models.probe import ProbeOutcome
from envkit.models.report import Finding

__all__ = ["JUDGES", "cupy_findings", "jax_findings", "numba_findings", "onnxruntime_findings", "tensorflow_findings"]

Judge = Callable[[ProbeOutcome, Gpus], list[Finding]]

TENSORFLOW = Framework("tensorflow", "TensorFlow", "tensorflow", "tensorflow")
JAX = Framework("jax", "JAX", "jax", "jaxlib")
CUPY = Framework("cupy", "CuPy", "cupy", "cupy")
ONNXRUNTIME = Framework("onnxruntime", "ONNX Runtime", "onnxruntime", "onnxruntime")
NUMBA = Framework("numba", "numba", "numba", "numba", gpu_is_optional=True)


def tensorflow_findings(outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """What TensorFlow computed; ``tf.sysconfig.get_build_info`` says what it is."""
    run = Run(TENSORFLOW, outcome, gpus)
    if not run.build.get("is_cuda_build"):
        return framework_findings(run, identity="a CPU build", for_gpu=False)
    parts = [f"CUDA {run.build.get('cuda_version')}", f"cuDNN {run.build.get('cudnn_version')}"]
    capabilities = run.build.get("cuda_compute_capabilities")
    if isinstance(capabilities, list):
        parts.append(f"code for {' '.join(map(str, capabilities))}")
    return framework_findings(run, identity=", ".join(parts), for_gpu=True)


def jax_findings(outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """What JAX computed. Where it brings CUDA, the platform was demanded: it does not fall back to the CPU."""
    run = Run(JAX, outcome, gpus)
    plugins = run.build.get("plugins")
    names = [str(name) for name in plugins] if isinstance(plugins, list) else []
    identity = f"jaxlib {run.build.get('jaxlib')}, {', '.join(names) or 'a CPU build'}"
    return framework_findings(run, identity=identity, for_gpu=bool(names))


def cupy_findings(outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """What CuPy computed; it has no CPU."""
    run = Run(CUPY, outcome, gpus)
    return framework_findings(run, identity=f"CUDA {run.build.get('cuda') or 'of unknown version'}", for_gpu=True)


def onnxruntime_findings(outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """What the providers of ONNX Runtime computed."""
    run = Run(ONNXRUNTIME, outcome, gpus)
    providers = run.build.get("providers")
    names = [str(name).removesuffix("ExecutionProvider") for name in providers] if isinstance(providers, list) else []
    return framework_findings(run, identity=f"providers {', '.join(names) or 'none'}", for_gpu="CUDA" in names)


def numba_findings(outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """What numba compiled; many use it for the CPU alone."""
    return framework_findings(Run(NUMBA, outcome, gpus), identity="compiles with LLVM", for_gpu=False)


JUDGES: Mapping[str, tuple[Framework, Judge]] = {
    framework.module: (framework, judge)
    for framework, judge in (
        (PYTORCH, pytorch_findings),
        (TENSORFLOW, tensorflow_findings),
        (JAX, jax_findings),
        (CUPY, cupy_findings),
        (ONNXRUNTIME, onnxruntime_findings),
        (NUMBA, numba_findings),
    )
}
"""What is imported, to what it is and who judges its probe."""
