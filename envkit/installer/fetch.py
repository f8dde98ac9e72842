"""Fetch packages into the cache: download, verify, extract, check, and move each there by one rename."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envkit.engines.network import make_client
from envkit.errors import IntegrityError
from envkit.installer import cache
from envkit.installer.compiler import Compiler
from envkit.layout.refusal import full_while, no_space
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.channel import Channel, redact
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.words.values import plural, size_words

_SHOWN = 3


def fetch(
    volume: Volume,
    records: Sequence[Record],
    *,
    changed: Sequence[Record] = (),
    channels: Sequence[Channel],
    policy: NetworkPolicy,
    reporter: Reporter,
    caches: Sequence[Path] = (),
    compiler: Compiler | None = None,
) -> None:
    """Bring every package into the volume's cache; cached ones cost nothing.

    Args:
        changed: Those of them that are in the cache and have to be fetched again.
        caches: conda's own caches, which are looked into before anything is downloaded.
        compiler: Makes the bytecode of each package as soon as it is there.

    Raises:
        IntegrityError: An archive is not what the index says, or would write outside its prefix.
        ChannelError: A download failed.
        NoSpaceError: The volume is full. Complete packages stay in the cache.
    """
    missing = [record for record in records if not cache.cached(volume, record) or record in changed]
    wanted = {id(record) for record in missing}
    for record in records:
        reporter.detail(f"{record.fn}: {'to be fetched' if id(record) in wanted else 'in the cache'}")
    if not missing:
        if compiler is not None:
            compiler.begin((), None)
        return
    import asyncio

    from envkit.installer.fetching import Fetching

    _refuse_twins(records)
    if changed:
        names = ", ".join(record.name for record in changed[:_SHOWN]) + (", ..." if len(changed) > _SHOWN else "")
        verb = "is" if len(changed) == 1 else "are"
        told = f"{plural(len(changed), 'package')} in the cache {verb} not what was verified"
        reporter.note(f"{told}; fetched again: {names}")
    total = sum(record.size or 0 for record in missing)
    reporter.start("download", plural(len(missing), "package"), total=total, unit="B")
    with cache.incoming(volume) as mine:
        try:
            adopted = cache.adopt(volume, missing, mine)
            if adopted:
                reporter.note(f"took over {adopted} downloads of an interrupted run")
            run = Fetching(volume, mine, make_client(policy, channels), policy, reporter)
            run.changed = changed
            run.caches = caches
            if compiler is not None:
                compiler.begin(missing, mine)
                run.compiler, run.first = compiler, compiler.first & {record.name for record in missing}
            asyncio.run(run.fetch_all(missing))
            for place, count in sorted(run.taken.items()):
                reporter.note(f"{plural(count, 'package')} taken from {place} (pkgs_dirs)")
        except OSError as error:
            if no_space(error):
                hint = (
                    f"{size_words(total)} were to be downloaded and about four times that extracted. Free "
                    "space, or choose another volume; complete packages are kept in the cache."
                )
                raise full_while(volume, error, "packages were fetched", hint=hint) from error
            raise
    reporter.finish("download", f"{plural(len(missing), 'package')}, {size_words(total)}")


def _refuse_twins(records: Sequence[Record]) -> None:
    """Refuse records that share the digest of one archive: one of them lies."""
    known: dict[str, Record] = {}
    for record in records:
        twin = known.setdefault(cache.key(record), record)
        if twin is not record:
            raise IntegrityError(
                f"{twin.fn} and {record.fn} of {redact(record.channel)} have one digest in the index",
                hint="The index is wrong. Tell the channel's maintainers, or choose another build. Nothing was "
                "installed.",
            )
