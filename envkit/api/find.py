"""find: what the channels have, and how each of it runs on the target."""

from __future__ import annotations

from pathlib import Path

from envkit.api.choose import channels_for, engine_settings, judge_spec, nothing_runs
from envkit.builds.dependency import parse_match_spec
from envkit.engines.base import Engine
from envkit.engines.registry import make_engine
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.request import Request
from envkit.models.results import FindResult
from envkit.plan.limits import limits
from envkit.plan.rank import nearest, pick
from envkit.settings import Settings

__all__ = ["find"]


def find(
    request: Request,
    *,
    target: Target,
    settings: Settings,
    policy: NetworkPolicy,
    explicit: tuple[Channel, ...],
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
    channels, _ = channels_for(
        [parse_match_spec(spec).name], explicit=explicit, override=override_channels, settings=settings
    )
    candidates = judge_spec(
        spec,
        request,
        target,
        engine=engine or make_engine(settings.engine),
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
        advice=tuple(limits((*candidates.ranked, *candidates.rejected), request, target)),
        error=None if chosen else nothing_runs(candidates, request, target),
    )
