"""The variables for a program of an environment, cached if scripts had to run to compute them.

Imports little, for `envkit run` and the API.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from envkit import activation
from envkit.errors import ValidationFailedError
from envkit.hashes import sha256
from envkit.host.cache import default_cache_dir, read_entry, write_entry

# They differ between calls, and scripts that set up an environment do not use them.
_VOLATILE = frozenset({
    "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "TERM_SESSION_ID",
    "TMUX_PANE", "WINDOWID", "_",
})  # fmt: skip


def environ_of(prefix: str, env: Mapping[str, str], *, name: str | None = None) -> dict[str, str]:
    """Return `envkit.activation.activated_environ`, with the effect of scripts cached for a day.

    An entry is valid for the same scripts and the same variables. It holds the values that scripts changed, in a file
    that only its owner can read.

    Raises:
        ValidationFailedError: A script of the environment ended the shell.
    """
    base = _with_kernels(prefix, activation.starting_point(env))
    steps = activation.plan_activate(prefix, base, name=name)
    if not activation.needs_shell(steps):
        return activation.apply_steps(steps, base)
    folder = default_cache_dir(base)
    key = f"activated-{_digest(steps, base)}"
    entry = read_entry(folder, key) if folder else None
    if entry is not None:
        changed, gone = entry.get("set"), entry.get("unset")
        if isinstance(changed, dict) and isinstance(gone, list):
            return {**{k: v for k, v in base.items() if k not in gone}, **changed}
    try:
        result = activation.run_scripts(steps, base)
    except activation.ActivationError as error:
        raise ValidationFailedError(f"{prefix}: {error}", hint=f"See {prefix}/etc/conda/activate.d.") from error
    if folder:
        changes = {k: v for k, v in result.items() if base.get(k) != v}
        write_entry(folder, key, {"set": changes, "unset": [k for k in base if k not in result]})
    return result


def _with_kernels(prefix: str, env: dict[str, str]) -> dict[str, str]:
    """Add the volume's kernels, which are for everyone, to the path of Jupyter."""
    join, up = os.path.join, os.path.dirname
    folder = join(up(up(prefix)), "jupyter")
    paths = env.get("JUPYTER_PATH", "").split(os.pathsep)
    if folder in paths or not os.path.isdir(join(folder, "kernels")):
        return env
    return {**env, "JUPYTER_PATH": os.pathsep.join([folder, *filter(None, paths)])}


def _digest(steps: activation.Steps, base: Mapping[str, str]) -> str:
    stamps = []
    for path in (*steps.before, *steps.after):
        found = os.stat(path)
        stamps.append([path, found.st_size, found.st_mtime_ns])
    variables = {k: v for k, v in base.items() if k not in _VOLATILE}
    return sha256(json.dumps([stamps, variables], sort_keys=True).encode()).hexdigest()[:24]
