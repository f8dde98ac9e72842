"""Create an environment from exact packages, without solving."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from envkit.api.change import changing
from envkit.api.create import CreateOptions
from envkit.api.make import CLEAN_WAIT_S
from envkit.api.results import made_result
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.checks.solution import check_solution
from envkit.errors import EnvironmentExistsError, HostCannotRunError
from envkit.installer.cache import cached, read_index
from envkit.installer.fetch import fetch
from envkit.layout import lease
from envkit.layout.gc import CACHE
from envkit.layout.volume import check_name
from envkit.models.build import Record
from envkit.models.codes.reasons import CPU_BUILD
from envkit.models.host import Target
from envkit.models.inputs import Locked
from envkit.models.manifest import RecordedRequest
from envkit.models.request import Request
from envkit.models.results import CreateResult
from envkit.words.say import say


def create_explicit(session: Session, name: str, locked: Locked, options: CreateOptions) -> CreateResult:
    """Make an environment of exactly the packages that a file lists. Nothing is solved.

    Without any proof, packages that would not run are installed too.
    """
    check_name(name)
    bare, channels = locked.records, locked.channels
    target = Target.from_host(session.host)
    with changing(session, name) as change:
        volume, reporter = change.volume, session.reporter
        if change.prefix is not None and not options.replace:
            raise EnvironmentExistsError(
                f"{name} is there already", hint="Choose another name with -n, or make a new generation with --replace."
            )
        # From here on `clean` removes no package that was fetched.
        with lease.hold(volume, CACHE, shared=True, reporter=reporter, wait_s=CLEAN_WAIT_S):
            missing = tuple(record for record in bare if not cached(volume, record))
            # The file names no dependencies; the packages' own index completes the records.
            fetch(volume, bare, channels=channels, policy=session.policy, reporter=reporter)
            records = tuple(read_index(volume, record) for record in bare)
            if options.proof != "none":
                _refuse(locked.path, records, target)
            plan = Plan(records, channels)
            specs = tuple(f"{r.name}=={r.version}={r.build}" for r in records)
            recorded = RecordedRequest(specs=specs, platform=target.subdir)
            made = change.make(plan, recorded, target=target, verb="create --file", proof=options.proof)
    return made_result(session, name, plan, dataclasses.replace(made, fetched=missing))


def _refuse(path: str, records: Sequence[Record], target: Target) -> None:
    """Refuse what would not run here."""
    found = [
        f"{record.fn}: it is for {record.subdir}, this host is {target.subdir}"
        for record in records
        if record.subdir not in {target.subdir, "noarch"}
    ] or [
        f"{refusal.record.fn}: {say(refusal.reason)}"
        for refusal in check_solution(records, target, Request())
        if refusal.reason.code != CPU_BUILD  # the file asks for it by name
    ]
    if found:
        raise HostCannotRunError(
            f"what {path} lists would not run: {'; '.join(found)}",
            hint="--no-validate installs it all the same; `envkit find` shows what runs.",
        )
