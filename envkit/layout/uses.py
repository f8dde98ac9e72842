"""Marks of use: processes on any host that work in a generation, for `clean`.

Each mark is an empty file in ``.envkit/uses``, and all that it says is in its name::

    <generation>~<host>~<boot>-<namespace>~<pid>~<start>

Who activates a generation and each Python that starts in it leave one (`envkit.marks`, the hook of
`envkit.installer.pin`); a Python removes its own at its end. Whoever may write the volume can leave marks: they keep a
generation from `clean`, and nothing else depends on them. A lease (`envkit.layout.lease`) does the same for `run` where
the file system carries locks to other hosts.
"""

from __future__ import annotations

import contextlib
import pwd
import re
import time

from envkit.errors import TamperedError
from envkit.layout.private import folder
from envkit.layout.volume import Volume
from envkit.marks import read_node, read_start
from envkit.patterns import regex
from envkit.values import dataclass

LIMIT_S = 30 * 24 * 3600.0
"""A mark that is older is void: nothing tells whether a process of another host lives."""

_NAME = regex(
    r"(?P<generation>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})~(?P<host>[A-Za-z0-9._-]{1,64})"
    r"~(?P<node>[0-9a-f]{8}-[0-9]{1,12})~(?P<pid>[0-9]{1,10})~(?P<start>[0-9]{1,20})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Use:
    """One mark.

    Attributes:
        name: The name of its file.
        generation: The generation that is used.
        host: Name of the host.
        pid: Number of the process there.
        uid: Number of its user.
        age_s: Seconds since the process left it.
        ended: Whether the process ended on this host, or the mark is older than `LIMIT_S`.
    """

    name: str
    generation: str
    host: str
    pid: int
    uid: int
    age_s: float
    ended: bool

    @property
    def user(self) -> str:
        """Name of the user, as far as this host knows it."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"user {self.uid}"


def read_uses(volume: Volume) -> list[Use]:
    """Read all marks, ended ones too. A folder that is not there, or not what it should be, has none."""
    found = []
    with contextlib.suppress(OSError, TamperedError), folder(volume.root, volume.uses) as here:
        node, now = read_node(), time.time()
        for name in here.names():
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            with contextlib.suppress(FileNotFoundError):
                state = here.state(name)
                age_s = max(0.0, now - state.st_mtime)  # clocks of hosts differ
                pid = int(match["pid"])
                ended = age_s > LIMIT_S or (match["node"] == node and read_start(pid) != match["start"])
                found.append(Use(name, match["generation"], match["host"], pid, state.st_uid, age_s, ended))
    return found


def sweep_uses(volume: Volume) -> int:
    """Remove the marks of processes that ended; return how many."""
    ended = [use.name for use in read_uses(volume) if use.ended]
    swept = 0
    if ended:
        with contextlib.suppress(OSError, TamperedError), folder(volume.root, volume.uses) as here:
            for name in ended:
                with contextlib.suppress(OSError):  # another user's, in a folder with the sticky bit
                    here.unlink(name)
                    swept += 1
    return swept


def users_of(volume: Volume) -> dict[str, list[Use]]:
    """Return the marks of living processes by generation."""
    found: dict[str, list[Use]] = {}
    for use in read_uses(volume):
        if not use.ended:
            found.setdefault(use.generation, []).append(use)
    return found
