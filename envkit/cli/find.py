"""envkit find."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import options
from envkit.cli.circumstances import listening
from envkit.cli.declared import argument, option
from envkit.cli.equivalent import Fix, correction_rows, fixed, hinted
from envkit.cli.grammar import Invocation
from envkit.cli.target import Described, TargetFlags, describe
from envkit.errors import PackageNotFoundError

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.models.progress import Reporter
    from envkit.models.request import Correction, Inquiry
    from envkit.models.results import FindResult, NameListing
    from envkit.settings import Settings


_ROWS = 20
_NAMES = 4  # of machines, in the heading
_FEW_ROWS = 5  # with an explanation, or where nothing matches


def find_command(
    call: Invocation,
    *,
    spec: Annotated[str, argument(metavar="SPEC", help="A package, such as 'pytorch>=2.4'; or names: 'torch*'.")],
    channel: options.Channels = None,
    override_channels: options.Override = False,
    cuda: options.Cuda = "auto",
    python: options.Python = None,
    platform: options.Platform = None,
    prefer: options.PreferOption = "version",
    exclude_newer: options.ExcludeNewer = None,
    driver: TargetFlags.driver = None,
    gpu: TargetFlags.gpu = None,
    cuda_arch: TargetFlags.cuda_arch = None,
    glibc: TargetFlags.glibc = None,
    no_gpu: TargetFlags.no_gpu = False,
    hosts: TargetFlags.hosts = None,
    everything: Annotated[bool, option("--all", help="List every build on its own line.")] = False,
    limit: Annotated[
        int | None,
        option(minimum=1, metavar="N", show_default="20; 5 with --why", help="Number of rows to show."),
    ] = None,
    why: Annotated[bool, option("--why", help="Explain the choice, and what would change it.")] = False,
    matrix: Annotated[bool, option("--matrix", help="Show versions by CUDA, and how each runs.")] = False,
    wheels: Annotated[
        bool, option("--wheels", help="List the wheels of PyTorch instead, and the command for uv and pip.")
    ] = False,
    html: Annotated[
        Path | None, option("--html", metavar="FILE", help="Write the matrix of GPUs and drivers as an HTML page, too.")
    ] = None,
    fix: Fix = False,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    timeout: options.Timeout = None,
    refresh: Annotated[bool, option("--refresh", help="Retry hosts that were unreachable a minute ago.")] = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """List the builds of a package, best first, and how they run here."""
    from envkit.cli.found import Keeper
    from envkit.cli.output import print_json
    from envkit.errors import EnvkitError, UsageError
    from envkit.models.request import Inquiry
    from envkit.models.spec import is_pattern
    from envkit.wire.results import find_json, names_json

    session = options.session_of(
        None, engine=engine, offline=offline, timeout_s=timeout, as_json=as_json, progress=progress
    )
    session = listening(session)
    explicit = options.parse_channels(channel, session.settings, override=override_channels)
    request = options.parse_request(
        (spec,), explicit, cuda=cuda, python=python, prefer=prefer, exclude_newer=exclude_newer
    )
    flags = Described(platform, driver, gpu or (), cuda_arch or (), glibc, no_gpu)
    target, machines = describe(session, hosts, flags, platforms=True)
    settings = session.settings
    if is_pattern(spec):
        if html is not None:
            raise UsageError("--html is for one package, not for names", hint="Give a package, such as pytorch.")
        from envkit.api.names import find_names

        asked = Inquiry(request, target, machines, explicit, override_channels and bool(explicit))
        listing = find_names(session, asked, limit=None if everything else limit or _ROWS)
        if as_json:
            print_json(names_json(listing))
        else:
            _render_names(listing)
        return 0
    if wheels:
        from envkit.api.find_wheels import find_wheels

        asked = Inquiry(request, target, machines)
        result = find_wheels(session, asked)
        _write_html(html, result, session.reporter)
        if as_json:
            print_json(find_json(result, everything=everything, matrix=matrix, fixed=()))
            return result.error.exit_code if isinstance(result.error, EnvkitError) else 0
        _render(result, (), _commands(result, settings), everything=everything, limit=limit, why=why, matrix=matrix)
        if result.error is not None:
            raise result.error
        return 0
    request, explicit, applied = fixed(request, target, explicit, settings) if fix else (request, explicit, ())
    inquiry = Inquiry(request, target, machines, explicit, override_channels and bool(explicit))
    keeper = Keeper(session)
    result = _found(session, inquiry, call, explained=why or as_json, refresh=refresh)
    error = result.error if isinstance(result.error, EnvkitError) else None
    if error is not None:
        hinted(error, result.corrections, call, request)
    _write_html(html, result, session.reporter)

    def show() -> int:
        if as_json:
            print_json(find_json(result, everything=everything, matrix=matrix, fixed=applied))
            return error.exit_code if error is not None else 0
        fixes = correction_rows(call, request, result.corrections if error is None else ())
        _render(result, applied, fixes, everything=everything, limit=limit, why=why, matrix=matrix)
        if error is not None:
            raise error
        return 0

    return keeper.show(result, show)


def _found(session: Session, inquiry: Inquiry, call: Invocation, *, explained: bool, refresh: bool) -> FindResult:
    """Ask for a package; a correction of one that no channel has is the hint, if it leads to one that runs."""
    from envkit.api.find import find_builds

    try:
        return find_builds(session, inquiry, explained=explained, refresh=refresh)
    except PackageNotFoundError as error:
        from envkit.api.trying import running_corrections
        from envkit.plan.corrections import find_corrections

        corrections = tuple(find_corrections(inquiry.request, inquiry.target))
        hinted(error, running_corrections(session, inquiry, corrections, table=False), call, inquiry.request)
        raise


def _write_html(path: Path | None, result: FindResult, reporter: Reporter) -> None:
    if path is not None:
        from envkit.cli.page import write_page
        from envkit.pages.find import find_page

        write_page(path, lambda created: find_page(result, created=created), reporter)


def _render(
    result: FindResult,
    applied: tuple[Correction, ...],
    fixes: list[tuple[str, str, str]],
    *,
    everything: bool,
    limit: int | None,
    why: bool,
    matrix: bool,
) -> None:
    from envkit.cli.builds_table import answer_rows, matrix_table, pick_rows, print_builds
    from envkit.cli.output import console, labelled, literal
    from envkit.cli.pool_table import print_pool, profile_rows
    from envkit.words.say import say

    out = console()
    if result.table_date is not None:
        until = f"{result.source_reason}; these are builds published until {result.table_date}, by the built-in table"
        out.print(labelled(("table", "yellow", until)))
    elif result.source == "cache":
        out.print(labelled(("cache", "yellow", f"{result.source_reason}; this is what its index held when last read")))
    if applied:
        out.print(labelled(*(("fixed", "green", say(correction.fact)) for correction in applied)))
    out.print(literal(" ".join(result.request.specs), "bold"), literal(f"for {_target_words(result)}"))
    if limit is None:
        limit = _ROWS if matrix or (result.builds and not why) else _FEW_ROWS
    if matrix:
        view, notes = matrix_table(out, result.matrix, limit=None if everything else limit)
        out.print(view)
        for note in notes:
            out.print(literal(note, "dim"))
    elif result.machines is not None and result.machines.builds and not everything:
        print_pool(out, result.machines)
    else:
        shown = result.builds or result.nearest
        if shown and not result.builds:
            out.print("Nothing matches; the nearest:", style="yellow")
        print_builds(out, shown, everything=everything, limit=limit, every_reason=why and everything)
    lines = pick_rows("pick", "green", result.pick)
    if result.machines is not None and result.pick is None:
        lines = profile_rows(result.machines)
    if why:  # the explanation has the reason
        lines = lines[:1] + fixes + answer_rows(result.explanation)
    else:
        lines += fixes + [("note", "yellow", say(advice)) for advice in result.advice]
    if lines:
        out.print(labelled(*lines))


def _commands(result: FindResult, settings: Settings) -> list[tuple[str, str, str]]:
    """Return the commands that install the pick with uv and with pip, as rows."""
    if result.pick is None:
        return []
    record = result.pick.build.record
    words = f"pip install torch=={record.version} --index-url {settings.torch_index}/{record.build}"
    return [("uv", "bold", f"uv {words}"), ("pip", "bold", words)]


def _render_names(listing: NameListing) -> None:
    from envkit.builds.families import channel_name
    from envkit.cli.output import console, literal, table

    out = console()
    view = table("package", "newest", "channel", whole=("package", "newest"))
    for package in listing.packages:
        view.add_row(*map(literal, (package.name, package.version, channel_name(package.channel))))
    out.print(view)
    if len(listing.packages) < listing.total:
        rest = listing.total - len(listing.packages)
        out.print(f"and {rest:,} more; --all lists them, --limit N the first", style="yellow")


def _target_words(result: FindResult) -> str:
    from envkit.words.values import join, target_words

    machines = ""
    if result.hosts:
        machines = f"{len(result.hosts)} machines ({join(result.hosts, most=_NAMES)}), "
    return f"{machines}{target_words(result.target)}; channels {', '.join(result.channels)}"
