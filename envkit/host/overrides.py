"""Parse ``CONDA_OVERRIDE_*``, the user's corrections of the machine (CEP 30 and CEP 46)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from envkit.errors import SettingsError
from envkit.models.host import OVERRIDES, Gpu, Host, Target
from envkit.models.version import ComputeCapability, CudaVersion
from envkit.values import replace


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


def override_host(host: Host, overrides: Mapping[str, str]) -> Target:
    """Return this machine as the configuration describes it: virtual packages by name, empty text for none.

    Variables come first: what they replaced stays. ``cuda`` is left to `envkit.cuda.target.describe_target`.

    Raises:
        SettingsError: A value is not a version.
    """
    by_package = {variable.removeprefix("CONDA_OVERRIDE_").lower(): variable for variable in OVERRIDES.values()}
    given = {by_package[name]: text for name, text in overrides.items() if name in by_package and name != "cuda"}
    values = {name: value for name, value in parse_overrides(given).items() if name not in host.overridden}
    target = Target.from_host(host)
    if "gpus" in values:
        capability = values.pop("gpus")
        configured = "cuda" in overrides and "driver_cuda" not in host.overridden
        has_cuda = bool(overrides["cuda"].strip()) if configured else target.driver_cuda is not None
        if capability is None:
            open_ones = tuple(replace(gpu, compute_capability=None) for gpu in target.gpus)
            target = replace(target, gpus=open_ones, described=target.described | {"gpus"})
        elif has_cuda:  # CEP 46: there is no __cuda_arch without __cuda
            gpus = (Gpu(name=None, compute_capability=capability),)
            target = replace(target, gpus=gpus, described=target.described | {"gpus"})
    return replace(target, **values, described=target.described.union(values))


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
    "linux": (_matching(r"\d{1,4}(\.\d{1,5}){0,3}"), "5.10"),
    "win": (_matching(r"\d{1,4}(\.\d{1,6}){0,3}"), "10.0.19045"),
}
