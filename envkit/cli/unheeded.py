"""Say once, on stderr, which keys of conda's configuration are set and not obeyed."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envkit.settings import Settings


def tell_unheeded(settings: Settings) -> None:
    """Write the keys that are not obeyed to stderr, the first time that they are set so.

    What was said is remembered in the user's cache; where that cannot be written, it is said each time.
    """
    if not settings.unheeded:
        return
    import hashlib

    from envkit.words.conda_keys import unheeded_words

    state = hashlib.sha256(repr(settings.unheeded).encode()).hexdigest()[:16]
    told = _memory(state)
    if told is not None and told.exists():
        return
    text = f"envkit: {unheeded_words([name for name, _ in settings.unheeded])}"
    if sys.stderr.isatty():
        import textwrap

        from envkit.cli.terminal import terminal_width

        text = textwrap.fill(text, terminal_width(), break_long_words=False, break_on_hyphens=False)
    sys.stderr.write(f"{text}\n")
    if told is None:
        return
    with suppress(OSError):
        told.parent.mkdir(parents=True, exist_ok=True)
        told.touch()


def _memory(state: str) -> Path | None:
    from platformdirs import user_cache_path

    try:
        return user_cache_path("envkit") / "told" / state
    except RuntimeError:  # a user without a home directory
        return None
