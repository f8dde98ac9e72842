"""envkit remove, rename, clone."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from envkit.cli import modify, options, which
from envkit.cli.declared import argument, option
from envkit.errors import UsageError


def remove_command(
    *,
    words: Annotated[
        list[str] | None,
        argument(metavar="NAME", help="An environment. After -n or -p: packages, as `uninstall` takes them."),
    ] = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    _everything: Annotated[bool, option("--all", hidden=True, help="Accepted: conda's.")] = False,
    dry_run: options.DryRun = False,
    _yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Remove an environment; `envkit clean` removes its packages."""
    words = words or []
    if words and (given or prefix):
        return modify.uninstall_command(
            packages=words,
            name=given,
            prefix=prefix,
            persist=persist,
            dry_run=dry_run,
            as_json=as_json,
            progress=progress,
        )
    if dry_run:
        raise UsageError(
            "--dry-run: it is for packages; an environment goes as a whole",
            hint="What is in it: `envkit show NAME`; its generations: `envkit history NAME`.",
        )
    if len(words) > 1:
        raise UsageError(
            f"{len(words)} names are given, and one environment is removed at a time",
            hint=f"Packages of an environment: envkit uninstall -n NAME {shlex.join(words)}",
        )
    if not words and given is None and prefix is None:
        raise UsageError("no environment is given", hint="Give its name: the active one is not removed unnamed.")
    name, persist = which.environment(words[0] if words else None, given, prefix, persist)
    _remove(name, persist, as_json=as_json, progress=progress)
    return 0


def _remove(name: str, persist: Path | None, *, as_json: bool, progress: str) -> None:
    from envkit.api import remove
    from envkit.cli.output import console, mark, print_json
    from envkit.wire.volume import remove_json
    from envkit.words.values import plural, size_words

    result = remove.remove(options.session_of(persist, name=name, as_json=as_json, progress=progress), name)
    if as_json:
        print_json(remove_json(result))
        return
    out = console()
    count, freed = len(result.generations), size_words(result.freed_bytes)
    out.print(mark("[green]{}[/green] is gone with {}, {} freed", name, plural(count, "generation"), freed))
    if result.kept:
        out.print(mark("[yellow]note[/yellow]  in use and left for `envkit clean`: {}", ", ".join(result.kept)))


def rename_command(
    *,
    name: Annotated[str, argument(metavar="[NAME]", show_default="the active one", help="An environment.")],
    new_name: Annotated[str | None, argument(metavar="NEW", help="Its new name.")] = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    as_json: options.Json = False,
) -> None:
    """Rename an environment; running jobs are not affected."""
    from envkit.api import remove
    from envkit.cli.output import console, mark, print_json
    from envkit.wire.volume import switch_json

    old, new = (name, new_name) if new_name is not None else (None, name)
    name, persist = which.environment(old, given, prefix, persist)
    result = remove.rename(options.session_of(persist, name=name, as_json=as_json), name, new)
    if as_json:
        print_json(switch_json(result))
        return
    console().print(mark("{} is [green]{}[/green] now ({})", name, new, result.path))


def clone_command(
    *,
    source: Annotated[str, argument(metavar="NAME[@N]", help="An environment, or one of its generations.")],
    name: options.NewName,
    persist: options.Persist = None,
    no_validate: options.NoValidate = False,
    offline: options.Offline = False,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Make another environment of the same packages; files are shared."""
    from envkit.api.clone import clone
    from envkit.cli.create import render_outcome
    from envkit.cli.output import console, mark, print_json
    from envkit.cli.validate import exit_code
    from envkit.host.wire import host_to_json
    from envkit.wire.results import create_json
    from envkit.words.values import plural

    session = options.session_of(
        persist, name=source, offline=offline, timeout_s=timeout, as_json=as_json, progress=progress
    )
    result = clone(session, source, name, proof=options.parse_proof(no_validate=no_validate))
    if as_json:
        print_json(create_json(result, host_to_json(result.host) if result.host else {}))
    else:
        out = console()
        render_outcome(out, result)
        made = f"{plural(len(result.records), 'package')} of {source}"
        out.print(mark("[green]{}[/green] is ready in {} ({})", name, result.path, made))
    return exit_code(result.report)
