"""Settings: flag over variable over envkit's own file over condarc over default, each with its origin."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envkit.errors import SettingsError
from envkit.models.channel import DEFAULT_ALIAS, DEFAULTS, Channel, parse_channel, redact
from envkit.paths import volume_path

_USERINFO = re.compile(r"(?<=://)[^/]*@")


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of this machine.

    Attributes:
        volume: Root of the volume in use.
        volumes: Every root that the setting names; a name is looked up in each (conda's rule for ``envs_dirs``).
        channels: Channels of condarc or ``CONDA_CHANNELS``, in order; empty if there are none.
        channel_alias: URL before plain channel names.
        default_channels: The channels behind the name ``defaults``.
        override_cuda: condarc's ``override_virtual_packages: {cuda: ...}``, or None.
        engine: Name of the solver.
        origins: Origin of each setting.
        notes: Ignored values, and decisions between contradictions.
    """

    volume: Path
    volumes: tuple[Path, ...] = ()
    channels: tuple[str, ...] = ()
    channel_alias: str = DEFAULT_ALIAS
    default_channels: tuple[str, ...] = DEFAULTS
    override_cuda: str | None = None
    engine: str = "rattler"
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_settings(
    *,
    persist: Path | None = None,
    name: str | None = None,
    engine: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Read every source of settings, below the flags `persist` and `engine`.

    Args:
        name: An environment: where several roots are named, the one that has it is used.

    Raises:
        SettingsError: A file cannot be read, or two settings contradict each other.
    """
    env = os.environ if env is None else env
    origins: dict[str, str] = {}
    notes: list[str] = []
    condarc: dict[str, Any] = {}
    for path in _condarc_files(env):
        for key, value in _read_yaml(path).items():
            if value is None:  # a key without a value is not set
                continue
            origins[key] = str(path)
            if key in {"channels", "envs_dirs"}:
                # Lists merge, the later file first (conda documentation, "merging configuration").
                condarc[key] = list(dict.fromkeys([*_strings(value, key, path), *condarc.get(key, [])]))
            elif key == "default_channels":
                condarc[key] = _strings(value, key, path)
            else:
                condarc[key] = value
    channels = list(condarc.get("channels", []))
    if env.get("CONDA_CHANNELS"):
        channels = _split_channels(env["CONDA_CHANNELS"])
        origins["channels"] = "CONDA_CHANNELS"
    alias = str(env.get("CONDA_CHANNEL_ALIAS") or condarc.get("channel_alias") or DEFAULT_ALIAS)
    if env.get("CONDA_CHANNEL_ALIAS"):
        origins["channel_alias"] = "CONDA_CHANNEL_ALIAS"
    overrides = condarc.get("override_virtual_packages")
    override = overrides.get("cuda") if isinstance(overrides, dict) else None
    own = _own_file(env)
    content = _read_yaml(own) if own.is_file() else {}
    volume, volumes = _volume(persist, env, content.get("persist"), condarc, origins, notes)
    if name is not None and "/" not in name:
        volume = next((path for path in volumes if (path / name).is_symlink()), volume)
    engines = (
        (engine, "--engine"),
        (env.get("ENVKIT_ENGINE") or None, "ENVKIT_ENGINE"),
        (content.get("engine") or None, str(own)),
        ("rattler", "default"),
    )
    chosen, origins["engine"] = next(pair for pair in engines if pair[0] is not None)
    return Settings(
        volume=volume,
        volumes=volumes,
        channels=tuple(map(str, channels)),
        channel_alias=alias,
        default_channels=tuple(condarc.get("default_channels") or DEFAULTS),
        override_cuda=None if override is None else str(override),
        engine=str(chosen),
        origins=origins,
        notes=tuple(notes),
    )


def _split_channels(text: str) -> list[str]:
    """Split at commas, except those before the ``@`` of a URL, which belong to its user or password."""
    parts = _USERINFO.sub(lambda userinfo: userinfo[0].replace(",", "\0"), text).split(",")
    return [part.replace("\0", ",") for part in parts if part.strip()]


def _volume(
    flag: Path | None,
    env: Mapping[str, str],
    own: object,
    condarc: Mapping[str, Any],
    origins: dict[str, str],
    notes: list[str],
) -> tuple[Path, tuple[Path, ...]]:
    """Return the volume of the flag, the variable, envkit's file or condarc, else the user's data directory."""
    by_variable = {n: env[n] for n in ("CONDA_ENVS_DIRS", "CONDA_ENVS_PATH") if env.get(n)}
    if len(set(by_variable.values())) > 1 and flag is None:
        raise SettingsError(
            "CONDA_ENVS_DIRS and CONDA_ENVS_PATH are both set and differ: "
            + " and ".join(f"{k}={v}" for k, v in by_variable.items()),
            hint="They are two names of one setting; unset one of them, or give --persist DIR.",
        )
    candidates: list[tuple[str, list[Path]]] = []
    if flag is not None:
        candidates.append(("--persist", _absolute([str(flag)], env)))
    for name, value in list(by_variable.items())[:1]:
        candidates.append((name, _absolute(value.split(os.pathsep), env)))
    if own:
        candidates.append((str(_own_file(env)), _absolute([str(own)], env)))
    if condarc.get("envs_dirs"):
        candidates.append((f"envs_dirs in {origins['envs_dirs']}", _absolute(condarc["envs_dirs"], env)))
    if not candidates:
        candidates.append(("default", [_default_volume()]))
    origin, paths = candidates[0]
    origins["volume"] = origin
    for other, others in candidates[1:]:
        if others and others[0] not in paths:
            notes.append(f"{other} names {others[0]}; {origin} comes first")
    return _first_usable(paths, notes, origin), tuple(paths)


def _default_volume() -> Path:
    from platformdirs import user_data_path

    try:
        return user_data_path("envkit") / "envs"
    except RuntimeError:  # a user without a home directory, as in some pods: a volume has to be named
        return Path("/nonexistent/envkit/envs")


def _first_usable(paths: Sequence[Path], notes: list[str], name: str) -> Path:
    if not paths:
        raise SettingsError(f"{name} is set and names no directory", hint=f"Unset {name} or give it a directory.")
    for path in paths:
        place = path if path.exists() else path.parent
        if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
            if path != paths[0]:
                notes.append(f"{paths[0]} of {name} cannot be written, so {path} is used")
            return path
    return paths[0]


def _absolute(texts: Sequence[str], env: Mapping[str, str]) -> list[Path]:
    return [Path(volume_path(text, env)) for text in texts if text.strip()]


def _own_file(env: Mapping[str, str]) -> Path:
    if env.get("ENVKIT_CONFIG"):
        return Path(env["ENVKIT_CONFIG"])
    base = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME", "/"), ".config")  # noqa: PTH118
    return Path(base) / "envkit" / "config.yml"


def _condarc_files(env: Mapping[str, str]) -> list[Path]:
    """List condarc files, earliest first (conda documentation, "searching for .condarc")."""
    home = env.get("HOME", "/")
    config = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
    names = ["/etc/conda/.condarc", "/etc/conda/condarc", "/var/lib/conda/.condarc", "/var/lib/conda/condarc"]
    for root in (env.get("CONDA_ROOT"), env.get("MAMBA_ROOT_PREFIX")):
        names += [f"{root}/.condarc", f"{root}/condarc"] if root else []
    names += [f"{config}/conda/.condarc", f"{config}/conda/condarc", f"{home}/.conda/.condarc", f"{home}/.condarc"]
    if env.get("CONDARC"):
        names.append(env["CONDARC"])
    return [path for path in map(Path, names) if path.is_file()]


def _read_yaml(path: Path) -> dict[str, Any]:
    from envkit.inputs.yaml import parse_yaml

    hint = "Mend the file or move it away."
    try:
        content = parse_yaml(path.read_bytes(), kind="safe")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    except ValueError as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint=hint) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} is not a mapping of settings", hint=hint)
    return {str(key): value for key, value in content.items()}


def _strings(value: object, key: str, path: Path) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(item, (str, int, float)) for item in value):
        raise SettingsError(f"{key} in {path} is not a list of strings", hint="Mend the file.")
    return [str(item) for item in value]


def resolve_channels(names: Sequence[str], settings: Settings) -> tuple[Channel, ...]:
    """Parse channels given by name, URL or path, each once, in order; ``defaults`` becomes its channels.

    Raises:
        SettingsError: A text is not a channel.
    """
    found: dict[str, Channel] = {}
    for text in names:
        for part in settings.default_channels if text == "defaults" else (text,):
            try:
                channel = parse_channel(part, alias=settings.channel_alias, cwd=str(Path.cwd()))
            except ValueError as error:
                raise SettingsError(
                    redact(str(error)), hint="Give a channel by name (conda-forge), URL or path."
                ) from error
            found.setdefault(channel.url, channel)
    return tuple(found.values())
