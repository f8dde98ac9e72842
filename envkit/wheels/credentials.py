"""Credentials of URLs for a child process: a netrc file that only this user can read, and variables for git."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from envkit.models.pip import Address


@contextmanager
def login_variables(addresses: Sequence[Address]) -> Iterator[dict[str, str]]:
    """Yield variables that give a child the credentials of URLs, and the user's own netrc file.

    A netrc file knows hosts only: of two logins for one host, the first is used for both.
    """
    logins = [(urlsplit(address.url), *login) for address in addresses if (login := address.login) is not None]
    variables = _git_variables([(address, login) for address in addresses if (login := address.login) is not None])
    if os.environ.get("NETRC"):
        variables["NETRC"] = os.environ["NETRC"]
    if not logins:
        yield variables
        return
    with tempfile.TemporaryDirectory(prefix="envkit-") as folder:
        path = Path(folder) / "netrc"
        lines = dict.fromkeys(
            f"machine {parts.hostname} login {_word(user)} password {_word(password)}"
            for parts, user, password in logins
        )
        path.touch(0o600)
        path.write_text("\n".join([*lines, *_own_lines()]) + "\n", encoding="utf-8")
        yield {**variables, "NETRC": str(path)}


def _word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != text or not text or any(char in text for char in " \t#") else text


def _own_lines() -> list[str]:
    """Read the user's netrc file, whose hosts come after ours."""
    path = Path(os.environ.get("NETRC") or Path(os.environ.get("HOME", "/")) / ".netrc")
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _git_variables(logins: Sequence[tuple[Address, tuple[str, str]]]) -> dict[str, str]:
    """Return the configuration of git that sends a login with every request below a URL (git-config, GIT_CONFIG_*)."""
    pairs = []
    for address, (user, password) in logins:
        scheme, plus, rest = address.url.partition("+")
        if plus and scheme == "git":
            parts = urlsplit(rest)
            header = base64.b64encode(f"{user}:{password}".encode()).decode()
            pairs.append((f"http.{parts.scheme}://{parts.netloc}/.extraHeader", f"Authorization: Basic {header}"))
    variables = {"GIT_CONFIG_COUNT": str(len(pairs))} if pairs else {}
    for number, (key, value) in enumerate(pairs):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
