"""The sayings of findings about the nodes of a fleet, and their cures."""

from __future__ import annotations

from collections.abc import Callable

from envkit.models.codes import fleet as codes
from envkit.words.values import plural


def _silent(seconds: int, said: str) -> str:
    return f"no answer in {seconds} s{_end(said)}" if seconds else "its turn did not come before the deadline"


def _failed(exit_code: int | None, said: str) -> str:
    return (
        f"the command ended with exit status {exit_code}{_end(said)}" if exit_code is not None else f"lost{_end(said)}"
    )


def _missing(gpus: int, expected: int) -> str:
    return f"{plural(gpus, 'GPU')} of {expected} can be used"


def _end(said: str) -> str:
    return f": {said}" if said else ""


FLEET: dict[str, str | Callable[..., str]] = {
    codes.DRIVER_DIFFERS: "driver {driver}; most nodes with {gpu} have {usual}",
    codes.NODE_LACKS_GPUS: _missing,
    codes.GPUS_UNUSABLE: "no GPU can be used, yet there is {traces}",
    codes.NODE_DOWN: "its scheduler has it as {state}",
    codes.NODE_FAILED: _failed,
    codes.NODE_SILENT: _silent,
}

FLEET_CURES: dict[str, str | Callable[..., str]] = {
    codes.DRIVER_DIFFERS: "Give it the others' driver, or keep it out by a constraint.",
    codes.NODE_LACKS_GPUS: "Run `nvidia-smi` there and look for Xid messages in `dmesg`; then correct the scheduler.",
    codes.GPUS_UNUSABLE: "Run `envkit detect` there: it says what the driver answers.",
    codes.NODE_DOWN: "`scontrol show node` has the reason; `scontrol update` resumes it.",
    codes.NODE_FAILED: "Run the same command there by hand; envkit has to be at the same path on each node.",
    codes.NODE_SILENT: "Look whether it is busy or hangs; else give it longer with --deadline.",
}
