"""What find and create share: ask the channels for a framework's builds and judge each for the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envkit.builds.classify import classify
from envkit.checks.verdict import judge_all
from envkit.engines.base import Engine, EngineSettings
from envkit.errors import PackageNotFoundError
from envkit.models.build import Verdict
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.request import Request
from envkit.plan.channels import default_channels
from envkit.plan.rank import rank
from envkit.settings import Settings, resolve_channels

__all__ = ["Candidates", "channels_for", "engine_settings", "judge_spec"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The builds of one name: what matches the spec, best first, and what does not."""

    name: str
    ranked: tuple[Verdict, ...]
    rejected: tuple[Verdict, ...]
    others: tuple[Verdict, ...]


def channels_for(
    names: Sequence[str], *, explicit: Sequence[str], override: bool, settings: Settings
) -> tuple[Channel, ...]:
    """The channels that a verb asks, in order.

    Args:
        names: Names of the packages that are asked for.
        explicit: Channels of ``-c``, or of a recipe.
        override: ``--override-channels``: nothing but `explicit`.
        settings: For condarc's channels and the alias.
    """
    texts = list(explicit)
    if not override or not texts:
        texts += settings.channels or (() if explicit else default_channels(names))
    return resolve_channels(texts, settings)


def engine_settings(channels: tuple[Channel, ...], policy: NetworkPolicy, index_dir: Path) -> EngineSettings:
    """What the engine needs, with the index cache made."""
    index_dir.mkdir(parents=True, exist_ok=True)
    return EngineSettings(channels=channels, policy=policy, index_dir=index_dir)


def judge_spec(
    spec: str, request: Request, target: Target, *, engine: Engine, settings: EngineSettings, reporter: Reporter
) -> Candidates:
    """Every build of the spec's name, classified, judged and ranked.

    Raises:
        PackageNotFoundError: No channel has a package of that name.
        SpecError: The spec cannot be read.
        ChannelError: A channel cannot be read.
    """
    where = ", ".join(channel.name for channel in settings.channels)
    reporter.start("index", where)
    found = engine.query(spec, platforms=[target.subdir, "noarch"], settings=settings)
    reporter.finish("index", f"{where}: {len(found.matching) + len(found.others)} builds of {found.name}")
    if not found.matching and not found.others:
        raise PackageNotFoundError(
            f"no package {found.name!r} for {target.subdir} in {where}",
            hint="Check the spelling, or name the channel that has it with -c.",
        )
    verdicts = judge_all([classify(record) for record in found.matching], target, request)
    ranked = rank(verdicts, request, target)
    chosen = {id(verdict) for verdict in ranked}
    return Candidates(
        name=found.name,
        ranked=tuple(ranked),
        rejected=tuple(verdict for verdict in verdicts if id(verdict) not in chosen),
        others=tuple(judge_all([classify(record) for record in found.others], target, request)),
    )
