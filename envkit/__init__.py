"""Conda environments for GPUs: the build that runs on this driver and GPU, on a volume that stays, proven by a kernel.

Importing this module loads nothing and does nothing; its functions load what they need when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing, without the milliseconds of its import

if TYPE_CHECKING:
    from envkit.client.environment import Environment
    from envkit.client.event import Event
    from envkit.client.host import GpuView as Gpu
    from envkit.client.host import HostView as Host
    from envkit.client.report import FindingView as Finding
    from envkit.client.report import ReportView as Report
    from envkit.client.search import BuildView as Build
    from envkit.client.search import FindResultView as FindResult
    from envkit.client.verbs import create, detect, ensure, find, require, validate
    from envkit.errors import EnvkitError

__all__ = [
    "Build",
    "Environment",
    "EnvkitError",
    "Event",
    "FindResult",
    "Finding",
    "Gpu",
    "Host",
    "Report",
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
    "EnvkitError": "errors",
    "Environment": "client.environment",
    "Event": "client.event",
    "FindResult": "client.search:FindResultView",
    "Finding": "client.report:FindingView",
    "Gpu": "client.host:GpuView",
    "Host": "client.host:HostView",
    "Report": "client.report:ReportView",
    "create": "client.verbs",
    "detect": "client.verbs",
    "ensure": "client.verbs",
    "find": "client.verbs",
    "require": "client.verbs",
    "validate": "client.verbs",
}


if not TYPE_CHECKING:  # a checker that saw it would believe in any name

    def __getattr__(name: str) -> object:
        """Load a public name at its first use (PEP 562)."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        module, _, attribute = home.partition(":")  # the internals have a Host of their own
        value = getattr(import_module(f"{__name__}.{module}"), attribute or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
