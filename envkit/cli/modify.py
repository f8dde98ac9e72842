"""envkit install, uninstall, upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from envkit.cli import options
from envkit.cli.target import TargetFlags

if TYPE_CHECKING:
    from pathlib import Path

    from envkit.api.modify import ModifyOptions
    from envkit.api.session import Session
    from envkit.models.changes import ChangeResult

__all__ = ["register"]

_Name = Annotated[str, typer.Option("-n", "--name", metavar="NAME", help="The environment.")]
DryRun = Annotated[bool, typer.Option("-d", "--dry-run", help="Only show what would change.")]
NoValidate = Annotated[bool, typer.Option("--no-validate", help="Publish without validating.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("install")(_install)
    app.command("uninstall")(_uninstall)
    app.command("upgrade")(_upgrade)


def _install(
    *,
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="Packages, such as scipy 'numpy<2'.")],
    name: _Name,
    persist: options.Persist = None,
    channel: options.Channels = None,
    hosts: TargetFlags.hosts = None,
    dry_run: DryRun = False,
    no_validate: NoValidate = False,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Add packages: a new generation, the rest as it is where that is possible."""
    del yes
    from envkit.api.modify import install as install_packages

    session = options.session_of(persist, name=name, engine=engine, offline=offline, as_json=as_json, progress=progress)
    how = _options(session, channel, hosts, dry_run=dry_run, no_validate=no_validate)
    result = install_packages(session, name, specs, how)
    return _finish(result, as_json=as_json)


def _uninstall(
    *,
    packages: Annotated[list[str], typer.Argument(metavar="PACKAGE...", help="Packages that were asked for.")],
    name: _Name,
    persist: options.Persist = None,
    dry_run: DryRun = False,
    no_validate: NoValidate = False,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Take packages away, with what only they needed: a new generation."""
    del yes
    from envkit.api.modify import uninstall as uninstall_packages

    session = options.session_of(persist, name=name, engine=engine, offline=offline, as_json=as_json, progress=progress)
    how = _options(session, None, None, dry_run=dry_run, no_validate=no_validate)
    result = uninstall_packages(session, name, packages, how)
    return _finish(result, as_json=as_json)


def _upgrade(
    *,
    specs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SPEC]...", help="Only these; a version in it changes what is asked."),
    ] = None,
    name: _Name,
    persist: options.Persist = None,
    channel: options.Channels = None,
    hosts: TargetFlags.hosts = None,
    dry_run: DryRun = False,
    no_validate: NoValidate = False,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Take the newest that the request allows: a new generation. Nothing newer, nothing made."""
    del yes
    from envkit.api.modify import upgrade as upgrade_packages

    session = options.session_of(persist, name=name, engine=engine, offline=offline, as_json=as_json, progress=progress)
    how = _options(session, channel, hosts, dry_run=dry_run, no_validate=no_validate)
    result = upgrade_packages(session, name, specs or (), how)
    return _finish(result, as_json=as_json, nothing="has nothing newer to take")


def _options(
    session: Session, channel: list[str] | None, hosts: list[Path] | None, *, dry_run: bool, no_validate: bool
) -> ModifyOptions:
    from envkit.api.modify import ModifyOptions
    from envkit.inputs.pool import read_pool

    return ModifyOptions(
        channels=options.parse_channels(channel, session.settings, override=False),
        dry_run=dry_run,
        proof=options.parse_proof(no_validate=no_validate),
        hosts=read_pool(hosts) if hosts else {},
    )


def _finish(result: ChangeResult, *, as_json: bool, nothing: str = "has it all already") -> int:
    from envkit.cli.create import exit_code, render_findings_of
    from envkit.cli.history import render_difference
    from envkit.cli.output import console, print_json
    from envkit.host.wire import host_to_json
    from envkit.wire.volume import change_json

    created = result.created
    if as_json:
        print_json(change_json(result, host_to_json(created.host) if created.host else {}))
        return exit_code(created)
    out = console()
    if created.reused:
        out.print(f"[green]{created.environment}[/green] {nothing}; nothing was made")
        return exit_code(created)
    render_difference(out, result.difference)
    render_findings_of(out, created)
    if created.dry_run:
        out.print("nothing was made (--dry-run)")
    else:
        verdict = f"validated: {created.report.verdict}" if created.report else "not validated"
        out.print(f"[green]{created.environment}[/green] is now {result.difference.after} ({verdict})")
        out.print(f"  back  envkit rollback --persist {created.volume} {created.environment}")
    return exit_code(created)
