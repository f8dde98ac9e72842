"""The sayings of findings about the driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from envkit.models.codes import driver as codes
from envkit.models.probe import Shadow, TraceStep
from envkit.words.values import join, memory_words

_STEPS = {
    "version": "driver version",
    "init": "initialisation",
    "devices": "count of devices",
    "device": "description",
    "context": "context",
    "ptx": "compile and load PTX",
    "vadd": "vector add",
    "matmul": "tiled matrix product",
    "reduce": "reduction with atomics",
    "bandwidth": "copies both ways",
    "release": "release",
}
_WRONG = {
    "unwritten": "results were not written",
    "zeros": "results are zero",
    "overrun": "memory beside the results was overwritten",
}
_SIGNS = {
    "module": "the nvidia kernel module is loaded",
    "node": "there is {what}",
    "jetson": "this is a Jetson",
    "windows": "Windows brings an NVIDIA driver",
}


def _sign(sign: str, what: object) -> str:
    if sign == "pci":
        return f"PCI lists {what} NVIDIA GPU{'' if what == 1 else 's'}"
    return _SIGNS[sign].format(what=what)


def _step(check: str, device: object, name: object) -> str:
    title = _STEPS.get(check, check)
    return title if device is None else f"device {device}{f' ({name})' if name else ''}: {title}"


def _loaded(path: str, version: object, cuda: object, *, compat: bool) -> str:
    parts = [path, *([str(version)] if version else []), *([f"up to CUDA {cuda}"] if cuda else [])]
    return ("forward compatibility: " if compat else "") + ", ".join(parts)


def _hides(shadow: Shadow) -> str:
    kind = {"stub": "a stub", "compat": "a cuda-compat"}.get(shadow.kind, "a libcuda")
    if shadow.through:
        return f"{shadow.through} leads to {kind} that hides the driver's: {shadow.path}"
    return f"{kind} in the environment hides the driver's: {shadow.path}"


def _shadowed(shadow: Shadow | None = None, files: Sequence[str] = (), failure: str | None = None) -> str:
    what = f"the environment's own {join(files)} hides the driver's" if shadow is None else _hides(shadow)
    return f"{what}; {failure or 'it was made for another driver than this host may have'}"


def _hidden(variable: str, value: object, *, everything: bool) -> str:
    if variable.startswith("NVIDIA"):
        return f"{variable}={value}: the container was started without GPUs"
    return f"{variable}={value} {'hides all GPUs' if everything else 'names no GPU that is here'}"


def _answered(where: str, meaning: str, call: object, answer: Sequence[object]) -> str:
    return f"{where}: {meaning} ({call}: {join(answer, ' ') or 'no such function'})"


def _mismatch(library: object = None, kernel: object = None) -> str:
    versions = f": library {library}, kernel module {kernel}" if library and kernel else ""
    return f"driver library and kernel module are of different versions{versions}"


def _out_of_memory(free_bytes: object = None, total_bytes: object = None) -> str:
    text = "the GPU has no memory left: another process holds it"
    if isinstance(free_bytes, int) and isinstance(total_bytes, int):
        return f"{text}: {free_bytes / 2**20:.0f} MiB were free of {total_bytes / 2**20:.0f}"
    return text


def _too_old(*, lacks_function: bool) -> str:
    return "the driver library lacks a function of CUDA 9.0" if lacks_function else "the call needs a newer driver"


def _done(where: str, check: str, about: Mapping[str, object]) -> str:
    text = "done"
    match check:
        case "version":
            text = f"CUDA {about.get('driver_cuda')}"
        case "devices":
            text = f"{about.get('count') or 'some'} visible"
        case "device":
            memory = about.get("memory_total_bytes")
            size = f", {memory_words(memory)}" if isinstance(memory, int) else ""
            text = f"compute capability {about.get('compute_capability')}{size}{', MIG' if about.get('mig') else ''}"
        case "vadd" | "reduce":
            text = f"{about.get('elements_count')} elements, exact"
        case "matmul":
            speed = about.get("matmul_flop_per_s")
            rate = f", {speed / 1e9:.0f} GFLOP/s" if isinstance(speed, float) else ""
            text = f"{about.get('size')} x {about.get('size')}, exact{rate}"
        case "bandwidth":
            ways = {"to": "host_to_device", "from": "device_to_host", "on": "device_copy"}
            speeds = {way: about.get(f"{key}_bytes_per_s") for way, key in ways.items()}
            rates = [f"{s / 1e9:.1f} GB/s {way} the device" for way, s in speeds.items() if isinstance(s, float)]
            text = join(["exact", *rates])
    return f"{where}: {text}"


def _wrong(where: str, detail: Mapping[str, object]) -> str:
    text = f"{where}: {_WRONG.get(str(detail.get('kind')), 'results are wrong')}"
    if "first_wrong" not in detail:
        return text
    count = f"{'' if detail.get('counted_all') else 'at least '}{detail.get('wrong_count')}"
    return (
        f"{text}: {count} of {detail.get('elements_count')}, the first at {detail['first_wrong']}: "
        f"{detail.get('found')} instead of {detail.get('expected')}"
    )


def _ended(text: str, shadow: Shadow | None, *, reaped: bool = True) -> str:
    stuck = "" if reaped else "; it waits inside the kernel and cannot be killed"
    return text + stuck + (f"; {_hides(shadow)}" if shadow else "")


def _hang(step: TraceStep, elapsed_s: float, shadow: Shadow | None, *, reaped: bool) -> str:
    return _ended(f"no end within {elapsed_s:.0f} s: it hangs in {step}", shadow, reaped=reaped)


def _crash(step: TraceStep, signal: object, shadow: Shadow | None) -> str:
    return _ended(f"it crashed with {signal} in {step}", shadow)


DRIVER: dict[str, str | Callable[..., str]] = {
    codes.CALL_ANSWERED: _answered,
    codes.CRASH: _crash,
    codes.DEVICES_HIDDEN: _hidden,
    codes.DEVICES_PARTLY_HIDDEN: "CUDA_VISIBLE_DEVICES={value} lists {listed} devices and CUDA sees {count}",
    codes.DEVICE_NOT_FOUND: lambda missing, visible: (
        f"no such device: {join(missing)}; visible: {join(visible) or 'none'}"
    ),
    codes.DRIVER_MISMATCH: _mismatch,
    codes.DRIVER_STEP: _step,
    codes.DRIVER_TOO_OLD: _too_old,
    codes.HANG: _hang,
    codes.KILLED: "it was killed in {step}: most likely the host or the container is out of memory",
    codes.LIBCUDA_DORMANT: "the environment holds a libcuda that some of its programs may load: {path}",
    codes.LIBCUDA_LOADED: _loaded,
    codes.LIBCUDA_OFF_PATH: "{path} is not where the loader looks: programs of the environment will not find it",
    codes.LIBCUDA_SHADOWED: _shadowed,
    codes.LIBCUDA_UNLOADABLE: "libcuda is there and does not load: {error}",
    codes.MIG_UNCHECKED: "{checked} of {count} MIG instances were checked: a process sees one",
    codes.NOT_REACHED: lambda where, because: (
        f"{where}: not run, since this failed: {_STEPS.get(because, 'an earlier check')}"
    ),
    codes.NO_LIBCUDA: lambda traces: f"there is no libcuda, yet {join(traces, ' and ')}",
    codes.NVIDIA_TRACE: _sign,
    codes.OUT_OF_MEMORY: _out_of_memory,
    codes.OUT_OF_TIME: "{where}: the time was used up",
    codes.PROBE_FAILED: lambda step, error, shadow=None: _ended(f"the probe failed in {step}: {error}", shadow),
    codes.PROBE_GARBLED: lambda why, shadow: _ended(f"its answer cannot be read: {why}", shadow),
    codes.PYTHON_UNUSABLE: "the environment's Python, given a plain script, {ending}",
    codes.STEP_DONE: _done,
    codes.WRONG_RESULT: _wrong,
}
