"""envkit volume, envkit volume bootstrap, envkit volume share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from envkit.cli import options
from envkit.cli.declared import option

if TYPE_CHECKING:
    from envkit.models.volume import VolumeReport


def volume_command(
    *,
    persist: options.Persist = None,
    probe: Annotated[bool, option("--probe", help="Test the abilities of the file system again.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show the volume: its place, abilities and contents."""
    from envkit.api.volume import describe_volume
    from envkit.cli.output import print_json
    from envkit.cli.progress import make_reporter
    from envkit.models.progress import working
    from envkit.settings import load_settings
    from envkit.wire.volume import volume_json

    settings = load_settings(persist=persist)
    with working(make_reporter("none" if as_json else "auto"), "read", str(settings.volume)):
        report = describe_volume(settings, probe=probe)
    if as_json:
        print_json(volume_json(report))
    else:
        _render(report)


def _render(report: VolumeReport) -> None:
    from envkit.cli.output import console, mark, table
    from envkit.words.say import say
    from envkit.words.values import plural, size_words

    out = console()
    state: str
    if report.exists:
        state = f"volume {report.id}"
    else:
        able = report.abilities and not report.missing
        no_way = mark("[red]no volume, and none can be made here[/red]")
        state = "no volume yet; `envkit create` makes it" if able else no_way
    out.print(mark("[bold]{}[/bold]  {}", report.root, state))
    facts = table("", "")
    for key, (value, origin) in report.settings.items():
        facts.add_row(key, mark("{}  [dim](from {})[/dim]", value, origin))
    facts.add_row("file system", f"{report.fs_type or 'unknown'}, mounted at {report.mount_point}")
    if report.mounted_at and report.mounted_at != report.root:
        facts.add_row("made at", mark("[yellow]{}[/yellow]; see `envkit doctor`", report.mounted_at))
    yes = ", ".join(key.replace("_", " ") for key, able in report.abilities.items() if able)
    no = ", ".join(key.replace("_", " ") for key, able in report.abilities.items() if not able)
    facts.add_row("can", yes or "not known: it cannot be written")
    if no:
        facts.add_row("cannot", mark("[yellow]{}[/yellow]", no))
    inodes = f", {report.free_inodes:,} inodes" if report.free_inodes is not None else ""
    quota = f", within the quota of {report.quota}" if report.quota else ""
    facts.add_row("free", f"{size_words(report.free_bytes)}{inodes}{quota}")
    if report.use is not None:
        use = report.use
        facts.add_row("environments", f"{use.environments}, {size_words(use.active_bytes)}")
        more = use.generations - use.environments
        facts.add_row("generations", f"{more} more, {size_words(use.superseded_bytes)} besides")
        facts.add_row("cache", f"{plural(use.packages, 'package')}, {size_words(use.cache_bytes)} besides")
        facts.add_row("other", size_words(use.other_bytes))
    facts.add_row("launcher", report.launcher or "none; `envkit volume bootstrap` puts envkit on the volume")
    out.print(facts)
    for text in report.missing:
        out.print(mark("[red]lacks[/red]  {}: it cannot carry an environment", text))
    for text in (*map(say, report.concerns), *report.notes):
        out.print(mark("[yellow]note[/yellow]  {}", text))
    if report.exists:
        out.print(f"At the start of a shell or a container:  . {report.root}/env.sh")


def volume_bootstrap_command(
    *,
    persist: options.Persist = None,
    channel: options.Channels = None,
    override_channels: options.Override = False,
    offline: options.Offline = False,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> None:
    """Put envkit itself on the volume, with its own Python."""
    from envkit.api.bootstrap import bootstrap
    from envkit.cli.output import console, mark, print_json
    from envkit.wire.volume import bootstrap_json
    from envkit.words.values import size_words

    session = options.session_of(persist, offline=offline, timeout_s=timeout, as_json=as_json, progress=progress)
    explicit = options.parse_channels(channel, session.settings, override=override_channels)
    result = bootstrap(session, channels=explicit, override_channels=override_channels)
    if as_json:
        print_json(bootstrap_json(result))
        return
    out = console()
    size = size_words(result.size_bytes)
    out.print(mark("[green]envkit {}[/green] is on the volume ({}): {}", result.version, size, result.launcher))
    out.print(f"After a restart:  . {result.volume}/env.sh && envkit list")


def volume_share_command(
    *,
    group: Annotated[str, option("--group", metavar="GROUP", help="The group, by name or number.")],
    sticky: Annotated[
        bool, option("--sticky", help="Let each member remove and replace only what is their own.")
    ] = False,
    trust: Annotated[
        str,
        option(
            "--trust",
            metavar="owner|group",
            help="Whose packages in the cache each member uses: those of the volume's owner and their own, or all.",
        ),
    ] = "owner",
    persist: options.Persist = None,
    as_json: options.Json = False,
) -> None:
    """Share the volume with a group, whose members may make and use environments there.

    Sets the group, the modes and the setgid bit of everything on the volume. Whoever may write a volume can run code
    as those who use it: share it only with people whom you trust as much.
    """
    from envkit.api.share import share
    from envkit.cli.output import console, mark, print_json
    from envkit.errors import UsageError
    from envkit.wire.volume import share_json

    if trust not in {"owner", "group"}:
        raise UsageError(f"--trust {trust}: not one of owner, group", hint="Leave it out for owner.")
    session = options.session_of(persist, offline=True, as_json=as_json, progress="auto")
    result = share(session, group, sticky=sticky, trust="group" if trust == "group" else "owner")
    if as_json:
        print_json(share_json(result))
        return
    out = console()
    out.print(mark("[green]{}[/green] is shared with group {} ({})", result.volume, result.group, result.mode))
    out.print("Members may make, change and run its environments, and so run code as those who use them.")
    if result.sticky:
        out.print("Each may remove and replace only what is their own.")
    if result.trust == "group":
        out.print("Packages that a member put into the cache are used by all.")
    else:
        out.print("Packages that a member put into the cache are fetched again by each of the others (--trust group).")
