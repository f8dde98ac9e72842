"""The profiles of an environment on a volume. The standard library only: each start of a job may ask for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from envkit.errors import HostCannotRunError, IntegrityError, TamperedError
from envkit.paths import PROFILES

if TYPE_CHECKING:  # few environments have profiles
    from envkit.profiles import Facts, Profile


def read_profiles(prefix: str) -> tuple[Profile, ...]:
    """Return the profiles of the generation that a link names; empty if it is alone.

    Raises:
        TamperedError: The rule is damaged, or not that of the generation's maker: it is not obeyed.
    """
    try:
        os.lstat(os.path.join(prefix, PROFILES))
    except FileNotFoundError:
        return ()
    except OSError:
        pass  # the reader says what it is
    from envkit.profiles import RuleError, read_rule

    try:
        return read_rule(prefix)
    except RuleError as error:
        raise TamperedError(
            f"the rule that chooses among the profiles of {os.path.basename(prefix)} is not obeyed: {error}",
            hint="Somebody who may write the volume changed it, or a newer envkit wrote it. `envkit rollback` goes "
            "back; `envkit create --replace --hosts FILE` makes the profiles again.",
        ) from error


def profile_prefix(prefix: str, profile: Profile) -> str:
    """Return the directory of a profile, beside the generation that holds the rule.

    Raises:
        IntegrityError: It is gone.
        TamperedError: Somebody else put another one there.
    """
    path = os.path.join(os.path.dirname(prefix), profile.generation)
    try:
        owner, maker = os.lstat(path), os.stat(prefix)
    except OSError as error:
        raise IntegrityError(
            f"the generation of profile {profile.name} is gone: {path}",
            hint="`envkit doctor` says more; make the profiles again with create --replace --hosts FILE.",
        ) from error
    if not os.path.isdir(path) or os.path.islink(path) or owner.st_uid not in {0, os.geteuid(), maker.st_uid}:
        raise TamperedError(
            f"{path} is not what envkit put there: another user's, or no directory",
            hint="Look at it and take it away; `envkit create --replace --hosts FILE` makes the profiles again.",
        )
    return path


def prefix_for(prefix: str, name: str, facts: Callable[[], Facts]) -> str:
    """Return the generation that a machine gets of an environment: that of its profile, or the only one.

    Args:
        prefix: The generation that the link names.
        name: The environment.
        facts: Returns what the rule looks at of the machine; called only if there is a rule.

    Raises:
        HostCannotRunError: No profile serves the machine; the hint has the cure.
        IntegrityError: See `profile_prefix` and `read_profiles`.
    """
    profiles = read_profiles(prefix)
    if not profiles:
        return prefix
    from envkit.profiles import choose_profile

    machine = facts()
    chosen = choose_profile(profiles, machine)
    if chosen is None:
        from envkit.words.profiles import none_serves

        message, hint = none_serves(name, profiles, machine)
        raise HostCannotRunError(message, hint=hint)
    return profile_prefix(prefix, chosen)
