"""Profiles: the fewest generations for machines of several kinds, planned together and published by one link."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from envkit.api.choose import judge_spec, refuse_unclear
from envkit.api.gate import Solve, plan_around
from envkit.api.indexes import channel_access
from envkit.api.profile_plan import ProfilePlan, ProfilePlans
from envkit.api.session import Session
from envkit.api.solve import Plan, ask_channels
from envkit.api.wheels import solve_with_pip
from envkit.builds.knowledge import Knowledge
from envkit.builds.version import version_key
from envkit.checks.hosts import common_target, gpu_kinds, group_kinds
from envkit.checks.lacking import Lacking
from envkit.checks.profiles import framework_builds
from envkit.errors import EnvkitError, HostCannotRunError, NoAnswerError
from envkit.models.build import Build
from envkit.models.host import MachineKind, Target
from envkit.models.manifest import RecordedRequest
from envkit.models.pool import PoolMatrix
from envkit.models.request import Inquiry
from envkit.plan.cover import cover_kinds
from envkit.plan.implied import imply_cuda
from envkit.plan.solve_task import framework_of
from envkit.values import dataclass, field, replace
from envkit.words.profiles import unserved


def plan_profiles(
    session: Session,
    inquiry: Inquiry,
    *,
    recorded: Callable[[Inquiry], RecordedRequest],
    first: EnvkitError | None = None,
) -> ProfilePlans:
    """Choose the fewest builds that serve every machine of an inquiry, and solve for each.

    Args:
        session: Settings and services.
        inquiry: The request, and the machines.
        recorded: Returns the request for a part of the machines as manifests keep it.
        first: Why no one build serves all; it is raised where profiles would not help.

    Raises:
        HostCannotRunError: A machine has none.
        NoAnswerError: Nothing satisfies the request.
    """
    matrix = pool_matrix(session, inquiry)
    if matrix is not None and matrix.unserved:
        if first is not None and len(matrix.unserved) == len(matrix.rows):
            raise first
        message, hint = unserved(inquiry.request, matrix.unserved)
        raise HostCannotRunError(message, hint=hint)
    done: list[ProfilePlan] = []
    for group in _groups(inquiry, matrix):
        try:
            done += _planned(session, replace(inquiry, hosts=group, target=common_target(group)), recorded)
        except NoAnswerError:
            if isinstance(first, NoAnswerError):
                raise first from None
            raise
    return ProfilePlans(name_profiles(session.knowledge, _merged(session, done, recorded)), matrix)


def pool_matrix(session: Session, inquiry: Inquiry) -> PoolMatrix | None:
    """Return machines by builds of the framework that is asked for; None if none is."""
    inquiry = replace(inquiry, request=imply_cuda(session.dated(inquiry).request))
    framework = framework_of(inquiry.request.parsed)
    if framework is None:
        return None
    request, asked, _, chosen = ask_channels(session, inquiry, framework)
    inquiry = replace(inquiry, request=request)
    spec = next((text for text, spec in request.pairs if spec.name == framework), framework)
    access = channel_access(asked, session.policy, session.index_dir)
    candidates = judge_spec(session, inquiry, spec, access=access, ordered=chosen)
    for kind, _ in candidates.by_kind:
        unclear = refuse_unclear(candidates, request, kind.target)
        if unclear is not None:
            unclear.message = f"{kind.names[0]}: {unclear.message}"
            raise unclear
    return cover_kinds(candidates.by_kind)


def _groups(inquiry: Inquiry, matrix: PoolMatrix | None) -> Iterator[Mapping[str, Target]]:
    """Yield the machines of each build; without builds, those of each platform."""
    chosen = {kind: row.pick for row in matrix.rows for kind in [row.kind]} if matrix is not None else {}
    groups: dict[object, dict[str, Target]] = {}
    for kind in group_kinds(inquiry.hosts):
        key = (kind.target.subdir, chosen.get(kind))
        groups.setdefault(key, {}).update(dict.fromkeys(kind.names, kind.target))
    yield from groups.values()


def _planned(session: Session, inquiry: Inquiry, recorded: Callable[[Inquiry], RecordedRequest]) -> list[ProfilePlan]:
    """Plan for some machines together; where that has no solution, for each kind apart."""
    way = solve_part(session, inquiry)
    kinds = group_kinds(inquiry.hosts)
    try:
        return [ProfilePlan("", plan_around(way, session), inquiry, way, recorded(inquiry))]
    except (NoAnswerError, HostCannotRunError) as error:
        if len(kinds) == 1:
            raise _about(kinds[0], error) from error
    found = []
    for kind in kinds:
        alone = replace(inquiry, hosts=dict.fromkeys(kind.names, kind.target), target=kind.target)
        found += _planned(session, alone, recorded)
    return found


def _about(kind: MachineKind, error: EnvkitError) -> EnvkitError:
    """Say which machine an error is about."""
    error.message = f"for {kind.names[0]}: {error.message}"
    return error


def _merged(
    session: Session, parts: Sequence[ProfilePlan], recorded: Callable[[Inquiry], RecordedRequest]
) -> list[ProfilePlan]:
    """Join plans of the very same packages."""
    found: dict[tuple[object, ...], ProfilePlan] = {}
    for part in parts:
        first = found.setdefault(part.key, part)
        if first is not part:
            hosts = {**first.inquiry.hosts, **part.inquiry.hosts}
            inquiry = replace(first.inquiry, hosts=hosts, target=common_target(hosts))
            plan = replace(first.plan, kinds=gpu_kinds(inquiry))
            found[part.key] = ProfilePlan("", plan, inquiry, solve_part(session, inquiry), recorded(inquiry))
    return list(found.values())


def name_profiles(knowledge: Knowledge, parts: Sequence[ProfilePlan]) -> tuple[ProfilePlan, ...]:
    """Return the plans with their names, in the order in which a machine takes them."""
    builds = {id(part): _decisive(knowledge, part) for part in parts}

    def order(part: ProfilePlan) -> tuple[object, ...]:
        build = builds[id(part)]
        if build is None:
            return (1, (), (0, 0), part.inquiry.target.subdir)
        cuda = build.build_cuda or (0, 0)
        return (int(build.variant != "cuda"), _Reversed(version_key(build.record.version)), (-cuda[0], -cuda[1]), "")

    ranked = sorted(parts, key=order)
    names: list[str] = []
    subdirs = {part.inquiry.target.subdir for part in parts}
    for part in ranked:
        subdir = part.inquiry.target.subdir
        words = _variant_words(builds[id(part)])
        base = "-".join(filter(None, (words, subdir if len(subdirs) > 1 or not words else "")))
        build = builds[id(part)]
        longer = f"{base}-{build.record.version}" if build is not None else base
        candidates = (base, longer, *(f"{base}-{number}" for number in range(2, len(ranked) + 2)))
        names.append(next(name for name in candidates if name not in names))
    return tuple(replace(part, name=name) for part, name in zip(ranked, names, strict=True))


@dataclass(frozen=True, slots=True)
class _Reversed:
    """A key in the opposite order."""

    key: tuple[object, ...] | object = field()

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.key < self.key)  # type: ignore[operator]


def _decisive(knowledge: Knowledge, part: ProfilePlan) -> Build | None:
    if part.plan.pick is not None:
        return part.plan.pick.build
    return next(iter(framework_builds(part.plan.records, knowledge)), None)


def _variant_words(build: Build | None) -> str:
    """Return the name of a build's variant: ``cuda12.6``, ``cpu``."""
    if build is None:
        return ""
    if build.variant != "cuda":
        return build.variant if build.variant != "generic" else ""
    major = f"{build.build_cuda.major}" if build.build_cuda and build.cuda_major_only else str(build.build_cuda or "")
    return f"cuda{major}"


def solve_part(session: Session, inquiry: Inquiry) -> Solve:
    """Return what plans anew for a part of the machines."""

    def solve(passed: Sequence[Lacking]) -> Plan:
        return solve_with_pip(session, inquiry, passed=passed)

    return solve
