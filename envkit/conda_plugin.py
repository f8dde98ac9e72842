"""What envkit adds to conda: ``conda envkit ...``, a check in ``conda doctor``, and ``__cuda_arch`` (CEP 46).

conda loads this module at each start, so it imports nothing beyond the standard library; nothing native is loaded into
conda's process: the command line and the health check are children.
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

__all__ = ["conda_health_checks", "conda_subcommands", "conda_virtual_packages", "cuda_arch"]

_VALIDATE_S = 600.0

Hook = TypeVar("Hook", bound=Callable[..., Any])


def _hook(function: Hook) -> Hook:
    """Mark a function for conda; where something else reads this module, leave it alone."""
    try:
        from conda.plugins import hookimpl
    except ModuleNotFoundError:
        return function
    hookimpl(function)  # sets an attribute
    return function


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "envkit", *words]


def _run(arguments: tuple[str, ...]) -> int:
    """``conda envkit ...``: the command line in place of conda, so that signals and the exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":  # there, exec leaves the shell with a process that has ended
        os.execv(sys.executable, _command(*arguments))
    return subprocess.call(_command(*arguments))


@_hook
def conda_subcommands() -> Iterator[CondaSubcommand]:
    """``conda envkit``."""
    from conda.plugins.types import CondaSubcommand

    yield CondaSubcommand(
        name="envkit",
        summary="Find the CUDA build that runs on this GPU and driver; make and validate environments with it.",
        action=_run,
    )


def _check(prefix: str, verbose: bool) -> None:  # noqa: FBT001 - conda's signature
    from conda.base.constants import OK_MARK, X_MARK

    from envkit.process import run_child

    path = os.path.join(prefix, "")  # noqa: PTH118 - a path, not a name
    ended = run_child(_command("validate", "--json", "--progress", "none", path), timeout_s=_VALIDATE_S)
    try:
        report = json.loads(ended.stdout)
    except ValueError:
        why = f"envkit {ended.ending or 'gave no answer'}"
        sys.stdout.write(f"{X_MARK} envkit could not validate {prefix}: {why}\n")
        return
    if "error" in report:
        sys.stdout.write(f"{X_MARK} envkit could not validate {prefix}: {report['error']['message']}\n")
        return
    findings = report["findings"]
    bad = [finding for finding in findings if finding["status"] in {"fail", "warn"}]
    if report["verdict"] == "fail":
        sys.stdout.write(f"{X_MARK} envkit: this environment does not compute on this host.\n")
    else:
        sys.stdout.write(f"{OK_MARK} envkit: {sum(f['status'] == 'pass' for f in findings)} checks passed.\n")
    for finding in findings if verbose else bad:
        sys.stdout.write(f"    {finding['status']}: {finding['text']}\n")
        if finding["hint"] and finding in bad:
            sys.stdout.write(f"        {finding['hint']}\n")


@_hook
def conda_health_checks() -> Iterator[CondaHealthCheck]:
    """``conda doctor`` asks whether the environment computes on this host."""
    from conda.plugins.types import CondaHealthCheck

    yield CondaHealthCheck(name="envkit", action=_check, summary="Does the environment compute on this GPU and driver?")


def cuda_arch(env: Mapping[str, str]) -> str | None:
    """The version of ``__cuda_arch``: the least compute capability here; None without a GPU or without ``__cuda``.

    Args:
        env: Variables; CONDA_OVERRIDE_CUDA and CONDA_OVERRIDE_CUDA_ARCH count as CEP 30 and CEP 46 say.
    """
    from envkit.errors import SettingsError
    from envkit.host.detect import detect_host
    from envkit.models.host import Target
    from envkit.plan.solve_task import virtual_packages

    try:
        target = Target.from_host(detect_host(env=env))
    except SettingsError:  # an override that is no version; conda has its own words for it
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
    """Whether conda, or another plugin, brings ``__cuda_arch``: two of one name are an error."""
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
    """``__cuda_arch``, where conda has none."""
    if _known_already():
        return
    from conda.plugins.types import CondaVirtualPackage

    yield CondaVirtualPackage(name="cuda_arch", version=_version, build=None)
