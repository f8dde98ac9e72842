"""The one exception that reaches a person: a message, what to do about it, an exit code."""

from __future__ import annotations

NO_ANSWER = 1
USAGE = 2
NETWORK = 5
INTEGRITY = 6
NO_SPACE = 7


class ChannelError(Exception):
    """The channel cannot be made, for a reason that a person can act on."""

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int = NO_ANSWER) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code
