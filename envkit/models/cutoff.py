"""Cutoffs: the time after which published packages are not seen, as a time or as an age (``exclude_newer`` of conda).

conda 26.9 takes ages (``7d``, ``3d12h``, ``P7D``, seconds), dates, which include their day, and times; without a zone
in UTC. An age is kept as it is: it moves with the clock.
"""

from __future__ import annotations

import datetime
import re

from envkit.patterns import regex

_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS = regex(r"(\d{1,9})\s*([wdhms])\s*", re.IGNORECASE)
_COMPACT = regex(rf"(?:{_PARTS.pattern})+\Z", re.IGNORECASE)
_PERIOD = regex(r"P(?=.)(\d{1,9}W)?(\d{1,9}D)?(?:T(?=.)(\d{1,9}H)?(\d{1,9}M)?(\d{1,9}S)?)?\Z", re.IGNORECASE)
_DATE = regex(r"\d{4}-\d{2}-\d{2}\Z")
_LONGEST_S = 100 * 366 * 86400
_UTC = datetime.timezone.utc


def parse_cutoff(text: str) -> str:
    """Return a cutoff as ISO 8601: a time in UTC, or an age in days or seconds (``P7D``).

    Raises:
        ValueError: It is neither.
    """
    text = text.strip()
    age = _age(text)
    if age is not None:
        if age > _LONGEST_S:
            raise ValueError(f"an age of {age} seconds")
        days, rest = divmod(age, 86400)
        return f"PT{age}S" if rest else f"P{days}D"
    moment = datetime.datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    if _DATE.match(text):
        moment += datetime.timedelta(days=1, seconds=-1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_UTC)
    return moment.astimezone(_UTC).isoformat(timespec="seconds")


def _age(text: str) -> int | None:
    """Return an age in seconds, or None where the text is none."""
    if text.isdecimal():
        if len(text) == len("20260131"):
            raise ValueError("a date without dashes, or an age of months in seconds")
        return int(text)
    if _COMPACT.match(text):
        return sum(int(number) * _SECONDS[unit.lower()] for number, unit in _PARTS.findall(text))
    if _PERIOD.match(text):
        return sum(int(number) * _SECONDS[unit.lower()] for number, unit in _PARTS.findall(text))
    return None


def moment_of(cutoff: str) -> datetime.datetime | None:
    """Return the time that a parsed cutoff means now; None for an age of nothing, by which all is seen."""
    age = _age(cutoff)
    if age == 0:
        return None
    if age is None:
        return datetime.datetime.fromisoformat(cutoff)
    return datetime.datetime.now(_UTC) - datetime.timedelta(seconds=age)
