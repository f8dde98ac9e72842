"""envkit inspect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import complete, options
from envkit.cli.declared import argument, option
from envkit.cli.target import Described, TargetFlags, describe
from envkit.errors import HostCannotRunError, IntegrityError, UsageError

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.models.host import Target


def inspect_command(
    *,
    what: Annotated[
        str,
        argument(
            metavar="WHAT",
            help="A library, a wheel or conda package (path or URL), a folder, an environment, or name=version=build.",
            complete=complete.names,
        ),
    ],
    gpu: TargetFlags.gpu = None,
    cuda_arch: TargetFlags.cuda_arch = None,
    driver: TargetFlags.driver = None,
    platform: options.Platform = None,
    everything: Annotated[bool, option("--all", help="List each library of a folder.")] = False,
    html: Annotated[
        Path | None, option("--html", metavar="FILE", help="Write the answer as one HTML page, too.")
    ] = None,
    channel: options.Channels = None,
    persist: options.Persist = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Show which GPUs a library, a package or an environment holds code for, read from its bytes.

    With --gpu, judge it: exit code 4 means that CUDA would find no kernel image.
    """
    from envkit.api.inspect import Shelf, inspect_code
    from envkit.cli.output import print_json
    from envkit.host.machine import read_subdir
    from envkit.wire.inspection import inspect_json

    session = options.session_of(persist, name=what, offline=offline, as_json=as_json, progress=progress)
    flags = Described(platform, driver, gpu or (), cuda_arch or (), None, no_gpu=False)
    shelf = Shelf(
        options.parse_channels(channel, session.settings, override=False),
        options.parse_platform(platform) or read_subdir()[0],
    )
    result = inspect_code(session, what, shelf=shelf, target=_target(session, flags))
    if html is not None:
        from envkit.cli.page import write_page
        from envkit.pages.inspection import inspection_page

        write_page(html, lambda created: inspection_page(result, created=created), session.reporter)
    if as_json:
        print_json(inspect_json(result))
    else:
        from envkit.cli.inspection import render_inspection

        render_inspection(result, everything=everything)
    if result.tier is not None and not result.tier.runs:
        return HostCannotRunError.exit_code
    return IntegrityError.exit_code if result.unreadable else 0


def _target(session: Session, flags: Described) -> Target | None:
    """Return the machine to judge for; None if none is described."""
    if not (flags.driver or flags.gpus or flags.cuda_archs):
        return None
    target, _ = describe(session, None, flags)
    if not any(gpu.compute_capability for gpu in target.gpus):
        raise UsageError(
            "--driver without a GPU decides nothing: what a driver accepts depends on the GPU's own code",
            hint="Name the GPU, too: --gpu h100, or --cuda-arch 9.0.",
        )
    return target
