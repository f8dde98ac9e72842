"""Parse ``CONDA_OVERRIDE_*``, the user's corrections of the machine (CEP 30 and CEP 46)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from envkit.errors import SettingsError
from envkit.models.host import OVERRIDES
from envkit.models.version import ComputeCapability, CudaVersion

__all__ = ["Overrides", "parse_overrides"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values that replace detected ones.

    Attributes:
        given: The attributes of `Host` that are replaced; None as the value of one means that the fact is absent.
        driver_cuda: CONDA_OVERRIDE_CUDA (CEP 30).
        compute_capability: CONDA_OVERRIDE_CUDA_ARCH (CEP 46), the least of the host; belongs to ``gpus``.
        glibc: CONDA_OVERRIDE_GLIBC.
        microarch: CONDA_OVERRIDE_ARCHSPEC.
        osx: CONDA_OVERRIDE_OSX.
    """

    given: frozenset[str] = frozenset()
    driver_cuda: CudaVersion | None = None
    compute_capability: ComputeCapability | None = None
    glibc: str | None = None
    microarch: str | None = None
    osx: str | None = None


def parse_overrides(env: Mapping[str, str]) -> Overrides:
    """Parse the variables; an empty one (after stripping) means that the virtual package is absent.

    Raises:
        SettingsError: One is not a version.
    """
    values = {name: env[variable].strip() for name, variable in OVERRIDES.items() if variable in env}
    cuda, capability = values.get("driver_cuda"), values.get("gpus")
    return Overrides(
        given=frozenset(values),
        driver_cuda=_cuda(cuda) if cuda else None,
        compute_capability=_capability(capability) if capability else None,
        glibc=_matching("glibc", values, r"\d{1,4}(\.\d{1,4})+", "2.28"),
        microarch=_matching("microarch", values, r"[A-Za-z0-9_]{1,64}", "x86_64_v3"),
        osx=_matching("osx", values, r"\d{1,4}(\.\d{1,4}){0,2}", "13.0"),
    )


def _refuse(name: str, value: str, example: str) -> SettingsError:
    variable = OVERRIDES[name]
    return SettingsError(
        f"{variable}={value!r} is not understood",
        hint=f"write it as {variable}={example}, leave it empty to say that there is none, or unset it",
    )


def _cuda(value: str) -> CudaVersion:
    try:
        return CudaVersion.parse(value)
    except ValueError:
        raise _refuse("driver_cuda", value, "12.4") from None


def _capability(value: str) -> ComputeCapability:
    try:
        return ComputeCapability.parse(value)
    except ValueError:
        raise _refuse("gpus", value, "8.6") from None


def _matching(name: str, values: Mapping[str, str], pattern: str, example: str) -> str | None:
    value = values.get(name)
    if not value:
        return None
    if re.fullmatch(pattern, value, re.ASCII) is None:
        raise _refuse(name, value, example)
    return value
