"""The packages of an upgrade that are not at their newest version, and why."""

from __future__ import annotations

from collections.abc import Collection

from envkit.api.indexes import channel_access
from envkit.api.priority import pins_of
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.errors import EnvkitError
from envkit.models.fact import Advice
from envkit.models.request import Inquiry
from envkit.plan.held import held_back


def find_held(session: Session, plan: Plan, inquiry: Inquiry, names: Collection[str]) -> tuple[Advice, ...]:
    """Return what holds these packages of a plan back; nothing where the channels cannot tell."""
    access = channel_access(plan.channels, session.policy, session.index_dir)
    here = {record.name for record in plan.records}
    try:
        wanted = sorted(here & set(names))
        found = session.index.records(wanted, platforms=[inquiry.target.subdir, "noarch"], access=access)
    except EnvkitError:
        return ()
    newest = session.dated(inquiry).request.newest_ms
    seen = [record for record in found if newest is None or (record.timestamp or 0) <= newest]
    pins = pins_of(session.settings, inquiry.pinned)
    return tuple(held_back(inquiry.request, plan.records, seen, pins))
