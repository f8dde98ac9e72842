"""Evidence that the answers of a session rest on: states of files, whether they are there or not."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.api.session import Session, user_index_dir
from envkit.engines.outage import outage_folder
from envkit.index.store import Rests
from envkit.layout.measured import measured_folders
from envkit.paths import State, state_of


def surroundings(session: Session) -> Mapping[str, State | None]:
    """Return the states of folders that `find` reads besides indexes: measured builds, and hosts out of reach."""
    folders = (*measured_folders(session.volume), outage_folder(user_index_dir().parent))
    return {str(folder): state_of(folder) for folder in folders}


def evidence_of(session: Session) -> Rests | None:
    """Return what the answers of a session's engine rest on; None if on something else than files of this machine."""
    rests_on = getattr(session.engine, "rests_on", None)
    one_volume = len(session.settings.volumes) <= 1  # of several, the first that can be written is meant
    return rests_on() if rests_on is not None and one_volume else None
