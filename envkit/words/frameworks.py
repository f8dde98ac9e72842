"""The sayings of findings about interpreter and frameworks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from envkit.models.codes import frameworks as codes
from envkit.words.values import figure_words, join, plural

_STEPS = {
    "matmul": "matrix product",
    "bf16": "matrix product in bfloat16",
    "conv": "convolution",
    "regression-gradient": "gradient of a linear regression",
    "linear-regression": "linear regression",
    "trees": "boosted trees",
    "nearest-neighbours": "nearest neighbours",
    "group-sums": "sums by group",
    "attention-gradient": "gradients of attention",
    "compile": "compiled function",
    "kernel": "kernel of its own",
    "ddp-gradient": "gradient over all processes",
}


def _device(device: object, name: object) -> str:
    return "the CPU" if device == "cpu" else f"{name} ({device})" if name else str(device)


def _step(check: str, where: str | None) -> str:
    return _STEPS.get(check, check) + (f" on {where}" if where else "")


def _rates(figures: Mapping[str, object]) -> list[str]:
    told = [figure_words(name, value) for name, value in figures.items() if isinstance(value, int | float)]
    return [f"{number} {what.removeprefix('matmul ')}" for what, number in told]


def _right(step: str, error: float, limit: float, figures: Mapping[str, object]) -> str:
    exact = "exact" if limit == 0 else f"relative error {error:.1e}, at most {limit:.1e}"
    return f"{step}: {join([exact, *_rates(figures)])}"


def _wrong(step: str, error: object, limit: float, worst: Mapping[str, object]) -> str:
    measured = f"{error:.3g}" if isinstance(error, int | float) else str(error)
    return (
        f"{step} is wrong: relative error {measured}, at most {limit:.1e}; entry {worst.get('index')} is "
        f"{worst.get('found')} instead of {worst.get('expected')}"
    )


def _build(title: str, version: str, told: Sequence[tuple[str, Sequence[str]]], kind: str | None) -> str:
    parts = [
        f"{label} {join(part.removesuffix('ExecutionProvider') for part in parts)}".strip() for label, parts in told
    ]
    return f"{title} {version}: {join([*parts, *([f'a {kind} build'] if kind else [])])}"


def _ended(state: str, signal: str | None, elapsed_s: float, exit_code: int | None, why: str | None) -> str:
    return {
        "crashed": f"crashed ({signal})",
        "timed-out": f"did not end in {elapsed_s:.0f} s",
        "not-started": f"cannot be started: {why}",
    }.get(state, f"failed: {why or f'exit status {exit_code}'}")


def _import_failed(module: str, error: object = None, ending: str | None = None) -> str:
    return f"importing {module} {ending}" if ending else f"{module} does not import: {error}"


def _foreign(program: str, files: Sequence[str]) -> str:
    text = f"{program} answered, but not what it was asked: "
    if list(files) == [program]:
        return f"{text}it is a script, or another program than Python"
    return f"{text}something else did in its place, {join(files, ' or ')}"


def _sees_none(title: str, count: int, error: str | None) -> str:
    return f"the driver computes on {plural(count, 'GPU')} but {title} sees none: {error or 'it does not say why'}"


def _no_gpu(path: str | None = None, title: str | None = None, version: str | None = None) -> str:
    if title is not None:
        return f"{title} {version} was not run on a GPU: there is none here; the checks above ran on the CPU"
    return (
        f"{path} is there, and no trace of an NVIDIA GPU" if path else "no NVIDIA driver and no trace of an NVIDIA GPU"
    )


_FAILED = "{step} failed: {error}"
_IMPORTING = "importing {module} {ending}"
_LEFT = "{title} {ending} in {call}"

FRAMEWORKS: dict[str, str | Callable[..., str]] = {
    codes.ARCH_COVERED: "it has code for {where}, compute capability {capability}",
    codes.ARCH_NOT_COVERED: lambda where, capability, listed: (
        f"it has no code for {where}, compute capability {capability}: only {join(listed, ' ')}"
    ),
    codes.ARCH_PTX: "it has no code for {where}, only PTX for the driver to compile",
    codes.COMPILE_FAILED: _FAILED,
    codes.COMPUTED: lambda step, figures: f"{step}: {join(_rates(figures)) or 'done'}",
    codes.COMPUTED_RIGHT: _right,
    codes.COMPUTED_WRONG: _wrong,
    codes.COMPUTE_FAILED: _FAILED,
    codes.CPU_BUILD: "{title} is a CPU build, in an environment with CUDA builds: it does not use the GPU",
    codes.CUDA_LIBRARY_ELSEWHERE: lambda title, files: (
        f"{title} uses {join(files)}, which the environment does not hold: it fails where that is not there"
    ),
    codes.CUDNN_INCOMPLETE: _FAILED,
    codes.DRIVER_FAILED: "{title} was not run on the GPU: the driver level failed, see above",
    codes.ENDED: _ended,
    codes.FRAMEWORK_BUILD: _build,
    codes.FRAMEWORK_CRASHED: _LEFT,
    codes.FRAMEWORK_FAILED: _LEFT,
    codes.FRAMEWORK_HUNG: _LEFT,
    codes.FRAMEWORK_DEVICE: _device,
    codes.FRAMEWORK_STEP: _step,
    codes.GPUS_MISSING: "{title} sees {seen} of {count} GPUs",
    codes.GPU_NOT_ASKED: "{title} was run on the CPU only, as asked",
    codes.IMPORT_CRASHED: _IMPORTING,
    codes.IMPORT_FAILED: _import_failed,
    codes.IMPORT_HUNG: _IMPORTING,
    codes.MODULE_IMPORTS: lambda module, version: f"{module} {version} imports" if version else f"{module} imports",
    codes.NOTHING_COMPUTED: "{title} came back without a single check: nothing was computed",
    codes.NOT_APPLICABLE: "{step}: {reason}",
    codes.NO_GPU: _no_gpu,
    codes.NO_PYTHON: lambda home=None: (
        f"bin/python leads to {home}, which is gone: the Python that made it was removed"
        if home
        else "the environment has no Python; nothing was run in it"
    ),
    codes.PACKAGES_DISAGREE: _FAILED,
    codes.PYTHON_BROKEN: "the environment's Python {ending}",
    codes.PYTHON_FOREIGN: _foreign,
    codes.PYTHON_STARTS: "Python {version} starts",
    codes.SEES_NO_GPU: _sees_none,
    codes.THROUGHPUT_FAILED: _FAILED,
}
