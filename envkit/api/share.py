"""volume share: open a volume to a group."""

from __future__ import annotations

import grp
import stat

from envkit.api.session import Session
from envkit.errors import UsageError
from envkit.layout.share import share_volume
from envkit.models.progress import working
from envkit.models.volume import ShareResult, Trust


def share(session: Session, group: str, *, sticky: bool, trust: Trust) -> ShareResult:
    """Open the volume to a group: its members may make and use environments there.

    Raises:
        UsageError: There is no such group.
        VolumeError: The volume is another user's.
    """
    number, name = _group(group)
    volume = session.make_volume()
    with working(session.reporter, "check", f"the modes of {volume.root}"):
        changed = share_volume(volume, number, sticky=sticky, trust=trust)
    mode = stat.filemode(volume.root.stat().st_mode)
    return ShareResult(str(volume.root), name, mode, sticky, trust, changed)


def _group(text: str) -> tuple[int, str]:
    """Return number and name of a group; a number without a name, as in containers, is taken."""
    try:
        known = grp.getgrgid(int(text)) if text.isdecimal() else grp.getgrnam(text)
    except (KeyError, OverflowError) as error:
        if text.isdecimal() and int(text) < 2**31:
            return int(text), text
        hint = "`id` lists yours; its number does as well."
        raise UsageError(f"there is no group {text!r} on this host", hint=hint) from error
    return known.gr_gid, known.gr_name
