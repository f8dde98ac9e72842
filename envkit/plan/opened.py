"""Why packages of a flexible solution come from a channel that is not the first to have their name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.builds.dependency import demands_on, record_matches
from envkit.builds.families import channel_name
from envkit.builds.version import version_key
from envkit.models.build import Record
from envkit.models.codes.advice import OPENED_CHANNEL
from envkit.models.fact import Advice
from envkit.models.solve import SolveTask


def explain_opened(
    records: Sequence[Record], task: SolveTask, available: Mapping[str, Sequence[Record]], order: Sequence[str]
) -> list[Advice]:
    """List the packages that strict priority would have left out, with the demand that the first channel cannot meet.

    Args:
        records: The solution.
        available: Every record of each name that may have been left out.
        order: URLs of the channels, the first one first.
    """
    ranks = {url.rstrip("/"): rank for rank, url in enumerate(order)}
    found = []
    for record in records:
        every = available.get(record.name, ())
        first = min((r.channel.rstrip("/") for r in every), key=lambda url: ranks.get(url, len(ranks)), default=None)
        own = record.channel.rstrip("/")
        if first is None or first == own or _is_named(record.name, task) or ranks.get(first, 0) > ranks.get(own, 0):
            continue
        here = [r for r in every if r.channel.rstrip("/") == first]
        found.append(
            Advice(
                OPENED_CHANNEL,
                package=f"{record.name} {record.version}",
                channel=channel_name(own),
                first=channel_name(first),
                newest=max((r.version for r in here), key=version_key),
                needed=_needed(record.name, here, records, task),
            )
        )
    return found


def _is_named(name: str, task: SolveTask) -> bool:
    """Return whether a spec of the request names the channel of a package."""
    return any(spec.channel for _, spec in demands_on(task.specs, name))


def _needed(
    name: str, here: Sequence[Record], records: Sequence[Record], task: SolveTask
) -> tuple[str | None, str] | None:
    """Return a demand on a name that no record of the first channel meets, after who makes it; None for the request."""
    sources: list[tuple[str | None, Sequence[str]]] = [(None, (*task.specs, *task.constraints))]
    sources += [(record.name, record.depends) for record in records]
    for by, texts in sources:
        for text, spec in demands_on(texts, name):
            if not any(record_matches(spec, r) for r in here):
                return by, text
    return None
