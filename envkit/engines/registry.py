"""List the engines: available ones with their version, others with how to get them. Loads none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from envkit.engines.base import Engine
from envkit.errors import SettingsError
from envkit.values import dataclass

NAMES = ("rattler", "libmamba", "conda")

_HOW_TO_GET = {
    "rattler": "It is part of envkit: pip install py-rattler.",
    "libmamba": "Install envkit with conda beside libmambapy (conda install -c conda-forge libmambapy), in one "
    "environment, or use --engine rattler.",
    "conda": "Install conda (for example Miniforge) and put it on PATH or name it in CONDA_EXE, or use "
    "--engine rattler.",
}


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
    return tuple(_look(name, env) for name in NAMES)


def _look(name: str, env: Mapping[str, str]) -> EngineInfo:
    """Look for one engine."""
    if name == "rattler":
        return _library("rattler", "rattler", "py-rattler")
    if name == "libmamba":
        return _library("libmamba", "libmambapy", "libmambapy", least=2)
    return _conda(env)


def make_engine(name: str, env: Mapping[str, str] | None = None) -> Engine:
    """Create the engine of that name.

    Raises:
        SettingsError: There is no engine of that name, or it is not installed.
    """
    env = os.environ if env is None else env
    if name not in NAMES:
        raise SettingsError(f"there is no engine {name!r}", hint=f"One of {', '.join(NAMES)}.")
    info = _look(name, env)
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


def _library(name: str, module: str, distribution: str, *, least: int = 0) -> EngineInfo:
    """Look for an engine that is a Python module of at least some major version."""
    spec = find_spec(module)
    version = _recorded_version(spec.origin, distribution) if spec is not None else None
    here = spec is not None and (version is None or int(version.partition(".")[0]) >= least)
    return EngineInfo(name, version, here, distribution, None if here else _HOW_TO_GET[name])


def _recorded_version(origin: str | None, distribution: str) -> str | None:
    """Return the version in the name of the record beside a package: ``py_rattler-0.28.0.dist-info``.

    `importlib.metadata` looks into more places, and its import takes longer than all else here.
    """
    if origin is None:
        return None
    start = f"{distribution.replace('-', '_')}-"
    for name in os.listdir(Path(origin).parent.parent):
        if name.startswith(start) and name.endswith((".dist-info", ".egg-info")):
            return name.removeprefix(start).rpartition(".")[0].partition("-")[0]
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _conda(env: Mapping[str, str]) -> EngineInfo:
    from envkit.engines.conda import conda_version, find_conda

    executable = find_conda(env)
    if executable is None:
        return EngineInfo("conda", None, available=False, hint=_HOW_TO_GET["conda"])
    return EngineInfo("conda", conda_version(executable), available=True, where=str(executable))
