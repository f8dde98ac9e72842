"""The names of packages in the channels: those that match a pattern."""

from __future__ import annotations

import fnmatch

from envkit.api.choose import channels_for
from envkit.api.indexes import channel_access
from envkit.api.session import Session, user_index_dir
from envkit.builds.version import version_key
from envkit.errors import PackageNotFoundError
from envkit.models.build import Record
from envkit.models.request import Inquiry
from envkit.models.results import NamedPackage, NameListing
from envkit.words.values import plural

_CHUNK = 500  # names asked for at a time


def find_names(session: Session, inquiry: Inquiry, *, limit: int | None) -> NameListing:
    """List the packages whose names match the pattern in `inquiry`, each with its newest version.

    Args:
        limit: The most to list, by name; None for all.

    Raises:
        PackageNotFoundError: No name matches.
        ChannelError: A channel cannot be read.
    """
    pattern, target, reporter = inquiry.request.specs[0].lower(), inquiry.target, session.reporter
    channels, _ = channels_for(
        [], explicit=inquiry.channels, override=inquiry.override_channels, settings=session.settings
    )
    access = channel_access(channels, session.policy, user_index_dir())
    where = ", ".join(channel.name for channel in channels)
    reporter.start("index", where)
    engine, platforms = session.index, [target.subdir, "noarch"]
    every = fnmatch.filter(engine.names(platforms=platforms, access=access), pattern)
    shown = sorted(every)[:limit]
    newest: dict[str, Record] = {}
    for start in range(0, len(shown), _CHUNK):
        names = shown[start : start + _CHUNK]
        for record in engine.records(names, platforms=platforms, access=access):
            known = newest.get(record.name)
            if known is None or version_key(record.version) > version_key(known.version):
                newest[record.name] = record
    reporter.finish("index", f"{where}: {plural(len(every), 'name')} like {pattern}")
    if not every:
        raise PackageNotFoundError(
            f"no package is called {pattern} for {target.subdir} in {where}",
            hint="Widen the pattern, or name another channel with -c.",
        )
    packages = tuple(NamedPackage(name, r.version, r.channel) for name, r in sorted(newest.items()))
    return NameListing(pattern, tuple(channel.name for channel in channels), packages, len(every))
