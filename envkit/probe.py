"""Run a script of `envkit.probes` with another Python, in a child that may crash, hang or write nonsense.

A probe loads a driver library or a framework that may do anything. It writes to a third pipe, the trace, what it is
about to do. A trace line is a JSON object: ``{"step": {"check", "call", "device"}}``, ``{"facts": {key: value}}`` or
``{"check": {...}}`` (one ended check). The outcome of an unfinished probe is put together from these.

A program of that name, or code that Python runs at its start, may answer in place of the script. So each script gets a
number that was never used before (``--nonce``), and its document repeats under ``answers`` all arguments with it, and
which Python ran it. This finds what answers by mistake or for everything alike; code that knows envkit can still lie.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from envkit.models.probe import ProbeOutcome, ProbeState, TraceStep, mapping_of
from envkit.paths import PIN
from envkit.plain import open_plain
from envkit.process import run_child
from envkit.scratch import scratch

PROBES_DIR = Path(__file__).parent / "probes"
"""Where the scripts are; they are files on disk, since another Python runs them."""

OUTPUT_LIMIT_BYTES = 8 << 20
STDERR_TAIL_BYTES = 16 << 10
_MOST_NAMED = 5
_PTH_BYTES = 1 << 16


def run_driver_probe(
    python: Path,
    *,
    env: Mapping[str, str],
    timeout_s: float = 120.0,
    devices: Sequence[str] = (),
    mig_uuids: Sequence[str] = (),
    args: Sequence[str] = (),
) -> list[ProbeOutcome]:
    """Check the CUDA driver level with the environment's Python.

    CUDA shows one MIG instance to a process, so each needs a child of its own
    (https://docs.nvidia.com/datacenter/tesla/mig-user-guide/, "CUDA Device Enumeration").

    Args:
        timeout_s: Limit for each child, in seconds.
        devices: Ordinals or UUIDs to check; all that are visible when empty. A UUID that begins with ``MIG-`` gets
            its own child.
        mig_uuids: The MIG instances of this host; each gets its own child, besides one child for what is visible
            without naming any. Ignored when `devices` is given.
        args: More arguments for ``cuda_driver.py``.
    """
    script = PROBES_DIR / "cuda_driver.py"
    instances = [device for device in devices if device.startswith("MIG-")] if devices else list(mig_uuids)
    whole = [device for device in devices if not device.startswith("MIG-")]
    # The child stops by itself shortly before it would be killed, so that a slow one still hands in its document.
    base = ["--timeout", f"{timeout_s * 0.9:.3f}", *args]
    outcomes = []
    if whole or not instances:
        chosen = [word for device in whole for word in ("--device", device)]
        outcomes.append(run_probe(python, script, [*base, *chosen], env=env, timeout_s=timeout_s))
    for uuid in instances:
        narrowed = {**env, "CUDA_VISIBLE_DEVICES": uuid}
        outcomes.append(run_probe(python, script, base, env=narrowed, timeout_s=timeout_s))
    return outcomes


def run_probe(
    python: Path, script: Path, args: Sequence[str] = (), *, env: Mapping[str, str], timeout_s: float
) -> ProbeOutcome:
    """Run `script` with `python` and return its outcome, however it ends.

    Python is started with ``-I`` (no ``PYTHON*`` variables, no user site, no current folder) and ``-B`` (the
    environment under test is not written to). Nothing that a child does raises.

    Args:
        script: A stand-alone script that takes ``--nonce TEXT --trace FD`` and writes one JSON object to standard
            output, with its arguments and its Python under ``answers``.
        args: Its arguments; they show in process lists, so they carry no secret.
        timeout_s: After so many seconds the whole process group is killed.
    """
    asked = (*args, "--nonce", secrets.token_hex(8))
    ended = run_child(
        (python, "-I", "-B", script, *asked),
        # Probes end without exit handlers, which would remove their marks of use.
        env={**{name: value for name, value in env.items() if not name.startswith("PYTHON")}, "ENVKIT_UNMARKED": "1"},
        timeout_s=timeout_s,
        output_limit=OUTPUT_LIMIT_BYTES,
        stderr_tail=STDERR_TAIL_BYTES,
        trace_flag="--trace",
        strays=True,
    )
    last_step, partial = _read_trace(ended.trace)
    document, reason = _read_document(ended.stdout)
    answered_by: tuple[str, ...] = ()
    state: ProbeState
    if ended.state == "flooded":
        state, reason = "garbled", "it wrote more than any probe does"
    elif ended.state == "done":
        state = "done" if document is not None else "garbled"
    else:
        state, reason = ended.state, None
    if document is not None and not _is_answer(document.pop("answers", None), asked):
        document = None
        if state == "done":
            state, answered_by = "foreign", _who_answers(python)
    if ended.error is not None:
        reason = ended.error.strerror or str(ended.error)
    return ProbeOutcome(
        state=state,
        command=ended.command,
        document=document,
        partial=partial,
        exit_code=ended.exit_code,
        signal=ended.signal,
        last_step=last_step,
        stderr_tail=ended.error_text,
        reason=reason,
        answered_by=answered_by,
        elapsed_s=ended.elapsed_s,
        reaped=ended.reaped,
    )


def run_framework_probe(python: Path, args: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> ProbeOutcome:
    """Run ``session.py``, with a folder for temporary files that goes when it ends, however that is.

    Args:
        args: The script of the framework, and what it is given.

    Raises:
        VolumeError: There is no folder for temporary files.
    """
    with scratch() as folder:
        return run_probe(
            python, PROBES_DIR / "session.py", args, env={**env, "TMPDIR": str(folder)}, timeout_s=timeout_s
        )


def _read_document(stdout: bytes) -> tuple[dict[str, object] | None, str | None]:
    """Return the JSON object in the last line, or why there is none.

    Other lines may precede it: a ``.pth`` file or a ``sitecustomize`` of the environment may print first.
    """
    lines = stdout.strip().splitlines()
    if not lines:
        return None, "it wrote nothing"
    try:
        document = json.loads(lines[-1])
    except ValueError as error:
        return None, f"its output is not JSON: {error}"
    if not isinstance(document, dict):
        return None, f"it wrote {type(document).__name__} instead of an object"
    return document, None


def _is_answer(said: object, asked: Sequence[str]) -> bool:
    """Return whether a document came from the script that was started, rather than from what Python ran before it."""
    answers = mapping_of(said)
    given = answers.get("asked")
    python = mapping_of(answers.get("python"))
    return (
        isinstance(given, list)
        and given[: len(asked)] == list(asked)
        and all(isinstance(python.get(name), str) and python[name] for name in ("version", "implementation"))
    )


def _who_answers(python: Path) -> tuple[str, ...]:
    """Return the program if it is a script, else the files of its environment that Python runs before any script."""
    with contextlib.suppress(OSError), open(python, "rb", opener=open_plain) as file:
        if file.read(2) == b"#!":
            return (str(python.resolve()),)
    found = []
    for site in sorted(python.parent.parent.glob("lib/python3*/site-packages")):
        found += [str(site / name) for name in ("sitecustomize.py", "usercustomize.py") if (site / name).exists()]
        found += [str(path) for path in sorted(site.glob("*.pth")) if path.name != PIN and _runs_code(path)]
    return tuple(found[:_MOST_NAMED]) or (str(python.resolve()),)


def _runs_code(path: Path) -> bool:
    """Return whether a ``.pth`` file has a line that Python executes (the module site)."""
    try:
        with open(path, "rb", opener=open_plain) as file:
            lines = file.read(_PTH_BYTES).splitlines()
    except OSError:
        return False
    return any(line.startswith((b"import ", b"import\t")) for line in lines)


def _read_trace(trace: bytes) -> tuple[TraceStep | None, Mapping[str, object]]:
    """Return the last step that was begun, and the facts and ended checks."""
    step: TraceStep | None = None
    facts: dict[str, object] = {}
    checks: list[object] = []
    for text in trace.splitlines():
        line: object = None
        with contextlib.suppress(ValueError):  # a crash may tear the last line, and a library may write there, too
            line = json.loads(text)
        match line:
            case {"step": {"check": str(check), "call": str(call), **rest}}:
                device = rest.get("device")
                step = TraceStep(check, call, device if isinstance(device, int) else None)
            case {"facts": dict(more)}:
                facts.update(more)
            case {"check": dict(record)}:
                checks.append(record)
    return step, ({**facts, "checks": checks} if facts or checks else {})
