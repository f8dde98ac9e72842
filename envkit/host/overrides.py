"""Parse ``CONDA_OVERRIDE_*``, the user's corrections of the machine (CEP 30 and CEP 46)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from envkit.errors import SettingsError
from envkit.models.host import OVERRIDES
from envkit.models.version import ComputeCapability, CudaVersion


def parse_overrides(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the parsed values by attribute of `Host`; that of ``gpus`` is the least compute capability of the host.

    The value of an empty variable is None: the virtual package is absent.

    Raises:
        SettingsError: One is not a version.
    """
    found: dict[str, Any] = {}
    for name, variable in OVERRIDES.items():
        if variable not in env:
            continue
        parse, example = _FORMS[name]
        value = env[variable].strip()
        try:
            found[name] = parse(value) if value else None
        except ValueError:
            raise SettingsError(
                f"{variable}={value!r} is not understood",
                hint=f"write it as {variable}={example}, leave it empty to say that there is none, or unset it",
            ) from None
    return found


def _matching(pattern: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if re.fullmatch(pattern, value, re.ASCII) is None:
            raise ValueError(value)
        return value

    return parse


_FORMS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "driver_cuda": (CudaVersion.parse, "12.4"),
    "gpus": (ComputeCapability.parse, "8.6"),
    "glibc": (_matching(r"\d{1,4}(\.\d{1,4})+"), "2.28"),
    "microarch": (_matching(r"[A-Za-z0-9_]{1,64}"), "x86_64_v3"),
    "osx": (_matching(r"\d{1,4}(\.\d{1,4}){0,2}"), "13.0"),
}
