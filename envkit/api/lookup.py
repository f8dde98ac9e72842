"""Records by name from the channels' indexes, whichever solver is configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from envkit.api.indexes import channel_access
from envkit.api.session import Session
from envkit.errors import PackageNotFoundError
from envkit.models.build import Record
from envkit.models.channel import Channel
from envkit.models.codes.inputs import HASHES_ADDED
from envkit.models.fact import Advice
from envkit.models.inputs import Locked
from envkit.values import replace
from envkit.words.say import say
from envkit.words.values import join

_SHOWN = 10


def look_up(
    session: Session, names: Iterable[str], *, channels: Sequence[Channel], platforms: Sequence[str]
) -> tuple[Record, ...]:
    """Return every record of these names in these channels.

    Raises:
        ChannelError: A channel cannot be read.
    """
    access = channel_access(tuple(channels), session.policy, session.index_dir)
    session.reporter.start("index", join([channel.name for channel in channels]))
    found = session.index.records(sorted(set(names)), platforms=platforms, access=access)
    session.reporter.finish("index", f"{len(found)} builds")
    return found


def complete_digests(session: Session, locked: Locked) -> Locked:
    """Return a locked solution in which every record has a digest; the channels' indexes give those that lack.

    Raises:
        PackageNotFoundError: An index lacks one of these packages.
    """
    bare = [record for record in locked.records if not _verifiable(record)]
    if not bare:
        return locked
    channels = [c for c in locked.channels if any(record.channel == c.url for record in bare)]
    platforms = sorted({record.subdir for record in bare} | {"noarch"})
    found = look_up(session, {record.name for record in bare}, channels=channels, platforms=platforms)
    known: Mapping[tuple[str, str, str], Record] = {
        (record.channel.rstrip("/"), record.subdir, record.fn): record for record in found if _verifiable(record)
    }
    missing = [record for record in bare if (record.channel, record.subdir, record.fn) not in known]
    if missing:
        where = join(sorted({record.channel for record in missing}))
        raise PackageNotFoundError(
            f"{locked.path} has no digests, and the index of {where} does not list {len(missing)} of its packages: "
            f"{join([record.fn for record in missing], most=_SHOWN)}",
            hint="envkit installs nothing that it cannot verify: write the file again with digests "
            "(conda list --explicit --sha256), or give the environment.yml that it was made from.",
        )
    session.reporter.note(say(Advice(HASHES_ADDED, path=locked.path, count=len(bare))))
    records = tuple(known.get((record.channel, record.subdir, record.fn), record) for record in locked.records)
    return replace(locked, records=records)


def _verifiable(record: Record) -> bool:
    return bool(record.sha256 or record.raw.get("md5"))
