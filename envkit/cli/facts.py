"""envkit facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from envkit.cli import options
from envkit.cli.declared import argument, option

if TYPE_CHECKING:
    from envkit.cli.tables import Table
    from envkit.models.facts import CodeFact, CodeGap, CodeKnowledge

_GAPS = 20


def facts_command(
    *,
    name: Annotated[
        str | None, argument(metavar="[FRAMEWORK]", help="A framework, a package or a wheel: pytorch, cudnn.")
    ] = None,
    channel: options.Channels = None,
    platform: options.Platform = None,
    everything: Annotated[bool, option("--all", help="List every build that is only inferred.")] = False,
    offline: options.Offline = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> None:
    """Show which GPUs builds are known to hold code for, and the source; then what is only inferred."""
    from envkit.api.facts import list_facts
    from envkit.cli.output import print_json
    from envkit.host.machine import read_subdir
    from envkit.wire.facts import facts_json

    session = options.session_of(None, offline=offline, as_json=as_json, progress=progress)
    channels = options.parse_channels(channel, session.settings, override=False)
    subdir = options.parse_platform(platform) or read_subdir()[0]
    known = list_facts(session, name, channels=channels, subdir=subdir)
    if as_json:
        print_json(facts_json(known))
    else:
        _render(known, limit=None if everything else _GAPS)


def _render(known: CodeKnowledge, *, limit: int | None) -> None:
    from envkit.cli.output import console, fitting, labelled, literal

    out = console()
    if known.facts:
        out.print(fitting(out, _facts_table(known.facts), "channel", "PTX", "known"))
    else:
        out.print("No list of its own is known.", style="yellow")
    if known.gaps is None:
        out.print(labelled(("note", "yellow", f"what the channels hold was not looked at: {known.problem}")))
        return
    if not known.channels:
        return
    where = ", ".join(known.channels)
    if not known.gaps:
        out.print(literal(f"\nEvery CUDA build of {where} has a list of its own."))
        return
    out.print(literal(f"\nOnly inferred, or not known, of {where}:", "bold"))
    out.print(fitting(out, _gaps_table(known.gaps[:limit]), "channel"))
    if limit is not None and len(known.gaps) > limit:
        out.print(f"and {len(known.gaps) - limit} more: --all, --json", style="dim italic")


def _facts_table(facts: tuple[CodeFact, ...]) -> Table:
    from envkit.cli.output import literal, table
    from envkit.words.values import join

    view = table(
        "package", "versions", "CUDA", "machine code", "PTX", "channel", "known", whole=("package", "versions")
    )
    for fact in facts:
        place = " here" if fact.here else ""
        origin = f"measured{place} {fact.date}" if fact.origin == "measured" else f"table of {fact.date}"
        cells = (fact.package, fact.versions, fact.cuda, join([fact.sass]), join([fact.ptx]), fact.channel, origin)
        view.add_row(*map(literal, cells))
    return view


def _gaps_table(gaps: tuple[CodeGap, ...]) -> Table:
    from envkit.cli.output import literal, table
    from envkit.words.reasons import relative_words

    view = table("package", "version", "CUDA", "channel", "builds", "taken from", right=("builds",))
    for gap in gaps:
        source = relative_words(gap.relative) if gap.relative is not None else "not known"
        view.add_row(*map(literal, (gap.package, gap.version, gap.cuda, gap.channel, str(gap.builds), source)))
    return view
