"""An environment in the hands of a program."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from envkit.errors import UsageError

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from envkit.client.report import ReportView

__all__ = ["GUARD", "Environment", "current_environment"]

GUARD = "ENVKIT_ACTIVATED"
"""Process id, volume, name and generation, told by `Environment.activate` to the program that it becomes."""

_BRIDGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bridge")
# Options of Python that take the next word as their value (python --help).
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


class Environment:
    """An environment: one generation of it, the one that its link named when this was made.

    Attributes:
        name: Its name on the volume.
        volume: Root of the volume.
        prefix: The generation's directory. It is not the link: what runs from it goes on unharmed when the next
            generation takes its place.
        path: The link, ``VOLUME/NAME``, for what should follow the next generation.
        python: The environment's interpreter.
        reused: Whether it was there already.
        validation: The validation on a host of this kind, where there is one.
        notes: What a person should know, such as that the host is another one than before.
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
        """The generation's directory."""
        return _path(self._prefix)

    @property
    def path(self) -> Path:
        """The link that names the active generation."""
        return _path(os.path.join(self._root, self.name))

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return _path(os.path.join(self._prefix, "bin", "python"))

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the generation is: request, packages, channels, choice.

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
        """The variables that a program of the environment sees: PATH, CONDA_PREFIX, what its packages set.

        Args:
            base: Variables to start from; those of this process if None.

        Raises:
            ValidationFailedError: An activation script of the environment does not run.
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
            check: Raise when it does not end with 0.
            capture_output: Keep its output as text instead of passing it through.
            input: Text for its standard input.
            cwd: Where it runs.
            env: Variables to add.
            timeout: Seconds after which it is killed.

        Raises:
            subprocess.CalledProcessError: It ended with another exit code and `check` is set.
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
        """Go on inside the environment: this process becomes its Python, running the same script anew, once.

        Options of Python and arguments are kept. In the process that it becomes, which has the same number, `ensure`
        and `require` give this environment at once and `activate` does nothing, so that a script simply begins with::

            envkit.ensure("train", ["pytorch"]).activate()

        What has been written is flushed; other threads, ``atexit`` and ``finally`` blocks do not run.

        Raises:
            UsageError: There is no script to run anew: a notebook, an interactive session, a script from a pipe.
            ValidationFailedError: An activation script of the environment does not run.
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
            raise UsageError(
                "this session has no script that could be run anew",
                hint=f"Start it inside: envkit run {self.name} -- python",
            )
        from envkit.activation import replace_process

        variables = self.environ()
        variables[GUARD] = "\n".join((str(os.getpid()), self._root, self.name, self._prefix))
        # The environment does not have envkit; this folder holds a way to its sources and nothing else.
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
        """Whether this process runs the environment's Python."""
        here = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix)}
        told = current_environment()
        return os.path.realpath(self._prefix) in here or (told is not None and told.prefix == self._prefix)

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

        rows = [
            ("prefix", self._prefix),
            ("path", str(self.path)),
            ("asked", " ".join(self.manifest.get("request", {}).get("specs", ()))),
            ("packages", str(len(self.packages))),
            ("state", self._state()),
        ]
        return html_table(f"Environment {self.name}", ("", ""), rows, notes=self.notes)


class _Told(NamedTuple):
    root: str
    name: str
    prefix: str


def current_environment() -> _Told | None:
    """The environment that this very process went on in by `Environment.activate`."""
    parts = os.environ.get(GUARD, "").split("\n")
    if len(parts) != 4 or parts[0] != str(os.getpid()):
        return None
    return _Told(parts[1], parts[2], parts[3])


def _path(text: str) -> Path:
    from pathlib import Path as PurePath

    return PurePath(text)


def _in_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _same_program() -> list[str] | None:
    """The words behind ``python`` that run this program again; None where there is nothing to run again."""
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
        words[position] = os.path.abspath(script)  # the program may have changed its directory since
    return words
