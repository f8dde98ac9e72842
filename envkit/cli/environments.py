"""envkit list, show, run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import options, which
from envkit.cli.declared import argument, option
from envkit.cli.stage import StageOption, mounted_place, stage_place, staged_place
from envkit.errors import UsageError

if TYPE_CHECKING:
    from envkit.models.listing import EnvironmentInfo, VolumeListing
    from envkit.models.outcome import Outcome

_Sizes = Annotated[
    str,
    option(
        "--sizes",
        metavar="HOW",
        help="recorded: as they were when a generation was made; exact: look at every file, which takes long.",
    ),
]
_Profile = Annotated[
    str | None,
    option("--profile", metavar="NAME", show_default="that of the link", help="One of its profiles."),
]
_Html = Annotated[Path | None, option("--html", metavar="FILE", help="Write what is shown as one HTML page, too.")]


def list_command(*, persist: options.Persist = None, sizes: _Sizes = "recorded", as_json: options.Json = False) -> None:
    """List the environments of the volume."""
    from envkit.api.environments import list_environments
    from envkit.host.profile_facts import facts_now
    from envkit.layout.volume import environments

    exact = _is_exact(sizes)
    session = options.session_of(persist)
    others = [volume for volume in session.other_volumes() if any(environments(volume))]
    is_there = session.volume.root.is_dir()
    named = is_there or session.volume_is_named  # the default one is made by the first environment
    own = [] if others and not is_there else [session.find_volume() if named else session.volume]
    listings = [
        list_environments(volume, fingerprint=session.fingerprint, exact=exact, here=facts_now)
        for volume in (*own, *others)
    ]
    if as_json:
        from envkit.cli.output import print_json
        from envkit.wire.results import list_json

        print_json(list_json(listings))
        return
    for listing in listings:
        _render_listing(listing, session.settings.origins.get("volume", "default"))


def _render_listing(listing: VolumeListing, origin: str) -> None:
    from envkit.cli.output import console, fitting, mark, table, without
    from envkit.words.values import size_words

    out = console()
    out.print(mark("[bold]{}[/bold] (from {})", listing.root, origin))
    if not listing.environments:
        out.print("no environments yet; make one with `envkit create`")
        return
    numbers = ("packages", "size", "adds")
    whole = ("name", *numbers, "created", "generation")
    view = table("name", *numbers, "created", "validated", "generation", right=numbers, whole=whole)
    for name, info in _rows(listing):
        view.add_row(
            name,
            str(info.packages) if info.created else "",
            size_words(info.size_bytes),
            size_words(info.adds_bytes),
            (info.created or "")[:10],
            mark("[red]{}[/red]", info.problem) if info.problem else _validated(info.validated, here=info.here),
            info.prefix.rsplit("/", 1)[-1],
        )
    out.print(fitting(out, without(out, view, "generation", "created"), "adds", "size", "packages"))
    if len(listing.environments) > 1:
        out.print(f"together {size_words(listing.size_bytes)}: what environments share is on the disk once")


def _rows(listing: VolumeListing) -> Iterator[tuple[str, EnvironmentInfo]]:
    """Yield each environment, and below it its other profiles; a star marks that of this machine."""
    for info in listing.environments:
        states = info.profiles
        here = next((state.rule.name for state in states if state.here), None)
        yield (f"{info.name}: {info.profile}{'*' * (here == info.profile)}" if states else info.name), info
        for state in states:
            if not state.is_main:
                yield f"  {state.rule.name}{'*' * state.here}", state.info


def _is_exact(sizes: str) -> bool:
    if sizes not in {"recorded", "exact"}:
        raise UsageError(f"--sizes {sizes!r} is not known", hint="recorded or exact.")
    return sizes == "exact"


def _validated(record: Outcome | None, *, here: bool) -> str:
    from envkit.cli.output import mark

    if record is None:
        return mark("[yellow]never[/yellow]")
    last = f"{record.verdict} {record.created[:10]} ({_machine(record)})"
    return last if here else mark("[yellow]not on a host like this one[/yellow]; last {}", last)


def _machine(record: Outcome) -> str:
    """Return a kind of host, in words."""
    driver = record.host.get("driver_version")
    return ", ".join([f"driver {driver}" if driver else "no driver", *(record.gpus or ["no GPU"])])


def show_command(
    *,
    name: which.Argument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    profile: _Profile = None,
    sizes: _Sizes = "recorded",
    html: _Html = None,
    as_json: options.Json = False,
) -> None:
    """Show an environment: its request, packages and last validation; with profiles, which machines get which."""
    from envkit.api.environments import show_environment
    from envkit.cli.output import console, fitting, mark, table
    from envkit.host.profile_facts import facts_now
    from envkit.models.package_state import states_of
    from envkit.words.values import plural, size_words

    exact = _is_exact(sizes)
    name, persist = which.environment(name, given, prefix, persist)
    session = options.session_of(persist, name=name)
    info = show_environment(
        session.find_volume(), name, fingerprint=session.fingerprint, exact=exact, here=facts_now, profile=profile
    )
    if html is not None:
        from envkit.cli.page import write_page
        from envkit.pages.environment import environment_page

        write_page(html, lambda created: environment_page(info, created=created), session.reporter)
    if as_json:
        from envkit.cli.output import print_json
        from envkit.wire.results import show_json

        print_json(show_json(info))
        return
    out = console()
    out.print(mark("[bold]{}[/bold]  {}", info.name, info.path))
    if info.problem or info.manifest is None:
        out.print(mark("[red]{}[/red]", info.problem))
        return
    manifest = info.manifest
    request = manifest.request
    facts = table("", "")
    facts.add_row("prefix", info.prefix)
    facts.add_row("asked", " ".join(request.specs) + (f" --cuda {request.cuda}" if request.cuda != "auto" else ""))
    if request.pip:
        facts.add_row("asked of pip", " ".join(request.pip))
    facts.add_row("created", f"{manifest.created} by envkit {manifest.envkit_version}")
    facts.add_row("channels", ", ".join(manifest.channels))
    size = f"{size_words(info.size_bytes)} on disk, {size_words(info.adds_bytes)} of it only here"
    facts.add_row("size", f"{size}, {plural(len(states_of(manifest)), 'package')}")
    if manifest.choice:
        reason = next((r["text"] for r in manifest.choice.get("reasons", [])), "")
        facts.add_row("choice", f"{manifest.choice.get('fn')}: {manifest.choice.get('tier')}, {reason}")
    facts.add_row("validated", _validated(info.validated, here=info.here))
    if info.passed:
        facts.add_row("last passed", f"{info.passed.last_pass} ({_machine(info.passed)})")
    for script in manifest.skipped_link_scripts:
        facts.add_row("not run", script)
    out.print(facts)
    if info.profiles:
        from envkit.cli.profiles import print_states

        print_states(out, info)
    view = table("package", "version", "build", "size", right=("size",))
    for package in states_of(manifest):
        view.add_row(package.name, package.version, package.build, size_words(package.size_bytes))
    out.print(fitting(out, view, "size", "build"))


def run_command(
    *,
    name: which.AnyArgument = None,
    command: Annotated[
        list[str] | None, argument(metavar="[--] CMD [ARG]...", help="What to run, with its arguments.")
    ] = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    stage: StageOption = None,
) -> None:
    """Run a command in an environment and pass on its exit code."""
    from envkit.cli.launch import become, find_place, leading_persist

    words = [*([name] if name is not None and (given or prefix) else []), *(command or [])]
    later, words = leading_persist(words)
    if not words:
        raise UsageError("no command to run", hint="For example: envkit run train -- python script.py")
    environment = which.anything(None if given or prefix else name, given, prefix)
    persist = Path(later) if later is not None else persist
    place = stage or stage_place()
    found = staged_place(environment, persist, place) if place else find_place(environment, persist)
    become(mounted_place(found, environment, persist), words)
