"""An environment as the API shows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from envkit.errors import UsageError

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from envkit.client.report import ReportView


GUARD = "ENVKIT_ACTIVATED"
"""Variable with process id, volume, name and prefix, set by `Environment.activate` for the process that it becomes."""

_BRIDGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bridge")
# Options of Python that take the next word as their value (python --help).
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


class Environment:
    """One generation of an environment: the active one at the time of the call that returned this object.

    Attributes:
        name: Its name on the volume.
        reused: Whether it existed before the call.
        validation: The validation on a host of this kind, if there is one.
        notes: Messages for the user, for example that the host differs from the last one.
    """

    __slots__ = ("_manifest", "_prefix", "_root", "name", "notes", "reused", "validation")

    def __init__(
        self,
        name: str,
        *,
        root: str,
        prefix: str,
        reused: bool = True,
        validation: ReportView | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.reused = reused
        self.validation = validation
        self.notes = tuple(notes)
        self._root = root
        self._prefix = prefix
        self._manifest: dict[str, Any] | None = None

    @property
    def volume(self) -> Path:
        """Root of the volume."""
        return _path(self._root)

    @property
    def prefix(self) -> Path:
        """The generation's directory: what runs from it is not affected when a new generation becomes active."""
        return _path(self._prefix)

    @property
    def path(self) -> Path:
        """The link ``VOLUME/NAME``, which always points to the active generation."""
        return _path(os.path.join(self._root, self.name))

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return _path(os.path.join(self._prefix, "bin", "python"))

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The generation's manifest: request, packages, channels, choice.

        Raises:
            IntegrityError: It cannot be read.
        """
        if self._manifest is None:
            from envkit.client.volume import load_manifest

            self._manifest = load_manifest(self._prefix)
        return self._manifest

    @property
    def packages(self) -> dict[str, str]:
        """Names and versions of the installed packages."""
        return {str(p["name"]): str(p["version"]) for p in self.manifest.get("packages", ())}

    def environ(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables for a program of the environment: PATH, CONDA_PREFIX and those that its packages set.

        Args:
            base: Variables to start from; None means those of this process.

        Raises:
            ValidationFailedError: An activation script of the environment fails.
        """
        from envkit.activated import environ_of

        return environ_of(self._prefix, os.environ if base is None else base, name=self.name)

    def run(
        self,
        command: Sequence[str],
        *,
        check: bool = True,
        capture_output: bool = False,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the environment and wait for it, as `subprocess.run` does.

        Args:
            command: The program and its arguments, such as ``["python", "train.py"]``.
            check: Raise if its exit code is not 0.
            capture_output: Return its output as text instead of passing it through.
            input: Text for its standard input.
            cwd: Where it runs.
            env: Variables to add.
            timeout: Kill it after this many seconds.

        Raises:
            subprocess.CalledProcessError: Its exit code is not 0 and `check` is set.
            subprocess.TimeoutExpired: It took too long.
            UsageError: There is no such program.
        """
        from subprocess import run

        if isinstance(command, (str, bytes)) or not command:
            raise UsageError("run takes a list of words", hint='For example: env.run(["python", "train.py"]).')
        variables = {**self.environ(), **(env or {})}
        words = [os.fspath(word) for word in command]
        try:
            return run(
                words, check=check, capture_output=capture_output, text=True, input=input, cwd=cwd, env=variables,
                timeout=timeout,
            )  # fmt: skip
        except FileNotFoundError as error:
            if cwd is not None and not os.path.isdir(cwd):
                raise
            raise UsageError(
                f"there is no command {words[0]!r} in {self.name} or on PATH",
                hint=f"Commands of the environment are in {self._prefix}/bin.",
            ) from error

    def activate(self) -> None:
        """Restart the running script with the environment's Python, in this process (exec).

        Options of Python and arguments are kept. After the restart, `ensure` and `require` return this environment at
        once and `activate` does nothing, so a script can simply begin with::

            envkit.ensure("train", ["pytorch"]).activate()

        Standard output and error are flushed. Other threads end; ``atexit`` and ``finally`` blocks do not run.

        Raises:
            UsageError: There is no script to restart: a notebook, an interactive session, a script from a pipe.
            ValidationFailedError: An activation script of the environment fails.
        """
        if self.is_current:
            return
        if _in_notebook():
            raise UsageError(
                "the process of a notebook cannot move into an environment",
                hint=f"Register it with `envkit kernel install {self.name}`, then choose its kernel in the notebook.",
            )
        words = _same_program()
        if words is None:
            hint = f"Start it inside: envkit run {self.name} -- python"
            raise UsageError("this session has no script that could be run anew", hint=hint)
        from envkit.activation import replace_process

        variables = self.environ()
        variables[GUARD] = "\n".join((str(os.getpid()), self._root, self.name, self._prefix))
        # envkit is not installed in the environment; this folder makes it importable, and nothing else.
        old = variables.get("PYTHONPATH")
        variables["PYTHONPATH"] = f"{_BRIDGE}{os.pathsep}{old}" if old else _BRIDGE
        variables.setdefault("ENVKIT_PYTHON", sys.executable)
        python = os.path.join(self._prefix, "bin", "python")
        if not os.access(python, os.X_OK):
            raise UsageError(f"{self.name} has no Python to go on in", hint="Make it with python among its packages.")
        sys.stdout.flush()
        sys.stderr.flush()
        replace_process([python, *words], variables)

    @property
    def is_current(self) -> bool:
        """True if this process runs the environment's Python."""
        here = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix)}
        return os.path.realpath(self._prefix) in here or current_environment() == self

    def __fspath__(self) -> str:
        return self._prefix

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Environment) and other._prefix == self._prefix

    def __hash__(self) -> int:
        return hash(self._prefix)

    def _state(self) -> str:
        if self.validation is not None:
            return f"validated: {self.validation.verdict}"
        return "this process runs in it" if self.is_current else "not validated on this host"

    def __repr__(self) -> str:
        return f"<Environment {self.name}: {self._prefix}, {self._state()}>"

    def _repr_html_(self) -> str:
        from envkit.client.table import html_table

        asked = " ".join(self.manifest.get("request", {}).get("specs", ()))
        rows = [("prefix", self._prefix), ("path", str(self.path)), ("asked", asked)]
        rows += [("packages", str(len(self.packages))), ("state", self._state())]
        return html_table(f"Environment {self.name}", ("", ""), rows, notes=self.notes)


def current_environment() -> Environment | None:
    """Return the environment that `Environment.activate` restarted this process in, or None."""
    process, *parts = os.environ.get(GUARD, "").split("\n")
    if len(parts) != 3 or process != str(os.getpid()):
        return None
    root, name, prefix = parts
    return Environment(name, root=root, prefix=prefix)


def _path(text: str) -> Path:
    from pathlib import Path as PurePath

    return PurePath(text)


def _in_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _same_program() -> list[str] | None:
    """Return the arguments of ``python`` that run this program again; None if it cannot be run again."""
    words = list(getattr(sys, "orig_argv", ()))[1:] or list(sys.argv)
    position = 0
    while position < len(words):
        word = words[position]
        if word in {"-", ""}:
            return None
        if word == "-m" or (word.startswith("-") and not word.startswith("--") and word.endswith(("c", "m"))):
            return words if position + 1 < len(words) else None
        if not word.startswith("-"):
            break
        position += 2 if word in _WITH_VALUE else 1
    if position >= len(words) or hasattr(sys, "ps1"):
        return None
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script and os.path.basename(script) == os.path.basename(words[position]):
        words[position] = os.path.abspath(script)  # the program may have changed its directory
    return words
