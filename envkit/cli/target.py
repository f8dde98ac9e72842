"""The flags that describe another machine."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from envkit.cli.options import parse_platform
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
        Optional[list[str]],  # noqa: UP045
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
    cuda_arch: list[str] | None,
    glibc: str | None,
    no_gpu: bool,
    settings: Settings,
) -> Target:
    """The target that the flags describe; this host where they say nothing.

    Raises:
        UsageError: A flag's value cannot be read.
    """
    from envkit.cuda.target import describe_target  # noqa: PLC0415 - after --help
    from envkit.host.detect import detect  # noqa: PLC0415
    from envkit.models.host import Target  # noqa: PLC0415

    host = detect()
    # detect() has honoured CONDA_OVERRIDE_CUDA, which wins over condarc.
    override = settings.override_cuda if "driver_cuda" not in host.overridden else None
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
