"""Plugins for conda: ``conda envkit ...``, a check in ``conda doctor``, and ``__cuda_arch`` (CEP 46).

conda loads this module at each start, so it imports only the standard library and loads nothing native: the command
line and the health check run in child processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from conda.plugins.types import CondaHealthCheck, CondaSubcommand, CondaVirtualPackage


_VALIDATE_S = 600.0

Hook = TypeVar("Hook", bound=Callable[..., Any])


def _hook(function: Hook) -> Hook:
    """Mark a function for conda; without conda, return it unchanged."""
    try:
        from conda.plugins import hookimpl
    except ModuleNotFoundError:
        return function
    hookimpl(function)  # sets an attribute
    return function


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "envkit", *words]


def _run(arguments: tuple[str, ...]) -> int:
    """Run the command line in place of conda, so that signals and the exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":  # on Windows, exec would end the process that the shell waits for
        os.execv(sys.executable, _command(*arguments))
    return subprocess.call(_command(*arguments))


@_hook
def conda_subcommands() -> Iterator[CondaSubcommand]:
    """Add ``conda envkit``."""
    from conda.plugins.types import CondaSubcommand

    yield CondaSubcommand(
        name="envkit",
        summary="Find the CUDA build that runs on this GPU and driver; make and validate environments with it.",
        action=_run,
    )


def _check(prefix: str, verbose: bool) -> None:  # noqa: FBT001 - conda's signature
    from conda.base.constants import OK_MARK, X_MARK

    from envkit.printable import printable
    from envkit.process import run_child

    path = os.path.join(prefix, "")  # noqa: PTH118 - a path, not a name
    ended = run_child(_command("validate", "--json", "--progress", "none", path), timeout_s=_VALIDATE_S)
    try:
        report = json.loads(ended.stdout)
    except ValueError:
        why = f"envkit {ended.ending or 'gave no answer'}"
        sys.stdout.write(f"{X_MARK} envkit could not validate {prefix}: {printable(why)}\n")
        return
    if "error" in report:
        sys.stdout.write(f"{X_MARK} envkit could not validate {prefix}: {printable(report['error']['message'])}\n")
        return
    findings = report["findings"]
    bad = [finding for finding in findings if finding["status"] in {"fail", "warn"}]
    if report["verdict"] == "fail":
        sys.stdout.write(f"{X_MARK} envkit: this environment does not compute on this host.\n")
    else:
        sys.stdout.write(f"{OK_MARK} envkit: {sum(f['status'] == 'pass' for f in findings)} checks passed.\n")
    for finding in findings if verbose else bad:
        sys.stdout.write(f"    {finding['status']}: {printable(finding['text'])}\n")
        if finding["hint"] and finding in bad:
            sys.stdout.write(f"        {printable(finding['hint'])}\n")


@_hook
def conda_health_checks() -> Iterator[CondaHealthCheck]:
    """Add a check to ``conda doctor``: whether the environment computes on this host."""
    from conda.plugins.types import CondaHealthCheck

    yield CondaHealthCheck(name="envkit", action=_check, summary="Does the environment compute on this GPU and driver?")


def cuda_arch(env: Mapping[str, str]) -> str | None:
    """Return the version of ``__cuda_arch``: the least compute capability; None without a GPU or without ``__cuda``.

    Args:
        env: Variables; CONDA_OVERRIDE_CUDA and CONDA_OVERRIDE_CUDA_ARCH count (CEP 30, CEP 46).
    """
    from envkit.errors import SettingsError
    from envkit.host.detect import detect_host
    from envkit.models.host import Target
    from envkit.plan.solve_task import virtual_packages

    try:
        target = Target.from_host(detect_host(env=env))
    except SettingsError:  # an override that is not a version; conda reports it
        return None
    return next((package.version for package in virtual_packages(target) if package.name == "__cuda_arch"), None)


def _version() -> Any:
    from conda.auxlib import NULL
    from conda.base.context import context

    env = dict(os.environ)
    for name, value in (context.override_virtual_packages or {}).items():
        env.setdefault(f"CONDA_OVERRIDE_{name.upper()}", value or "")
    return cuda_arch(env) or NULL


def _known_already() -> bool:
    """Return whether conda or another plugin has ``__cuda_arch``: a second one would be an error."""
    from conda.base.context import context

    implementations = context.plugin_manager.hook.conda_virtual_packages.get_hookimpls()
    return any(
        package.name == "cuda_arch"
        for implementation in implementations
        if implementation.function is not conda_virtual_packages
        for package in implementation.function()
    )


@_hook
def conda_virtual_packages() -> Iterator[CondaVirtualPackage]:
    """Add ``__cuda_arch`` if conda has none."""
    if _known_already():
        return
    from conda.plugins.types import CondaVirtualPackage

    yield CondaVirtualPackage(name="cuda_arch", version=_version, build=None)
