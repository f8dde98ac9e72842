"""envkit install, uninstall, upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from envkit.cli import options, which
from envkit.cli.declared import argument, option
from envkit.cli.target import TargetFlags
from envkit.errors import UsageError
from envkit.values import replace

if TYPE_CHECKING:
    from pathlib import Path

    from envkit.api.modify import ModifyOptions
    from envkit.api.session import Session
    from envkit.models.changes import ChangeResult


def install_command(
    *,
    specs: Annotated[list[str] | None, argument(metavar="SPEC", help="Packages, such as scipy 'numpy<2'.")] = None,
    name: which.Name = None,
    prefix: which.Prefix = None,
    pip: options.Pip = None,
    allow_build: options.AllowBuild = None,
    prefer_pip: options.PreferPip = None,
    allow_local: options.AllowLocal = False,
    persist: options.Persist = None,
    channel: options.Channels = None,
    override_channels: options.Override = False,
    hosts: TargetFlags.hosts = None,
    dry_run: options.DryRun = False,
    no_validate: options.NoValidate = False,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    timeout: options.Timeout = None,
    _yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Add packages in a new generation; keep the others if possible."""
    from envkit.api import modify

    name, persist = which.environment(None, name, prefix, persist)
    session = options.session_of(
        persist, name=name, engine=engine, offline=offline, timeout_s=timeout, as_json=as_json, progress=progress
    )
    if not specs and not pip:
        raise UsageError("nothing to install", hint=f"envkit install -n {name} SPEC... or --pip REQUIREMENT")
    wish = options.parse_pip(None, pip, allow_build, prefer_pip, local=allow_local)
    how = _options(session, channel, hosts, override=override_channels, dry_run=dry_run, no_validate=no_validate)
    how = replace(how, pip=wish)
    return _finish(modify.install(session, name, specs or (), how), as_json=as_json)


def uninstall_command(
    *,
    packages: Annotated[list[str], argument(metavar="PACKAGE", help="Packages of the request.")],
    name: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    dry_run: options.DryRun = False,
    no_validate: options.NoValidate = False,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    timeout: options.Timeout = None,
    _yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Remove packages, and what only they needed, in a new generation."""
    from envkit.api import modify

    name, persist = which.environment(None, name, prefix, persist)
    session = options.session_of(
        persist, name=name, engine=engine, offline=offline, timeout_s=timeout, as_json=as_json, progress=progress
    )
    how = _options(session, None, None, override=False, dry_run=dry_run, no_validate=no_validate)
    return _finish(modify.uninstall(session, name, packages, how), as_json=as_json)


def upgrade_command(
    *,
    specs: Annotated[
        list[str] | None, argument(metavar="SPEC", help="Only these; a version replaces what was asked.")
    ] = None,
    _everything: Annotated[bool, option("--all", hidden=True, help="Accepted: it is what no SPEC means.")] = False,
    name: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    channel: options.Channels = None,
    override_channels: options.Override = False,
    hosts: TargetFlags.hosts = None,
    dry_run: options.DryRun = False,
    no_validate: options.NoValidate = False,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    timeout: options.Timeout = None,
    _yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Upgrade to the newest that the request allows."""
    from envkit.api import modify

    name, persist = which.environment(None, name, prefix, persist)
    session = options.session_of(
        persist, name=name, engine=engine, offline=offline, timeout_s=timeout, as_json=as_json, progress=progress
    )
    how = _options(session, channel, hosts, override=override_channels, dry_run=dry_run, no_validate=no_validate)
    return _finish(
        modify.upgrade(session, name, specs or (), how), as_json=as_json, nothing="has nothing newer to take"
    )


def _options(
    session: Session,
    channel: list[str] | None,
    hosts: list[Path] | None,
    *,
    override: bool,
    dry_run: bool,
    no_validate: bool,
) -> ModifyOptions:
    from envkit.api.modify import ModifyOptions
    from envkit.inputs.pool import read_pool

    return ModifyOptions(
        channels=options.parse_channels(channel, session.settings, override=override),
        only_channels=override,
        dry_run=dry_run,
        proof=options.parse_proof(no_validate=no_validate),
        hosts=read_pool(hosts) if hosts else {},
    )


def _finish(result: ChangeResult, *, as_json: bool, nothing: str = "has it all already") -> int:
    from envkit.cli.carried import volume_flag
    from envkit.cli.create import render_outcome
    from envkit.cli.history import render_difference
    from envkit.cli.output import console, labelled, mark, print_json
    from envkit.cli.validate import exit_code
    from envkit.host.wire import host_to_json
    from envkit.wire.volume import change_json
    from envkit.words.say import say

    created = result.created
    code = exit_code(created.report)
    if as_json:
        print_json(change_json(result, host_to_json(created.host) if created.host else {}))
        return code
    out = console()
    held = labelled(*(("held", "yellow", say(advice)) for advice in result.held))
    if created.reused:
        out.print(mark("[green]{}[/green] {}; nothing was made", created.environment, nothing))
        if result.held:
            out.print(held)
        return code
    render_difference(out, result.difference)
    render_outcome(out, created)
    if result.held:
        out.print(held)
    if created.dry_run:
        out.print("nothing was made (--dry-run)")
    else:
        verdict = f"validated: {created.report.verdict}" if created.report else "not validated"
        out.print(mark("[green]{}[/green] is now {} ({})", created.environment, result.difference.after, verdict))
        volume = volume_flag(str(created.volume), created.environment)
        out.print(f"  back  envkit rollback{volume} {created.environment}")
    return code
