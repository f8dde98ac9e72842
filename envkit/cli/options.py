"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from envkit.cli.declared import argument, option
from envkit.errors import SettingsError, UsageError
from envkit.models.host import PLATFORMS
from envkit.values import replace

if TYPE_CHECKING:
    from envkit.api.make import Proof
    from envkit.api.session import Session
    from envkit.models.channel import Channel
    from envkit.models.inputs import Recipe
    from envkit.models.pip import PipSection, PipWish
    from envkit.models.request import CudaChoice, Request
    from envkit.settings import Settings


Json = Annotated[bool, option("--json", help="Print one JSON document on stdout, nothing else.")]
ProgressOption = Annotated[
    str,
    option(
        "--progress", metavar="STYLE", help="Progress on stderr: auto, bars, lines, jsonl, none (-q), verbose (-v)."
    ),
]
Timeout = Annotated[
    float | None,
    option(
        "--timeout",
        minimum=1,
        metavar="SECONDS",
        show_default="30",
        help="Give a transfer up that brings next to nothing for so long.",
    ),
]
Offline = Annotated[bool, option("--offline", help="Use only cached data.")]


def _parse_volume(text: str) -> Path:
    if not text.strip():
        raise UsageError("--persist is empty", hint="Give a directory: --persist /data/envs.")
    return Path(text)


ProfileOption = Annotated[
    str | None,
    option(
        "--profile",
        metavar="NAME",
        show_default="that of this machine",
        help="One of its profiles, where machines choose among several (`envkit show`).",
    ),
]
Persist = Annotated[
    Path | None,
    option(
        "--persist",
        metavar="DIR",
        parser=_parse_volume,
        show_default="CONDA_ENVS_PATH, else the configured one",
        help="The volume.",
    ),
]
Channels = Annotated[
    list[str] | None,
    option("-c", "--channel", metavar="CHANNEL", help="Channel by name, URL or path; repeatable."),
]
Override = Annotated[bool, option("--override-channels", help="Use only the channels given with -c.")]
Cuda = Annotated[
    str, option("--cuda", metavar="X.Y", help="CUDA of the build: 12.1, 12 for any 12.x, auto, or none for CPU.")
]
Python = Annotated[str | None, option("--python", metavar="X.Y", help="Only builds for this Python.")]
Platform = Annotated[
    str | None,
    option("--platform", "--subdir", metavar="SUBDIR", help="Another platform, such as linux-aarch64."),
]
PreferOption = Annotated[str, option(help="version: the newest that runs; native: the best tier first.")]
ExcludeNewer = Annotated[
    str | None,
    option("--exclude-newer", metavar="DATE", help="See only packages published until then: 2026-01-31, or 7d ago."),
]
Yes = Annotated[bool, option("-y", "--yes", help="Accepted; envkit never asks.", hidden=True)]
EngineOption = Annotated[
    str | None,
    option("--engine", metavar="NAME", show_default="as configured", help="Solver: rattler, libmamba or conda."),
]
DryRun = Annotated[bool, option("-d", "--dry-run", help="Only show what would change.")]
NoValidate = Annotated[bool, option("--no-validate", help="Publish without validating.")]
BytecodeOption = Annotated[
    str | None,
    option("--bytecode", metavar="now|none", help="none: leave it out; Python then compiles at each start."),
]
Pip = Annotated[
    list[str] | None,
    option("--pip", metavar="REQUIREMENT", help="A package from PyPI, such as 'einops>=0.8'; repeatable."),
]
AllowBuild = Annotated[
    list[str] | None,
    option("--allow-build", metavar="NAME", help="Let pip's NAME (or `all`) be built from source; repeatable."),
]
PreferPip = Annotated[
    list[str] | None,
    option("--prefer-pip", metavar="NAME", help="Take NAME from pip where conda has it too; repeatable."),
]
AllowLocal = Annotated[bool, option("--allow-local", help="Let pip install folders of this machine.")]
NewName = Annotated[str, argument(metavar="NEW", help="Its new name.")]

_DEFAULT = "conda-forge"
_BASES = {"conda-forge", "defaults", "main", "anaconda"}  # channels that have Python and the C libraries


def parse_request(
    specs: tuple[str, ...],
    channels: tuple[Channel, ...],
    *,
    cuda: str,
    python: str | None,
    prefer: str,
    exclude_newer: str | None = None,
) -> Request:
    """Return the request that the flags make."""
    from envkit.models.request import Request

    return Request(
        specs,
        _parse_cuda(cuda),
        _parse_python(python),
        _parse_prefer(prefer),
        tuple(c.name for c in channels),
        _parse_time(exclude_newer),
    )


def with_defaults(session: Session, specs: tuple[str, ...], *, python: str | None) -> tuple[str, ...]:
    """Return specs with ``create_default_packages`` for the names that they lack; say so."""
    from envkit.builds.dependency import dependency_names, dependency_pairs

    settings = session.settings
    names = {*dependency_names(specs), *(["python"] if python else [])}
    more = tuple(text for text, spec in dependency_pairs(settings.default_packages) if spec.name not in names)
    if more:
        origin = settings.origins.get("create_default_packages")
        session.reporter.note(f"create_default_packages of {origin} adds {', '.join(more)} (--no-default-packages)")
    return (*specs, *more)


def _parse_time(text: str | None) -> str | None:
    if text is None:
        return None
    from envkit.models.cutoff import parse_cutoff

    try:
        return parse_cutoff(text)
    except ValueError as error:
        hint = "Write it as --exclude-newer 2026-01-31, 2026-01-31T12:00:00Z, or as an age: 7d."
        raise UsageError(f"--exclude-newer {text!r} is neither a date nor an age", hint=hint) from error


def _parse_cuda(text: str) -> CudaChoice:
    from envkit.models.request import CudaChoice

    try:
        return CudaChoice.parse(text)
    except ValueError as error:
        raise UsageError(str(error), hint="For example: --cuda 12.1, --cuda 12, --cuda auto, --cuda none.") from error


def _parse_python(text: str | None) -> str | None:
    if text is None:
        return None
    parts = text.split(".")
    if len(parts) not in {2, 3} or not all(part.isdigit() for part in parts):
        raise UsageError(f"--python {text!r} is not a Python version", hint="Write it as --python 3.11.")
    return text


def _parse_prefer(text: str) -> Literal["version", "native"]:
    match text:
        case "version" | "native":
            return text
        case _:
            raise UsageError(f"--prefer {text!r} is not known", hint="version or native.")


def parse_platform(text: str | None, *, origin: str = "--platform") -> str | None:
    """Read the value of ``--platform``, or of another origin."""
    if text is not None and text not in PLATFORMS:
        raise UsageError(f"{origin} {text!r} is not a platform", hint=f"One of {', '.join(PLATFORMS)}.")
    return text


def parse_channels(texts: list[str] | None, settings: Settings, *, override: bool) -> tuple[Channel, ...]:
    """Read the channels of ``-c``."""
    from envkit.settings import resolve_channels

    if override and not settings.override_channels:
        where = settings.origins.get("override_channels_enabled")
        raise SettingsError(
            f"--override-channels is switched off by override_channels_enabled of {where}",
            hint="Leave the flag out, or ask whoever wrote that file.",
        )
    if override and not texts:
        raise SettingsError("--override-channels without -c leaves no channel", hint="Name one: -c conda-forge.")
    return resolve_channels([_as_path(text) for text in texts or []], settings)


def _as_path(text: str) -> str:
    """Return a directory that holds a channel as a path, which ``-c`` prefers to a channel of that name."""
    try:
        is_folder = "://" not in text and (Path(text) / "noarch").is_dir()
    except (OSError, ValueError):
        return text
    return f"./{text}" if is_folder and not text.startswith(("/", "./", "../")) else text


def channels_of(
    given: list[str] | None, recipe: Recipe | None, settings: Settings, *, override: bool
) -> tuple[str, ...]:
    """Return the channels of ``-c`` and of a file, in this order; the solve adds those of specs (``channel::name``).

    conda asks its default channels after those of a file (CEP 24), unless it lists ``nodefaults``. Here these are the
    configured ones; where there are none, conda-forge is asked last, if all channels of the file are names of others.
    """
    texts = list(given or [])
    if override:
        return tuple(texts)
    listed = [channel for channel in recipe.channels if channel != "nodefaults"] if recipe is not None else []
    texts += listed
    if listed and recipe is not None and "nodefaults" not in recipe.channels:
        texts += settings.channels
        if not _BASES & set(texts) and not any("://" in text or text.startswith((".", "/")) for text in texts):
            texts.append(_DEFAULT)
    return tuple(dict.fromkeys(texts))


def parse_pip(
    section: PipSection | None,
    lines: list[str] | None,
    builds: list[str] | None,
    prefer: list[str] | None,
    *,
    local: bool,
) -> PipWish:
    """Return what pip is asked for: the section of a file, ``--pip``, and what its installation may do."""
    from envkit.inputs.requirements import read_lines
    from envkit.models.pip import FilePlace, PipSection, PipWish, joined_sections

    given = read_lines([(FilePlace("--pip", n), line) for n, line in enumerate(lines or (), 1)], Path.cwd())
    whole = joined_sections(section or PipSection(), given)
    return PipWish(whole, _projects(builds), _projects(prefer), local)


def _projects(texts: list[str] | None) -> tuple[str, ...]:
    """Read names of projects, which may be joined with commas."""
    if not texts:
        return ()
    from packaging.utils import canonicalize_name

    names = (name.strip() for text in texts for name in text.split(","))
    return tuple(dict.fromkeys(canonicalize_name(name) for name in names if name))


def parse_proof(*, no_validate: bool, require_gpu: bool = False) -> Proof:
    """Return the proof that publishing takes, from ``--no-validate`` and ``--require-gpu``."""
    if no_validate and require_gpu:
        raise UsageError("--require-gpu and --no-validate exclude each other", hint="Give one of them.")
    return "none" if no_validate else "gpu" if require_gpu else "any"


def session_of(
    persist: Path | None,
    *,
    name: str | None = None,
    engine: str | None = None,
    offline: bool = False,
    timeout_s: float | None = None,
    as_json: bool = False,
    progress: str = "auto",
) -> Session:
    """Return the session of a command, from its flags and the settings of this machine.

    With the `name` of an environment or generation, choose the volume that has it where several are configured.
    """
    from envkit.api.session import Session
    from envkit.cli.progress import make_reporter
    from envkit.cli.unheeded import tell_unheeded
    from envkit.settings import load_settings

    settings = load_settings(persist=persist, name=name and name.partition("@")[0], engine=engine, timeout_s=timeout_s)
    tell_unheeded(settings)
    reporter = make_reporter("none" if as_json and progress == "auto" else progress)
    policy = replace(settings.network, offline=offline or settings.network.offline)
    return Session(settings, policy, reporter)


def with_bytecode(session: Session, text: str | None) -> Session:
    """Return a session whose environments get bytecode as ``--bytecode`` says."""
    from envkit.settings import parse_bytecode

    if text is None:
        return session
    return replace(session, settings=replace(session.settings, bytecode=parse_bytecode(text, "--bytecode")))
