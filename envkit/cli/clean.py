"""envkit clean."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from envkit.cli import options
from envkit.cli.declared import option
from envkit.errors import UsageError
from envkit.patterns import regex

_AGE = regex(r"(\d+(?:\.\d+)?)\s*([smhdw]?)\Z")
_DIGEST = regex(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_WORDS = {
    "unfinished": ("unfinished generation", "unfinished generations"),
    "bytecode": ("folder of bytecode", "folders of bytecode"),
    "stage": ("staged copy", "staged copies"),
    "pack": ("pack", "packs"),
    "trash": ("piece of trash", "pieces of trash"),
    "index": ("index", "indexes"),
    "gpucode": ("measurement of GPU code", "measurements of GPU code"),
}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 86400.0, "w": 604800.0}


def parse_age(text: str) -> float:
    """Return the seconds in ``7d``, ``12h``, ``30m`` or ``2w``; a bare number counts days."""
    match = _AGE.match(text.strip().lower())
    if match is None:
        raise UsageError(f"not an age: {text!r}", hint="Write days (7), or 12h, 30m, 2w.")
    return float(match[1]) * _UNITS[match[2]]


def clean_command(
    *,
    persist: options.Persist = None,
    keep: Annotated[int, option(minimum=0, help="Superseded generations to keep for each environment.")] = 2,
    older_than: Annotated[
        str, option(metavar="AGE", help="Keep generations and channel indexes younger than this: 7d, 12h.")
    ] = "7d",
    force: Annotated[
        bool, option("--force", help="Take generations that are in use, too; it is said from whom.")
    ] = False,
    stage: Annotated[
        Path | None,
        option("--stage", metavar="DIR", help="Remove copies of `envkit stage` below DIR instead."),
    ] = None,
    dry_run: options.DryRun = False,
    _yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> None:
    """Remove old generations, packages and leftovers not in use.

    A generation in which something runs, on any host that has the volume, is spared until its process has ended or 30
    days have passed.
    """
    from envkit.api.clean import clean
    from envkit.api.clean_stage import clean_stage
    from envkit.cli.output import console, mark, print_json, table
    from envkit.layout.gc import Keep
    from envkit.wire.volume import clean_json
    from envkit.words.say import say
    from envkit.words.values import size_words

    kept = Keep(keep, parse_age(older_than), used=not force)
    session = options.session_of(persist, as_json=as_json, progress=progress)
    result = clean_stage(session, stage, kept, dry_run=dry_run) if stage else clean(session, kept, dry_run=dry_run)
    if as_json:
        print_json(clean_json(result))
        return
    out = console()
    shown = [item for item in result.items if item.kind not in {"bytecode", "validation", "index", "gpucode"}]
    if shown:
        view = table("", "what", "why")
        for item in shown:
            view.add_row(item.kind, _DIGEST.sub(r"\1...", item.path.removeprefix(f"{result.volume}/")), say(item.why))
        out.print(view)
    for name, why in result.kept:
        out.print(mark("[yellow]kept[/yellow]  {}: {}", name, say(why)))
    counts = Counter(item.kind for item in result.items)
    words = ", ".join(_counted(kind, count) for kind, count in sorted(counts.items())) or "nothing to remove"
    where = f", {size_words(result.elsewhere_bytes)} of it in your own cache" if result.elsewhere_bytes else ""
    verb = "would free" if dry_run else "freed"
    out.print(f"{words}; {verb} {size_words(result.freed_bytes)} and {result.freed_inodes:,} inodes{where}")


def _counted(kind: str, count: int) -> str:
    one, many = _WORDS.get(kind, (kind, f"{kind}s"))
    return f"{count} {one if count == 1 else many}"
