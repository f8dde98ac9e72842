"""create from an @EXPLICIT file: URLs with hashes, no solve."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from envkit.api.change import changing
from envkit.api.create import CreateOptions
from envkit.api.make import CLEAN_WAIT_S
from envkit.api.results import made_result
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.builds.record import record_from_repodata
from envkit.checks.package import check_record
from envkit.checks.solution import check_solution
from envkit.errors import EnvironmentExistsError, HostCannotRunError, RecipeError
from envkit.installer.cache import cached, read_index
from envkit.installer.fetch import fetch
from envkit.layout import lease
from envkit.layout.gc import CACHE
from envkit.layout.volume import check_name
from envkit.models.build import Record
from envkit.models.channel import Channel, parse_channel
from envkit.models.host import Target
from envkit.models.manifest import RecordedRequest
from envkit.models.request import Request
from envkit.models.results import CreateResult

__all__ = ["create_explicit", "is_explicit", "parse_explicit"]

_HASH = re.compile(r"(?:(?:sha256:)?(?P<sha256>[0-9a-fA-F]{64})|(?P<md5>[0-9a-fA-F]{32}))\Z")
_MARK = re.compile(rb"^\s*@EXPLICIT\s*$", re.MULTILINE)
_MAX_BYTES = 4 << 20


def is_explicit(path: Path) -> bool:
    """Whether a file is an ``@EXPLICIT`` one (CEP 23)."""
    try:
        with path.open("rb") as file:
            return _MARK.search(file.read(_MAX_BYTES)) is not None
    except OSError:
        return False  # whoever reads it next says why


def parse_explicit(path: Path) -> tuple[tuple[Record, ...], tuple[Channel, ...]]:
    """The packages of an ``@EXPLICIT`` file, with as much of their records as URLs tell, and their channels.

    Raises:
        RecipeError: A line is no URL of a package with a hash, or the file cannot be read.
    """
    records: dict[str, Record] = {}
    channels: dict[str, Channel] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise RecipeError(f"{path} cannot be read: {why}", hint="CEP 23: one URL in each line.") from None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#") or text == "@EXPLICIT":
            continue
        url, _, digest = text.partition("#")
        found = _HASH.match(digest)
        parts = url.rsplit("/", 2)
        if len(parts) != 3 or "://" not in url or not parts[2].endswith((".conda", ".tar.bz2")):
            raise RecipeError(f"{path}:{number}: not the URL of a package", hint="CEP 23: one URL in each line.")
        if found is None:
            raise RecipeError(
                f"{path}:{number}: {parts[2]} has no hash",
                hint="envkit installs nothing that it cannot verify: add #sha256:... (conda list --explicit --sha256).",
            )
        try:
            channel = parse_channel(parts[0])
        except ValueError:  # its text may hold a password
            raise RecipeError(
                f"{path}:{number}: {parts[2]} is in no channel: its URL cannot be read",
                hint="CEP 23: one URL in each line; a space in it is written %20.",
            ) from None
        raw: Mapping[str, Any] = {key: value.lower() for key, value in found.groupdict().items() if value}
        record = record_from_repodata(raw, unquote(parts[2]), channel.url, parts[1])
        fault = check_record(record)
        if fault is not None:
            raise RecipeError(
                f"{path}:{number}: {fault}", hint="CEP 23: .../SUBDIR/NAME-VERSION-BUILD.conda#sha256:... in each line."
            )
        if record.name in records and records[record.name].fn != record.fn:
            raise RecipeError(f"{path}:{number}: {record.name} is there twice", hint="One environment has it once.")
        records[record.name] = record
        channels.setdefault(channel.url, channel)
    if not records:
        raise RecipeError(f"{path} names no package", hint="CEP 23: @EXPLICIT, then one URL in each line.")
    return tuple(records[name] for name in sorted(records)), tuple(channels.values())


def create_explicit(session: Session, name: str, path: Path, options: CreateOptions) -> CreateResult:
    """Make an environment of exactly the packages in an ``@EXPLICIT`` file. Nothing is solved.

    Args:
        session: Settings and services.
        name: The environment's name.
        path: The file.
        options: Of these, `replace` and `proof`. Without any proof, packages that would not run are installed too.

    Raises:
        RecipeError: The file cannot be read.
        HostCannotRunError: The packages would not run here.
        EnvironmentExistsError: The name is taken, and `replace` was not asked for.
        EnvkitError: See `envkit.errors`; whatever is raised, the volume is as it was.
    """
    check_name(name)
    bare, channels = parse_explicit(path)
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
                _refuse(path, records, target)
            plan = Plan(records, channels)
            specs = tuple(f"{r.name}=={r.version}={r.build}" for r in records)
            recorded = RecordedRequest(specs=specs, platform=target.subdir)
            made = change.make(plan, recorded, target=target, verb="create --file", proof=options.proof)
    return made_result(session, name, plan, dataclasses.replace(made, fetched=missing))


def _refuse(path: Path, records: Sequence[Record], target: Target) -> None:
    """Refuse what would not run here.

    Raises:
        HostCannotRunError: With every reason.
    """
    found = [
        f"{record.fn}: it is for {record.subdir}, this host is {target.subdir}"
        for record in records
        if record.subdir not in {target.subdir, "noarch"}
    ] or [
        f"{refusal.record.fn}: {refusal.reason.text}"
        for refusal in check_solution(records, target, Request())
        if refusal.reason.code != "cpu-build"  # the file asks for it by name
    ]
    if found:
        raise HostCannotRunError(
            f"what {path} lists would not run: {'; '.join(found)}",
            hint="--no-validate installs it all the same; `envkit find` shows what runs.",
        )
