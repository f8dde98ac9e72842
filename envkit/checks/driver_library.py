"""Judge which libcuda a child of the driver probe loaded."""

from __future__ import annotations

from collections.abc import Iterator

from envkit.checks.driver_run import DriverRun, driver_finding
from envkit.models.codes.driver import (
    LIBCUDA_DORMANT,
    LIBCUDA_LOADED,
    LIBCUDA_OFF_PATH,
    LIBCUDA_SHADOWED,
    LIBCUDA_UNLOADABLE,
    NO_LIBCUDA,
)
from envkit.models.codes.frameworks import NO_GPU
from envkit.models.fact import Fact
from envkit.models.probe import list_of, mapping_of
from envkit.models.report import Finding


def library_findings(run: DriverRun, *, explained: bool) -> Iterator[Finding]:
    """Judge the loaded libcuda.

    Args:
        run: The facts.
        explained: Whether a failure says already which libcuda it was.
    """
    if not run.libcuda:  # it ended before it came to that
        return
    if not run.libcuda.get("path"):
        yield _missing_library(run)
        return
    data, shadow = run.library_data, run.shadow
    compat = run.libcuda.get("kind") == "compat"
    if shadow is not None and not compat and not explained:
        fact = Fact(LIBCUDA_SHADOWED, shadow=shadow)
        yield driver_finding("library", "warn", fact, blames=shadow.blames, data=data)
    else:
        fact = Fact(
            LIBCUDA_LOADED,
            path=run.library_path,
            version=run.libcuda.get("library_version"),
            cuda=run.driver.get("driver_cuda"),
            compat=compat,
        )
        yield driver_finding("library", "pass", fact, data=data)
    if run.libcuda.get("loaded_by") == "path":
        yield driver_finding("library", "warn", Fact(LIBCUDA_OFF_PATH, path=run.library_path), data=data)
    if shadow is None or shadow.blames != "environment":
        yield from _dormant_shadow(run)


def _dormant_shadow(run: DriverRun) -> Iterator[Finding]:
    """Warn of a libcuda in the environment's ``lib`` that Python does not load, and a library with an RPATH may."""
    for copy in list_of(run.libcuda.get("environment_copies")):
        path = str(copy)
        if "/stubs/" not in path and "compat" not in path and path.endswith("/libcuda.so.1"):
            fact = Fact(LIBCUDA_DORMANT, path=path)
            yield driver_finding("library", "warn", fact, LIBCUDA_SHADOWED, "environment", {"path": path})
            return


def _missing_library(run: DriverRun) -> Finding:
    """No libcuda was loaded: nothing to do with NVIDIA, a driver that is missing, or a file that does not load."""
    attempts = [mapping_of(attempt) for attempt in list_of(run.libcuda.get("attempts"))]
    present = list_of(run.libcuda.get("system_copies"))
    errors = [str(attempt.get("error")) for attempt in attempts]
    data = {"attempts": attempts, "traces": run.traces}
    # The loader says "cannot open shared object file" when there is none, and something else about one that is broken.
    broken = [error for error in errors if "No such file" not in error or "libcuda" not in error]
    if broken or present:
        error = (broken or errors or [""])[-1]
        ours = any(error.startswith(str(copy)) for copy in list_of(run.libcuda.get("environment_copies")))
        fact = Fact(LIBCUDA_UNLOADABLE, error=error)
        return driver_finding("library", "fail", fact, blames="environment" if ours else "host", data=data)
    if run.traces:
        return driver_finding("library", "fail", Fact(NO_LIBCUDA, traces=run.traces), data=data)
    return driver_finding("library", "skip", Fact(NO_GPU), data=data)
