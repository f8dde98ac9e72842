"""Settings: flag over variable over envkit's own file over condarc over default, each with its origin."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from envkit.errors import SettingsError
from envkit.inputs.conda_channels import read_channel_names
from envkit.inputs.conda_config import CondaConfig
from envkit.inputs.conda_network import read_network
from envkit.inputs.condarc import read_mapping
from envkit.inputs.places import own_path
from envkit.models.channel import Channel, has_credentials, redact
from envkit.models.channel_names import LOCAL, ChannelNames
from envkit.models.network import NetworkPolicy
from envkit.paths import user_folder, volume_path
from envkit.values import dataclass, field, replace

if TYPE_CHECKING:
    from envkit.models.solve import ChannelPriority

Bytecode = Literal["now", "none"]
"""When the bytecode of an environment is made. Not later: nothing is added to a generation that was published."""
TORCH_INDEX = "https://download.pytorch.org/whl"
"""Where PyTorch publishes its wheels, in a folder for each CUDA (pytorch.org, "Start locally")."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of this machine.

    Attributes:
        volume: Root of the volume in use.
        volumes: Every root that the setting names; a name is looked up in each (conda's rule for ``envs_dirs``).
        channels: Channels of condarc and ``CONDA_CHANNELS``, in order; empty if there are none.
        names: What the names of channels mean.
        allowed: The only channels that may be used, by name or URL; empty if all may.
        denied: Channels that may not be used.
        priority: How the order of channels counts: ``flexible``, ``strict`` or ``disabled``, as in conda.
        pinned: Specs that hold for every package of a solution (``pinned_packages``).
        disallowed: Specs of packages that are never installed (``disallowed_packages``).
        ignores_pins: Whether pins in the environment's own ``conda-meta/pinned`` count for nothing (``ignore_pinned``).
        default_packages: Specs that every ``create`` asks for besides (``create_default_packages``).
        exclude_newer: A cutoff for requests that have none (`envkit.models.cutoff`).
        caches: conda's own caches, which are read before anything is downloaded (``pkgs_dirs``).
        copies: Whether environments get copies of the cache's files (``always_copy``).
        override_channels: Whether ``--override-channels`` may be given.
        network: How the network may be used.
        platform: The platform to choose for (``subdir``); None for that of this machine.
        overrides: Virtual packages that condarc sets: their names without ``__``, to text; empty text removes one.
        engine: Name of the solver.
        origins: Origin of each setting.
        unheeded: Keys that are set and not obeyed, each with its origin.
        torch_index: Base URL of PyTorch's own index of wheels, or of its mirror.
        bytecode: Whether environments are made with the bytecode of their modules: ``now`` or ``none``.
        notes: Ignored values, and decisions between contradictions.
    """

    volume: Path
    volumes: tuple[Path, ...] = ()
    channels: tuple[str, ...] = ()
    names: ChannelNames = field(default_factory=ChannelNames)
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    priority: ChannelPriority = "flexible"
    pinned: tuple[str, ...] = ()
    disallowed: tuple[str, ...] = ()
    ignores_pins: bool = False
    default_packages: tuple[str, ...] = ()
    exclude_newer: str | None = None
    caches: tuple[Path, ...] = ()
    copies: bool = False
    override_channels: bool = True
    network: NetworkPolicy = field(default_factory=NetworkPolicy)
    platform: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    engine: str = "rattler"
    origins: Mapping[str, str] = field(default_factory=dict)
    unheeded: tuple[tuple[str, str], ...] = ()
    torch_index: str = TORCH_INDEX
    bytecode: Bytecode = "now"
    notes: tuple[str, ...] = ()


def load_settings(
    *,
    persist: Path | None = None,
    name: str | None = None,
    engine: str | None = None,
    timeout_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Read every source of settings, below the flags `persist`, `engine` and `timeout_s`.

    Args:
        name: An environment: where several roots are named, the one that has it is used.

    Raises:
        SettingsError: A file cannot be read, or two settings contradict each other.
    """
    env = os.environ if env is None else env
    notes: list[str] = []
    conda = CondaConfig(env)
    origins = conda.origins
    own = own_file(env)
    content = read_mapping(own) if own.is_file() else {}
    volume, volumes = _volume(persist, env, content.get("persist"), conda, notes)
    if name is not None and "/" not in name:
        volume = next((path for path in volumes if (path / name).is_symlink()), volume)
    engines = (
        (engine, "--engine"),
        (env.get("ENVKIT_ENGINE") or None, "ENVKIT_ENGINE"),
        (content.get("engine") or None, str(own)),
        (_solver(conda, notes), f"solver in {origins.get('solver')}"),
        ("rattler", "default"),
    )
    chosen, origins["engine"] = next(pair for pair in engines if pair[0] is not None)
    network = read_network(conda, env, notes)
    timeouts = (
        (timeout_s, "--timeout"),
        (env.get("ENVKIT_TIMEOUT") or None, "ENVKIT_TIMEOUT"),
        (content.get("timeout"), str(own)),
        (network.stall_s, origins.get("remote_read_timeout_secs", "default")),
    )
    wait, origins["timeout"] = next(pair for pair in timeouts if pair[0] is not None)
    return Settings(
        volume=volume,
        volumes=volumes,
        channels=tuple(dict.fromkeys([*([LOCAL] if conda.switch("use_local") else []), *conda.list("channels")])),
        names=read_channel_names(conda, env),
        allowed=tuple(conda.list("allowlist_channels")),
        denied=tuple(conda.list("denylist_channels")),
        priority=_priority(conda),
        pinned=() if conda.switch("ignore_pinned") else tuple(conda.list("pinned_packages")),
        ignores_pins=conda.switch("ignore_pinned"),
        disallowed=tuple(conda.list("disallowed_packages")),
        default_packages=tuple(conda.list("create_default_packages")),
        exclude_newer=_cutoff(conda),
        caches=tuple(_absolute(conda.list("pkgs_dirs"), env)),
        copies=conda.switch("always_copy"),
        override_channels=conda.switch("override_channels_enabled", default=True),
        network=replace(network, stall_s=_seconds(wait, origins["timeout"])),
        platform=conda.text("subdir"),
        overrides={
            str(n).removeprefix("__"): "" if v is None else str(v)
            for n, v in conda.map("override_virtual_packages").items()
        },
        engine=str(chosen),
        origins=origins,
        unheeded=(*conda.unheeded, *_unheeded_parts(conda)),
        torch_index=_torch_index(env, content.get("torch_index"), own, origins),
        bytecode=parse_bytecode(env.get("ENVKIT_BYTECODE") or "now", "ENVKIT_BYTECODE"),
        notes=tuple(notes),
    )


def parse_bytecode(text: str, origin: str) -> Bytecode:
    """Return when bytecode is made.

    Raises:
        SettingsError: `text` is neither ``now`` nor ``none``.
    """
    match text:
        case "now" | "none":
            return text
        case _:
            raise SettingsError(
                f"{origin}: {text!r} is not a time for bytecode",
                hint="now: with the environment; none: never, and Python compiles at each start.",
            )


def _torch_index(env: Mapping[str, str], own: object, file: Path, origins: dict[str, str]) -> str:
    sources = ((env.get("ENVKIT_TORCH_INDEX"), "ENVKIT_TORCH_INDEX"), (own, str(file)), (TORCH_INDEX, "default"))
    value, origin = next((value, origin) for value, origin in sources if value)
    origins["torch_index"] = origin
    text = str(value).rstrip("/")
    if "://" not in text or has_credentials(text):
        raise SettingsError(
            f"{origin}: the index of PyTorch's wheels is a URL without credentials, which this is not",
            hint="Such as https://mirror.example.org/pytorch/whl; a login for it goes into ~/.netrc.",
        )
    return text


def _seconds(value: object, origin: str) -> float:
    with contextlib.suppress(ValueError):
        seconds = float(value) if isinstance(value, int | float | str) else float("nan")
        if 1 <= seconds < float("inf") and not isinstance(value, bool):
            return seconds
    raise SettingsError(f"{origin}: {value!r} is no time to wait", hint="Give seconds, at least 1, such as 60.")


def _unheeded_parts(conda: CondaConfig) -> list[tuple[str, str]]:
    """List virtual packages in ``override_virtual_packages`` that there are not, or that nothing may override."""
    names = [str(name) for name in conda.map("override_virtual_packages")]
    if not names:
        return []
    from envkit.models.host import OVERRIDES

    known = {variable.removeprefix("CONDA_OVERRIDE_").lower() for variable in OVERRIDES.values()}
    where = conda.origins.get("override_virtual_packages", "")
    return [(f"override_virtual_packages: {name}", where) for name in names if name.removeprefix("__") not in known]


def _cutoff(conda: CondaConfig) -> str | None:
    text = conda.text("exclude_newer")
    if text is None:
        return None
    from envkit.models.cutoff import parse_cutoff

    try:
        return parse_cutoff(text)
    except ValueError as error:
        raise SettingsError(
            f"exclude_newer in {conda.origins['exclude_newer']} is neither a date nor an age: {text!r}",
            hint="Write a date, such as 2026-01-31, or an age: 7d.",
        ) from error


def _priority(conda: CondaConfig) -> ChannelPriority:
    """Return how the order of channels counts; conda 4.6 and before had a switch."""
    value = (conda.text("channel_priority") or "flexible").lower()
    match {"true": "flexible", "false": "disabled", "yes": "flexible", "no": "disabled"}.get(value, value):
        case "flexible" | "strict" | "disabled" as priority:
            return priority
        case _:
            raise SettingsError(
                f"channel_priority in {conda.origins['channel_priority']} is {value!a}, which is no such thing",
                hint="Write flexible, strict or disabled.",
            )


def _solver(conda: CondaConfig, notes: list[str]) -> str | None:
    """Return the engine that condarc's ``solver`` means, where it is here."""
    solver = conda.text("solver")
    if solver == "rattler":
        return solver
    if solver is not None:
        from importlib.util import find_spec

        if solver == "libmamba" and find_spec("libmambapy") is not None:
            return solver
        notes.append(f"solver {solver} of {conda.origins['solver']} is not in this Python; the engine is rattler")
    return None


def _volume(
    flag: Path | None,
    env: Mapping[str, str],
    own: object,
    conda: CondaConfig,
    notes: list[str],
) -> tuple[Path, tuple[Path, ...]]:
    """Return the volume of the flag, the variable, envkit's file or condarc, else the user's data directory."""
    named = conda.origins.get("envs_dirs", "")
    variable = next((origin for origin in named.split(", ") if origin.startswith("CONDA_")), None)
    candidates: list[tuple[str, list[Path]]] = []
    if flag is not None:
        candidates.append(("--persist", _absolute([str(flag)], env)))
    if variable is not None:
        candidates.append((variable, _absolute(conda.list("envs_dirs"), env)))
    if own:
        candidates.append((str(own_file(env)), _absolute([str(own)], env)))
    if named and variable is None:
        candidates.append((f"envs_dirs in {named}", _absolute(conda.list("envs_dirs"), env)))
    if not candidates:
        candidates.append(("default", [_default_volume()]))
    origin, paths = candidates[0]
    conda.origins["volume"] = origin
    for other, others in candidates[1:]:
        if others and others[0] not in paths:
            notes.append(f"{other} names {others[0]}; {origin} comes first")
    return _first_usable(paths, notes, origin), tuple(paths)


def _default_volume() -> Path:
    if (folder := user_folder("XDG_DATA_HOME", ".local/share", os.environ)) is not None:
        return Path(folder) / "envs"
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


def own_file(env: Mapping[str, str]) -> Path:
    """Return the path of envkit's own file, whether it is there or not."""
    return Path(own_path(env))


def resolve_channels(names: Sequence[str], settings: Settings) -> tuple[Channel, ...]:
    """Return the channels that names, URLs or paths mean, each once, in order.

    Raises:
        SettingsError: A text is no channel, or one that the configuration forbids.
    """
    found: dict[str, Channel] = {}
    for text in names:
        for channel in _resolved(text, settings):
            found.setdefault(channel.url, channel)
    if settings.allowed or settings.denied:
        for channel in found.values():
            if not _is_allowed(channel, settings):
                key = "denylist_channels" if channel.url in _urls(settings.denied, settings) else "allowlist_channels"
                raise SettingsError(
                    f"channel {channel.name} may not be used, by {key} of {settings.origins.get(key)}",
                    hint="Choose another channel, or ask whoever wrote that file.",
                )
    return tuple(found.values())


def is_allowed(name: str, settings: Settings) -> bool:
    """Return whether the configuration allows a channel (``allowlist_channels``, ``denylist_channels``)."""
    return all(_is_allowed(channel, settings) for channel in _resolved(name, settings))


def _is_allowed(channel: Channel, settings: Settings) -> bool:
    if channel.url in _urls(settings.denied, settings):
        return False
    return not settings.allowed or channel.url in _urls(settings.allowed, settings)


def _urls(texts: Sequence[str], settings: Settings) -> set[str]:
    return {channel.url for text in texts for channel in _resolved(text, settings)}


def _resolved(text: str, settings: Settings) -> tuple[Channel, ...]:
    try:
        here = str(Path.cwd()) if text.strip().startswith(".") else "/"  # it may be gone
        return settings.names.resolve(text, cwd=here)
    except ValueError as error:
        raise SettingsError(redact(str(error)), hint="Give a channel by name (conda-forge), URL or path.") from error
