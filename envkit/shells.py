"""Shell code for activation, one dialect for each shell. Text in, text out; standard library only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from envkit.activation import Steps, is_variable, quote
from envkit.errors import UsageError
from envkit.tuples import NamedTuple


def _nothing(*_: str) -> str:
    return ""


class Dialect(NamedTuple):
    """The syntax of one shell.

    Attributes:
        suffix: Suffix of the scripts that it can source.
        export: Set a variable for the shell and its children.
        unset: Remove a variable, set or not.
        source: Read a script into the shell; empty without such scripts for this shell.
        prompt: Put the environment's name before the prompt: old text, new text.
        prepend: Put a folder first on PATH, whatever its value is then.
    """

    suffix: str
    export: Callable[[str, str], str]
    unset: Callable[[str], str]
    source: Callable[[str], str]
    prompt: Callable[[str, str], str] = _nothing
    prepend: Callable[[str], str] = _nothing


def render(steps: Steps, shell: Dialect) -> str:
    """Return the code that makes a shell do `steps`."""
    lines = [shell.source(path) for path in steps.before]
    lines += [shell.unset(name) for name in steps.unset if is_variable(name)]
    lines += [shell.export(name, value) for name, value in steps.export.items() if is_variable(name)]
    lines.append(shell.prompt(steps.old_prompt, steps.prompt))
    lines += [shell.source(path) for path in steps.after]
    return "".join(f"{line}\n" for line in lines if line)


def detect_shell(env: Mapping[str, str]) -> str:
    """Return the user's shell: the parent process, else SHELL, else bash."""
    try:
        with open(f"/proc/{os.getppid()}/comm", encoding="utf-8") as file:
            parent = file.read().strip().lstrip("-")
    except OSError:
        parent = ""
    for name in (parent, env.get("SHELL", "").rsplit("/", 1)[-1]):
        if name in SHELLS:
            return name
    return "bash"


def dialect(name: str) -> Dialect:
    """Return the dialect of a shell.

    Raises:
        UsageError: The shell is not supported.
    """
    if name not in SHELLS:
        raise UsageError(f"not a shell: {name!r}", hint=f"Known: {', '.join(sorted(SHELLS))}.")
    return SHELLS[name]


def _posix_prompt(old: str, new: str) -> str:
    # PS1 is not exported: the shell itself has to change it, if it has one.
    strip = f"PS1=${{PS1#{quote(old)}}}; " if old else ""
    return f'if [ -n "${{PS1-}}" ]; then {strip}PS1={quote(new)}$PS1; fi'


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_export(name: str, value: str) -> str:
    if name == "PATH":
        return f"set -gx PATH {' '.join(map(_fish_quote, value.split(os.pathsep)))}"
    return f"set -gx {name} {_fish_quote(value)}"


def _csh_quote(text: str) -> str:
    # csh interprets ! and newlines within single quotes.
    return "'" + text.replace("'", "'\\''").replace("!", "\\!").replace("\n", "\\\n") + "'"


def _csh_prompt(old: str, new: str) -> str:
    # csh cannot remove a prefix, so keep the prompt without a name. On the line of a condition, csh looks a variable up
    # even if the condition is false.
    del old
    if not new:
        return 'if ( $?envkit_prompt ) then\n  set prompt = "$envkit_prompt:q"\n  unset envkit_prompt\nendif'
    keep = '  if ( ! $?envkit_prompt ) set envkit_prompt = "$prompt:q"'
    return f'if ( $?prompt ) then\n{keep}\n  set prompt = {_csh_quote(new)}"$envkit_prompt:q"\nendif'


def _powershell_quote(text: str) -> str:
    # Typographic quotes end a string as the plain one does (about_Quoting_Rules).
    return "'" + "".join(c * 2 if c in _POWERSHELL_QUOTES else c for c in text) + "'"


def _cmd_text(text: str) -> str:
    # Quoted text cannot contain a quote or a newline; % is doubled in a batch file.
    return text.replace("%", "%%").translate(dict.fromkeys(map(ord, '"\r\n')))


_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"
_POSIX = Dialect(
    ".sh",
    lambda name, value: f"export {name}={quote(value)}",
    lambda name: f"unset {name}",
    lambda path: f". {quote(path)}",
    _posix_prompt,
    lambda folder: f'export PATH={quote(folder)}"${{PATH:+:$PATH}}"',
)
_CSH = Dialect(
    ".csh",
    lambda name, value: f"setenv {name} {_csh_quote(value)}",
    lambda name: f"unsetenv {name}",
    lambda path: f"source {_csh_quote(path)}",
    _csh_prompt,
)

SHELLS: Mapping[str, Dialect] = {
    "bash": _POSIX,
    "zsh": _POSIX,
    "sh": _POSIX,
    "dash": _POSIX,
    "ksh": _POSIX,
    "fish": Dialect(
        ".fish",
        _fish_export,
        lambda name: f"set -e {name}",
        lambda path: f"source {_fish_quote(path)}",
        _nothing,  # fish computes its prompt by a function of the user; CONDA_PROMPT_MODIFIER is there for it
        lambda folder: f"set -gx PATH {_fish_quote(folder)} $PATH",
    ),
    "csh": _CSH,
    "tcsh": _CSH,
    "xonsh": Dialect(
        ".xsh",
        lambda name, value: f"${name} = {value!r}",
        lambda name: f"${{...}}.pop({name!r}, None)",
        lambda path: f"source {path!r}",  # and it shows CONDA_DEFAULT_ENV by itself ({env_name})
    ),
    "powershell": Dialect(
        ".ps1",
        lambda name, value: f"$Env:{name} = {_powershell_quote(value)}",
        lambda name: f"Remove-Item Env:/{name} -ErrorAction SilentlyContinue",
        lambda path: f". {_powershell_quote(path)}",
    ),
    "nu": Dialect(
        ".nu",
        lambda name, value: f"$env.{name} = {_nu_quote(value, name)}",
        lambda name: f"hide-env --ignore-errors {name}",
        _nothing,  # nushell sources at parse time only
    ),
    "cmd": Dialect(
        ".bat",
        lambda name, value: f'@SET "{name}={_cmd_text(value)}"',
        lambda name: f"@SET {name}=",
        lambda path: f'@CALL "{_cmd_text(path)}"',
    ),
}


def _nu_quote(value: str, name: str) -> str:
    if name == "PATH":
        return f"[{' '.join(_nu_quote(part, '') for part in value.split(os.pathsep))}]"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
