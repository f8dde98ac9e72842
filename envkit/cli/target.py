"""The flags that describe another machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from envkit.cli.declared import option
from envkit.cli.options import parse_platform
from envkit.errors import UsageError
from envkit.tuples import NamedTuple

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.models.host import Target


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


def describe(
    session: Session, hosts: list[Path] | None, flags: Described, *, platforms: bool = False
) -> tuple[Target, Mapping[str, Target]]:
    """Return the machine to choose for, and those of ``--hosts`` by name; without any flag, this host.

    With `platforms`, the machines may be of several; the one to choose for is then about that of the first.

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
        first = next(iter(machines.values())).subdir
        some = {name: target for name, target in machines.items() if target.subdir == first} if platforms else machines
        return common_target(some), machines
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
