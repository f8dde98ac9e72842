"""Where files of settings are looked for. Imports next to nothing: `create` of what is there looks at each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from envkit.errors import SettingsError

_NAMES = (".condarc", "condarc", "condarc.d")


def settings_paths(env: Mapping[str, str]) -> list[str]:
    """List conda's files of settings that are there, earliest first, as `envkit.inputs.condarc.condarc_files` says."""
    home = env.get("HOME", "/")
    exe = env.get("CONDA_EXE", "")
    root = env.get("CONDA_ROOT") or (os.path.dirname(os.path.dirname(exe)) if exe.startswith("/") else "")
    mamba = env.get("MAMBA_ROOT_PREFIX")
    config = env.get("XDG_CONFIG_HOME")
    places = ["/etc/conda", "/var/lib/conda"]
    places += [place for place in dict.fromkeys((root, mamba)) if place]
    places += [f"{place}/conda" for place in dict.fromkeys((config, f"{home}/.config")) if place]
    places.append(f"{home}/.conda")
    paths = [f"{place}/{name}" for place in places for name in _NAMES]
    paths += [f"{mamba}/.mambarc"] if mamba else []
    paths += [f"{home}/.condarc", f"{home}/.mambarc"]
    if env.get("CONDA_PREFIX"):
        paths += [f"{env['CONDA_PREFIX']}/{name}" for name in _NAMES]
    paths += [os.path.expanduser(text) for text in (env.get("CONDARC"), env.get("MAMBARC")) if text]
    return list(dict.fromkeys(file for path in paths for file in _files(path)))


def own_path(env: Mapping[str, str]) -> str:
    """Return the path of envkit's own file of settings, whether it is there or not."""
    if env.get("ENVKIT_CONFIG"):
        return env["ENVKIT_CONFIG"]
    base = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME", "/"), ".config")
    return os.path.join(base, "envkit", "config.yml")


def _files(path: str) -> Iterator[str]:
    """Yield a file, or the YAML files of a folder by name, as conda reads ``condarc.d``."""
    if os.path.isdir(path):
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            raise SettingsError(
                f"{path} cannot be read: {error.strerror}", hint="Mend the file or move it away."
            ) from error
        paths = [f"{path}/{name}" for name in names if name.endswith((".yml", ".yaml"))]
        yield from (file for file in paths if os.path.isfile(file))
    elif os.path.isfile(path):
        yield path
