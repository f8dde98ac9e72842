"""Make the generations of profiles: all of them published by one link, or none."""

from __future__ import annotations

from pathlib import Path

from envkit.api.change import Change
from envkit.api.gate import make_around, refuse_lacking
from envkit.api.make import Blueprint, Made, Proof, fill_cache, make_generation
from envkit.api.profile_plan import ProfilePlan, ProfilePlans
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.builds.knowledge import Knowledge
from envkit.checks.profiles import profile_row
from envkit.host.wire import host_to_json
from envkit.layout.lineage import next_origin
from envkit.plan.implied import imply_cuda
from envkit.profiles import Profile, facts_of, rule_text
from envkit.values import replace
from envkit.wire.results import target_json


def fetch_profiles(change: Change, plans: ProfilePlans) -> ProfilePlans:
    """Fetch and measure the packages of all profiles, each planned again where its packages lack GPU code."""
    session = change.session
    done = []
    for part in plans.parts:

        def measured(plan: Plan) -> None:
            fill_cache(session, plan)
            refuse_lacking(change.volume, plan, session.reporter)

        plan, _ = make_around(part.plan, measured, part.solve, session) if part.plan.kinds else (part.plan, None)
        done.append(replace(part, plan=plan))
    return replace(plans, parts=tuple(done))


def make_profiles(
    change: Change,
    plans: ProfilePlans,
    *,
    verb: str,
    proof: Proof = "any",
) -> list[tuple[ProfilePlan, Made]]:
    """Make a generation for each profile, the main one last, and publish all of them by its link.

    Each is made while those before it are held, so that nothing of them is left when one fails, and `clean` takes none
    before the link names them.

    Raises:
        EnvkitError: Whatever is raised, the environment is as it was.
    """
    plans = fetch_profiles(change, plans)
    session, main = change.session, plans.main
    origin = next_origin(change.volume, change.name, verb)
    rows: dict[str, Profile] = {}
    order = [*(part for part in plans.parts if part is not main), main]

    def row(part: ProfilePlan, generation: str) -> None:
        rows[part.name] = _row(session.knowledge, part, generation)

    def rule(generation: str) -> str:
        row(main, generation)
        return rule_text(tuple(rows[part.name] for part in plans.parts))

    def make(number: int) -> list[tuple[ProfilePlan, Made]]:
        part = order[number]
        last = part is main
        blueprint = Blueprint(
            change.name,
            part.plan,
            part.recorded,
            part.inquiry.target,
            origin,
            profile=part.name,
            rule=rule if last else None,
        )
        after: list[tuple[ProfilePlan, Made]] = []

        def go_on(prefix: Path) -> None:
            row(part, prefix.name)
            after.extend(make(number + 1))

        session.reporter.note(f"profile {part.name}: {number + 1} of {len(order)}")
        strict = proof != "gpu" or _serves(session, part)
        made = make_generation(session, blueprint, proof=proof if strict else "any", publish_by=None if last else go_on)
        return [(part, made), *after]

    found = {part.name: (part, made) for part, made in make(0)}
    return [found[part.name] for part in plans.parts]


def _serves(session: Session, part: ProfilePlan) -> bool:
    """Return whether a profile was chosen for machines like this one."""
    here = facts_of(host_to_json(session.host))
    return any(facts_of(target_json(kind.target)) == here for kind in part.kinds)


def _row(knowledge: Knowledge, part: ProfilePlan, generation: str) -> Profile:
    machines = tuple({"names": list(kind.names), "target": target_json(kind.target)} for kind in part.kinds)
    return profile_row(
        Profile(part.name, generation, part.inquiry.target.subdir, machines=machines),
        part.plan.records,
        part.kinds,
        knowledge=knowledge,
        any_gpu=imply_cuda(part.inquiry.request).cuda.kind == "none",
        wheels=bool(part.plan.pip and part.plan.pip.packages),
    )
