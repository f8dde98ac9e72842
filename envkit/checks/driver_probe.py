"""What the facts of the driver probe mean: the one place where a CUresult becomes a finding.

`envkit/probes/cuda_driver.py` reports which call answered which number, which libcuda was loaded and what the host's
files show. What each answer means is in `envkit.checks.driver_codes`; here it becomes a finding on this host.

The host is blamed for what another environment on this host would meet too; the environment for what it brought along:
a libcuda of its own that hides the driver's, a Python that does not start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from envkit.checks.driver_codes import (
    ENDINGS,
    EXCLUSIVE,
    MEANINGS,
    OTHER,
    PERMISSION,
    PINNED,
    PROHIBITED,
    RESET,
    SYMBOL,
    UVM,
    Meaning,
)
from envkit.models.probe import ProbeOutcome
from envkit.models.report import Blame, Finding, Status

__all__ = ["check_driver"]


_SHADOWED_HINT = {
    "environment": "Remove the file, or the package that it came with, from the environment: libcuda belongs to the "
    "driver of the host.",
    "host": "Unset the variable, or take that folder out of it.",
}

_CHECKS = {
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
_COMPUTES = frozenset({"vadd", "matmul", "reduce", "bandwidth"})
_FIGURES = {
    "context": ("context_s",),
    "ptx": ("module_load_s",),
    "vadd": ("vadd_bytes_per_s",),
    "matmul": ("matmul_flop_per_s",),
    "bandwidth": ("host_to_device_bytes_per_s", "device_to_host_bytes_per_s", "device_copy_bytes_per_s"),
}
_WRONG = {
    "unwritten": "results were not written",
    "zeros": "results are zero",
    "wrong": "results are wrong",
    "overrun": "memory beside the results was overwritten",
}
_PYTHON = "Run the environment's own Python by hand: it does not start, or something that it starts with hinders it."
_OUT_OF_MEMORY = 2
_NO_DEVICE = 100
_INVALID_DEVICE = 101
_UNAVAILABLE = 46
_BLURRED = (3, 100, 304, 999)  # what the driver answers when it may not open a node, or does not find it
_EXCLUSIVE_PROCESS_MODE = 3
_PROHIBITED_MODE = 2


def check_driver(outcomes: Sequence[ProbeOutcome]) -> list[Finding]:
    """Turn what the driver probe's children came back with into findings.

    Args:
        outcomes: One for each child, as `envkit.probe.run_driver_probe` returns them.

    Returns:
        The findings in the order of the checks. ``no-gpu`` with the status ``skip`` means that nothing here is of
        NVIDIA at all. The same failure of several checks on one device is one finding.
    """
    runs = [_Run.of(outcome) for outcome in outcomes]
    findings = [finding for run in runs for finding in _merge(_run_findings(run))]
    return [*findings, *_unchecked_instances(runs)]


@dataclass(frozen=True, slots=True)
class _Run:
    """The facts of one child; every part may be missing, since a child may end at any time."""

    outcome: ProbeOutcome
    libcuda: Mapping[str, object]
    host: Mapping[str, object]
    variables: Mapping[str, object]
    driver: Mapping[str, object]
    devices: Mapping[str, Mapping[str, object]]
    checks: tuple[Mapping[str, object], ...]
    figures: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, outcome: ProbeOutcome) -> _Run:
        facts = outcome.facts
        devices = [_mapping(device) for device in _list(facts.get("devices"))]
        return cls(
            outcome=outcome,
            libcuda=_mapping(facts.get("libcuda")),
            host=_mapping(facts.get("host")),
            variables=_mapping(facts.get("variables")),
            driver=_mapping(facts.get("driver")),
            devices={str(device.get("ordinal")): device for device in devices},
            checks=tuple(_mapping(check) for check in _list(facts.get("checks"))),
            figures=_mapping(facts.get("figures")),
        )

    @property
    def nodes(self) -> Mapping[str, object]:
        """Device nodes to None when they can be opened, else the name of the errno."""
        return _mapping(self.host.get("nodes"))

    @property
    def traces(self) -> list[str]:
        """Signs that this machine has to do with NVIDIA."""
        found = []
        if self.host.get("modules"):
            found.append("the nvidia kernel module is loaded")
        # libcuda itself, run by root, makes /dev/nvidiactl where no driver is: opening it then says ENXIO.
        if nodes := [node for node, error in self.nodes.items() if error not in ("ENOENT", "ENXIO", "ENODEV")]:
            found.append(f"there is {nodes[0]}")
        if gpus := _list(self.host.get("pci_gpus")):
            found.append(f"PCI lists {len(gpus)} NVIDIA GPU{'s' if len(gpus) > 1 else ''}")
        if self.host.get("tegra"):
            found.append("this is a Jetson")
        if self.libcuda.get("kind") == "wsl":
            found.append("Windows brings an NVIDIA driver")
        return found

    @property
    def library_path(self) -> str:
        return str(self.libcuda.get("path") or "libcuda")

    def shadow(self) -> Blame | None:
        """Whom to blame when the loaded libcuda hides the driver's; None when it is the driver's.

        A copy in the environment is always foreign there. One that a variable of the loader led to hides something only
        when the system has another: container hosts also publish the real one through LD_LIBRARY_PATH.
        """
        if not self.libcuda.get("path"):
            return None
        if self.libcuda.get("owner") == "environment":
            return "environment"
        others = [path for path in _list(self.libcuda.get("system_copies")) if path != self.libcuda.get("path")]
        return "host" if self.libcuda.get("through") and others else None

    def foreign_files(self) -> list[str]:
        """The driver's other libraries, such as its compiler, that came from the environment instead."""
        prefix = str(_mapping(self.outcome.facts.get("python")).get("prefix") or "")
        if prefix in ("", "/", "/usr", "/usr/local"):
            return []
        files = [str(file) for file in _list(self.outcome.facts.get("driver_files"))]
        return [file for file in files if file.startswith(f"{prefix}/") and "/libnvidia-" in file]

    def label(self, ordinal: object) -> str:
        """What to call a device in a text."""
        device = self.devices.get(str(ordinal), {})
        name = device.get("name")
        return f"device {ordinal}" + (f" ({name})" if name else "")

    def device_data(self, ordinal: object) -> dict[str, object]:
        device = self.devices.get(str(ordinal), {})
        return {"device": ordinal, "uuid": device.get("uuid"), "name": device.get("name")}


def _run_findings(run: _Run) -> Iterator[Finding]:
    """The findings of one child, in order."""
    later = [*_check_findings(run), *_device_findings(run), *_ending_findings(run)]
    explained = any(finding.data.get("owner") for finding in later)  # a failure already says which libcuda it was
    yield from _library_findings(run, explained=explained)
    yield from later


def _check_findings(run: _Run) -> Iterator[Finding]:
    """The findings of the checks that ended."""
    failed: set[str] = set()
    for record in run.checks:
        finding = _record_finding(run, record)
        device = str(record.get("device"))
        if record.get("check") == "release" and finding.status == "fail":
            if device not in failed:  # after a failure that loses the context, releasing fails too
                yield replace(finding, status="warn", code="release-failed")
            continue
        if finding.status == "fail":
            failed.add(device)
            if record.get("asked") is False:  # another device than the one that the user wants to know about
                finding = replace(finding, status="warn")
        yield finding


def _merge(findings: Iterator[Finding]) -> list[Finding]:
    """One finding for the same failure of several checks on one device; ``data["also"]`` names the others."""
    merged: dict[object, Finding] = {}
    for index, finding in enumerate(findings):
        key: object = (finding.code, str(finding.data.get("device"))) if finding.status == "fail" else index
        if key in merged:
            first = merged[key]
            also = [*_list(first.data.get("also")), finding.check]
            merged[key] = replace(first, data={**first.data, "also": also})
        else:
            merged[key] = finding
    return list(merged.values())


# --- which libcuda --------------------------------------------------------------------------------------------------


def _library_findings(run: _Run, *, explained: bool) -> Iterator[Finding]:
    if not run.libcuda:  # it ended before it came to that
        return
    if not run.libcuda.get("path"):
        yield _missing_library(run)
        return
    data = _library_data(run)
    version = run.libcuda.get("library_version")
    cuda = run.driver.get("driver_cuda")
    described = run.library_path + (f", {version}" if version else "") + (f", up to CUDA {cuda}" if cuda else "")
    shadow = run.shadow()
    if run.libcuda.get("kind") == "compat":
        yield _finding("library", "pass", None, f"forward compatibility: {described}", data=data)
    elif shadow is not None and not explained:
        text = f"{_shadow_text(run)}; it was made for another driver than this host may have"
        yield _finding("library", "warn", "libcuda-shadowed", text, shadow, _SHADOWED_HINT[shadow], data)
    else:
        yield _finding("library", "pass", None, described, data=data)
    if run.libcuda.get("loaded_by") == "path":
        yield _finding(
            "library",
            "warn",
            "libcuda-off-path",
            f"{run.library_path} is not where the loader looks: programs of the environment will not find it",
            "host",
            "Add its folder to /etc/ld.so.conf.d and run `ldconfig`, or to LD_LIBRARY_PATH.",
            data,
        )
    yield from _dormant_shadow(run)


def _dormant_shadow(run: _Run) -> Iterator[Finding]:
    """A libcuda in the environment's ``lib`` that Python does not load, and a library with an RPATH may."""
    if run.shadow() == "environment":
        return
    for copy in _list(run.libcuda.get("environment_copies")):
        path = str(copy)
        if "/stubs/" not in path and "compat" not in path and path.endswith("/libcuda.so.1"):
            text = f"the environment brings a libcuda of its own, which some of its programs may load: {path}"
            hint = _SHADOWED_HINT["environment"]
            yield _finding("library", "warn", "libcuda-shadowed", text, "environment", hint, {"path": path})
            return


def _missing_library(run: _Run) -> Finding:
    """No libcuda was loaded: nothing to do with NVIDIA, a driver that is missing, or a file that does not load."""
    attempts = [_mapping(attempt) for attempt in _list(run.libcuda.get("attempts"))]
    present = _list(run.libcuda.get("system_copies"))
    errors = [str(attempt.get("error")) for attempt in attempts]
    data = {"attempts": attempts, "traces": run.traces}
    # The loader says "cannot open shared object file" when there is none, and something else about one that is broken.
    broken = [error for error in errors if "No such file" not in error or "libcuda" not in error]
    if broken or present:
        error = (broken or errors or ["it was not tried"])[-1]
        environment = any(error.startswith(str(copy)) for copy in _list(run.libcuda.get("environment_copies")))
        return _finding(
            "library",
            "fail",
            "libcuda-unloadable",
            f"libcuda is there and does not load: {error}",
            "environment" if environment else "host",
            _SHADOWED_HINT["environment"] if environment else "Reinstall the NVIDIA driver for this architecture.",
            data,
        )
    if run.traces:
        return _finding(
            "library",
            "fail",
            "no-libcuda",
            f"there is no libcuda, yet {' and '.join(run.traces)}",
            "host",
            "Install the NVIDIA driver's libraries in the kernel module's version; in a container, start it with the "
            "NVIDIA runtime (`--gpus all`) and NVIDIA_DRIVER_CAPABILITIES=compute,utility.",
            data,
        )
    return _finding("library", "skip", "no-gpu", "no NVIDIA driver and no trace of an NVIDIA GPU", data=data)


def _library_data(run: _Run) -> dict[str, object]:
    keys = ("path", "file", "kind", "owner", "library_version", "loaded_by", "through", "system_copies")
    data = {key: run.libcuda.get(key) for key in keys}
    return {**data, **run.driver, "kernel_driver_version": run.host.get("kernel_driver_version")}


def _shadow_text(run: _Run) -> str:
    kind = {"stub": "a stub", "compat": "a cuda-compat"}.get(str(run.libcuda.get("kind")), "a libcuda")
    if run.libcuda.get("owner") == "environment":
        return f"{kind} in the environment hides the driver's: {run.library_path}"
    return f"{run.libcuda.get('through')} leads to {kind} that hides the driver's: {run.library_path}"


# --- what the calls answered ----------------------------------------------------------------------------------------


def _record_finding(run: _Run, record: Mapping[str, object]) -> Finding:
    """The finding of one ended check."""
    check, device, detail = str(record.get("check")), record.get("device"), _mapping(record.get("detail"))
    title = _CHECKS.get(check, check)
    where = title if device is None else f"{run.label(device)}: {title}"
    data = {**(run.device_data(device) if device is not None else {}), **detail}
    outcome = record.get("outcome")
    if outcome == "ok" and check == "devices" and run.outcome.facts.get("devices_count") == 0:
        outcome, record = "error", {**record, "call": "cuDeviceGetCount", "result": _NO_DEVICE}
    match outcome:
        case "ok":
            figures = _mapping(run.figures.get(str(device)))
            own = {name: figures[name] for name in _FIGURES.get(check, ()) if figures.get(name) is not None}
            data |= {"gpu": check in _COMPUTES, "figures": own}
            finding = _finding(check, "pass", None, f"{where}: {_achieved(run, record)}", data=data)
        case "error":
            finding = _result_finding(run, record, where, data)
        case "wrong":
            finding = _wrong_finding(check, where, detail, data)
        case "skipped":
            because = _CHECKS.get(str(record.get("because")), "an earlier check")
            text = f"{where}: not run, since this failed: {because}"
            finding = _finding(check, "skip", "not-reached", text, data=data)
        case "late":
            hint = "Give it more time (`--timeout`), or a GPU that is less busy."
            finding = _finding(check, "fail", "out-of-time", f"{where}: the time was used up", "host", hint, data)
        case _:
            text = f"{where}: the probe itself failed: {record.get('exception')}"
            finding = _finding(check, "fail", "probe-failed", text, hint="Please report this.", data=data)
    return finding


def _achieved(run: _Run, record: Mapping[str, object]) -> str:
    """What a check that did well did, with numbers."""
    detail, device = _mapping(record.get("detail")), run.devices.get(str(record.get("device")), {})
    figures = _mapping(run.figures.get(str(record.get("device"))))
    match record.get("check"):
        case "version":
            text = f"CUDA {run.driver.get('driver_cuda')}"
        case "devices":
            text = f"{run.outcome.facts.get('devices_count', 'some')} visible"
        case "device":
            memory = device.get("memory_total_bytes")
            size = f", {memory / 2**30:.1f} GiB" if isinstance(memory, int) else ""
            mig = ", MIG" if device.get("mig") else ""
            text = f"compute capability {device.get('compute_capability')}{size}{mig}"
        case "vadd" | "reduce":
            text = f"{detail.get('elements_count')} elements, exact"
        case "matmul":
            speed = figures.get("matmul_flop_per_s")
            rate = f", {speed / 1e9:.0f} GFLOP/s" if isinstance(speed, float) else ""
            text = f"{detail.get('size')} x {detail.get('size')}, exact{rate}"
        case "bandwidth":
            ways = (("to", "host_to_device"), ("from", "device_to_host"), ("on", "device_copy"))
            speeds = [(word, figures.get(f"{key}_bytes_per_s")) for word, key in ways]
            rates = [f"{speed / 1e9:.1f} GB/s {word} the device" for word, speed in speeds if isinstance(speed, float)]
            text = ", ".join(["exact", *rates])
        case _:
            text = "done"
    return text


def _wrong_finding(check: str, where: str, detail: Mapping[str, object], data: Mapping[str, object]) -> Finding:
    kind = str(detail.get("kind"))
    text = f"{where}: {_WRONG.get(kind, 'results are wrong')}"
    if "first_wrong" in detail:
        count = f"{'' if detail.get('counted_all') else 'at least '}{detail.get('wrong_count')}"
        text += (
            f": {count} of {detail.get('elements_count')}, the first at "
            f"{detail.get('first_wrong')}: {detail.get('found')} instead of {detail.get('expected')}"
        )
    hint = f"Do not trust this GPU. {RESET}"
    return _finding(check, "fail", "wrong-result", text, "host", hint, data)


def _result_finding(run: _Run, record: Mapping[str, object], where: str, data: Mapping[str, object]) -> Finding:
    """The finding of a call that answered a CUresult other than success."""
    check, result = str(record.get("check")), record.get("result")
    meaning = SYMBOL if result is None else _with_settings(run, record) or _meaning(result)
    if meaning.code == "no-device" and (_hidden(run) or not run.traces):
        return _no_device(run, check, data)
    answered = " ".join(str(part) for part in (record.get("result_name"), result) if part is not None)
    text = f"{where}: {meaning.text} ({record.get('call')}: {answered or 'no such function'})"
    code, blames, hint = meaning.code, meaning.blames, meaning.hint
    more = {key: record.get(key) for key in ("call", "result", "result_name", "result_text")}
    shadow = run.shadow()
    if shadow is not None and (meaning.library or code == "stub-library"):
        blames, hint = shadow, _SHADOWED_HINT[shadow]
        more |= _library_data(run)
        if meaning.library:
            code, text = "libcuda-shadowed", f"{_shadow_text(run)}; {text}"
    elif check == "ptx" and (foreign := run.foreign_files()):
        code, blames, hint = "libcuda-shadowed", "environment", _SHADOWED_HINT["environment"]
        text = f"the environment's own {', '.join(foreign)} hides the driver's; {text}"
    elif code == "driver-mismatch":
        text += _versions(run)
        more |= _library_data(run)
    elif code == "out-of-memory":
        text += _memory(run, record.get("device"))
    return _finding(check, "fail", code, text, blames, hint, {**data, **more})


def _meaning(result: object) -> Meaning:
    return MEANINGS.get(result, OTHER) if isinstance(result, int) else OTHER


def _with_settings(run: _Run, record: Mapping[str, object]) -> Meaning | None:
    """What a result means together with a mode of the device, a device node or a variable; None for nothing special."""
    result, check = record.get("result"), record.get("check")
    meaning: Meaning | None = None
    if check == "context" and result in (_UNAVAILABLE, _INVALID_DEVICE):
        mode = run.devices.get(str(record.get("device")), {}).get("compute_mode")
        meaning = {_PROHIBITED_MODE: PROHIBITED, _EXCLUSIVE_PROCESS_MODE: EXCLUSIVE}.get(mode)  # type: ignore[call-overload]
    elif result == _OUT_OF_MEMORY and record.get("call") == "cuMemAllocHost_v2":
        meaning = PINNED
    elif check in ("init", "context") and result in _BLURRED:
        if _is_forbidden(run.nodes):
            meaning = PERMISSION
        elif run.nodes.get("/dev/nvidiactl", "ENOENT") is None and run.nodes.get("/dev/nvidia-uvm") is not None:
            meaning = UVM
    if check in ("init", "devices") and result == _INVALID_DEVICE and _hidden(run):
        meaning = MEANINGS[_NO_DEVICE]  # how older drivers answer a UUID that they do not know
    return meaning


def _is_forbidden(nodes: Mapping[str, object]) -> bool:
    """Whether the control nodes, or all GPUs, may not be opened; batch systems forbid single GPUs on purpose."""
    forbidden = {node for node, error in nodes.items() if error in ("EACCES", "EPERM")}
    gpus = {node for node in nodes if node[-1:].isdigit()}
    return bool(forbidden & {"/dev/nvidiactl", "/dev/nvidia-uvm"}) or (bool(gpus) and gpus <= forbidden)


def _versions(run: _Run) -> str:
    versions = (run.libcuda.get("library_version"), run.host.get("kernel_driver_version"))
    return f": library {versions[0]}, kernel module {versions[1]}" if all(versions) else ""


def _memory(run: _Run, ordinal: object) -> str:
    device = run.devices.get(str(ordinal), {})
    free, total = device.get("memory_free_bytes"), device.get("memory_total_bytes")
    if isinstance(free, int) and isinstance(total, int):
        return f": {free / 2**20:.0f} MiB were free of {total / 2**20:.0f}"
    return ""


def _hidden(run: _Run) -> str | None:
    """Which setting hides the GPUs, in words."""
    visible = run.variables.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        listed = str(visible).strip()
        if not listed or listed.startswith("-1") or listed == "NoDevFiles":
            return f"CUDA_VISIBLE_DEVICES={visible} hides all GPUs"
        return f"CUDA_VISIBLE_DEVICES={visible} names no GPU that is here"
    container = run.variables.get("NVIDIA_VISIBLE_DEVICES")
    if container in ("", "none", "void"):
        return f"NVIDIA_VISIBLE_DEVICES={container}: the container was started without GPUs"
    return None


def _no_device(run: _Run, check: str, data: Mapping[str, object]) -> Finding:
    """No device because a setting hides them, or because nothing here is of NVIDIA."""
    more = {**data, "traces": run.traces, "variables": dict(run.variables)}
    if hidden := _hidden(run):
        hint = "Unset it, or name a GPU that `nvidia-smi -L` lists."
        if hidden.startswith("NVIDIA"):
            hint = "Start the container with GPUs (`--gpus all`)."
        return _finding(check, "fail", "devices-hidden", hidden, "host", hint, more)
    return _finding(check, "skip", "no-gpu", f"{run.library_path} is there, and no trace of an NVIDIA GPU", data=more)


def _device_findings(run: _Run) -> Iterator[Finding]:
    """Devices that were asked for, or listed, and are not there."""
    missing = [str(name) for name in _list(run.outcome.facts.get("devices_missing"))]
    if missing:
        seen = [f"{ordinal}: {device.get('uuid')}" for ordinal, device in run.devices.items()]
        text = f"no such device: {', '.join(missing)}; visible: {', '.join(seen) or 'none'}"
        hint = "Name one that `nvidia-smi -L` lists; numbers count after CUDA_VISIBLE_DEVICES."
        yield _finding("devices", "fail", "device-not-found", text, "host", hint, {"missing": missing})
    visible = str(run.variables.get("CUDA_VISIBLE_DEVICES", ""))
    listed = [word.strip() for word in visible.split(",") if word.strip()]
    count = run.outcome.facts.get("devices_count")
    if isinstance(count, int) and 0 < count < len(listed):
        text = f"CUDA_VISIBLE_DEVICES={visible} lists {len(listed)} devices and CUDA sees {count}"
        hint = "CUDA stops at the first one that it does not know: compare with `nvidia-smi -L`."
        yield _finding("devices", "warn", "devices-partly-hidden", text, "host", hint, {"devices_count": count})


def _unchecked_instances(runs: Sequence[_Run]) -> Iterator[Finding]:
    """MIG instances that no child saw."""
    seen = {str(d.get("uuid")) for run in runs for d in run.devices.values() if d.get("mig")}
    counts = [count for run in runs if isinstance(count := run.host.get("mig_instances"), int)]
    if seen and counts and len(seen) < max(counts):
        text = f"{len(seen)} of {max(counts)} MIG instances were checked: a process sees one"
        hint = "Name the others by their UUID (`nvidia-smi -L`), each with `--device MIG-...`."
        data: dict[str, object] = {"mig_instances_count": max(counts), "checked_count": len(seen)}
        yield _finding("devices", "warn", "mig-unchecked", text, "host", hint, data)


# --- how the child ended --------------------------------------------------------------------------------------------


def _ending_findings(run: _Run) -> Iterator[Finding]:
    """The finding of a child that did not end as it should."""
    outcome, step = run.outcome, run.outcome.last_step
    if outcome.state == "done":
        return
    data: dict[str, object] = {
        "state": outcome.state,
        "signal": outcome.signal,
        "exit_code": outcome.exit_code,
        "stderr": outcome.stderr_tail[-2000:],
        "elapsed_s": round(outcome.elapsed_s, 3),
        "command": list(outcome.command),
    }
    if step is None or outcome.state == "not-started":
        yield _python_finding(outcome, data)
        return
    data |= {"step": str(step), "device": step.device, **(_library_data(run) if run.libcuda else {})}
    shadow = run.shadow()
    because = f"; {_shadow_text(run)}" if shadow else ""
    ending = ENDINGS["killed" if outcome.signal == "SIGKILL" else outcome.state]
    text = ending.text.format(step=step, elapsed_s=outcome.elapsed_s, signal=outcome.signal, why=_why(outcome))
    if not outcome.reaped:
        text += "; it waits inside the kernel and cannot be killed"
    blames: Blame | None = ending.blames
    hint = ending.hint
    if ending.library and shadow is not None:
        text, blames, hint = text + because, shadow, _SHADOWED_HINT[shadow]
    elif ending.code.startswith("probe-"):
        blames = None  # a bug here is nobody's fault there
    yield _finding(step.check, "fail", ending.code, text, blames, hint, data)


def _python_finding(outcome: ProbeOutcome, data: Mapping[str, object]) -> Finding:
    """The finding of a Python that never came to the first step."""
    # What Python 3.6 says of a __future__ that it does not know, and Python 2 of the option -I.
    if any(words in outcome.stderr_tail for words in ("future feature annotations", "Unknown option: -I")):
        text = "the environment's Python is older than 3.7, which the driver probe needs"
        hint = (
            "Run the driver level with envkit's own Python: it loads the same libcuda unless the environment has one."
        )
        return _finding("probe", "fail", "python-too-old", text, "environment", hint, data)
    return _finding("probe", "fail", "python-unusable", _unusable_text(outcome), "environment", _PYTHON, data)


def _unusable_text(outcome: ProbeOutcome) -> str:
    """Why a child that never came to its first step did not."""
    match outcome.state:
        case "not-started":
            return f"the environment's Python cannot be started: {outcome.reason}"
        case "timed-out":
            return f"the environment's Python did not begin with a plain script in {outcome.elapsed_s:.0f} s"
        case "crashed":
            return f"the environment's Python crashed with {outcome.signal} before it began with a plain script"
        case _:
            return f"the environment's Python does not run a plain script: {_why(outcome)}"


def _why(outcome: ProbeOutcome) -> str:
    if outcome.reason:
        return outcome.reason
    lines = outcome.stderr_tail.strip().splitlines()
    return lines[-1] if lines else f"exit status {outcome.exit_code}, without a word"


# --- small things ---------------------------------------------------------------------------------------------------


def _finding(
    check: str,
    status: Status,
    code: str | None,
    text: str,
    blames: Blame | None = None,
    hint: str | None = None,
    data: Mapping[str, object] | None = None,
) -> Finding:
    kept = {key: value for key, value in (data or {}).items() if value not in (None, "", [], {})}
    return Finding(f"driver.{check}", status, code, text, blames, hint, kept)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
