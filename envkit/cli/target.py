"""The flags that describe another machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from envkit.cli.options import parse_platform
from envkit.errors import UsageError
from envkit.models.host import Target

if TYPE_CHECKING:
    from envkit.api.session import Session

__all__ = ["DescribedBy", "TargetFlags", "describe", "read_machines"]

_PANEL = "For another machine"


class DescribedBy(TypedDict):
    """The values of the flags that describe one machine."""

    platform: str | None
    driver: str | None
    gpus: list[str] | None
    cuda_arch: list[str] | None
    glibc: str | None
    no_gpu: bool


class TargetFlags:
    """Annotated types of the flags."""

    driver = Annotated[
        str | None,
        typer.Option("--driver", metavar="VERSION", help="Its driver: 550.54.14, or 550.", rich_help_panel=_PANEL),
    ]
    gpu = Annotated[
        list[str] | None,
        typer.Option("--gpu", metavar="NAME", help="Its GPU: h100, 'rtx 4090'; repeatable.", rich_help_panel=_PANEL),
    ]
    cuda_arch = Annotated[
        list[str] | None,
        typer.Option("--cuda-arch", metavar="X.Y", help="Its compute capability: 8.0.", rich_help_panel=_PANEL),
    ]
    glibc = Annotated[
        str | None,
        typer.Option("--glibc", metavar="X.Y", help="Its C library: 2.28.", rich_help_panel=_PANEL),
    ]
    hosts = Annotated[
        list[Path] | None,
        typer.Option(
            "--hosts",
            metavar="FILE",
            help="What `envkit detect --json` printed on several machines: it has to run on all; repeatable.",
            rich_help_panel=_PANEL,
        ),
    ]
    no_gpu = Annotated[bool, typer.Option("--no-gpu", help="It has no GPU.", rich_help_panel=_PANEL)]


def read_machines(
    paths: list[Path] | None,
    *,
    platform: str | None,
    driver: str | None,
    gpus: list[str] | None,
    cuda_arch: list[str] | None,
    glibc: str | None,
    no_gpu: bool,
) -> dict[str, Target]:
    """Read the machines of ``--hosts``, by name; none without it.

    Raises:
        UsageError: Another flag describes the machine as well.
        SettingsError: A file cannot be read.
    """
    if not paths:
        return {}
    if platform or driver or gpus or cuda_arch or glibc or no_gpu:
        raise UsageError(
            "--hosts says all about the machines: it excludes --platform, --driver, --gpu, --cuda-arch, --glibc and "
            "--no-gpu",
            hint="Leave these out, or change the file.",
        )
    from envkit.inputs.pool import read_pool

    return read_pool(paths)


def describe(
    session: Session,
    machines: Mapping[str, Target],
    *,
    platform: str | None,
    driver: str | None,
    gpus: list[str] | None,
    cuda_arch: list[str] | None,
    glibc: str | None,
    no_gpu: bool,
) -> Target:
    """Return the machine that the flags describe, or what those of ``--hosts`` have in common; else this host.

    Raises:
        UsageError: A flag's value cannot be read.
    """
    if machines:
        from envkit.checks.hosts import common_target

        return common_target(machines)
    from envkit.cuda.target import describe_target
    from envkit.models.host import Target

    host = session.host
    # detect_host() has honoured CONDA_OVERRIDE_CUDA, which wins over condarc.
    override = session.settings.override_cuda if "driver_cuda" not in host.overridden else None
    return describe_target(
        Target.from_host(host),
        platform=parse_platform(platform),
        driver=driver,
        gpus=gpus or (),
        cuda_archs=cuda_arch or (),
        glibc=glibc,
        no_gpu=no_gpu,
        override_cuda=override,
    )
