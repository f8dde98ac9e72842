"""How `create` keeps what it makes: as files, or as a pack."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envkit.api.create import CreateOptions
    from envkit.api.session import Session
    from envkit.models.request import Inquiry
    from envkit.models.results import CreateResult


def create_as(session: Session, name: str, inquiry: Inquiry, how: CreateOptions, *, packed: bool) -> CreateResult:
    """Make an environment; with `packed`, keep one file of it on the volume."""
    if packed:
        from envkit.api.create_packed import create_packed

        return create_packed(session, name, inquiry, how)
    from envkit.api.create import create_environment

    return create_environment(session, name, inquiry, how)
