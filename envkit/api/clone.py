"""clone: the same records at a new path, under a new name. Nothing is solved."""

from __future__ import annotations

import contextlib

from envkit.api.create import NAME_WAIT_S, made_result, sweep_aloud
from envkit.api.make import make_generation
from envkit.api.solve import plan_of
from envkit.errors import EnvironmentExistsError, UnknownEnvironmentError
from envkit.host.detect import detect_host
from envkit.layout import lease
from envkit.layout.generation import read_manifest
from envkit.layout.lineage import Origin, generation_of
from envkit.layout.volume import Volume, check_name
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.results import CreateResult
from envkit.models.wire import target_from_json
from envkit.settings import Settings

__all__ = ["clone"]


def clone(
    volume: Volume,
    source: str,
    name: str,
    *,
    settings: Settings,
    policy: NetworkPolicy,
    validate: bool,
    reporter: Reporter,
) -> CreateResult:
    """Link the records of an environment at a new path. The clone begins a history of its own.

    Args:
        volume: Where both are.
        source: An environment, or ``NAME@N``.
        name: The clone's name.
        settings: For the credentials of channels, where packages have left the cache.
        policy: How the network may be used.
        validate: Whether to validate before publishing.
        reporter: Hears what goes on.

    Raises:
        UnknownEnvironmentError: There is no such environment, or envkit did not make it.
        EnvironmentExistsError: The name is taken.
    """
    check_name(name)
    host = detect_host()
    with contextlib.ExitStack() as stack:
        stack.enter_context(lease.hold(volume, f"{name}.name", reporter=reporter, wait_s=NAME_WAIT_S))
        sweep_aloud(volume, reporter)
        prefix = generation_of(volume, source)
        manifest = read_manifest(prefix)
        if manifest is None:
            raise UnknownEnvironmentError(
                f"{source} was not made by envkit: there is no record of its packages to clone",
                hint=f"Make it anew: `envkit export {source} --explicit` of the tool that made it, then create -f.",
            )
        link = volume.link(name)
        if link.exists() or link.is_symlink():
            raise EnvironmentExistsError(f"{link} is there already", hint="Choose another name, or remove that one.")
        plan = plan_of(manifest, settings)
        made = make_generation(
            volume,
            name,
            plan,
            manifest.request,
            target=target_from_json(manifest.target),
            origin=Origin.first(f"clone {source}"),
            policy=policy,
            validate=validate,
            reporter=reporter,
            host=host,
        )
    return made_result(volume, name, plan, made, host)
