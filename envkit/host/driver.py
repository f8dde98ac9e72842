"""Runs the detection child with a time limit.

A driver can hang (a GPU that fell off the bus), crash, or print: all of that happens in a process of its own, in a
group of its own, that is killed at the limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envkit.host.nvidia_smi import QUERIES
from envkit.host.overrides import VARIABLES

__all__ = ["HUNG", "ask_driver"]

HUNG = "ran into the time limit"
"""How the failure of a stage begins that was cut off."""

_CHILD = Path(__file__).with_name("child.py")
_REAP_S = 1.0


def ask_driver(
    *, env: Mapping[str, str], root: str = "/", timeout_s: float = 10.0, nvidia_smi: str | None = None
) -> list[dict[str, Any]]:
    """Ask the machine, NVML, libcuda and, where those two cannot be loaded, ``nvidia-smi``.

    Args:
        env: Variables for the child, less those that would hide what is there.
        root: Where files of the system are looked for (libraries come through the loader first).
        timeout_s: Limit for all of it, in seconds.
        nvidia_smi: The command, where there is one.

    Returns:
        The child's lines, as `envkit.host.answers.parse_answers` reads them; a stage that crashed or hung is one with
        ``failed``.
    """
    deadline = time.monotonic() + timeout_s
    stages = ["machine"] if sys.platform == "darwin" else ["machine", "nvml", "libcuda"]
    lines = _ask(stages, env=env, root=root, deadline=deadline, nvidia_smi=None)
    if nvidia_smi and _needs_smi(lines):
        lines += _ask(["nvidia-smi"], env=env, root=root, deadline=deadline, nvidia_smi=nvidia_smi)
    return lines


def _needs_smi(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nvidia-smi can know more: it is NVML underneath, and slow where the driver is broken."""
    if any(str(line.get("failed", "")).startswith(HUNG) for line in lines):
        return False
    if any(line.get("devices") for line in lines):
        return False
    nvml = next((line for line in lines if line["stage"] == "nvml" and "errors" in line), None)
    return nvml is None or nvml["library"] is None or any(call == "import pynvml" for call, *_ in nvml["errors"])


def _ask(
    stages: list[str], *, env: Mapping[str, str], root: str, deadline: float, nvidia_smi: str | None
) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    while stages:
        left = deadline - time.monotonic()
        if left <= 0:
            return [*lines, {"stage": stages[0], "failed": f"{HUNG} before it began"}]
        arguments = {
            "stages": stages,
            # Without the empty entry: the child is not to import what lies in the current folder.
            "path": [os.path.abspath(entry) for entry in sys.path if entry],
            "root": root,
            "timeout_s": left,
            "nvidia_smi": nvidia_smi,
            "queries": QUERIES,
        }
        said, end = _run(arguments, env, left)
        lines += [line for line in said if "begin" not in line]
        done = {line["stage"] for line in said if "stage" in line}
        unanswered = [stage for stage in stages if stage not in done]
        if not unanswered:
            return lines
        lines.append({"stage": unanswered[0], "failed": end or "ended without an answer"})
        if end.startswith(HUNG) or not said:  # a child that said nothing will not say more the next time
            return lines
        stages = unanswered[1:]  # it crashed in this one: the others have a chance in a new process
    return lines


def _run(arguments: Mapping[str, Any], env: Mapping[str, str], timeout_s: float) -> tuple[list[dict[str, Any]], str]:
    """The lines of one child, and how it ended: empty for well."""
    if not sys.executable:
        return [], "no Python to start: this interpreter is embedded"
    hidden = {"CUDA_VISIBLE_DEVICES", *VARIABLES.values()}
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD), json.dumps(arguments)],
            env={name: value for name, value in env.items() if name not in hidden},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return [], f"could not be started: {error}"
    try:
        output, _ = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return _parse(_end(child)), f"{HUNG} of {timeout_s:.1f} s"
    except BaseException:  # an interrupt takes the child along
        _end(child)
        raise
    return _parse(output), _ending(child.returncode)


def _end(child: subprocess.Popen[bytes]) -> bytes:
    """Kill the child's group, reap the child, and return what it had written."""
    _kill(child)
    try:
        return child.communicate(timeout=_REAP_S)[0]
    except subprocess.TimeoutExpired as expired:
        # It hangs in the kernel, where no signal reaches it: left behind rather than waited for.
        return expired.output or b""


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the whole group: nvidia-smi may be running inside it."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()


def _ending(returncode: int | None) -> str:
    if not returncode:
        return ""
    if returncode > 0:
        return f"ended with exit status {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


def _parse(output: bytes) -> list[dict[str, Any]]:
    lines = []
    for line in output.splitlines():
        try:
            value = json.loads(line)
        except ValueError:  # the last line of a child that was cut off
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines
