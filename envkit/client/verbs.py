"""The functions of the API: detect, find, create, ensure, validate, require."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from envkit.client.environment import Environment, current_environment
from envkit.errors import EnvironmentExistsError, HostCannotRunError

if TYPE_CHECKING:
    from envkit.client.child import Event
    from envkit.client.host import HostView
    from envkit.client.report import ReportView
    from envkit.client.search import FindResultView

    Progress = Callable[[Event], object]
    PathLike = str | os.PathLike[str]
    Words = str | Iterable[str]


def detect(*, refresh: bool = False) -> HostView:
    """Detect the platform, driver and GPUs of this machine.

    Args:
        refresh: Ask the driver again instead of using an answer of the last day.

    Returns:
        The host. A missing GPU is not an error.

    Raises:
        SettingsError: A CONDA_OVERRIDE_* variable is not a version (CEP 30, CEP 46).
    """
    from envkit.client.host import HostView

    return HostView(_run(["detect", *_flags(refresh=refresh)], None)["facts"])


def find(
    spec: str,
    cuda: str = "auto",
    *,
    python: str | None = None,
    channels: Words = (),
    override_channels: bool = False,
    platform: str | None = None,
    prefer: str = "version",
    driver: str | None = None,
    gpus: Words = (),
    cuda_arch: str | None = None,
    glibc: str | None = None,
    no_gpu: bool = False,
    everything: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> FindResultView:
    """List the builds of a package, best first, and how each runs on this host or on a described one.

    Args:
        spec: A package, such as ``pytorch`` or ``pytorch>=2.4``.
        cuda: CUDA toolkit of the build: ``12.1``, any of a major (``12``), ``auto``, or ``none`` for CPU.
        python: Only builds for this Python, such as ``3.11``.
        channels: Channels by name, URL or path.
        override_channels: Use only `channels`.
        platform: Another platform, such as ``linux-aarch64``.
        prefer: ``version`` for the newest that runs, ``native`` for the best tier.
        driver: Driver of the described host: ``550.54.14``, or ``550`` for the branch.
        gpus: Its GPUs, such as ``h100``.
        cuda_arch: Its compute capability, such as ``8.0``.
        glibc: Its C library, such as ``2.28``.
        no_gpu: It has no GPU.
        everything: Return all builds, not just the first twenty.
        offline: Use only cached data.
        progress: Called with each `Event`.

    Returns:
        The builds. If none runs, no error is raised: see `FindResultView.error` and `FindResultView.raise_for_error`.

    Raises:
        PackageNotFoundError: No channel has a package of that name.
        SpecError: The spec cannot be read.
        ChannelError: A channel cannot be read.
    """
    from envkit.client.child import error_of, run_envkit
    from envkit.client.search import FindResultView

    flags = _flags(
        cuda=cuda, python=python or None, channel=_words(channels), override_channels=override_channels,
        platform=platform or None, prefer=prefer, driver=driver or None, gpu=_words(gpus),
        cuda_arch=cuda_arch or None, glibc=glibc or None, no_gpu=no_gpu, all=everything, offline=offline,
    )  # fmt: skip
    code, document = run_envkit(["find", *flags, "--", spec], progress=progress)
    error = error_of(document, code)
    if error is not None and "builds" not in document:
        raise error
    return FindResultView(document, error=error)


def create(
    name: str,
    specs: Words = (),
    *,
    cuda: str = "auto",
    python: str | None = None,
    file: PathLike | None = None,
    recipe: str | None = None,
    pip: Words = (),
    allow_build: Words = (),
    channels: Words = (),
    override_channels: bool = False,
    persist: PathLike | None = None,
    platform: str | None = None,
    prefer: str = "version",
    driver: str | None = None,
    gpus: Words = (),
    cuda_arch: str | None = None,
    glibc: str | None = None,
    no_gpu: bool = False,
    replace: bool = False,
    validate: bool = True,
    require_gpu: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Environment:
    """Make an environment on the volume: whole and validated, or not at all. Repeating the request returns at once.

    Args:
        name: Its name.
        specs: Packages, such as ``["pytorch>=2.5", "torchvision"]``.
        cuda: As for `find`.
        python: Its Python, such as ``3.11``.
        file: An environment.yml (CEP 24).
        recipe: Name of a recipe that comes with envkit.
        pip: Packages from PyPI, such as ``["einops>=0.8"]``.
        allow_build: Those of them that may be built from source, or ``all``.
        channels: Channels by name, URL or path. A token in a URL is kept out of process lists and files.
        override_channels: Use only `channels`.
        persist: The volume; default: CONDA_ENVS_PATH, envkit's config, condarc, the user's data directory.
        platform: See `find`.
        prefer: See `find`.
        driver: See `find`.
        gpus: See `find`.
        cuda_arch: See `find`.
        glibc: See `find`.
        no_gpu: See `find`.
        replace: Make a new generation even if the name holds an environment made from another request.
        validate: Validate before publishing.
        require_gpu: Fail unless it was validated on a GPU.
        offline: Use only cached data.
        progress: Called with each `Event`.

    Raises:
        EnvironmentExistsError: The name holds an environment made from another request.
        UnsatisfiableError: No set of packages satisfies the request.
        HostCannotRunError: This host cannot run it. It is published if it was made and only the host is at fault.
        ValidationFailedError: It was made but does not work; nothing was published.
        EnvkitError: Any other error of the command line.
    """
    flags = _flags(
        name=name, cuda=cuda, python=python or None, file=file, recipe=recipe, pip=_words(pip),
        allow_build=_words(allow_build), channel=_words(channels),
        override_channels=override_channels, persist=persist, platform=platform or None, prefer=prefer,
        driver=driver or None, gpu=_words(gpus), cuda_arch=cuda_arch or None, glibc=glibc or None, no_gpu=no_gpu,
        replace=replace, no_validate=not validate, require_gpu=require_gpu, offline=offline,
    )  # fmt: skip
    notes: list[str] = []

    def listen(event: Event) -> None:
        if event.event == "note":
            notes.append(event.text)
        if progress is not None:
            progress(event)

    document = _run(["create", *flags, "--", *_words(specs)], listen)
    return _made(document, notes)


def ensure(
    name: str,
    specs: Words = (),
    *,
    cuda: str = "auto",
    python: str | None = None,
    file: PathLike | None = None,
    recipe: str | None = None,
    pip: Words = (),
    allow_build: Words = (),
    channels: Words = (),
    override_channels: bool = False,
    persist: PathLike | None = None,
    prefer: str = "version",
    replace: bool = False,
    require_gpu: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Environment:
    """Return the environment of this name; make it if it is missing, validate it on a new kind of host.

    An environment that was made from this request and validated on this driver and kind of GPU is returned within
    milliseconds, without starting a process or loading a driver library.

    Args:
        name: Its name.
        specs: Packages. Without them, `file` and `recipe`, the environment must exist and is taken as it is.
        cuda: See `find`.
        python: See `create`.
        file: See `create`.
        recipe: See `create`.
        pip: See `create`.
        allow_build: See `create`.
        channels: See `create`.
        override_channels: See `create`.
        persist: See `create`.
        prefer: See `create`.
        replace: Make a new generation if the name holds an environment made from another request.
        require_gpu: Fail unless it was validated on a GPU.
        offline: See `create`.
        progress: Called with each `Event`.

    Raises:
        UnknownEnvironmentError: It does not exist, and no packages, file or recipe were given.
        EnvironmentExistsError: The name holds an environment made from another request, and `replace` is not set.
        HostCannotRunError: It exists, but this host cannot run it; the hint has the cure.
        EnvkitError: Any other error of `create`.
    """
    current = current_environment()
    if current is not None and current.name == name:
        return current
    from envkit.client import local
    from envkit.client.volume import unknown

    path = None if file is None else os.fspath(file)
    wanted = local.Wanted(_words(specs), cuda, python, prefer, _words(channels), path, recipe, _words(pip))
    root, here = local.look(name, persist)
    if here is not None and (wanted.is_empty or local.matches(here.manifest, wanted)):
        known = here.validation
        if known is not None and known.ok and (not require_gpu or known.on_gpu):
            return here
    if wanted.is_empty:
        if here is None:
            raise unknown(root, name)
        here.validation = validate(name, persist=root, progress=progress)
        here.validation.raise_for_error()
        return here

    make = partial(
        create, name, specs, cuda=cuda, python=python, file=file, recipe=recipe, pip=pip, allow_build=allow_build,
        channels=channels,
        override_channels=override_channels, persist=persist, prefer=prefer, require_gpu=require_gpu,
        offline=offline, progress=progress,
    )  # fmt: skip
    try:
        return make()
    except EnvironmentExistsError:
        if not replace:
            raise
        return make(replace=True)


def validate(
    name: PathLike,
    *,
    persist: PathLike | None = None,
    timeout_s: float | None = None,
    progress: Progress | None = None,
) -> ReportView:
    """Check by computing that an environment works on this host.

    Args:
        name: An environment of the volume, or the path of any prefix (conda, pixi, venv); a path contains a ``/``.
        persist: See `create`.
        timeout_s: Time limit for each check.
        progress: Called with each `Event`.

    Returns:
        The findings. Failures are not raised: see `ReportView.ok` and `ReportView.raise_for_error`.

    Raises:
        UnknownEnvironmentError: There is no such environment.
    """
    from envkit.client.report import ReportView

    flags = _flags(persist=persist, timeout=timeout_s)
    return ReportView(_run(["validate", *flags, "--", os.fspath(name)], progress))


def require(name: str, *, persist: PathLike | None = None, gpu: bool | None = None) -> Environment:
    """Return the environment of this name if this host can run it. Reads files only; makes and validates nothing.

    Without a validation on this kind of host, files tell whether there is a GPU and whether the driver supports the
    environment's CUDA. `Environment.validation` is None then; `ensure` validates.

    Args:
        name: Its name.
        persist: See `create`.
        gpu: Whether a GPU is required; None means if the environment was made for one.

    Raises:
        UnknownEnvironmentError: There is no such environment.
        HostCannotRunError: This host cannot run it; the hint has the cure.
        ValidationFailedError: Its validation on this kind of host failed.
    """
    current = current_environment()
    if current is not None and current.name == name:
        return current
    from envkit.client import local
    from envkit.client.volume import unknown

    root, here = local.look(name, persist)
    if here is None:
        raise unknown(root, name)
    reason = local.refusal(here, gpu=gpu)
    if reason is not None:
        raise HostCannotRunError(reason[0], hint=reason[1])
    if here.validation is not None:
        here.validation.raise_for_error()
    return here


def _run(argv: list[str], progress: Progress | None) -> dict[str, Any]:
    from envkit.client.child import error_of, run_envkit

    code, document = run_envkit(argv, progress=progress)
    error = error_of(document, code)
    if error is not None:
        raise error
    return document


def _made(document: dict[str, Any], notes: list[str]) -> Environment:
    from envkit.client.report import ReportView

    said = document.get("validation")
    report = ReportView(said) if said else None
    if report is not None:
        report.raise_for_error()
    root, name = os.path.split(str(document["path"]))
    reused, notes = bool(document.get("reused")), [*notes, *map(str, document.get("advice", ()))]
    return Environment(name, root=root, prefix=document["prefix"], reused=reused, validation=report, notes=notes)


def _words(value: Words) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _flags(**values: object) -> list[str]:
    """Return the flags of a command line: a tuple gives one for each of its values, None and False give none."""
    argv: list[str] = []
    for name, value in values.items():
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None and one is not False:
                argv.append(f"--{name.replace('_', '-')}")
            if one is not None and not isinstance(one, bool):
                argv.append(os.fspath(one) if isinstance(one, os.PathLike) else str(one))
    return argv
