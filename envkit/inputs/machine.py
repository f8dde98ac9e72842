"""Read a machine that is described in one word: ``a100/550``, ``cpu/osx-arm64``."""

from __future__ import annotations

from envkit.cuda.gpus import parse_gpu
from envkit.cuda.target import describe_target
from envkit.errors import UsageError
from envkit.models.host import PLATFORMS, Target


def parse_machine(text: str, glibc: str | None = None, *, origin: str = "--for") -> tuple[str, Target]:
    """Read a machine of ``--for``: parts between slashes, ``GPU``, ``DRIVER``, ``cpu`` or a platform, in any order.

    Nothing is taken from this machine, so that the same text means the same everywhere; without a platform it is
    linux-64.

    Args:
        glibc: C library of a Linux machine.
        origin: The flag or key that the text was given to, for errors.

    Returns:
        Its name, ``a100-550``, and what it is.

    Raises:
        UsageError: A part cannot be read, or says what another says too.
    """
    hint = "Write it as a100/550, sm_86/550, h100/580/linux-aarch64 or cpu/osx-arm64."
    parts = [part.strip() for part in text.split("/")]
    platforms = [part for part in parts if part in PLATFORMS]
    drivers = [part for part in parts if part[:1].isdigit() and part.replace(".", "").isdigit()]
    no_gpu = "cpu" in parts
    gpus = [part for part in parts if part not in platforms and part not in drivers and part != "cpu"]
    if not all(parts) or len(platforms) > 1 or len(drivers) > 1 or (no_gpu and (gpus or drivers)):
        raise UsageError(f"{origin} {text!r} is no machine", hint=hint)
    if gpus and not drivers:
        raise UsageError(f"{origin} {text!r} names a GPU and no driver", hint=hint)
    for gpu in gpus:
        try:
            parse_gpu(gpu)
        except ValueError as error:
            raise UsageError(f"{origin} {text!r}: {error}", hint=hint) from error
    platform = platforms[0] if platforms else "linux-64"
    target = describe_target(
        Target(subdir=platform, described=frozenset({"subdir"})),
        driver=drivers[0] if drivers else None,
        gpus=gpus,
        glibc=glibc if platform.startswith("linux") else None,
        no_gpu=no_gpu,
    )
    return "-".join(part.replace(" ", "-") for part in parts), target
