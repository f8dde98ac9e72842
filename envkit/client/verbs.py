"""The verbs for programs: detect, find, create, ensure, validate, require."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from envkit.client.environment import Environment, current_environment
from envkit.errors import EnvironmentExistsError, HostCannotRunError

if TYPE_CHECKING:
    from envkit.client.event import Event
    from envkit.client.host import HostView
    from envkit.client.report import ReportView
    from envkit.client.search import FindResultView

    Progress = Callable[[Event], object]
    PathLike = str | os.PathLike[str]
    Words = str | Iterable[str]

__all__ = ["create", "detect", "ensure", "find", "require", "validate"]


def detect(*, refresh: bool = False) -> HostView:
    """Find out what this machine can run.

    Args:
        refresh: Ask the driver again; what it says is kept for a day.

    Returns:
        The host. "No GPU" is a fact, not an error.

    Raises:
        SettingsError: A CONDA_OVERRIDE_* variable holds something that is no version (CEP 30, CEP 46).
    """
    from envkit.client.host import HostView

    _, document = _run(["detect", *(["--refresh"] if refresh else [])], None)
    return HostView(document["facts"])


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
    """List the builds of a package, best first, and how each runs on this host or the one described.

    Args:
        spec: A package, such as ``pytorch`` or ``pytorch>=2.4``.
        cuda: Toolkit of the build: ``12.1``, any of a major: ``12``, ``auto``, or ``none`` for CPU.
        python: Only builds for this Python, such as ``3.11``.
        channels: Channels by name, URL or path.
        override_channels: Use only these.
        platform: For another platform, such as ``linux-aarch64``.
        prefer: ``version``: the newest that runs; ``native``: the best tier first.
        driver: Another machine's driver, ``550.54.14`` or ``550``.
        gpus: Its GPUs, such as ``h100``.
        cuda_arch: Its compute capability, such as ``8.0``.
        glibc: Its C library, such as ``2.28``.
        no_gpu: It has no GPU.
        everything: Return every build rather than the first twenty.
        offline: Use only what is cached.
        progress: Called with each `Event`.

    Returns:
        The builds. Nothing that runs is an answer too: see `FindResultView.error` and `FindResultView.raise_for_error`.

    Raises:
        PackageNotFoundError: No channel has a package of that name.
        SpecError: The spec cannot be read.
        ChannelError: A channel cannot be read.
    """
    from envkit.client.child import error_of
    from envkit.client.search import FindResultView

    argv = ["find", *_choice(cuda, python, channels, override_channels, platform, prefer, offline)]
    argv += [*_machine(driver, gpus, cuda_arch, glibc, no_gpu), *(["--all"] if everything else []), "--", spec]
    code, document = _run(argv, progress, raising=False)
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
    """Make an environment on the volume: whole and validated, or not at all. The same request again returns at once.

    Args:
        name: Its name.
        specs: Packages, such as ``["pytorch>=2.5", "torchvision"]``.
        cuda: As for `find`.
        python: Its Python, such as ``3.11``.
        file: An environment.yml (CEP 24).
        recipe: A recipe that envkit brings.
        channels: Channels by name, URL or path. A URL may hold a token: it is kept out of process lists and files.
        override_channels: Use only these.
        persist: The volume; else CONDA_ENVS_PATH, envkit's config, condarc, the user's data directory.
        platform: As for `find`, like the next six.
        prefer: See `find`.
        driver: See `find`.
        gpus: See `find`.
        cuda_arch: See `find`.
        glibc: See `find`.
        no_gpu: See `find`.
        replace: Make a new generation, whatever the name held.
        validate: Validate before publishing.
        require_gpu: Refuse to publish what was not validated on a GPU.
        offline: Use only what is cached.
        progress: Called with each `Event`.

    Raises:
        EnvironmentExistsError: The name is taken by an environment made from another request.
        UnsatisfiableError: No set of packages satisfies the request.
        HostCannotRunError: This host cannot run it. What was made and failed by the host's fault is published.
        ValidationFailedError: It was made and does not work; nothing was published.
        EnvkitError: Any other of `envkit.errors`, as on the command line.
    """
    argv = ["create", "--name", name, *_choice(cuda, python, channels, override_channels, platform, prefer, offline)]
    argv += _machine(driver, gpus, cuda_arch, glibc, no_gpu)
    argv += ["--persist", os.fspath(persist)] if persist is not None else []
    argv += ["--file", os.fspath(file)] if file is not None else []
    argv += ["--recipe", recipe] if recipe is not None else []
    flags = {"--replace": replace, "--no-validate": not validate, "--require-gpu": require_gpu}
    argv += [flag for flag, given in flags.items() if given]
    notes: list[str] = []

    def listen(event: Event) -> None:
        if event.event == "note":
            notes.append(event.text)
        if progress is not None:
            progress(event)

    _, document = _run([*argv, "--", *_words(specs)], listen)
    return _made(document, notes)


def ensure(
    name: str,
    specs: Words = (),
    *,
    cuda: str = "auto",
    python: str | None = None,
    file: PathLike | None = None,
    recipe: str | None = None,
    channels: Words = (),
    override_channels: bool = False,
    persist: PathLike | None = None,
    prefer: str = "version",
    replace: bool = False,
    require_gpu: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Environment:
    """The environment of that name, made if it is not there, validated if this is another kind of host than before.

    What is there, was made from this request and was validated on this driver and kind of GPU is returned within
    milliseconds: nothing is started, no driver library is loaded.

    Args:
        name: Its name.
        specs: Packages; without them (and `file` and `recipe`) whatever the name holds is taken, and has to be there.
        cuda: As for `find`.
        python: As for `create`, like all that follow.
        file: See `create`.
        recipe: See `create`.
        channels: See `create`.
        override_channels: See `create`.
        persist: See `create`.
        prefer: See `create`.
        replace: Make a new generation where the name holds something made from another request.
        require_gpu: Refuse what was not validated on a GPU.
        offline: See `create`.
        progress: Called with each `Event`.

    Raises:
        UnknownEnvironmentError: It is not there, and nothing says what it should hold.
        EnvironmentExistsError: The name holds something made from another request, and `replace` is not set.
        HostCannotRunError: It is there, and this host cannot run it; the hint has the cure.
        EnvkitError: Any other of `create`.
    """
    told = current_environment()
    if told is not None and told.name == name:
        return Environment(name, root=told.root, prefix=told.prefix)
    from envkit.client import local
    from envkit.client.volume import unknown

    wanted = local.Wanted(
        _words(specs), cuda, python, prefer, _words(channels), None if file is None else os.fspath(file), recipe
    )
    found = local.look(name, persist)
    here = found.environment
    if here is not None and (wanted.is_empty or local.matches(here.manifest, wanted)):
        known = here.validation
        if known is not None and known.ok and (not require_gpu or known.on_gpu):
            return here
    if wanted.is_empty:
        if here is None:
            raise unknown(found.root, name)
        here.validation = _validate(name, found.root, None, progress)
        here.validation.raise_for_error()
        return here

    def make(*, again: bool) -> Environment:
        return create(
            name, specs, cuda=cuda, python=python, file=file, recipe=recipe, channels=channels,
            override_channels=override_channels, persist=persist, prefer=prefer, replace=again,
            require_gpu=require_gpu, offline=offline, progress=progress,
        )  # fmt: skip

    try:
        return make(again=False)
    except EnvironmentExistsError:
        if not replace:
            raise
        return make(again=True)


def validate(
    name: PathLike,
    *,
    persist: PathLike | None = None,
    timeout_s: float | None = None,
    progress: Progress | None = None,
) -> ReportView:
    """Prove that an environment computes on this host, or say what does not and why.

    Args:
        name: An environment of the volume, or the path of any: conda, pixi, venv. A path has a ``/`` in it.
        persist: The volume, as for `create`.
        timeout_s: Limit for each check, in seconds.
        progress: Called with each `Event`.

    Returns:
        The findings. What failed is in them, not raised: see `ReportView.ok` and `ReportView.raise_for_error`.

    Raises:
        UnknownEnvironmentError: There is none.
    """
    return _validate(os.fspath(name), persist, timeout_s, progress)


def require(name: str, *, persist: PathLike | None = None, gpu: bool | None = None) -> Environment:
    """The environment of that name, if this host can run it. Reads only: nothing is made, started or validated.

    A kind of host on which it was never validated is judged by what files say: whether there is a GPU, and whether
    the driver is one for the environment's CUDA. Then `Environment.validation` is None: `ensure` validates.

    Args:
        name: Its name.
        persist: The volume, as for `create`.
        gpu: Whether a GPU must be there; None: where the environment was made for one.

    Raises:
        UnknownEnvironmentError: There is none.
        HostCannotRunError: This host cannot run it; the hint has the cure.
        ValidationFailedError: It was validated on this kind of host and does not work.
    """
    told = current_environment()
    if told is not None and told.name == name:
        return Environment(name, root=told.root, prefix=told.prefix)
    from envkit.client import local
    from envkit.client.volume import unknown

    found = local.look(name, persist)
    if found.environment is None:
        raise unknown(found.root, name)
    reason = local.refusal(found.environment, gpu=gpu)
    if reason is not None:
        raise HostCannotRunError(reason[0], hint=reason[1])
    if found.environment.validation is not None:
        found.environment.validation.raise_for_error()
    return found.environment


def _run(argv: list[str], progress: Progress | None, *, raising: bool = True) -> tuple[int, dict[str, Any]]:
    from envkit.client.child import error_of, run_envkit

    code, document = run_envkit(argv, progress=progress)
    error = error_of(document, code) if raising else None
    if error is not None:
        raise error
    return code, document


def _validate(name: str, persist: PathLike | None, timeout_s: float | None, progress: Progress | None) -> ReportView:
    from envkit.client.report import ReportView

    argv = ["validate"]
    argv += ["--persist", os.fspath(persist)] if persist is not None else []
    argv += ["--timeout", str(timeout_s)] if timeout_s is not None else []
    _, document = _run([*argv, "--", name], progress)
    return ReportView(document)


def _made(document: dict[str, Any], notes: list[str]) -> Environment:
    from envkit.client.report import ReportView

    said = document.get("validation")
    report = ReportView(said) if said else None
    if report is not None:
        report.raise_for_error()
    root, name = os.path.split(str(document["path"]))
    return Environment(
        name,
        root=root,
        prefix=str(document["prefix"]),
        reused=bool(document.get("reused")),
        validation=report,
        notes=[*notes, *map(str, document.get("advice", ()))],
    )


def _words(value: Words) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _choice(
    cuda: str,
    python: str | None,
    channels: Words,
    override: bool,  # noqa: FBT001 - as its siblings
    platform: str | None,
    prefer: str,
    offline: bool,  # noqa: FBT001
) -> list[str]:
    argv = ["--cuda", cuda, "--prefer", prefer]
    argv += ["--python", python] if python else []
    argv += ["--platform", platform] if platform else []
    for channel in _words(channels):
        argv += ["--channel", channel]
    return argv + ["--override-channels"] * override + ["--offline"] * offline


def _machine(driver: str | None, gpus: Words, cuda_arch: str | None, glibc: str | None, no_gpu: bool) -> list[str]:  # noqa: FBT001
    argv: list[str] = []
    for flag, value in (("--driver", driver), ("--cuda-arch", cuda_arch), ("--glibc", glibc)):
        argv += [flag, value] if value else []
    for gpu in _words(gpus):
        argv += ["--gpu", gpu]
    return argv + ["--no-gpu"] * no_gpu
