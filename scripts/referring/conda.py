"""The page of conda's configuration."""

from __future__ import annotations

from referring.markdown import code, page, table

from envkit.models.conda_keys import KEYS, Key
from envkit.words.conda_keys import HOW

__all__ = ["conda_page"]


def conda_page() -> str:
    """Return the page of conda's keys."""
    return page("conda", obeyed=_table(obeyed=True), others=_table(obeyed=False))


def _table(*, obeyed: bool) -> str:
    keys = sorted(key for key in KEYS.values() if key.obeyed is obeyed)
    return table(("key", "what envkit does"), ((_names(key), HOW[key.name]) for key in keys))


def _names(key: Key) -> str:
    return ", ".join(map(code, (key.name, *key.aliases)))
