"""Every error that envkit raises on purpose, as one tree.

    EnvkitError                 70  (only as a base)
    ├── NoAnswerError            1  nothing of that name, or the request cannot be satisfied
    │   ├── PackageNotFoundError
    │   ├── UnsatisfiableError
    │   └── UnknownEnvironmentError
    ├── UsageError               2  the request itself is wrong
    │   ├── SpecError
    │   ├── RecipeError
    │   ├── SettingsError
    │   └── EnvironmentExistsError
    ├── ValidationFailedError    3  the environment is there and does not compute
    ├── HostCannotRunError       4  this host cannot run what was asked
    │   └── NotOnGpuError
    ├── ChannelError             5  a channel or the network
    ├── IntegrityError           6  bytes are not what the index or the manifest says
    ├── VolumeError              7  the volume cannot take it
    │   └── NoSpaceError
    └── HeldError                8  another process holds it

Each class has a stable ``code`` for scripts and an ``exit_code`` for shells. The message says what is wrong, the hint
how to mend it. Findings of a validation are values, not errors; so is the absence of a GPU.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ChannelError",
    "EnvironmentExistsError",
    "EnvkitError",
    "HeldError",
    "HostCannotRunError",
    "IntegrityError",
    "NoAnswerError",
    "NoSpaceError",
    "NotOnGpuError",
    "PackageNotFoundError",
    "RecipeError",
    "SettingsError",
    "SpecError",
    "UnknownEnvironmentError",
    "UnsatisfiableError",
    "UsageError",
    "ValidationFailedError",
    "VolumeError",
]


class EnvkitError(Exception):
    """Base class of all errors that envkit raises on purpose.

    Attributes:
        message: What is wrong, with the names and numbers involved.
        hint: How to mend it.
        members: What ``--json`` prints beside ``error``.
        code: The name of the error in JSON; stable.
        exit_code: The exit code of the command line; stable.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.members: dict[str, object] = {}
        self.told: tuple[object, ...] = ()  # facts that message and hint tell already

    def __str__(self) -> str:  # shown by a traceback; Python 3.10 shows no notes (PEP 678)
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:  # the default one drops keyword-only arguments
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(cls: type[EnvkitError], message: str, hint: str | None) -> EnvkitError:
    return cls(message, hint=hint)


class NoAnswerError(EnvkitError):
    """Nothing in the channels, or on the volume, answers the request."""

    code = "no-answer"
    exit_code = 1


class PackageNotFoundError(NoAnswerError):
    """No channel has a package of that name."""

    code = "package-not-found"


class UnsatisfiableError(NoAnswerError):
    """No set of packages satisfies the request."""

    code = "unsatisfiable"


class UnknownEnvironmentError(NoAnswerError):
    """There is no environment of that name, or no prefix at that path."""

    code = "unknown-environment"


class UsageError(EnvkitError):
    """The request itself is wrong."""

    code = "usage"
    exit_code = 2


class SpecError(UsageError):
    """A package specification cannot be read (CEP 29)."""

    code = "bad-spec"


class RecipeError(UsageError):
    """An environment.yml cannot be read (CEP 24)."""

    code = "bad-recipe"


class SettingsError(UsageError):
    """A setting has an invalid value, or two settings contradict each other."""

    code = "bad-setting"


class EnvironmentExistsError(UsageError):
    """Another environment, made from a different request, has this name."""

    code = "environment-exists"


class ValidationFailedError(EnvkitError):
    """The environment was validated and does not work."""

    code = "validation-failed"
    exit_code = 3


class HostCannotRunError(EnvkitError):
    """There are builds, but none of them runs on this host."""

    code = "host-cannot-run"
    exit_code = 4


class NotOnGpuError(HostCannotRunError):
    """A validation on a GPU was required, but it did not run on one."""

    code = "not-on-gpu"


class ChannelError(EnvkitError):
    """A channel cannot be reached, or what it serves is not a channel.

    Attributes:
        unreachable: URL of the channel if its host could not be reached at all.
        cause: Why not, in a few words; empty if `unreachable` is None.
    """

    code = "channel"
    exit_code = 5
    unreachable: str | None = None
    cause: str = ""


class IntegrityError(EnvkitError):
    """Bytes differ from what the index or the manifest says, or a package would write outside its prefix."""

    code = "integrity"
    exit_code = 6


class VolumeError(EnvkitError):
    """The volume is missing, cannot be written, or cannot hold an environment."""

    code = "volume"
    exit_code = 7


class NoSpaceError(VolumeError):
    """Too few bytes or inodes are left on the volume."""

    code = "no-space"


class HeldError(EnvkitError):
    """Another process is changing the same thing."""

    code = "held"
    exit_code = 8
