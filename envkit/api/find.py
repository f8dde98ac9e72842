"""find: what the channels have, and how each of it runs on the target."""

from __future__ import annotations

from pathlib import Path

from envkit.api.choose import Candidates, channels_for, engine_settings, judge_spec
from envkit.engines.base import Engine
from envkit.engines.rattler import RattlerEngine
from envkit.errors import EnvkitError, HostCannotRunError, NoAnswerError
from envkit.models.host import Target
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.request import Request
from envkit.models.results import FindResult
from envkit.plan.rank import advise, nearest, pick
from envkit.plan.solve_task import name_of
from envkit.settings import Settings

__all__ = ["find"]


def find(
    request: Request,
    *,
    target: Target,
    settings: Settings,
    policy: NetworkPolicy,
    override_channels: bool,
    index_dir: Path,
    reporter: Reporter,
    engine: Engine | None = None,
) -> FindResult:
    """Ask the channels for one package and judge every build for the target.

    Nothing that runs is an answer too: it comes back in `FindResult.error`, with the builds that there are.

    Raises:
        PackageNotFoundError: No channel has a package of that name.
        SpecError: The spec cannot be read.
        ChannelError: A channel cannot be read.
    """
    spec = request.specs[0]
    channels = channels_for(
        [name_of(spec)], explicit=request.channels, override=override_channels, settings=settings
    )
    candidates = judge_spec(
        spec,
        request,
        target,
        engine=engine or RattlerEngine(),
        settings=engine_settings(channels, policy, index_dir),
        reporter=reporter,
    )
    chosen = pick(candidates.ranked)
    return FindResult(
        request=request,
        target=target,
        channels=tuple(channel.name for channel in channels),
        builds=candidates.ranked,
        nearest=tuple(nearest((*candidates.rejected, *candidates.others), request, target)),
        pick=chosen,
        advice=tuple(advise(candidates.ranked, (*candidates.rejected, *candidates.others), request, target)),
        error=None if chosen else _error(candidates, request),
    )


def _error(candidates: Candidates, request: Request) -> EnvkitError:
    if not candidates.ranked and not candidates.rejected:
        return NoAnswerError(f"no build of {candidates.name} matches {request.specs[0]!r}", hint="See the nearest.")
    return HostCannotRunError(f"no build of {candidates.name} runs on this target", hint="See the reasons.")
