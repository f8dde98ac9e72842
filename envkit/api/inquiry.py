"""Inquiry: what is asked of the channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.request import Request

__all__ = ["Inquiry"]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A request, the machines that it is for, and the channels to ask.

    Attributes:
        request: The packages and what the user asked of them.
        target: The machine to choose for.
        hosts: Machines by name, where there are several to run on; `target` is then what they have in common.
        channels: Channels that the user, a file or a manifest named, with their credentials.
        override_channels: Ask no others.
    """

    request: Request
    target: Target
    hosts: Mapping[str, Target] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    override_channels: bool = False
