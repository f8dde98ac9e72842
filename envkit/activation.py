"""Plan the changes to a process's variables that activating an environment makes, as conda defines them.

Stands alone: it imports only the standard library and runs on Python 3.7 and newer, because a copy of it starts Jupyter
kernels with the environment's own Python, where envkit is not installed (see `_main`).

The rules are those of conda (``conda/activate.py``): scripts of the environment that is left, variables of the new one,
replaced values kept as ``__CONDA_SHLVL_<n>_<NAME>``, then the scripts of the new one, sorted by name. So `conda
deactivate` undoes envkit's activation, and the reverse.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

HOOK = "~~envkit"
"""Name, without suffix, of the script that envkit adds to each generation; it does nothing for envkit itself."""

_MANIFEST = ".envkit.json"  # as in envkit.paths
_UNSET = "***unset***"  # conda's value of a variable to be unset
_SCRIPTS_TIMEOUT_S = 120.0
_LARGEST_BYTES = 64 << 20
_LEFT_OUT = {"PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}


class ActivationError(RuntimeError):
    """The scripts of an environment did not run to their end."""


class Steps(NamedTuple):
    """Steps for a shell, in this order.

    Attributes:
        before: Scripts to source of the environment that is left.
        unset: Variables to remove.
        export: Variables to set.
        after: Scripts to source of the environment that is entered.
        prompt: New text before the prompt.
        old_prompt: Old text before the prompt.
    """

    before: Sequence[str]
    unset: Sequence[str]
    export: Mapping[str, str]
    after: Sequence[str]
    prompt: str = ""
    old_prompt: str = ""


def list_scripts(prefix: str, folder: str, suffix: str = ".sh") -> list[str]:
    """List the files in ``etc/conda/activate.d``, ``deactivate.d`` or ``env_vars.d``, in the order of reading."""
    path = os.path.join(prefix, "etc", "conda", folder)
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith(suffix))
    except OSError:
        return []
    return [os.path.join(path, name) for name in names]


def read_variables(prefix: str) -> dict[str, str]:
    """Read the variables of an environment: those of its packages, then its own (``conda-meta/state``)."""
    found: dict[str, str] = {}
    for path in list_scripts(prefix, "env_vars.d", ".json"):
        found.update(_texts(_read_json(path)))
    state = _read_json(os.path.join(prefix, "conda-meta", "state"))
    found.update(_texts(state.get("env_vars")))
    return {name: value for name, value in found.items() if value != _UNSET and is_variable(name)}


def is_variable(name: str) -> bool:
    """Return whether a text is a name of a variable in every shell (POSIX 3.230); shells may run other text."""
    return name.isascii() and name.isidentifier()


def plan_activate(prefix: str, env: Mapping[str, str], *, name: str | None = None, suffix: str = ".sh") -> Steps:
    """Plan the steps that bring a process into an environment.

    Args:
        prefix: The environment's directory: the generation, not the link that names it.
        suffix: Suffix of the scripts that the shell can source.
    """
    level = _level(env)
    old = env.get("CONDA_PREFIX") if level else None
    export: dict[str, str] = {}
    again = old is not None and os.path.realpath(old) == os.path.realpath(prefix)
    depth = level - 1 if again else level
    if old is not None and not again:
        export[f"CONDA_PREFIX_{level}"] = old
    export["PATH"] = os.pathsep.join(_new_path(env, old, prefix))
    export["CONDA_PREFIX"] = prefix
    export["CONDA_SHLVL"] = str(depth + 1)
    export["CONDA_DEFAULT_ENV"] = name or prefix
    export["CONDA_PROMPT_MODIFIER"] = prompt = _prompt(name or prefix)
    for variable, value in read_variables(prefix).items():
        if not again and variable in env:
            export[f"__CONDA_SHLVL_{depth}_{variable}"] = env[variable]
        export[variable] = value
    return Steps(
        before=list_scripts(old, "deactivate.d", suffix)[::-1] if old else (),
        unset=(),
        export=export,
        # The hook is for activation by the link; this is the generation's own path.
        after=[p for p in list_scripts(prefix, "activate.d", suffix) if os.path.basename(p) != HOOK + suffix],
        prompt=prompt,
        old_prompt=env.get("CONDA_PROMPT_MODIFIER", ""),
    )


def plan_deactivate(env: Mapping[str, str], *, suffix: str = ".sh") -> Steps | None:
    """Plan the steps that bring a process out of its active environment; None if none is active."""
    level = _level(env)
    old = env.get("CONDA_PREFIX")
    if not level or not old:
        return None
    export: dict[str, str] = {}
    unset = list(read_variables(old))
    saved = f"__CONDA_SHLVL_{level - 1}_"
    after: list[str] = []
    back = env.get(f"CONDA_PREFIX_{level - 1}") if level > 1 else None
    prompt = ""
    if back is None:
        export["PATH"] = os.pathsep.join(_new_path(env, old, None))
        unset += ["CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER", "CONDA_SHLVL"]
    else:
        export["PATH"] = os.pathsep.join(_new_path(env, old, back))
        export["CONDA_PREFIX"] = back
        export["CONDA_SHLVL"] = str(level - 1)
        export["CONDA_DEFAULT_ENV"] = name = _name_of(back)
        export["CONDA_PROMPT_MODIFIER"] = prompt = _prompt(name)
        export.update(read_variables(back))
        unset.append(f"CONDA_PREFIX_{level - 1}")
        after = list_scripts(back, "activate.d", suffix)
    for name, value in env.items():
        if name.startswith(saved) and is_variable(name[len(saved) :]):
            export[name[len(saved) :]] = value
            unset.append(name)
    return Steps(
        before=list_scripts(old, "deactivate.d", suffix)[::-1],
        unset=[n for n in unset if n not in export],
        export=export,
        after=after,
        prompt=prompt,
        old_prompt=env.get("CONDA_PROMPT_MODIFIER", ""),
    )


def activated_environ(prefix: str, env: Mapping[str, str], *, name: str | None = None) -> dict[str, str]:
    """Return the variables for a program of an environment, scripts applied.

    Raises:
        ActivationError: A script ended the shell, or took longer than two minutes.
    """
    base = starting_point(env)
    steps = plan_activate(prefix, base, name=name)
    if needs_shell(steps):
        return run_scripts(steps, base)
    return apply_steps(steps, base)


def first_on_path(steps: Steps) -> str:
    """Return the folder of programs that `steps` put on PATH."""
    return os.path.join(steps.export["CONDA_PREFIX"], "bin")


def starting_point(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that tie a process to another Python."""
    return {k: v for k, v in env.items() if k not in _LEFT_OUT}


def needs_shell(steps: Steps) -> bool:
    """Return whether there are scripts to source."""
    return bool(steps.before or steps.after)


def apply_steps(steps: Steps, env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables after `steps`, without the scripts."""
    result = {k: v for k, v in env.items() if k not in steps.unset}
    result.update(steps.export)
    return result


def run_scripts(steps: Steps, env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables after `steps`, scripts included. bash runs these, for which packages write them.

    Raises:
        ActivationError: A script ended the shell, or took longer than two minutes.
    """
    import subprocess

    shell = next((path for path in ("/bin/bash", "/usr/bin/bash") if os.path.exists(path)), None) or _which("bash", env)
    # Send output of the scripts to standard error, and only the variables to standard output.
    lines = ["exec 3>&1 1>&2"]
    lines += [f". {quote(path)}" for path in steps.before]
    lines += [f"unset {name}" for name in steps.unset]
    lines += [f"export {name}={quote(value)}" for name, value in steps.export.items() if is_variable(name)]
    lines += [f". {quote(path)}" for path in steps.after]
    lines += ["PATH=/usr/bin:/bin:$PATH command env -0 >&3" if shell is None else "exec env -0 >&3"]
    try:
        done = subprocess.run(
            [shell or "/bin/sh", "-c", "\n".join(lines)],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=_SCRIPTS_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ActivationError(f"the activation scripts could not be run: {error}") from error
    result = {}
    for entry in done.stdout.split(b"\0"):
        key, found, value = entry.partition(b"=")
        if found:
            result[os.fsdecode(key)] = os.fsdecode(value)
    if done.returncode or "PATH" not in result:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise ActivationError(
            f"the activation scripts ended with exit status {done.returncode}" + (f": {said}" if said else "")
        )
    for name in ("_", "SHLVL", "PWD", "OLDPWD"):  # the shell's own
        result.pop(name, None)
        if name in env:
            result[name] = env[name]
    return result


def quote(text: str) -> str:
    """Quote a word for a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def replace_process(words: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Call `os.execvpe`, after restoring the signals that Python ignores for itself.

    Raises:
        OSError: The program does not exist or cannot be started.
    """
    import signal

    changed = []
    for name in ("SIGPIPE", "SIGXFSZ"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            try:
                signal.signal(number, signal.SIG_DFL)
            except ValueError:  # not in the main thread
                break
            changed.append(number)
    try:
        os.execvpe(words[0], list(words), dict(env))
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_IGN)


def _main() -> None:
    """Start a Jupyter kernel: ``activation.py GENERATION NAME MODULE [ARG]...``, run by the generation's Python."""
    prefix, name, module = sys.argv[1:4]
    try:
        env = activated_environ(prefix, os.environ, name=name)
    except ActivationError as error:
        sys.stderr.write(f"envkit: {error}\n")
        raise SystemExit(3) from error
    python = os.path.join(prefix, "bin", "python")
    replace_process([python, "-m", module, *sys.argv[4:]], env)


def _level(env: Mapping[str, str]) -> int:
    try:
        return max(0, int(env.get("CONDA_SHLVL", "").strip() or 0))
    except ValueError:
        return 0


def _prompt(name: str) -> str:
    """Return the text before a prompt, without characters that shells expand: $, backquote, backslash, % and !."""
    return "(" + "".join(c if c.isalnum() or c in "/._-+=:,@~ " else "?" for c in name) + ") "


def _name_of(prefix: str) -> str:
    """Return conda's name of a prefix: its name in an ``envs`` folder, the environment's for generations."""
    generation = os.path.join(prefix, _MANIFEST)
    name = _read_json(generation).get("name") if os.path.exists(generation) else None
    if isinstance(name, str):
        return name
    folder, last = os.path.split(prefix.rstrip("/"))
    return last if os.path.basename(folder) == "envs" else prefix


def _new_path(env: Mapping[str, str], old: str | None, new: str | None) -> list[str]:
    """Return PATH with the new environment's programs in place of the old one's, else first."""
    entries = env.get("PATH", os.defpath).split(os.pathsep)
    place = 0
    if old is not None:
        for position, entry in enumerate(entries):
            if entry == os.path.join(old, "bin"):
                del entries[position]
                place = position
                break
    if new is not None:
        entries.insert(place, os.path.join(new, "bin"))
    return entries


def _which(name: str, env: Mapping[str, str]) -> str | None:
    for folder in env.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if os.path.isabs(path) and os.access(path, os.X_OK):
            return path
    return None


def _read_json(path: str) -> dict[str, object]:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return {}
            content = json.loads(file.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO would wait for its writer


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(k): str(v) for k, v in value.items() if isinstance(v, (str, int, float))}


if __name__ == "__main__":
    _main()
