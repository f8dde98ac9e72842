"""The names of channels in conda's configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote_plus

from envkit.errors import SettingsError
from envkit.inputs.conda_config import CondaConfig
from envkit.models.channel import DEFAULT_ALIAS, DEFAULTS
from envkit.models.channel_names import LOCAL, ChannelNames


def read_channel_names(conda: CondaConfig, env: Mapping[str, str]) -> ChannelNames:
    """Return what the names of channels mean."""
    multi = {name: tuple(members) for name, members in conda.map("custom_multichannels").items()}
    multi.setdefault("defaults", tuple(conda.list("default_channels")) or DEFAULTS)
    local = _local_channels(env)
    if local or conda.switch("use_local"):
        multi[LOCAL] = local
    return ChannelNames(
        alias=_alias(conda),
        multi=multi,
        custom={str(name).strip("/"): str(place) for name, place in conda.map("custom_channels").items()},
        migrated={str(name).strip("/"): str(place) for name, place in conda.map("migrated_custom_channels").items()},
        old_aliases=tuple(conda.list("migrated_channel_aliases")),
        mirrored={name: tuple(members) for name, members in conda.map("mirrored_channels").items()},
        tokens=_tokens(env) if conda.switch("add_anaconda_token", default=True) else {},
    )


def _alias(conda: CondaConfig) -> str:
    alias = conda.text("channel_alias") or DEFAULT_ALIAS
    if "://" not in alias:
        raise SettingsError(
            f"channel_alias in {conda.origins['channel_alias']} has no scheme", hint="Write it as https://HOST/PATH."
        )
    return alias


def _local_channels(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the folders of conda-build, which conda calls ``local``."""
    exe = env.get("CONDA_EXE", "")
    roots = (env.get("CONDA_ROOT"), str(Path(exe).parent.parent) if exe.startswith("/") else None, env.get("HOME"))
    paths = dict.fromkeys(f"{root}/conda-bld" for root in roots if root)
    return tuple("file://" + quote(path) for path in paths if Path(path).is_dir())


def _tokens(env: Mapping[str, str]) -> dict[str, str]:
    """Return the tokens of ``anaconda login`` by the URL of their server (conda 26.7, ``read_binstar_tokens``)."""
    config = env.get("XDG_CONFIG_HOME") or f"{env.get('HOME', '/')}/.config"
    named = env.get("BINSTAR_CONFIG_DIR")
    folder = Path(named) / "data" if named else Path(config) / "binstar"
    found: dict[str, str] = {}
    try:
        for name in sorted(name for name in os.listdir(folder) if name.endswith(".token")):
            url = unquote_plus(name.removesuffix(".token"))
            token = (folder / name).read_text(encoding="utf-8").strip()
            if token:
                # Tokens are kept by the URL of the API; channels are at the same place with `conda` for `api`.
                found[url] = found[re.sub(r"([./])api([./]|$)", r"\1conda\2", url, count=1)] = token
    except (OSError, UnicodeDecodeError):
        pass  # no login
    return found
