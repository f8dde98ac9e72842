"""config: what is configured, where it comes from, and envkit's own file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envkit.engines.registry import NAMES
from envkit.errors import SettingsError, UsageError
from envkit.inputs.conda_config import CondaConfig
from envkit.inputs.condarc import read_mapping
from envkit.inputs.yaml import edit_yaml
from envkit.layout.atomic import write_atomic
from envkit.models.channel import redact
from envkit.models.conda_keys import KEYS, unknown_variables
from envkit.models.host import OVERRIDES
from envkit.models.setting import Setting, SettingSource
from envkit.paths import volume_path
from envkit.settings import Settings, own_file
from envkit.words.conda_keys import key_words, part_words, variable_words

OWN: Mapping[str, str] = {
    "persist": "the volume",
    "engine": "the solver: rattler, libmamba or conda",
    "torch_index": "where PyTorch's own wheels are: its index or a mirror",
    "timeout": "seconds after which a server that sends nothing is given up",
}
"""The keys of envkit's own file, and what they mean."""

_SECRET = ("password", "token", "secret", "auth")


def show_settings(settings: Settings, env: Mapping[str, str]) -> tuple[Setting, ...]:
    """List what is set: envkit's own settings, then keys of conda's configuration and variables that are no keys.

    Raises:
        SettingsError: A file cannot be read.
    """
    origins = settings.origins
    found = [
        Setting("persist", str(settings.volume), origins.get("volume", "default"), obeyed=True, text=OWN["persist"]),
        Setting(
            *("torch_index", settings.torch_index, origins.get("torch_index", "default")),
            obeyed=True,
            text=OWN["torch_index"],
        ),
        Setting("engine", settings.engine, origins.get("engine", "default"), obeyed=True, text=OWN["engine"]),
        Setting(
            "timeout", settings.network.stall_s, origins.get("timeout", "default"), obeyed=True, text=OWN["timeout"]
        ),
    ]
    conda = CondaConfig(env)
    for name, entries in sorted(conda.entries.items()):
        key = KEYS.get(name)
        sources = tuple(SettingSource(entry.origin, _masked(name, entry.value)) for entry in reversed(entries))
        value = _masked(name, conda.get(name)) if key is not None else sources[0].value
        obeyed = key is not None and key.obeyed
        found.append(Setting(name, value, conda.origins[name], obeyed=obeyed, text=key_words(name), sources=sources))
    parts = conda.map("override_virtual_packages")
    for name, origin in settings.unheeded:
        whole, colon, part = name.partition(": ")
        if colon:
            found.append(Setting(name, parts.get(part), origin, obeyed=False, text=part_words(whole)))
    known = set(OVERRIDES.values())
    for name in sorted(env):
        if name.startswith("CONDA_OVERRIDE_"):
            text = "the machine in other words (CEP 30)" if name in known else "envkit knows no such virtual package"
            found.append(Setting(name, env[name], name, obeyed=name in known, text=text))
    unknown = unknown_variables(env)
    found += [Setting(n, _masked(n, env[n]), n, obeyed=False, text=variable_words(n)) for n in unknown]
    return tuple(found)


def _masked(name: str, value: Any) -> Any:
    """Return a value without credentials: in URLs, and under names that promise one."""
    if isinstance(value, dict):
        return {key: _masked(str(key), member) for key, member in value.items()}
    if isinstance(value, list):
        return [_masked(name, member) for member in value]
    if any(word in name.lower() for word in _SECRET) and isinstance(value, str):
        return "***"
    return redact(value) if isinstance(value, str) else value


def read_own(env: Mapping[str, str]) -> tuple[Path, dict[str, Any]]:
    """Return the path of envkit's own file, and what it says."""
    path = own_file(env)
    return path, read_mapping(path) if path.is_file() else {}


def change_own(key: str, text: str | None, env: Mapping[str, str]) -> Path:
    """Set a key of envkit's own file, or take it away; comments and other keys stay. Return the path of the file.

    Raises:
        UsageError: There is no such key, or the value is none for it.
        SettingsError: The file cannot be read or written.
    """
    value = None if text is None else _parsed(key, text, env)
    check_own_key(key)
    path, content = read_own(env)
    if text is None and key not in content:
        return path
    target = Path(os.path.realpath(path))  # of a file that is a link into a folder of dotfiles, the link stays
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, edit_yaml(path.read_bytes() if content else b"", key, value))
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}", hint="Name another file with ENVKIT_CONFIG."
        ) from error
    return path


def check_own_key(key: str) -> None:
    """Check that envkit's own file has such a key.

    Raises:
        UsageError: It has none.
    """
    if key in OWN:
        return
    if key in KEYS:
        raise UsageError(
            f"{key} is a key of conda's configuration",
            hint=f"conda config --set {key} VALUE, or write it into ~/.condarc.",
        )
    raise UsageError(f"there is no setting {key!r}", hint=f"One of {', '.join(OWN)}.")


def _parsed(key: str, text: str, env: Mapping[str, str]) -> Any:
    if not text.strip():
        raise UsageError(f"the value of {key} is empty", hint=f"To take it away: envkit config unset {key}.")
    if key == "engine" and text not in NAMES:
        raise UsageError(f"there is no engine {text!r}", hint=f"One of {', '.join(NAMES)}.")
    if key == "persist":
        if not text.startswith(("/", "~", "$")):
            raise UsageError(
                f"{text!r} means another folder wherever you are", hint=f"Give it in full: {volume_path(text, env)}."
            )
        volume_path(text, env)  # refuses what cannot be a path of a volume
    if key == "timeout":
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 1 <= seconds < math.inf:
            raise UsageError(f"{text!r} is no time to wait", hint="Give seconds, at least 1, such as 60.")
        return int(seconds) if seconds.is_integer() else seconds
    return text
