"""The flags that describe another machine."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from envkit.cli.options import parse_platform
from envkit.errors import UsageError
from envkit.models.host import Target
from envkit.settings import Settings

__all__ = ["TargetFlags", "describe"]

_PANEL = "For another machine"


class TargetFlags:
    """Annotated types of the flags."""

    driver = Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--driver", metavar="VERSION", help="Its driver: 550.54.14, or 550.", rich_help_panel=_PANEL),
    ]
    gpu = Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--gpu", metavar="NAME", help="Its GPU: h100, 'rtx 4090'; repeatable.", rich_help_panel=_PANEL),
    ]
    cuda_arch = Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--cuda-arch", metavar="X.Y", help="Its compute capability: 8.0.", rich_help_panel=_PANEL),
    ]
    glibc = Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--glibc", metavar="X.Y", help="Its C library: 2.28.", rich_help_panel=_PANEL),
    ]
    no_gpu = Annotated[bool, typer.Option("--no-gpu", help="It has no GPU.", rich_help_panel=_PANEL)]


def describe(
    *,
    platform: str | None,
    driver: str | None,
    gpus: list[str] | None,
    cuda_arch: str | None,
    glibc: str | None,
    no_gpu: bool,
    settings: Settings,
) -> Target:
    """The target that the flags describe; this host where they say nothing.

    Raises:
        UsageError: A flag's value cannot be read.
    """
    from envkit.host.detect import detect  # noqa: PLC0415 - after --help
    from envkit.plan.target import TargetRequest, describe_target  # noqa: PLC0415

    wanted = TargetRequest(
        platform=parse_platform(platform),
        driver=driver,
        gpus=tuple(gpus or ()),
        cuda_arch=cuda_arch,
        glibc=glibc,
        no_gpu=no_gpu,
        driver_cuda=settings.override_cuda,
    )
    try:
        return describe_target(detect(), wanted)
    except ValueError as error:
        raise UsageError(str(error), hint="See `envkit find --help`, section 'For another machine'.") from error
