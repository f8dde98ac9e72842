"""Corrections are tried before they are offered: what does not work for the target is not."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.api.choose import channels_for, judge_spec, judge_table
from envkit.api.indexes import channel_access
from envkit.api.session import Session
from envkit.api.solve import solve_request
from envkit.errors import EnvkitError
from envkit.models.codes.corrections import TENSORFLOW_GPU
from envkit.models.progress import Reporter
from envkit.models.request import Correction, CudaChoice, Inquiry
from envkit.plan.implied import imply_cuda
from envkit.plan.rank import pick
from envkit.settings import resolve_channels
from envkit.values import replace

_MOST = 3  # each costs a solve


def solving_corrections(
    session: Session, inquiry: Inquiry, corrections: Sequence[Correction], *, solved: bool
) -> tuple[Correction, ...]:
    """Return the corrections with which the request has a solution that runs on the target.

    Args:
        solved: Whether the request had one as it stood. Then ``tensorflow-gpu`` did what it is for: it selects a GPU
            build, with ``_tflow_select`` on `defaults`.
    """
    quiet = _quiet(session)
    found = []
    for correction in corrections[:_MOST]:
        if solved and correction.code == TENSORFLOW_GPU:
            continue
        try:
            solve_request(quiet, _corrected(session, inquiry, correction))
        except EnvkitError:
            continue
        found.append(correction)
    return tuple(found)


def running_corrections(
    session: Session, inquiry: Inquiry, corrections: Sequence[Correction], *, table: bool
) -> tuple[Correction, ...]:
    """Return the corrections whose first package has a build that runs on the target.

    Args:
        table: Whether the built-in table answers, and not the channels.
    """
    quiet = _quiet(session)
    found = []
    for correction in corrections[:_MOST]:
        if not correction.specs:
            continue
        corrected = _corrected(session, inquiry, correction)
        corrected = replace(corrected, request=imply_cuda(corrected.request))
        name = corrected.request.parsed[0].name
        try:
            channels, ordered = channels_for(
                [name], explicit=corrected.channels, override=inquiry.override_channels, settings=session.settings
            )
            if table:
                candidates = judge_table(corrected, channels)
            else:
                access = channel_access(channels, session.policy, session.index_dir)
                candidates = judge_spec(quiet, corrected, corrected.request.specs[0], access=access, ordered=ordered)
        except EnvkitError:
            continue
        if pick(candidates.ranked) is not None:
            found.append(correction)
    return tuple(found)


def _quiet(session: Session) -> Session:
    return Session(session.settings, session.policy, Reporter(), session.engine)


def _corrected(session: Session, inquiry: Inquiry, correction: Correction) -> Inquiry:
    request = inquiry.request
    cuda = CudaChoice.parse(correction.cuda) if correction.cuda is not None else request.cuda
    by_name = {channel.name: channel for channel in inquiry.channels}
    missing = [name for name in correction.channels if name not in by_name] if inquiry.channels else []
    by_name.update((channel.name, channel) for channel in resolve_channels(missing, session.settings))
    channels = tuple(by_name[name] for name in correction.channels if name in by_name) if inquiry.channels else ()
    corrected = replace(request, specs=correction.specs, channels=correction.channels, cuda=cuda)
    return replace(inquiry, request=corrected, channels=channels)
