"""envkit activate, deactivate, shell."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from envkit.cli import complete, options, which
from envkit.cli.declared import option
from envkit.errors import UsageError

if TYPE_CHECKING:
    from envkit.cli.launch import Place


_Shell = Annotated[
    str | None,
    option(
        "--shell",
        metavar="SHELL",
        show_default="the calling one",
        help="bash, zsh, ...",
        complete=complete.shells,
    ),
]


def activate_command(
    *,
    name: which.AnyArgument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    shell: _Shell = None,
) -> None:
    """Print shell code that activates an environment.

    Run it with: eval "$(envkit activate NAME)". In fish: envkit activate NAME | source.

    The code names the environment's generation: the shell is not affected when the next one is made, and needs no
    envkit afterwards. Both `conda deactivate` and `envkit deactivate` undo it.
    """
    from envkit.cli.launch import activation_code
    from envkit.shells import detect_shell

    name = which.anything(name, given, prefix)
    kind = shell or detect_shell(os.environ)
    sys.stdout.write(activation_code(name, persist, kind))
    _advise(kind, f"activate {name}")


def deactivate_command(*, shell: _Shell = None) -> None:
    """Print shell code that deactivates: eval "$(envkit deactivate)"."""
    from envkit.cli.launch import deactivation_code
    from envkit.shells import detect_shell

    kind = shell or detect_shell(os.environ)
    sys.stdout.write(deactivation_code(kind))
    _advise(kind, "deactivate")


def _advise(kind: str, command: str) -> None:
    """Tell how to run the code if it went to a terminal."""
    if sys.stdout.isatty():
        how = f"envkit {command} | source" if kind == "fish" else f'eval "$(envkit {command})"'
        sys.stderr.write(f"envkit: this is code for {kind}; to run it: {how}\n")


def shell_command(
    *,
    name: which.AnyArgument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    shell: _Shell = None,
) -> None:
    """Start a shell in an environment; leave it with `exit`."""
    from envkit.cli.launch import find_place
    from envkit.layout.mounting import enter_packed
    from envkit.shells import SHELLS, detect_shell

    place = find_place(which.anything(name, given, prefix), persist)
    enter_packed(place.prefix)
    kind = shell or detect_shell(os.environ)
    program = shutil.which(kind)
    if kind not in SHELLS or program is None:
        raise UsageError(f"there is no shell {kind!r} here", hint="Name another with --shell.")
    sys.stdout.flush()
    _start(kind, program, place)


def _start(kind: str, program: str, place: Place) -> NoReturn:
    """Become the shell: it reads the user's own files, then the activation, so that its PATH wins."""
    from envkit.activated import environ_of
    from envkit.activation import first_on_path, plan_activate
    from envkit.shells import dialect, render

    spoken = dialect(kind)
    steps = plan_activate(place.prefix, os.environ, name=place.name, suffix=spoken.suffix)
    if kind not in {"bash", "zsh", "fish"}:
        os.execve(program, [kind], environ_of(place.prefix, os.environ, name=place.name))
    export = {key: value for key, value in steps.export.items() if key != "PATH"}
    code = render(steps._replace(export=export, after=()), spoken)
    folder = first_on_path(steps)
    code += spoken.prepend(folder) + "\n" + "".join(f"{spoken.source(path)}\n" for path in steps.after)
    if kind == "fish":
        os.execv(program, ["fish", "--init-command", code])
    scratch = Path(tempfile.mkdtemp(prefix="envkit-shell-"))
    clean = f"rm -rf {scratch}\n"
    if kind == "bash":
        rc = scratch / "bashrc"
        rc.write_text(f"[ -f ~/.bashrc ] && . ~/.bashrc\n{code}{clean}", encoding="utf-8")
        os.execv(program, ["bash", "--rcfile", str(rc), "-i"])
    home = os.environ.get("ZDOTDIR", "")
    back = f"ZDOTDIR={home!r}" if home else "unset ZDOTDIR"
    own = '"${ZDOTDIR:-$HOME}"'
    (scratch / ".zshenv").write_text(f"{back}\n[ -f {own}/.zshenv ] && . {own}/.zshenv\nZDOTDIR={scratch}\n")
    (scratch / ".zshrc").write_text(f"{back}\n[ -f {own}/.zshrc ] && . {own}/.zshrc\n{code}{clean}")
    os.execve(program, ["zsh", "-i"], {**os.environ, "ZDOTDIR": str(scratch)})
