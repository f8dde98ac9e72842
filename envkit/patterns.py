"""Regular expressions that are compiled when they are first used: 150 of them take 20 ms, and a command uses ten."""

from __future__ import annotations

TYPE_CHECKING = False  # for checkers True; programs that start jobs do not load `typing`
if TYPE_CHECKING:
    from typing import Any

__all__ = ["regex"]


class _Pattern:
    """A pattern before its first use; then its methods are those of the compiled one."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        import re

        compiled = re.compile(self._text, self._flags)
        for method in ("match", "search", "fullmatch", "finditer", "findall", "split", "sub", "subn", "pattern"):
            setattr(self, method, getattr(compiled, method))  # the next use finds it here
        return getattr(compiled, name)


def _lazy(text: str | bytes, flags: int = 0) -> _Pattern:
    """See `re.compile`."""
    return _Pattern(text, int(flags))


if TYPE_CHECKING:
    from re import compile as regex
else:
    regex = _lazy
