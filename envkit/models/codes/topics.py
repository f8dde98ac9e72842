"""The questions that an explanation answers."""

from __future__ import annotations

from envkit.models.fact import Code


def _topic(name: str, meaning: str) -> Code:
    return Code("topic", name, meaning)


CHANGE = _topic("change", "What would give a better choice.")
CPU = _topic("cpu", "Why the choice is a CPU build.")
NOT_NEWER = _topic("not-newer", "Why no newer build was chosen.")
NO_BUILD = _topic("no-build", "Why nothing was chosen.")
THIS_BUILD = _topic("this-build", "Why this build was chosen.")
