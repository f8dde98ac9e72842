"""Ask the driver, in child processes with a time limit: a driver can hang (a GPU off the bus), crash, or print."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envkit.host.nvidia_smi import QUERIES
from envkit.models.host import OVERRIDES
from envkit.process import run_child

_HUNG = "ran into the time limit"  # begins the failure of a stage that was cut off
_CHILD = Path(__file__).with_name("child.py")
_OUTPUT_LIMIT_BYTES = 1 << 20
_OUTPUT_CHARS = 32_000


def ask_driver(
    *, env: Mapping[str, str], root: str = "/", timeout_s: float = 10.0, nvidia_smi: str | None = None
) -> list[dict[str, Any]]:
    """Ask the machine, NVML, libcuda and, where those two cannot be loaded, ``nvidia-smi``.

    The children see `env` without the variables that hide devices or override facts. The limit is for all of it.
    Each stage gives one line for `envkit.host.answers.parse_answers`, with ``failed`` in those that crashed or hung.
    """
    deadline = time.monotonic() + timeout_s
    hidden = {"CUDA_VISIBLE_DEVICES", *OVERRIDES.values()}
    env = {name: value for name, value in env.items() if name not in hidden}
    stages = ["machine"] if sys.platform == "darwin" else ["machine", "nvml", "libcuda"]
    lines = _ask(stages, env=env, root=root, deadline=deadline)
    if nvidia_smi and _needs_smi(lines):
        lines.append(_ask_smi(nvidia_smi, env, deadline))
    return lines


def ask_stages(stages: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> list[dict[str, Any]]:
    """Run stages of the child on this machine; see `ask_driver`."""
    return _ask(list(stages), env=env, root="/", deadline=time.monotonic() + timeout_s)


def _needs_smi(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Check whether nvidia-smi can know more: it is NVML underneath, and slow where the driver is broken."""
    if any(line.get("devices") or str(line.get("failed", "")).startswith(_HUNG) for line in lines):
        return False
    nvml = next((line for line in lines if line["stage"] == "nvml" and "errors" in line), None)
    return nvml is None or nvml["library"] is None or any(call == "import pynvml" for call, *_ in nvml["errors"])


def _ask(stages: list[str], *, env: Mapping[str, str], root: str, deadline: float) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    while stages:
        left = deadline - time.monotonic()
        if left <= 0:
            return [*lines, {"stage": stages[0], "failed": f"{_HUNG} before it began"}]
        arguments = {
            "stages": stages,
            # Without the empty entry, so that the child imports nothing from the current folder.
            "path": [os.path.abspath(entry) for entry in sys.path if entry],
            "root": root,
            "timeout_s": left,
        }
        said, end = _run(arguments, env, left)
        lines += [line for line in said if "begin" not in line]
        done = {line["stage"] for line in said if "stage" in line}
        unanswered = [stage for stage in stages if stage not in done]
        if not unanswered:
            return lines
        lines.append({"stage": unanswered[0], "failed": end or "ended without an answer"})
        if end.startswith(_HUNG) or not said:  # a child without output will have none the next time
            return lines
        stages = unanswered[1:]  # it crashed in the first: try the others in a new process
    return lines


def _run(arguments: Mapping[str, Any], env: Mapping[str, str], timeout_s: float) -> tuple[list[dict[str, Any]], str]:
    """Return the lines of one child, and how it ended: empty for exit status 0."""
    if not sys.executable:
        return [], "no Python to start: this interpreter is embedded"
    ended = run_child(
        [sys.executable, "-I", _CHILD, json.dumps(arguments)],
        env=env,
        timeout_s=timeout_s,
        output_limit=_OUTPUT_LIMIT_BYTES,
    )
    limit = f" of {timeout_s:.1f} s" if ended.state == "timed-out" else ""
    return _parse(ended.stdout), ended.ending + limit


def _ask_smi(program: str, env: Mapping[str, str], deadline: float) -> dict[str, Any]:
    """Return the output of ``nvidia-smi``: for the first query that it knows, without arguments, and for ``-L``."""
    facts: dict[str, Any] = {"query": None, "header": None, "list": None, "errors": []}
    limit_s = deadline - time.monotonic()

    def run(*arguments: str) -> str | None:
        ended = run_child(
            [program, *arguments],
            env=env,
            timeout_s=max(0.0, deadline - time.monotonic()),
            output_limit=_OUTPUT_LIMIT_BYTES,
        )
        if ended.state == "timed-out":
            raise TimeoutError(f"{_HUNG} of {limit_s:.1f} s")
        if ended.state == "done":
            return ended.text[:_OUTPUT_CHARS]
        said = f"exit {ended.exit_code}: {(ended.error_text + ended.text).strip()[:200]}"
        facts["errors"].append(said if ended.state == "failed" else ended.ending)
        return None

    if limit_s <= 0:
        return {"stage": "nvidia-smi", "failed": f"{_HUNG} before it began"}
    try:
        for query in QUERIES:
            facts["query"] = run(f"--query-gpu={query}", "--format=csv,noheader,nounits")
            if facts["query"] is not None:
                facts["errors"].clear()  # of the queries that it does not know
                facts["header"], facts["list"] = run(), run("-L")
                break
    except TimeoutError as error:
        return {"stage": "nvidia-smi", "failed": str(error)}
    return {"stage": "nvidia-smi", "library": program, **facts}


def _parse(output: bytes) -> list[dict[str, Any]]:
    lines = []
    for line in output.splitlines():
        with contextlib.suppress(ValueError):  # the last line of a child that was cut off
            lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict)]
