"""envkit find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from envkit.cli import options
from envkit.cli.target import TargetFlags, describe

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("find")(find)


def find(
    *,
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A package, such as pytorch or 'pytorch>=2.4'.")],
    channel: options.Channels = None,
    override_channels: options.Override = False,
    cuda: options.Cuda = "auto",
    python: options.Python = None,
    platform: options.Platform = None,
    prefer: Annotated[
        str, typer.Option(help="version: the newest that runs; native: the best tier first.")
    ] = "version",
    driver: TargetFlags.driver = None,
    gpu: TargetFlags.gpu = None,
    cuda_arch: TargetFlags.cuda_arch = None,
    glibc: TargetFlags.glibc = None,
    no_gpu: TargetFlags.no_gpu = False,
    everything: Annotated[bool, typer.Option("--all", help="List every build on its own line.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Lines of the table.")] = 20,
    why: Annotated[bool, typer.Option("--why", help="Show every reason.")] = False,
    engine: options.Engine = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """List a package's builds, best first, with what each is and whether it runs here."""
    from platformdirs import user_cache_path  # noqa: PLC0415 - after --help

    from envkit.api.find import find as find_builds  # noqa: PLC0415
    from envkit.cli.output import print_json  # noqa: PLC0415
    from envkit.cli.progress import make_reporter  # noqa: PLC0415
    from envkit.errors import EnvkitError  # noqa: PLC0415
    from envkit.models.request import Request  # noqa: PLC0415
    from envkit.models.wire import find_json  # noqa: PLC0415
    from envkit.settings import load_settings  # noqa: PLC0415

    settings = load_settings(engine=engine)
    explicit = options.parse_channels(channel, settings, override=override_channels)
    request = Request(
        specs=(spec,),
        cuda=options.parse_cuda(cuda),
        python=options.parse_python(python),
        prefer=options.parse_prefer(prefer),
        channels=tuple(c.name for c in explicit),
    )
    target = describe(
        platform=platform, driver=driver, gpus=gpu, cuda_arch=cuda_arch, glibc=glibc, no_gpu=no_gpu, settings=settings
    )
    result = find_builds(
        request,
        target=target,
        settings=settings,
        policy=options.policy_of(offline=offline),
        explicit=explicit,
        override_channels=override_channels,
        index_dir=Path(user_cache_path("envkit")) / "index",
        reporter=make_reporter("none" if as_json and progress == "auto" else progress),
    )
    if as_json:
        print_json(find_json(result, everything=everything))
    else:
        _render(result, everything=everything, limit=limit, why=why)
    if isinstance(result.error, EnvkitError):
        if as_json:
            return result.error.exit_code
        raise result.error
    return 0


def _render(result: object, *, everything: bool, limit: int, why: bool) -> None:
    from envkit.cli.output import console  # noqa: PLC0415
    from envkit.models.results import FindResult  # noqa: PLC0415

    if not isinstance(result, FindResult):
        raise TypeError
    out = console()
    out.print(f"[bold]{' '.join(result.request.specs)}[/bold] for {_target_words(result)}")
    shown = result.builds or result.nearest
    if shown and not result.builds:
        out.print("[yellow]Nothing matches; the nearest:[/yellow]")
    out.print(_table(shown, result, everything=everything, limit=limit, why=why))
    for line in result.advice:
        out.print(f"[yellow]note[/yellow]  {line}")
    if result.pick is not None:
        record = result.pick.build.record
        out.print(
            f"[green]pick[/green]  {record.name} {record.version} {record.build}, "
            f"[bold]{result.pick.tier.value}[/bold]: {result.pick.reasons[0].text if result.pick.reasons else ''}"
        )


def _target_words(result: object) -> str:
    from envkit.models.results import FindResult  # noqa: PLC0415

    if not isinstance(result, FindResult):
        raise TypeError
    target = result.target
    words = [target.subdir]
    if target.driver_version is not None:
        words.append(f"driver {target.driver_version}")
    if target.driver_cuda is not None:
        words.append(f"CUDA up to {target.driver_cuda}")
    words += [f"{gpu.name or 'GPU'} ({gpu.compute_capability})" for gpu in dict.fromkeys(target.gpus)]
    if not target.gpus and target.driver_cuda is None and target.driver_version is None:
        words.append("Apple GPU (MPS)" if target.mps else "no NVIDIA GPU")
    return ", ".join(words) + f"; channels {', '.join(result.channels)}"


def _table(shown: Sequence[object], result: object, *, everything: bool, limit: int, why: bool) -> object:
    from envkit.cli.output import TIER_STYLE, human_bytes, human_date, table  # noqa: PLC0415
    from envkit.models.build import Verdict  # noqa: PLC0415

    del result
    rows: dict[tuple[object, ...], list[Verdict]] = {}
    for number, verdict in enumerate(v for v in shown if isinstance(v, Verdict)):
        build = verdict.build
        key = (build.record.version, build.variant, build.build_cuda, build.record.channel, verdict.tier)
        rows.setdefault((number,) if everything else key, []).append(verdict)
    columns = ("runs", "version", "CUDA", "Python", "channel", "size", "date", "build", "why")
    view = table(*columns, right=("size",))
    for verdicts in list(rows.values())[: None if everything else limit]:
        verdict = verdicts[0]
        build, record = verdict.build, verdict.build.record
        style = TIER_STYLE[verdict.tier.value]
        reasons = [r.text for r in verdict.reasons] if why else [r.code for r in verdict.reasons[:1]]
        more = f" [dim]+{len(verdicts) - 1} more[/dim]" if len(verdicts) > 1 else ""
        cuda = str(build.build_cuda) if build.build_cuda else build.variant if build.variant != "generic" else ""
        if build.build_cuda and build.cuda_major_only:
            cuda = f"{build.build_cuda.major}.x"
        view.add_row(
            f"[{style}]{verdict.tier.value}[/{style}]",
            record.version,
            cuda,
            _pythons([v.build.python for v in verdicts]),
            _channel_words(record.channel),
            human_bytes(record.size),
            human_date(record.timestamp),
            record.build + more,
            "; ".join(reasons),
        )
    left = len(rows) - limit
    if left > 0 and not everything:
        view.caption = f"and {left} more rows: --limit N, --all for each build, --json for everything"
        view.caption_justify = "left"
    return view


def _channel_words(url: str) -> str:
    from envkit.builds.families import channel_name  # noqa: PLC0415

    return channel_name(url)


def _pythons(versions: list[str | None]) -> str:
    known = sorted({v for v in versions if v}, key=lambda v: [int(part) for part in v.split(".")])
    if len(known) > 2:  # noqa: PLR2004
        return f"{known[0]} to {known[-1]}"
    return ", ".join(known)
