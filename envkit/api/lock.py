"""lock: exact packages of one request for several machines, as values that a file holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envkit.api.profiles import plan_profiles
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.api.wheels import solve_with_pip
from envkit.checks.hosts import group_kinds
from envkit.errors import EnvkitError, HostCannotRunError, NoAnswerError, UnsatisfiableError
from envkit.models.inputs import Locked
from envkit.models.manifest import RecordedRequest
from envkit.models.request import Inquiry
from envkit.values import dataclass, replace
from envkit.wheels.locked import distribution_of


@dataclass(frozen=True, slots=True)
class LockedTarget:
    """The packages for one machine or kind of machine."""

    name: str  # how the machine is called, such as ``a100-550``
    part: Locked  # the packages
    plan: Plan  # why these
    same_as: str | None = None  # the machine before it that gets the very same packages


def lock_targets(session: Session, wanted: Mapping[str, Inquiry]) -> tuple[LockedTarget, ...]:
    """Solve a request for each machine, by name.

    The first machine of each platform gets the environment ``default``, others one of their own name, and those that
    get the same packages as one before it share its environment.

    Raises:
        EnvkitError: A machine has no answer; the message begins with its name where there are several.
    """
    done: list[LockedTarget] = []
    for name, inquiry in wanted.items():
        session.reporter.note(f"locking for {name}")
        plan = solve_with_pip(session, inquiry)
        if plan.pip is not None and plan.pip.deferred:
            raise UnsatisfiableError(
                f"{name}: the pip section needs a build that sees the environment, so it cannot be locked before",
                hint="Name a version that has a wheel, or lock the environment once it is made: envkit export.",
            )
        wheels = tuple(map(distribution_of, plan.pip.packages)) if plan.pip else ()
        platform = inquiry.target.subdir
        same = (platform, plan.records, wheels)
        alike = next((t for t in done if (t.part.platform, t.part.records, t.part.distributions) == same), None)
        first = all(target.part.platform != platform for target in done)
        environment = alike.part.environment if alike else "default" if first else name
        part = Locked("", plan.records, plan.channels, platform=platform, environment=environment, distributions=wheels)
        done.append(LockedTarget(name, part, plan, alike.name if alike else None))
    return tuple(done)


def lock_pool(session: Session, inquiry: Inquiry) -> tuple[tuple[LockedTarget, ...], Mapping[str, Inquiry]]:
    """Lock one part that runs on all machines of an inquiry; where there is none, one for each profile.

    Returns:
        The parts, and the machines of each by its name.

    Raises:
        EnvkitError: A machine has no answer.
    """
    kinds = group_kinds(inquiry.hosts)
    one = {"hosts": inquiry}
    first: EnvkitError | None = None
    if len({kind.target.subdir for kind in kinds}) == 1:
        try:
            return lock_targets(session, one), one
        except (NoAnswerError, HostCannotRunError) as error:
            if len(kinds) == 1:
                raise
            first = error
    plans = plan_profiles(
        session, inquiry, recorded=lambda part: RecordedRequest(specs=part.request.specs), first=first
    )
    wanted = {part.name: part.inquiry for part in plans.parts}
    parts = [
        Locked(
            "",
            part.plan.records,
            part.plan.channels,
            platform=part.inquiry.target.subdir,
            environment=part.name,
            distributions=tuple(map(distribution_of, part.plan.pip.packages)) if part.plan.pip else (),
        )
        for part in plans.parts
    ]
    named = zip(plans.parts, name_environments(parts), strict=True)
    return tuple(LockedTarget(part.name, locked, part.plan) for part, locked in named), wanted


def name_environments(parts: Sequence[Locked]) -> tuple[Locked, ...]:
    """Return parts of which the first of each platform is called ``default``; the others keep their names."""
    seen: set[str | None] = set()
    found = []
    for part in parts:
        found.append(part if part.platform in seen else replace(part, environment="default"))
        seen.add(part.platform)
    return tuple(found)


def distinct_parts(targets: Sequence[LockedTarget]) -> tuple[Locked, ...]:
    """Return each part once."""
    return tuple(target.part for target in targets if target.same_as is None)


def by_file(targets: Sequence[LockedTarget], *, one_each: bool) -> Iterator[tuple[str, list[LockedTarget]]]:
    """Group targets by the file that holds them, each with the name that tells it from the others; empty for one file.

    A format without environments holds one part for each platform (``conda-lock.yml``), or one part at all
    (``@EXPLICIT``, with `one_each`).
    """
    own = [target for target in targets if target.same_as is None]
    together = len(own) == 1 or (not one_each and len({target.part.platform for target in own}) == len(own))
    if together:
        yield "", list(targets)
        return
    for target in own:
        yield target.name, [target, *(other for other in targets if other.same_as == target.name)]
