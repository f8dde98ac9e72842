from __future__ import annotations

import datetime

import pytest

from envkit.models.cutoff import moment_of, parse_cutoff


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("7d", "P7D"),
        ("1w 2D", "P9D"),
        ("3d12h", "PT302400S"),
        ("P1W", "P7D"),
        ("PT36H", "PT129600S"),
        ("86400", "P1D"),
        ("7", "PT7S"),
        ("0", "P0D"),
        ("2026-01-31", "2026-01-31T23:59:59+00:00"),  # the day is included
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31 12:00:00+02:00", "2026-01-31T10:00:00+00:00"),
        *((text, None) for text in ("", "soon", "P", "PT", "-7d", "7dd", "20260131", "2026-13-01", "9" * 9 + "w")),
    ],
)
def test_what_is_read(text: str, parsed: str | None) -> None:
    if parsed is None:
        with pytest.raises(ValueError, match=r"."):
            parse_cutoff(text)
        return
    assert parse_cutoff(text) == parsed
    assert parse_cutoff(parsed) == parsed


def test_an_age_moves_with_the_clock() -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    moment = moment_of("P7D")
    assert moment is not None
    assert abs(now - moment - datetime.timedelta(days=7)) < datetime.timedelta(minutes=1)
    assert moment_of("P0D") is None
    assert str(moment_of("2026-01-31T23:59:59+00:00")) == "2026-01-31 23:59:59+00:00"
