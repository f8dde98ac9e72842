"""The profile of this machine, in an environment that machines of several kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from envkit.api.session import Session
from envkit.checks.hosts import common_target, group_kinds
from envkit.checks.requests import requests_differ
from envkit.errors import EnvironmentExistsError, HostCannotRunError, IntegrityError, UnknownEnvironmentError
from envkit.host.wire import host_to_json
from envkit.layout.generation import active, known_profiles, read_manifest
from envkit.layout.lineage import generation_of
from envkit.layout.profiles import prefix_for, profile_prefix, read_profiles
from envkit.layout.volume import Volume
from envkit.models.host import Target
from envkit.models.manifest import Manifest, RecordedRequest
from envkit.models.request import Inquiry
from envkit.profiles import Facts, Profile, choose_profile, facts_of
from envkit.values import replace
from envkit.wire.results import target_from_json, target_json
from envkit.words.requests import instead_words, unlike_words

_MACHINE = {"target", "platform"}


def facts_here(session: Session) -> Facts:
    """Return what a rule of profiles looks at of this machine."""
    return facts_of(host_to_json(session.host))


def profile_here(session: Session, prefix: Path, name: str) -> Path:
    """Return the generation that this machine gets of an environment; see `envkit.layout.profiles.prefix_for`."""
    return Path(prefix_for(str(prefix), name, lambda: facts_here(session)))


def referenced(session: Session, volume: Volume | None, reference: str, profile: str | None = None) -> Path:
    """Return the prefix that a reference names; of an environment with profiles that of this machine, or the named one.

    Args:
        session: Settings and services.
        volume: Where names are looked up.
        reference: See `envkit.layout.lineage.generation_of`.
        profile: Name of a profile.

    Raises:
        UnknownEnvironmentError: There is no such environment, or no such profile.
        HostCannotRunError: None is named, and none serves this machine.
    """
    prefix = generation_of(volume, reference)
    found = named_profile(prefix, reference, profile)
    if found is not None:
        return found
    return profile_here(session, prefix, reference.partition("@")[0]) if "/" not in reference else prefix


def profile_or_link(session: Session, volume: Volume | None, reference: str, profile: str | None) -> Path:
    """Return what `referenced` returns, or the generation of the link where no profile serves this machine."""
    try:
        return referenced(session, volume, reference, profile)
    except HostCannotRunError:
        session.reporter.note("no profile serves this machine: this is the one that the link names")
        return generation_of(volume, reference)


def pool_of(profile: Profile) -> Mapping[str, Target]:
    """Return the machines that a profile was chosen for, by name."""
    return {
        name: replace(target_from_json(dict(kind["target"])), described=frozenset({"hosts"}))
        for kind in profile.machines
        for name in kind["names"]
    }


def named_profile(prefix: Path, reference: str, profile: str | None) -> Path | None:
    """Return the generation of a profile by name; None if none is named.

    Raises:
        UnknownEnvironmentError: There is no such profile.
    """
    if profile is None:
        return None
    profiles = read_profiles(str(prefix))
    for one in profiles:
        if one.name == profile:
            return Path(profile_prefix(str(prefix), one))
    known = ", ".join(one.name for one in profiles)
    raise UnknownEnvironmentError(
        f"{reference} has no profile {profile!r}",
        hint=f"It has {known}." if known else "It is one generation for all machines: leave --profile out.",
    )


def existing_profile(
    session: Session, name: str, main: Manifest, recorded: RecordedRequest, inquiry: Inquiry
) -> Manifest:
    """Return the manifest of this machine's profile, if the profiles were made from the same request.

    Args:
        session: Settings and services.
        name: The environment.
        main: The manifest of the profile that the link names.
        recorded: The request now, with the machine that it is for.
        inquiry: The same; with machines, these have to be those of the profiles.

    Raises:
        EnvironmentExistsError: They were made from another request, or for other machines.
        HostCannotRunError: No profile serves this machine, and it is not one of machines that were named.
    """
    if requests_differ(main.request, recorded) - _MACHINE:
        then = main.request
        recorded = replace(recorded, target=then.target, platform=then.platform)
        raise EnvironmentExistsError(unlike_words(name, then, recorded), hint=instead_words(name, then, recorded))
    prefix = session.volume.generations / main.generation
    profiles = read_profiles(str(prefix))
    if inquiry.hosts:
        _refuse_others(name, profiles, inquiry)
        chosen = choose_profile(profiles, facts_here(session))
        path = prefix if chosen is None else Path(profile_prefix(str(prefix), chosen))
    elif inquiry.target.described - session.host.overridden:  # flags; a variable speaks of this host
        raise EnvironmentExistsError(
            f"{name} is there and has profiles for machines of several kinds",
            hint="Name these machines with --hosts, or leave out what describes one. For one machine choose another "
            "name with -n, or make a new generation with --replace.",
        )
    else:
        path = profile_here(session, prefix, name)
    manifest = read_manifest(path)
    if manifest is None:
        raise IntegrityError(f"{path} has no manifest", hint=f"See `envkit doctor {name}`.")
    return manifest


def keep_machines(session: Session, name: str, inquiry: Inquiry) -> Inquiry:
    """Return an inquiry for the machines of the profiles that it replaces, unless flags describe another machine.

    What one machine replaces, the others go on using.
    """
    prefix = active(session.volume, name)
    profiles = known_profiles(prefix) if prefix is not None else ()
    if not profiles or inquiry.target.described - session.host.overridden:
        return inquiry
    hosts = {name: target for profile in profiles for name, target in pool_of(profile).items()}
    session.reporter.note(f"{name} is made again for the machines of its profiles; --hosts names others")
    first = next(iter(hosts.values())).subdir
    common = common_target({name: target for name, target in hosts.items() if target.subdir == first})
    return replace(inquiry, hosts=hosts, target=common)


def _refuse_others(name: str, profiles: tuple[Profile, ...], inquiry: Inquiry) -> None:
    """Refuse machines that are not those of the profiles."""
    then = {facts for profile in profiles for facts in profile.kinds}
    now = {facts_of(target_json(kind.target)) for kind in group_kinds(inquiry.hosts)}
    if now <= then:
        return
    raise EnvironmentExistsError(
        f"{name} is there, and its profiles were chosen for other machines",
        hint="Choose another name with -n, or make the profiles again with --replace.",
    )
