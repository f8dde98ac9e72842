"""The flags that describe another machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from envkit.cli.declared import option
from envkit.cli.options import parse_platform
from envkit.errors import UsageError
from envkit.models.host import Target

if TYPE_CHECKING:
    from envkit.api.session import Session


def _flag(name: str, metavar: str | None, text: str) -> Any:
    return option(name, metavar=metavar, help=text, panel="For another machine")


class TargetFlags:
    """Annotated types of the flags."""

    driver = Annotated[str | None, _flag("--driver", "VERSION", "Its driver: 550.54.14, or 550.")]
    gpu = Annotated[list[str] | None, _flag("--gpu", "NAME", "Its GPU: h100, 'rtx 4090'; repeatable.")]
    cuda_arch = Annotated[list[str] | None, _flag("--cuda-arch", "X.Y", "Its compute capability: 8.0.")]
    glibc = Annotated[str | None, _flag("--glibc", "X.Y", "Its C library: 2.28.")]
    hosts = Annotated[
        list[Path] | None,
        _flag("--hosts", "FILE", "Output of `envkit detect --json` from several machines, to run on all; repeatable."),
    ]
    no_gpu = Annotated[bool, _flag("--no-gpu", None, "It has no GPU.")]


class Described(NamedTuple):
    """The values of the flags that describe one machine."""

    platform: str | None
    driver: str | None
    gpus: Sequence[str]
    cuda_archs: Sequence[str]
    glibc: str | None
    no_gpu: bool


def parse_machine(text: str, glibc: str | None = None) -> tuple[str, Target]:
    """Read a machine of ``--for``: parts between slashes, ``GPU``, ``DRIVER``, ``cpu`` or a platform, in any order.

    Nothing is taken from this machine, so that the same text means the same everywhere; without a platform it is
    linux-64.

    Returns:
        Its name, ``a100-550``, and what it is.

    Raises:
        UsageError: A part cannot be read, or says what another says too.
    """
    from envkit.cli.options import PLATFORMS
    from envkit.cuda.target import describe_target

    hint = "Write it as a100/550, h100/580/linux-aarch64 or cpu/osx-arm64."
    parts = [part.strip() for part in text.split("/")]
    platforms = [part for part in parts if part in PLATFORMS]
    drivers = [part for part in parts if part[:1].isdigit() and part.replace(".", "").isdigit()]
    no_gpu = "cpu" in parts
    gpus = [part for part in parts if part not in platforms and part not in drivers and part != "cpu"]
    if not all(parts) or len(platforms) > 1 or len(drivers) > 1 or (no_gpu and (gpus or drivers)):
        raise UsageError(f"--for {text!r} is no machine", hint=hint)
    if gpus and not drivers:
        raise UsageError(f"--for {text!r} names a GPU and no driver", hint=hint)
    platform = platforms[0] if platforms else "linux-64"
    target = describe_target(
        Target(subdir=platform, described=frozenset({"subdir"})),
        driver=drivers[0] if drivers else None,
        gpus=gpus,
        glibc=glibc if platform.startswith("linux") else None,
        no_gpu=no_gpu,
    )
    return "-".join(part.replace(" ", "-") for part in parts), target


def describe(session: Session, hosts: list[Path] | None, flags: Described) -> tuple[Target, Mapping[str, Target]]:
    """Return the machine to choose for, and those of ``--hosts`` by name; without any flag, this host.

    Raises:
        UsageError: A flag's value cannot be read, or contradicts another.
        SettingsError: A file of ``--hosts`` cannot be read.
    """
    if hosts:
        if any(flags):
            raise UsageError(
                "--hosts excludes --platform, --driver, --gpu, --cuda-arch, --glibc and --no-gpu",
                hint="Leave these out, or change the file.",
            )
        from envkit.checks.hosts import common_target
        from envkit.inputs.pool import read_pool

        machines = read_pool(hosts)
        return common_target(machines), machines
    from envkit.cuda.target import describe_target
    from envkit.host.overrides import override_host

    settings = session.settings
    platform = parse_platform(flags.platform)
    if platform is None and settings.platform is not None:
        platform = parse_platform(settings.platform, origin=f"subdir of {settings.origins['subdir']}")
    flags = flags._replace(platform=platform)
    base = override_host(session.host, settings.overrides)
    override = settings.overrides.get("cuda") if "driver_cuda" not in session.host.overridden else None
    return describe_target(base, **flags._asdict(), override_cuda=override), {}
