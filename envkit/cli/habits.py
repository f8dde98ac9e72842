"""Commands of conda, mamba, uv and pixi that hands know: taken where they mean one of ours, else answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.errors import UsageError

_SAME: Mapping[tuple[str, ...], str] = {
    ("env", "list"): "list",
    ("env", "create"): "create",
    ("env", "remove"): "remove",
    ("env", "export"): "export",
    ("info", "--envs"): "list",
    ("info", "-e"): "list",
    ("ls",): "list",
    ("search",): "find",
    ("add",): "install",
    ("update",): "upgrade",
}
_ANSWERS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("env", "update"): (
        "an environment is not updated from a file",
        "Make it again from the file: envkit create -n NAME -f FILE --replace. Newer packages: envkit upgrade -n NAME.",
    ),
    ("env", "config"): (
        "variables of an environment are set by its file",
        "Write them below `variables:` in environment.yml: envkit create -n NAME -f FILE --replace.",
    ),
    ("env",): ("there is no command `env`", "Meant: envkit list, create, remove, export?"),
    ("info",): (
        "there is no command `info`",
        "Machine: envkit detect; settings: envkit config show; volume: envkit volume; NAME: envkit show NAME.",
    ),
    ("init",): (
        "no shell needs to be prepared",
        'Activate with: eval "$(envkit activate NAME)". To have envkit after a restart: envkit volume bootstrap.',
    ),
    ("exec",): ("there is no command `exec`", "Run a command in an environment: envkit run NAME -- CMD."),
    ("pip",): ("there is no command `pip`", "Add packages of PyPI: envkit install -n NAME --pip SPEC."),
    ("sync",): ("there is no command `sync`", "An environment of a file: envkit create -n NAME -f FILE --replace."),
    ("compare",): ("there is no command `compare`", "Compare two environments: envkit diff A B."),
    ("venv",): ("there is no command `venv`", "An environment with Python: envkit create python -n NAME."),
    ("freeze",): ("there is no command `freeze`", "Every package with its version: envkit export NAME --pins."),
    ("repoquery",): (
        "there is no command `repoquery`",
        "What PACKAGE needs: envkit tree PACKAGE -c conda-forge; who needs it: envkit why PACKAGE -c conda-forge.",
    ),
    ("shell-hook",): ("there is no command `shell-hook`", 'Activate with: eval "$(envkit activate NAME)".'),
    ("auth",): (
        "there is no command `auth`",
        "Logins are read from netrc, from the file that RATTLER_AUTH_FILE names, and from URLs in condarc.",
    ),
    ("package",): ("there is no command `package`", "Carry an environment elsewhere: envkit export NAME --explicit."),
}


def translate(argv: Sequence[str]) -> list[str]:
    """Return a command line in the words of envkit.

    Raises:
        UsageError: It names a command that envkit has in another form; the hint says which.
    """
    for length in (2, 1):
        head = tuple(argv[:length])
        if head in _SAME:
            return [_SAME[head], *argv[length:]]
        if head in _ANSWERS:
            message, hint = _ANSWERS[head]
            raise UsageError(message, hint=hint)
    if argv[:1] == ["list"] and any(word.partition("=")[0] in _NAMES for word in argv[1:]):
        return ["show", *argv[1:]]  # conda's `list -n NAME` shows the packages of one environment
    return list(argv)


def progress(argv: Sequence[str], *, takes_progress: bool) -> list[str]:
    """Return a command line with ``-q`` and ``-v``, which every command takes, as styles of ``--progress``."""
    end = argv.index("--") if "--" in argv else len(argv)
    said = [_PROGRESS[word] for word in argv[:end] if word in _PROGRESS]
    if not said or argv[0] == "run":
        return list(argv)
    style = ["--progress", said[-1]] if takes_progress else []
    return [*(word for word in argv[:end] if word not in _PROGRESS), *style, *argv[end:]]


_NAMES = frozenset({"-n", "--name", "-p", "--prefix"})
_PROGRESS: Mapping[str, str] = {
    "-q": "none",
    "--quiet": "none",
    "-v": "verbose",
    "-vv": "verbose",
    "-vvv": "verbose",
    "--verbose": "verbose",
}
