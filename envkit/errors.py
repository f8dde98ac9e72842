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
    │   ├── NoGpuCodeError
    │   └── NotOnGpuError
    ├── ChannelError             5  a channel or the network
    ├── IntegrityError           6  bytes are not what the index or the manifest says
    │   └── TamperedError
    ├── VolumeError              7  the volume cannot take it
    │   └── NoSpaceError
    └── HeldError                8  another process holds it

Each class has a stable ``code`` for scripts and an ``exit_code`` for shells. The message says what is wrong, the hint
how to mend it; ``cure`` is the hint for the reference, which knows no names. Findings of a validation are values, not
errors; so is the absence of a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "ChannelError",
    "EnvironmentExistsError",
    "EnvkitError",
    "HeldError",
    "HostCannotRunError",
    "IntegrityError",
    "NoAnswerError",
    "NoGpuCodeError",
    "NoSpaceError",
    "NotOnGpuError",
    "PackageNotFoundError",
    "RecipeError",
    "SettingsError",
    "SpecError",
    "TamperedError",
    "UnknownEnvironmentError",
    "UnsatisfiableError",
    "UsageError",
    "ValidationFailedError",
    "VolumeError",
]

EXIT_CODES: dict[int, str] = {
    0: "done (`find`: something runs)",
    1: "no answer: nothing of that name, not satisfiable, no such environment",
    2: "usage: a flag, a spec, a file or a setting is wrong",
    3: "validation failed: the environment is at fault",
    4: "this host cannot run what was asked (`find`: builds exist, none runs)",
    5: "a channel or the network",
    6: "integrity: bytes are not what the index says (`doctor`: something is wrong)",
    7: "the volume: missing, not writable, out of bytes or inodes",
    8: "held by another process",
    70: "a bug in envkit",
    129: "the terminal was closed (SIGHUP)",
    130: "interrupted with Ctrl-C (SIGINT)",
    143: "ended by another program (SIGTERM)",
}
"""Every exit code of the command line; 128 and more are signals."""


class EnvkitError(Exception):
    """Base class of all errors that envkit raises on purpose.

    Attributes:
        message: What is wrong, with the names and numbers involved.
        hint: How to mend it.
        members: What ``--json`` prints beside ``error``.
        code: The name of the error in JSON; stable.
        exit_code: The exit code of the command line; stable.
        cure: What to do, in general.
        blames: What has to change.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 70
    cure: ClassVar[str] = "Report it: envkit raises only the classes below this one."
    blames: ClassVar[str] = "envkit"

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
    cure = "Ask for another version or name, or name another channel with `-c`."
    blames = "request"


class PackageNotFoundError(NoAnswerError):
    """No channel has a package of that name."""

    code = "package-not-found"
    cure = "Check the spelling, or name the channel that has it with `-c`."


class UnsatisfiableError(NoAnswerError):
    """No set of packages satisfies the request."""

    code = "unsatisfiable"
    cure = "Loosen the versions that the message names, or name another channel with `-c`."


class UnknownEnvironmentError(NoAnswerError):
    """There is no environment of that name, or no prefix at that path."""

    code = "unknown-environment"
    cure = "See the names with `envkit list`, or name the volume with `--persist DIR`."


class UsageError(EnvkitError):
    """The request itself is wrong."""

    code = "usage"
    exit_code = 2
    cure = "See `envkit COMMAND --help`."
    blames = "request"


class SpecError(UsageError):
    """A package specification cannot be read (CEP 29)."""

    code = "bad-spec"
    cure = "Write it as `name`, `name=1.2`, `name>=1.2` or `channel::name`."


class RecipeError(UsageError):
    """An environment.yml cannot be read (CEP 24)."""

    code = "bad-recipe"
    cure = "Correct the file at the place that the message names."


class SettingsError(UsageError):
    """A setting has an invalid value, or two settings contradict each other."""

    code = "bad-setting"
    cure = "Correct the flag, variable or file that the message names; see `envkit help variables`."


class EnvironmentExistsError(UsageError):
    """Another environment, made from a different request, has this name."""

    code = "environment-exists"
    cure = "Choose another name with `-n`, change it with `envkit install`, or give `--replace`."


class ValidationFailedError(EnvkitError):
    """The environment was validated and does not work."""

    code = "validation-failed"
    exit_code = 3
    cure = "Follow the hints of the findings; `envkit doctor NAME --fix` links the files again."
    blames = "environment"


class HostCannotRunError(EnvkitError):
    """There are builds, but none of them runs on this host."""

    code = "host-cannot-run"
    exit_code = 4
    cure = "Do what the reasons name: often a newer driver, another `--cuda`, or `--cuda none`."
    blames = "host"


class NoGpuCodeError(HostCannotRunError):
    """A package was measured, and holds no code for a GPU that it is meant for.

    Attributes:
        lacking: The packages, each with the reasons.
    """

    code = "no-gpu-code"
    cure = "Let envkit choose another build (loosen the spec), or name the GPU that is meant with `--gpu`."
    lacking: Sequence[Any] = ()


class NotOnGpuError(HostCannotRunError):
    """A validation on a GPU was required, but it did not run on one."""

    code = "not-on-gpu"
    cure = "Validate on a machine with a GPU, or drop `--require-gpu`."


class ChannelError(EnvkitError):
    """A channel cannot be reached, or what it serves is not a channel.

    Attributes:
        unreachable: URL of the channel if its host could not be reached at all.
        cause: Why not, in a few words; empty if `unreachable` is None.
    """

    code = "channel"
    exit_code = 5
    cure = "Check the network, the proxy and the credentials, or work from the cache with `--offline`."
    blames = "channel"
    unreachable: str | None = None
    cause: str = ""


class IntegrityError(EnvkitError):
    """Bytes differ from what the index or the manifest says, or a package would write outside its prefix."""

    code = "integrity"
    exit_code = 6
    cure = "Try again; if it persists, report it to the channel. `envkit doctor --fix` mends a volume."
    blames = "channel"


class TamperedError(IntegrityError):
    """Something on the volume is not what envkit put there: a link, a stranger's folder. Nothing was touched."""

    code = "tampered"
    cure = "Look at what is there and take it away; `envkit doctor` lists all of it."
    blames = "volume"


class VolumeError(EnvkitError):
    """The volume is missing, cannot be written, or cannot hold an environment."""

    code = "volume"
    exit_code = 7
    cure = "Mount it, make it writable, or choose another with `--persist DIR`."
    blames = "volume"


class NoSpaceError(VolumeError):
    """Too few bytes or inodes are left on the volume."""

    code = "no-space"
    cure = "See what `envkit clean --dry-run` would free, or choose another volume."


class HeldError(EnvkitError):
    """Another process is changing the same thing."""

    code = "held"
    exit_code = 8
    cure = "Wait for the other process to end, then try again."
    blames = "volume"
