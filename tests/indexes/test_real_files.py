"""Files that people have: each is planned, or refused for a reason that is true; see `files_table`."""

from __future__ import annotations

from pathlib import Path

import pytest
from files_table import OK, WRONG, table
from harness import REAL_CHANNELS

FILES = REAL_CHANNELS.parent / "files" if REAL_CHANNELS is not None else Path("none")


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_each_real_file_is_read() -> None:
    if REAL_CHANNELS is None or not FILES.is_dir():
        pytest.skip("the real files are not here")
    rows = list(table(FILES, REAL_CHANNELS))
    assert [row for row in rows if row.outcome == WRONG] == []
    assert sum(row.outcome == OK for row in rows) > 20
