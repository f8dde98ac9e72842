"""Conda environments for GPUs: the build that runs on this driver and GPU, on a volume that stays, proven by a kernel.

Importing this module is free: each function and class loads what it needs at its first use. The verbs below are those
of the command line, and so are the errors: every one is an `EnvkitError` with a `message`, a `hint` (what to do about
it), a stable `code` and an `exit_code`.

    env = envkit.ensure("train", ["pytorch>=2.5", "torchvision"], persist="/data/envs")
    env.run(["python", "train.py"])
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, without the milliseconds of its import

if TYPE_CHECKING:
    from envkit.client.child import Event
    from envkit.client.environment import Environment
    from envkit.client.host import GpuView as Gpu
    from envkit.client.host import HostView as Host
    from envkit.client.report import FindingView as Finding
    from envkit.client.report import ReportView as Report
    from envkit.client.search import BuildView as Build
    from envkit.client.search import FindResultView as FindResult
    from envkit.client.verbs import create, detect, ensure, find, require, validate
    from envkit.errors import (
        ChannelError,
        EnvironmentExistsError,
        EnvkitError,
        HeldError,
        HostCannotRunError,
        IntegrityError,
        NoAnswerError,
        NoGpuCodeError,
        NoSpaceError,
        NotOnGpuError,
        PackageNotFoundError,
        RecipeError,
        SettingsError,
        SpecError,
        TamperedError,
        UnknownEnvironmentError,
        UnsatisfiableError,
        UsageError,
        ValidationFailedError,
        VolumeError,
    )

__all__ = [
    "Build",
    "ChannelError",
    "Environment",
    "EnvironmentExistsError",
    "EnvkitError",
    "Event",
    "FindResult",
    "Finding",
    "Gpu",
    "HeldError",
    "Host",
    "HostCannotRunError",
    "IntegrityError",
    "NoAnswerError",
    "NoGpuCodeError",
    "NoSpaceError",
    "NotOnGpuError",
    "PackageNotFoundError",
    "RecipeError",
    "Report",
    "SettingsError",
    "SpecError",
    "TamperedError",
    "UnknownEnvironmentError",
    "UnsatisfiableError",
    "UsageError",
    "ValidationFailedError",
    "VolumeError",
    "__version__",
    "create",
    "detect",
    "ensure",
    "find",
    "require",
    "validate",
]

__version__ = "0.1.0"

_HOMES = {
    "Build": "client.search:BuildView",
    "Environment": "client.environment",
    "Event": "client.child",
    "FindResult": "client.search:FindResultView",
    "Finding": "client.report:FindingView",
    "Gpu": "client.host:GpuView",
    "Host": "client.host:HostView",
    "Report": "client.report:ReportView",
    **dict.fromkeys(("create", "detect", "ensure", "find", "require", "validate"), "client.verbs"),
    **{name: "errors" for name in __all__ if name.endswith("Error")},
}


if not TYPE_CHECKING:  # with it, type checkers would accept any name

    def __getattr__(name: str) -> object:
        """Load a public name at its first use (PEP 562)."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        module, _, attribute = home.partition(":")  # inside, some names mean something else
        value = getattr(import_module(f"{__name__}.{module}"), attribute or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
