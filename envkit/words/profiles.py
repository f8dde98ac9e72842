"""The words of profiles: which machines they serve, and what to do about one that none serves."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.models.host import MachineKind
from envkit.models.request import Request
from envkit.profiles import Facts, Profile, unmet
from envkit.words.values import join, kinds_words, target_words

_SHOWN = 6


def machine_words(facts: Facts) -> str:
    """Return a machine as a rule sees it."""
    if not facts.gpu:
        return f"{facts.subdir} without a GPU"
    parts = [facts.subdir]
    if facts.driver:
        parts.append(f"driver {facts.driver}")
    if facts.driver_cuda:
        parts.append(f"CUDA {facts.driver_cuda}")
    if facts.capabilities:
        parts.append(f"compute capability {join(facts.capabilities)}")
    return ", ".join(parts)


def need_words(profile: Profile) -> str:
    """Return the conditions of a profile."""
    parts = [profile.subdir]
    if profile.glibc:
        parts.append(f"glibc {profile.glibc}")
    if profile.gpu is False:
        parts.append("no GPU")
    if profile.gpu:
        parts.append(f"driver {profile.driver}" if profile.driver else "a GPU")
        if profile.capabilities:
            parts.append(f"compute capability {join(profile.capabilities, most=_SHOWN * 2)}")
    return ", ".join(parts)


def unmet_words(profile: Profile, facts: Facts) -> str:
    """Return why a profile does not serve a machine."""
    member = unmet(profile, facts)
    if member == "subdir":
        return f"{profile.name} is for {profile.subdir}"
    if member == "glibc":
        return f"{profile.name} needs glibc {profile.glibc}, there is {facts.glibc}"
    if member == "gpu":
        return f"{profile.name} needs a GPU" if profile.gpu else f"{profile.name} is for machines without a GPU"
    if member == "driver":
        return f"{profile.name} needs driver {profile.driver}"
    lacking = [one for one in facts.capabilities if one not in (profile.capabilities or ())]
    return f"{profile.name} has no code for {join(lacking)}"


def none_serves(name: str, profiles: Sequence[Profile], facts: Facts) -> tuple[str, str]:
    """Return the message and the cure for a machine that no profile serves."""
    reasons = "; ".join(unmet_words(profile, facts) for profile in profiles)
    cure = (
        "Add the machine to the file of the pool, `envkit detect --json >> pool.jsonl`, and make the profiles again: "
        f"envkit create -n {name} --replace --hosts pool.jsonl, with the packages as before (`envkit show {name}`)."
    )
    return f"no profile of {name} serves this machine ({machine_words(facts)}): {reasons}", cure


def unserved(request: Request, kinds: Sequence[MachineKind]) -> tuple[str, str]:
    """Return the message and the cure for machines of a pool that nothing runs on."""
    told = join([f"{kinds_words(kind)} ({target_words(kind.target)})" for kind in kinds], most=_SHOWN)
    return (
        f"no build for {' '.join(request.specs)} runs on {told}",
        "Leave these machines out of --hosts, or see what keeps them: envkit find --hosts FILE, and --why for one.",
    )
