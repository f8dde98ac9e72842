"""The profiles of an environment as they are, planned again: to link them anew, or to change them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from envkit.api.profile_here import pool_of
from envkit.api.profile_plan import ProfilePlan, ProfilePlans
from envkit.api.session import Session
from envkit.api.solve import Plan, plan_of
from envkit.checks.lacking import Lacking
from envkit.errors import IntegrityError
from envkit.layout.generation import read_manifest
from envkit.layout.profiles import profile_prefix, read_profiles
from envkit.models.manifest import Manifest
from envkit.models.request import CudaChoice, Inquiry, Request
from envkit.profiles import Profile
from envkit.values import replace
from envkit.wire.results import target_from_json


def read_set(prefix: Path) -> list[tuple[Profile, Manifest]]:
    """Return the profiles of the generation that a link names, each with its manifest.

    Raises:
        IntegrityError: One is gone or damaged.
    """
    found = []
    profiles = read_profiles(str(prefix))
    if not profiles:
        raise IntegrityError(
            f"{prefix} has lost the rule of its profiles", hint="Make them again with create --replace --hosts FILE."
        )
    for profile in profiles:
        path = Path(profile_prefix(str(prefix), profile))
        manifest = read_manifest(path)
        if manifest is None:
            raise IntegrityError(
                f"{path} has no manifest", hint="Make the profiles again with create --replace --hosts FILE."
            )
        found.append((profile, manifest))
    return found


def profile_set(session: Session, prefix: Path) -> ProfilePlans:
    """Return plans of exactly what the profiles hold."""
    return plans_for(read_set(prefix), lambda profile, manifest: _same(session, profile, manifest))


def plans_for(
    profiles: Sequence[tuple[Profile, Manifest]], plan: Callable[[Profile, Manifest], ProfilePlan]
) -> ProfilePlans:
    """Return the plans that follow profiles, in their order and under their names."""
    parts = tuple(replace(plan(profile, manifest), name=profile.name) for profile, manifest in profiles)
    return ProfilePlans(parts)


def _same(session: Session, profile: Profile, manifest: Manifest) -> ProfilePlan:
    plan = plan_of(manifest, session.settings)
    cuda = CudaChoice.parse(manifest.request.cuda)
    inquiry = Inquiry(Request(manifest.request.specs, cuda), target_from_json(manifest.target), pool_of(profile))

    def solve(_: Sequence[Lacking]) -> Plan:
        return plan

    return ProfilePlan(profile.name, plan, inquiry, solve, manifest.request)
