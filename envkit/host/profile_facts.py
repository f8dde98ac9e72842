"""The facts of this machine that a rule of profiles looks at, mostly without asking the driver."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from envkit.host.cache import default_cache_dir, read_entry
from envkit.host.fingerprint import Quick
from envkit.host.tree import Tree

if TYPE_CHECKING:
    from envkit.profiles import Facts


def facts_now(
    records: Iterable[Mapping[str, Any]] = (),
    *,
    root: str | os.PathLike[str] = "/",
    env: Mapping[str, str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Facts:
    """Return the facts as they were detected within the last day, or when something was validated here; else detect.

    Args:
        records: Validations of any host, as they are kept.
        root: The root of the file system that is looked at.
        env: Variables; None for those of this process.
        cache_dir: The user's cache; None for the usual one.
    """
    from envkit.profiles import facts_of

    variables = os.environ if env is None else env
    quick = Quick(Tree(root), variables)
    folder = cache_dir or default_cache_dir(variables)
    entry = (read_entry(folder, quick.fingerprint_key) if folder else None) or {}
    host = entry.get("host")
    if not isinstance(host, dict):
        host = next((r["host"] for r in records if quick.token in r.get("tokens", ()) and r.get("host")), None)
    if host is not None:
        try:
            return facts_of(host)
        except (KeyError, TypeError, ValueError, AttributeError):  # odd: a cache may cost time, never truth
            pass
    from pathlib import Path

    from envkit.host.detect import detect_host
    from envkit.host.wire import host_to_json

    found = detect_host(env=variables, root=Path(root), cache_dir=Path(cache_dir) if cache_dir else None)
    return facts_of(host_to_json(found))
