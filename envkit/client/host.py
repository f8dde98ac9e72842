"""A host as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.client.table import html_table, text_table
from envkit.tuples import NamedTuple

_SHOWN = ("subdir", "glibc", "microarch", "osx", "driver_version", "driver_cuda", "container", "jetson")


class GpuView(NamedTuple):
    """One GPU, or one MIG instance; `compute_capability` is a text such as ``9.0``."""

    name: str | None = None
    compute_capability: str | None = None
    memory_bytes: int | None = None
    mig: bool = False


class HostView:
    """A machine: its platform, driver and GPUs. A machine without a GPU is not an error.

    Attributes:
        facts: All facts, as ``envkit detect --json`` prints them.
        subdir: conda's name for the platform, such as ``linux-64``.
        glibc: Version of the C library, or None.
        driver_version: The NVIDIA driver, such as ``570.86.10``, or None.
        driver_cuda: The newest CUDA that the driver supports, or None.
        gpus: The GPUs that CUDA can use.
        fingerprint: Twelve hex digits, equal on hosts that run the same environments.
    """

    __slots__ = ("driver_cuda", "driver_version", "facts", "fingerprint", "glibc", "gpus", "subdir")

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.subdir = str(facts.get("subdir", ""))
        self.glibc: str | None = facts.get("glibc")
        self.driver_version: str | None = facts.get("driver_version")
        self.driver_cuda: str | None = facts.get("driver_cuda")
        self.fingerprint = str(facts.get("fingerprint", ""))
        self.gpus = tuple(
            GpuView(gpu.get("name"), gpu.get("compute_capability"), gpu.get("memory_bytes"), bool(gpu.get("mig")))
            for gpu in facts.get("gpus", ())
        )

    def _rows(self) -> list[tuple[str, str, str]]:
        sources = self.facts.get("sources", {})
        rows = [(n, str(self.facts[n]), str(sources.get(n, ""))) for n in _SHOWN if self.facts.get(n) is not None]
        for gpu in self.gpus:
            memory = f", {gpu.memory_bytes / 2**30:.1f} GiB" if gpu.memory_bytes else ""
            text = f"{gpu.name or 'unknown'}, compute capability {gpu.compute_capability}{memory}"
            rows.append(("MIG instance" if gpu.mig else "GPU", text, str(sources.get("gpus", ""))))
        if not self.gpus:
            rows.append(("GPU", "none", str(sources.get("gpus", ""))))
        return rows

    def __repr__(self) -> str:
        gpus = ", ".join(f"{gpu.name} ({gpu.compute_capability})" for gpu in self.gpus) or "no GPU"
        driver = f", driver {self.driver_version}, CUDA {self.driver_cuda}" if self.driver_version else ""
        return f"<Host {self.subdir}{driver}, {gpus}>"

    def __str__(self) -> str:
        return text_table(("fact", "value", "from"), self._rows())

    def _repr_html_(self) -> str:
        return html_table("Host", ("fact", "value", "from"), self._rows(), notes=self.facts.get("notes", ()))
