"""What find and create share: ask the channels for a framework's builds and judge each for the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envkit.builds.classify import classify
from envkit.builds.families import framework_of_package
from envkit.checks.driver import wants_cuda
from envkit.checks.verdict import judge_all
from envkit.engines.base import Engine, EngineSettings
from envkit.errors import EnvkitError, HostCannotRunError, NoAnswerError, PackageNotFoundError
from envkit.models.build import Verdict
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.request import Request
from envkit.plan.limits import limits
from envkit.plan.rank import nearest, rank
from envkit.settings import Settings, resolve_channels

__all__ = ["Candidates", "channels_for", "engine_settings", "judge_spec", "nothing_runs"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The builds of one name: what matches the spec, best first, and what does not."""

    name: str
    ranked: tuple[Verdict, ...]
    rejected: tuple[Verdict, ...]
    others: tuple[Verdict, ...]


def channels_for(
    names: Sequence[str], *, explicit: Sequence[Channel], override: bool, settings: Settings
) -> tuple[tuple[Channel, ...], bool]:
    """The channels that a verb asks, in order, and whether the user or a file chose them.

    Nobody's choice means conda-forge and, for frameworks that are published there, pytorch and nvidia; `create` then
    installs from the channels of its pick alone.

    Args:
        names: Names of the packages that are asked for.
        explicit: Channels of ``-c``, or of a recipe.
        override: ``--override-channels``: nothing but `explicit`.
        settings: For condarc's channels and the alias.
    """
    if explicit and override:
        return tuple(explicit), True
    configured = resolve_channels(settings.channels, settings)
    if explicit or configured:
        return tuple({channel.url: channel for channel in (*explicit, *configured)}.values()), True
    texts = ["conda-forge"]
    if any(framework_of_package(name) == "pytorch" for name in names):
        texts += ["pytorch", "nvidia"]
    return resolve_channels(texts, settings), False


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
    verdicts = judge_all([classify(record) for record in found.matching], target, request=request)
    ranked = rank(verdicts, request, target)
    chosen = {id(verdict) for verdict in ranked}
    return Candidates(
        name=found.name,
        ranked=tuple(ranked),
        rejected=tuple(verdict for verdict in verdicts if id(verdict) not in chosen),
        others=tuple(judge_all([classify(record) for record in found.others], target, request=request)),
    )


def nothing_runs(candidates: Candidates, request: Request, target: Target) -> EnvkitError:
    """Why there is no answer: nothing matches, or nothing of what matches runs; and what would help."""
    spec = " ".join(request.specs) + (f" --cuda {request.cuda}" if request.cuda.kind != "auto" else "")
    if target.nvidia_traces and not wants_cuda(target) and request.cuda.kind == "auto":
        return HostCannotRunError(
            f"there are signs of NVIDIA here ({', '.join(target.nvidia_traces)}) and no usable GPU, so it is not clear "
            "for which machine to choose",
            hint="Name the machine (--driver 550 --gpu a100), or ask for CPU builds with --cuda none.",
        )
    if not candidates.ranked:
        near = nearest((*candidates.rejected, *candidates.others), request, target)[:3]
        known = ", ".join(f"{v.build.record.version} {v.build.record.build}" for v in near)
        return NoAnswerError(
            f"no build of {candidates.name} matches {spec} for {target.subdir}",
            hint=f"The nearest: {known}." if known else "Check the version.",
        )
    best = candidates.ranked[0]
    advice = limits((*candidates.ranked, *candidates.rejected), request, target)
    reason = best.reasons[0].text if best.reasons else best.tier.value
    return HostCannotRunError(
        f"{len(candidates.ranked)} builds of {candidates.name} match {spec} and none runs: "
        f"{best.build.record.version} {best.build.record.build}: {reason}",
        hint=advice[0] if advice else "See every build with its reasons: envkit find --all.",
    )
