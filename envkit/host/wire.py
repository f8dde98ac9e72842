"""Read and write a host as JSON: the ``facts`` of ``detect --json``, and of ``--hosts FILE``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from envkit.errors import SettingsError
from envkit.models.host import Gpu, Host
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.values import asdict

T = TypeVar("T")
_SCHEMA = 1


def host_to_json(host: Host) -> dict[str, Any]:
    """Return the ``facts`` of a host: JSON values only, versions as text, memory in bytes."""
    return {
        "subdir": host.subdir,
        "glibc": host.glibc,
        "microarch": host.microarch,
        "osx": host.osx,
        **({"linux": host.linux} if host.linux else {}),
        **({"win": host.win} if host.win else {}),
        "driver_version": _str(host.driver_version),
        "driver_cuda": _str(host.driver_cuda),
        "gpus": [{**asdict(gpu), "compute_capability": _str(gpu.compute_capability)} for gpu in host.gpus],
        "compat": host.compat,
        "toolkits": dict(host.toolkits),
        "container": host.container,
        "wsl": host.wsl,
        "jetson": host.jetson,
        "mps": host.mps,
        "nvidia_traces": list(host.nvidia_traces),
        "overridden": sorted(host.overridden),
        "fingerprint": host.fingerprint,
        "sources": dict(host.sources),
        "notes": list(host.notes),
    }


def host_from_json(data: object, *, where: str = "") -> Host:
    """Read the ``facts`` of a host, or an object with a member ``facts``.

    Unknown members are ignored, and so is ``fingerprint``, which follows from the others. Only ``subdir`` is required.

    Args:
        data: A JSON value.
        where: Its origin, such as ``hosts.json[2]``, which begins the path in error messages.

    Raises:
        SettingsError: The value is not a host; the message has the path to the bad member (``facts.gpus[1].name``).
    """
    facts = _Reader(data, where)
    if "facts" in facts.value:
        version = facts.get("schema_version", _whole) if "schema_version" in facts.value else _SCHEMA
        if version != _SCHEMA:
            raise facts.refuse("schema_version", f"{_SCHEMA}, the one this envkit reads")
        facts = _Reader(facts.value["facts"], facts.path("facts"))
    if "subdir" not in facts.value:
        raise facts.refuse("subdir", "the platform, such as linux-64")
    return Host(
        subdir=facts.get("subdir", _word),
        glibc=facts.optional("glibc", _word),
        microarch=facts.optional("microarch", _word),
        osx=facts.optional("osx", _word),
        linux=facts.optional("linux", _word),
        win=facts.optional("win", _word),
        driver_version=facts.optional("driver_version", _driver_version),
        driver_cuda=facts.optional("driver_cuda", _cuda),
        gpus=tuple(
            _gpu(_Reader(item, f"{facts.path('gpus')}[{index}]"))
            for index, item in enumerate(facts.optional("gpus", _items) or ())
        ),
        compat=facts.optional("compat", _truth) or False,
        toolkits=facts.optional("toolkits", _texts) or {},
        container=facts.optional("container", _word),
        wsl=facts.optional("wsl", _truth) or False,
        jetson=facts.optional("jetson", _word),
        mps=facts.optional("mps", _truth) or False,
        nvidia_traces=facts.strings("nvidia_traces"),
        overridden=frozenset(facts.strings("overridden")),
        sources=facts.optional("sources", _texts) or {},
        notes=facts.strings("notes"),
    )


def _gpu(item: _Reader) -> Gpu:
    return Gpu(
        name=item.optional("name", _word),
        compute_capability=item.optional("compute_capability", _capability),
        memory_bytes=item.optional("memory_bytes", _whole),
        uuid=item.optional("uuid", _word),
        mig=item.optional("mig", _truth) or False,
        tegra=item.optional("tegra", _truth) or False,
    )


class _Reader:
    """A JSON object that knows its path."""

    def __init__(self, value: object, where: str) -> None:
        self.where = where
        if not isinstance(value, Mapping):
            raise _refuse(where or "the value", "an object", value)
        self.value: Mapping[str, object] = value

    def path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def refuse(self, name: str, wanted: str) -> SettingsError:
        return _refuse(self.path(name), wanted, self.value.get(name))

    def get(self, name: str, read: Callable[[object], T]) -> T:
        try:
            return read(self.value.get(name))
        except ValueError as error:
            raise self.refuse(name, str(error)) from None

    def optional(self, name: str, read: Callable[[object], T]) -> T | None:
        return None if self.value.get(name) is None else self.get(name, read)

    def strings(self, name: str) -> tuple[str, ...]:
        items = self.optional(name, _items) or ()
        for index, item in enumerate(items):
            if not isinstance(item, str):
                raise _refuse(f"{self.path(name)}[{index}]", "text", item)
        return tuple(str(item) for item in items)


def _refuse(path: str, wanted: str, value: object) -> SettingsError:
    return SettingsError(
        f"{path}: expected {wanted}, found {repr(value)[:80]}",
        hint="write the file with `envkit detect --json` on that machine",
    )


def _str(value: object) -> str | None:
    return None if value is None else str(value)


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text")  # noqa: TRY004 - a ValueError says what was wanted, for every reader
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - as _word
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a whole number")
    return value


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("a list")  # noqa: TRY004 - as _word
    return value


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ValueError("an object of texts")
    return dict(value)


def _parsed(parse: Callable[[str], T], wanted: str) -> Callable[[object], T]:
    def read(value: object) -> T:
        try:
            return parse(_word(value))
        except ValueError:
            raise ValueError(wanted) from None

    return read


_driver_version = _parsed(DriverVersion.parse, "a driver version such as 550.54.14")
_cuda = _parsed(CudaVersion.parse, "a CUDA version such as 12.4")
_capability = _parsed(ComputeCapability.parse, "a compute capability such as 8.6")
