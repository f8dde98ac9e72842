"""Detect the host: read files, ask the driver or the cache, combine."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

from envkit.host.answers import Answers, parse_answers
from envkit.host.assemble import assemble_host
from envkit.host.cache import default_cache_dir, read_entry, write_entry
from envkit.host.driver import ask_driver
from envkit.host.fingerprint import Quick, remember_fingerprint
from envkit.host.overrides import parse_overrides
from envkit.host.readings import read_machine
from envkit.host.tree import Tree
from envkit.host.wire import host_to_json
from envkit.models.host import Host

# NVML 9 and 12, cuInit 100: no driver, no library, no device. These end with a change of the cache's key; any other
# error may be over in a minute (a fabric manager that starts, a GPU that is reset).
_LASTING = frozenset({9, 12, 100})


def detect_host(
    *,
    env: Mapping[str, str] | None = None,
    root: Path = Path("/"),
    timeout_s: float = 10.0,
    refresh: bool = False,
    cache_dir: Path | None = None,
) -> Host:
    """Detect what this machine can run. "No GPU" is a fact, never an error.

    The driver is asked in a child process, which may hang or crash without harm; its answer is cached for a day, by
    boot, driver, devices, libraries and variables. Files and variables are read each time.

    Args:
        timeout_s: Limit for the child, in seconds; when it is reached, finished stages count, and nothing is cached.
        refresh: Ask the driver even if its answer is cached.

    Raises:
        SettingsError: A CONDA_OVERRIDE_* variable (CEP 30, CEP 46) is not a version.
    """
    variables = os.environ if env is None else env
    overrides = parse_overrides(variables)
    tree = Tree(root)
    quick = Quick(tree, variables)
    folder = cache_dir or default_cache_dir(variables)
    answers, created = (None, 0.0) if refresh else _remembered(folder, quick)
    if answers is None:
        answers, created = _ask(tree, variables, timeout_s, folder, quick)
    host = assemble_host(read_machine(tree, variables), answers, env=variables, overrides=overrides)
    if folder and created:
        remember_fingerprint(folder, quick, host_to_json(host), created=created)
    return host


def _remembered(folder: str | os.PathLike[str] | None, quick: Quick) -> tuple[Answers | None, float]:
    """Return the driver's cached answer, if it is still valid, and its time."""
    entry = (read_entry(folder, quick.driver_key) if folder else None) or {}
    lines, created = entry.get("lines"), entry.get("created")
    with contextlib.suppress(ValueError):  # damaged: ask again
        if lines and isinstance(lines, list) and isinstance(created, float):
            return parse_answers(lines), created
    return None, 0.0


def _ask(
    tree: Tree, env: Mapping[str, str], timeout_s: float, folder: str | os.PathLike[str] | None, quick: Quick
) -> tuple[Answers, float]:
    """Ask the driver in a child process; the time is 0 for an answer that may change soon and is not cached."""
    lines = ask_driver(env=env, root=tree.root, timeout_s=timeout_s, nvidia_smi=quick.nvidia_smi)
    answers = parse_answers(lines)
    created = time.time()
    lasts = bool(lines) and all(driver.numbers <= _LASTING for driver in answers.drivers)
    if not lasts or answers.failures or answers.troubles or not folder:
        return answers, 0.0
    return answers, created if write_entry(folder, quick.driver_key, {"lines": lines}, created=created) else 0.0
