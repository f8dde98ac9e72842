"""Parse ``CONDA_OVERRIDE_*``, the user's corrections of the machine (CEP 30 and CEP 46)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from envkit.errors import SettingsError
from envkit.models.host import OVERRIDES
from envkit.models.version import ComputeCapability, CudaVersion

__all__ = ["Overrides", "parse_overrides"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values that replace detected ones.

    Attributes:
        given: The attributes of `Host` that are replaced; None as the value of one means that the fact is absent.
        driver_cuda: CONDA_OVERRIDE_CUDA (CEP 30).
        compute_capability: CONDA_OVERRIDE_CUDA_ARCH (CEP 46), the least of the host; belongs to ``gpus``.
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

    def read(name: str, parse: Callable[[str], T], example: str) -> T | None:
        value = values.get(name)
        if not value:
            return None
        try:
            return parse(value)
        except ValueError:
            variable = OVERRIDES[name]
            raise SettingsError(
                f"{variable}={value!r} is not understood",
                hint=f"write it as {variable}={example}, leave it empty to say that there is none, or unset it",
            ) from None

    return Overrides(
        given=frozenset(values),
        driver_cuda=read("driver_cuda", CudaVersion.parse, "12.4"),
        compute_capability=read("gpus", ComputeCapability.parse, "8.6"),
        glibc=read("glibc", _matching(r"\d{1,4}(\.\d{1,4})+"), "2.28"),
        microarch=read("microarch", _matching(r"[A-Za-z0-9_]{1,64}"), "x86_64_v3"),
        osx=read("osx", _matching(r"\d{1,4}(\.\d{1,4}){0,2}"), "13.0"),
    )


def _matching(pattern: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if re.fullmatch(pattern, value, re.ASCII) is None:
            raise ValueError(value)
        return value

    return parse
