"""List the engines: available ones with their version, others with how to get them. Loads none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, util

from envkit.engines.base import Engine
from envkit.errors import SettingsError

__all__ = ["NAMES", "EngineInfo", "list_engines", "make_engine"]

NAMES = ("rattler", "libmamba", "conda")

_HOW_TO_GET = {
    "rattler": "It is part of envkit: pip install py-rattler.",
    "libmamba": "Install envkit with conda beside libmambapy (conda install -c conda-forge libmambapy), in one "
    "environment, or use --engine rattler.",
    "conda": "Install conda (for example Miniforge) and put it on PATH or name it in CONDA_EXE, or use "
    "--engine rattler.",
}
_LIBMAMBA_MAJOR = 2


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One engine on this machine.

    Attributes:
        name: What ``--engine`` calls it.
        version: Its version; None where it is not here or tells none.
        available: Whether it can be used.
        where: The executable or distribution.
        hint: How to get it, where it is not here.
    """

    name: str
    version: str | None
    available: bool
    where: str | None = None
    hint: str | None = None


def list_engines(env: Mapping[str, str] | None = None) -> tuple[EngineInfo, ...]:
    """List the engines, best known first, from installation records; none is loaded or started."""
    env = os.environ if env is None else env
    return (_rattler(), _libmamba(), _conda(env))


def make_engine(name: str, env: Mapping[str, str] | None = None) -> Engine:
    """Create the engine of that name.

    Raises:
        SettingsError: There is no engine of that name, or it is not installed.
    """
    env = os.environ if env is None else env
    if name not in NAMES:
        raise SettingsError(f"there is no engine {name!r}", hint=f"One of {', '.join(NAMES)}.")
    info = next(info for info in list_engines(env) if info.name == name)
    if not info.available:
        found = f"{info.where} {info.version} is too old" if info.version else "it is not here"
        raise SettingsError(f"engine {name} cannot be used: {found}", hint=info.hint)
    if name == "libmamba":
        from envkit.engines.libmamba import LibmambaEngine

        return LibmambaEngine()
    if name == "conda":
        from envkit.engines.conda import CondaEngine, find_conda

        executable = find_conda(env)
        if executable is None:
            raise AssertionError("it was there a moment ago")
        return CondaEngine(executable, env=env)
    from envkit.engines.rattler import RattlerEngine

    return RattlerEngine()


def _distribution(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _rattler() -> EngineInfo:
    version = _distribution("py-rattler")
    here = util.find_spec("rattler") is not None
    return EngineInfo("rattler", version, here, "py-rattler", None if here else _HOW_TO_GET["rattler"])


def _libmamba() -> EngineInfo:
    version = _distribution("libmambapy")
    here = util.find_spec("libmambapy") is not None
    if version is not None and int(version.partition(".")[0]) < _LIBMAMBA_MAJOR:
        here = False
    return EngineInfo("libmamba", version, here, "libmambapy", None if here else _HOW_TO_GET["libmamba"])


def _conda(env: Mapping[str, str]) -> EngineInfo:
    from envkit.engines.conda import conda_version, find_conda

    executable = find_conda(env)
    if executable is None:
        return EngineInfo("conda", None, available=False, hint=_HOW_TO_GET["conda"])
    return EngineInfo("conda", conda_version(executable), available=True, where=str(executable))
