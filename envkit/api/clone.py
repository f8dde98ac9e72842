"""clone: the packages of an environment under another name. Nothing is solved."""

from __future__ import annotations

from pathlib import Path

from envkit.api.change import changing
from envkit.api.make import Proof
from envkit.api.make_profiles import make_profiles
from envkit.api.profile_set import profile_set
from envkit.api.results import made_profiles_result, made_result
from envkit.api.session import Session
from envkit.api.solve import plan_of
from envkit.errors import UnknownEnvironmentError
from envkit.layout.generation import read_manifest
from envkit.layout.lineage import generation_of
from envkit.models.results import CreateResult
from envkit.wire.results import target_from_json


def clone(session: Session, source: str, name: str, *, proof: Proof = "any") -> CreateResult:
    """Link the packages of an environment at a new path. The clone begins a history of its own.

    `source` is an environment, ``NAME@N``, or the path of a generation.
    """
    prefix = generation_of(session.find_volume(), source)
    manifest = read_manifest(prefix)
    if manifest is None:
        raise UnknownEnvironmentError(
            f"{source} was not made by envkit: there is no record of its packages to clone", hint=_instead(prefix, name)
        )
    if manifest.profile is not None and not manifest.side:
        with changing(session, name, there=False) as change:
            plans = profile_set(session, prefix)
            every = make_profiles(change, plans, verb=f"clone {source}", proof=proof)
        return made_profiles_result(session, name, plans, every)
    with changing(session, name, there=False) as change:
        plan = plan_of(manifest, session.settings)
        target = target_from_json(manifest.target)
        made = change.make(plan, manifest.request, target=target, verb=f"clone {source}", proof=proof)
    return made_result(session, name, plan, made)


def _instead(prefix: Path, name: str) -> str:
    if not (prefix / "conda-meta").is_dir():
        return "It is no conda environment; make a new one with envkit create."
    listed = f"conda list -p {prefix} --explicit --sha256 > FILE"
    return f"Let conda list them and create from the list: `{listed}`, then `envkit create -n {name} -f FILE`."
