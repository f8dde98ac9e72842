"""Make a generation: given records at a new path, whole and published, or not at all."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import envkit
from envkit.api.gate import judge_measured, refuse_known, refuse_lacking, refuse_lacking_wheels
from envkit.api.publish import check_publishable
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.errors import NoSpaceError
from envkit.installer.ahead import Ahead
from envkit.installer.bytecode import link_kept, make_bytecode
from envkit.installer.cache import cached
from envkit.installer.compiler import Compiler, compiling
from envkit.installer.demand import check_room
from envkit.installer.fetch import fetch
from envkit.installer.hardlinks import LinkTarget
from envkit.installer.link import link, link_scripts
from envkit.installer.pin import list_pins
from envkit.installer.proof import find_changed, refuse_long_prefix, verifying
from envkit.installer.spans import moving_links
from envkit.installer.unshare import unshare
from envkit.layout import lease
from envkit.layout.atomic import write_atomic
from envkit.layout.disk import freed_by
from envkit.layout.filesystem import concerns, read_mount
from envkit.layout.gc import CACHE, Keep, find_rubbish
from envkit.layout.generation import Claimed, claim, publish, write_manifest, write_variables
from envkit.layout.inventory import Origins
from envkit.layout.lineage import Origin
from envkit.layout.opening import read_volume_file
from envkit.layout.permissions import sharing
from envkit.layout.pinned import carry_pinned
from envkit.layout.refusal import no_space, what_is_full, writing
from envkit.layout.space import EXTRACTED_RATIO, check_space
from envkit.layout.volume import Volume
from envkit.layout.weighing import weighing
from envkit.models.build import Record, Verdict, digest
from envkit.models.fact import Advice
from envkit.models.host import Host, Target
from envkit.models.manifest import LockedPackage, Manifest, PipPart, RecordedRequest
from envkit.models.report import Report
from envkit.paths import PROFILES
from envkit.values import dataclass, replace
from envkit.wire.results import lacking_json, members, target_json
from envkit.words.say import say
from envkit.words.values import size_words

CLEAN_WAIT_S = 600.0
"""How long a verb that needs packages in the cache waits for `clean`."""


Proof = Literal["none", "any", "gpu"]
"""The proof needed to publish: none; a validation that the environment passes; one that computed on a GPU."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The content and origin of a generation to be made."""

    name: str  # the environment
    plan: Plan  # the records and what they were chosen for
    request: RecordedRequest  # the request as the manifest keeps it
    target: Target  # the machine that it is for
    origin: Origin  # the generation that it follows, and the verb
    profile: str | None = None  # name of the profile, where machines choose among several
    rule: Callable[[str], str] | None = None  # returns their rule, given the name of this generation: the link's


@dataclass(frozen=True, slots=True)
class Made:
    """A generation that is finished and published."""

    prefix: Path  # its directory
    manifest: Manifest  # its manifest
    report: Report | None  # the validation, if there was one
    fetched: tuple[Record, ...]  # the packages that were not in the cache before
    notes: tuple[Advice, ...] = ()  # what to know of the volume
    pick: Verdict | None = None  # the framework's build, judged by its bytes where they were measured


def make_generation(
    session: Session, blueprint: Blueprint, *, proof: Proof = "any", publish_by: Callable[[Path], object] | None = None
) -> Made:
    """Make a generation at a new path, and point the environment's link at it.

    Args:
        blueprint: What to make; the caller holds the lease of its name.
        publish_by: Publishes the prefix instead of the environment's link; meanwhile `clean` removes nothing of it.

    Raises:
        EnvkitError: Whatever is raised, the environment is as it was; packages that are whole stay in the cache.
    """
    volume, reporter, host, plan = session.volume, session.reporter, session.host, blueprint.plan
    if plan.pip is not None:
        from envkit.api.wheels import refuse_elsewhere

        refuse_elsewhere(plan, blueprint.target, host)
    able, notes = _notes(volume, plan)
    for fact in notes:
        reporter.note(say(fact))
    with (
        _using_cache(session, volume),
        verifying(volume, plan.records) as verification,
        moving_links(volume) as links,
        claim(volume, blueprint.name) as claimed,
        compiling(volume, plan.records, claimed.prefix) as compiler,
    ):
        prefix, place = claimed.prefix, claimed.place
        runs_here = blueprint.target.subdir == host.subdir
        links.hold(prefix.name)
        compiles = runs_here and session.settings.bytecode == "now"
        hard_links = able.get("hard_link", True) and not session.settings.copies
        known = Origins()

        def place_bytecode(target: LinkTarget) -> tuple[int, list[Record]] | None:
            return link_kept(volume, plan.records, target, known=known) if compiles else None

        platform = blueprint.target.subdir
        ahead = Ahead(volume, plan.records, place, place_bytecode, platform=platform, hard_links=hard_links)
        with ahead:
            if all(cached(volume, record) for record in plan.records):
                check_room(volume, plan.records, hard_links=hard_links)  # before any of it is taken
                ahead.begin()
            changed, verified = verification.finish()
            missing = _fill(session, volume, plan, changed, compiler if compiles else None)
            refuse_long_prefix(volume, plan.records, prefix)
            notes += refuse_lacking(volume, plan, reporter)
            plan = judge_measured(volume, plan)
            if missing:
                check_room(volume, plan.records, hard_links=hard_links)
            kept = link(
                volume,
                ahead,
                (prefix, place),
                requested=blueprint.request.specs,
                reporter=reporter,
                verified=verified,
                known=known,
            )
            if kept is not None:
                claimed.check()
                env = partial(_variables, blueprint, prefix)
                where = (prefix, place)
                make_bytecode(volume, plan.records, where, kept, compiler=compiler, env=env, reporter=reporter)
            pip = _install_pip(session, replace(blueprint, plan=plan), (prefix, place), hard_links=hard_links)
            _follow_conda(session, blueprint, place)
            if pip is not None or session.settings.copies:
                known.forget()
            notes += refuse_lacking_wheels(volume, plan, place, pip.packages if pip else (), reporter)
            if blueprint.rule is not None:  # before the manifest: a finished generation has its rule
                write_atomic(place / PROFILES, blueprint.rule(prefix.name), durable=False)
            manifest = _manifest(volume, replace(blueprint, plan=plan), claimed, host, pip)
            report = complete(session, claimed, manifest, proof=proof, runs_here=runs_here, known=known)
            if publish_by is not None:
                publish_by(prefix)
            else:
                publish(volume, manifest.name, prefix)
    return Made(prefix, manifest, report, missing, notes, plan.pick)


def _variables(blueprint: Blueprint, prefix: Path) -> Mapping[str, str]:
    from envkit.api.examine import run_environment

    return run_environment(prefix, os.environ, name=blueprint.name)


def _install_pip(
    session: Session, blueprint: Blueprint, where: tuple[Path, Path], *, hard_links: bool
) -> PipPart | None:
    """Install the pip part of a plan, if it has one."""
    plan = blueprint.plan
    if plan.pip is None:
        return None
    from envkit.api.wheels import install_part

    return install_part(session, plan, where, name=blueprint.name, target=blueprint.target, hard_links=hard_links)


def complete(
    session: Session,
    claimed: Claimed,
    manifest: Manifest,
    *,
    proof: Proof,
    runs_here: bool,
    known: Origins | None = None,
) -> Report | None:
    """Write the manifest of a claimed generation whose files are there, and validate it; it can be published then.

    Args:
        runs_here: Whether it is for the platform of this host, so that it can be validated here.
        known: What it was linked from.

    Raises:
        EnvkitError: It does not work, so it must not be published.
    """
    volume, host, prefix = session.volume, session.host, claimed.prefix
    write_variables(manifest, claimed.place)
    report = None
    with weighing(volume, claimed.here, manifest, known):
        write_manifest(manifest, claimed.place)
        claimed.check()
        if proof != "none" and runs_here:
            from envkit.api.examine import validate_prefix

            report = validate_prefix(prefix, manifest=manifest, host=host, reporter=session.reporter)
    refusal = check_publishable(manifest.name, report, require_gpu=proof == "gpu")
    if refusal is not None:
        raise refusal
    claimed.check()
    claimed.open_up()
    if report is not None:
        from envkit.api.validate import record_validation

        record_validation(volume, prefix.name, report, host)
    return report


def _follow_conda(session: Session, blueprint: Blueprint, place: Path) -> None:
    """Copy files where ``always_copy`` says so, and take over the pins of the generation before."""
    if session.settings.copies:
        unshare(place)
    before = blueprint.origin.parent
    if before is not None and not blueprint.origin.verb.startswith("create"):
        carry_pinned(session.volume.generations / before, place)


def fill_cache(session: Session, plan: Plan) -> None:
    """Fetch the packages of a plan into the volume's cache, and make nothing of them.

    Raises:
        EnvkitError: See `make_generation`.
    """
    volume = session.make_volume()
    with _using_cache(session, volume):
        _fill(session, volume, plan, find_changed(volume, plan.records), None)


@contextlib.contextmanager
def _using_cache(session: Session, volume: Volume) -> Iterator[None]:
    """Write on the volume, and keep `clean` from packages meanwhile; say of a full disk what could be freed."""
    try:
        with (
            writing(volume),
            sharing(volume),
            lease.hold(volume, CACHE, shared=True, reporter=session.reporter, wait_s=CLEAN_WAIT_S),
        ):
            yield
    except NoSpaceError as error:
        raise NoSpaceError(error.message, hint=f"{_what_frees(volume)} {error.hint or ''}".strip()) from error
    except OSError as error:
        if not no_space(error):
            raise
        raise NoSpaceError(what_is_full(volume, error), hint=_what_frees(volume)) from error


def _fill(
    session: Session, volume: Volume, plan: Plan, changed: Sequence[Record], compiler: Compiler | None
) -> tuple[Record, ...]:
    """Fetch the packages that the cache lacks, or that were changed there; return them."""
    missing = tuple(r for r in plan.records if r in changed or not cached(volume, r))
    refuse_known(volume, plan)
    check_space(volume, missing, wheels=plan.pip.packages if plan.pip else ())
    fetch(
        volume,
        plan.records,
        changed=changed,
        channels=plan.channels,
        policy=session.policy,
        reporter=session.reporter,
        caches=session.settings.caches,
        compiler=compiler,
    )
    return missing


def _notes(volume: Volume, plan: Plan) -> tuple[dict[str, bool], tuple[Advice, ...]]:
    """Return what the file system can do, and what to know of it."""
    described = read_volume_file(volume)
    able = dict(described.capabilities) if described else {}
    size = int(sum(record.size or 0 for record in plan.records) * EXTRACTED_RATIO)
    return able, tuple(concerns(read_mount(volume.root), able, copied_bytes=size))


def _what_frees(volume: Volume) -> str:
    """Say how much `clean` would free, by default and at most."""
    sentences = []
    before = 0
    for keep, command in ((Keep(), "envkit clean"), (Keep(0, 0.0), "envkit clean --keep 0 --older-than 0")):
        try:
            freed = freed_by(Path(item.path) for item in find_rubbish(volume, keep).items).size_bytes
        except OSError:
            return ""
        if freed > before:
            sentences.append(f"`{command}` frees {size_words(freed)}.")
        before = freed
    return " ".join(sentences)


def _manifest(volume: Volume, blueprint: Blueprint, claimed: Claimed, host: Host, pip: PipPart | None) -> Manifest:
    plan = blueprint.plan
    return Manifest(
        envkit_version=envkit.__version__,
        name=blueprint.name,
        generation=claimed.prefix.name,
        prefix=str(claimed.prefix),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **members(blueprint.origin, "lineage", "number", "parent", "verb"),
        request=blueprint.request,
        channels=tuple(channel.url for channel in plan.channels),
        virtual_packages=plan.virtual_packages,
        digest=digest(plan.records),
        packages=tuple(map(_locked, plan.records)),
        pip=pip,
        target=target_json(blueprint.target),
        fingerprint=host.fingerprint,
        choice=dict(plan.choice),
        passed_over=tuple(lacking_json(plan.passed)),
        own_files=list_pins(claimed.place),
        profile=blueprint.profile,
        side=blueprint.profile is not None and blueprint.rule is None,
        skipped_link_scripts=link_scripts(volume, plan.records),
    )


def _locked(record: Record) -> LockedPackage:
    same = members(record, "name", "version", "build", "subdir", "fn", "url", "channel", "sha256", "size")
    return LockedPackage(**same, record=dict(record.raw))
