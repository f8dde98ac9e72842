"""The facts of one child of the driver probe."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.models.codes.driver import DEVICES_HIDDEN, NVIDIA_TRACE
from envkit.models.fact import Blame, Code, Fact
from envkit.models.probe import ProbeOutcome, Shadow, list_of, mapping_of
from envkit.models.report import Finding, Status
from envkit.values import dataclass, field


@dataclass(frozen=True, slots=True)
class DriverRun:
    """The facts of one child; every part may be missing, since a child may end at any time."""

    outcome: ProbeOutcome
    libcuda: Mapping[str, object]
    host: Mapping[str, object]
    variables: Mapping[str, object]
    driver: Mapping[str, object]
    devices: Mapping[str, Mapping[str, object]]
    checks: tuple[Mapping[str, object], ...]
    figures: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, outcome: ProbeOutcome) -> DriverRun:
        """Read what a child said, whatever that is."""
        facts = outcome.facts
        devices = [mapping_of(device) for device in list_of(facts.get("devices"))]
        return cls(
            outcome=outcome,
            libcuda=mapping_of(facts.get("libcuda")),
            host=mapping_of(facts.get("host")),
            variables=mapping_of(facts.get("variables")),
            driver=mapping_of(facts.get("driver")),
            devices={str(device.get("ordinal")): device for device in devices},
            checks=tuple(mapping_of(check) for check in list_of(facts.get("checks"))),
            figures=mapping_of(facts.get("figures")),
        )

    @property
    def nodes(self) -> Mapping[str, object]:
        """Device nodes to None when they can be opened, else the name of the errno."""
        return mapping_of(self.host.get("nodes"))

    @property
    def traces(self) -> list[Fact]:
        """Signs that this machine has to do with NVIDIA."""
        found: list[tuple[str, object]] = []
        if self.host.get("modules"):
            found.append(("module", None))
        # libcuda itself, run by root, makes /dev/nvidiactl where no driver is: opening it then says ENXIO.
        if nodes := [node for node, error in self.nodes.items() if error not in ("ENOENT", "ENXIO", "ENODEV")]:
            found.append(("node", nodes[0]))
        if gpus := list_of(self.host.get("pci_gpus")):
            found.append(("pci", len(gpus)))
        if self.host.get("tegra"):
            found.append(("jetson", None))
        if self.libcuda.get("kind") == "wsl":
            found.append(("windows", None))
        return [Fact(NVIDIA_TRACE, sign=sign, what=what) for sign, what in found]

    @property
    def library_path(self) -> str:
        """The path of the loaded libcuda."""
        return str(self.libcuda.get("path") or "libcuda")

    @property
    def shadow(self) -> Shadow | None:
        """The loaded libcuda where it hides the driver's.

        A copy in the environment is always foreign there. One that a variable of the loader led to hides something only
        when the system has another: container hosts also publish the real one through LD_LIBRARY_PATH. That of the very
        version of the kernel's module is the driver's own, wherever it lies.
        """
        if not self.libcuda.get("path"):
            return None
        kind, through = str(self.libcuda.get("kind")), self.libcuda.get("through")
        if self.libcuda.get("owner") == "environment":
            return Shadow(self.library_path, kind)
        version = self.libcuda.get("library_version")
        if kind == "driver" and version is not None and version == self.host.get("kernel_driver_version"):
            return None
        others = [path for path in list_of(self.libcuda.get("system_copies")) if path != self.libcuda.get("path")]
        return Shadow(self.library_path, kind, str(through)) if through and others else None

    @property
    def library_data(self) -> dict[str, object]:
        """Data of the library and the driver, for scripts."""
        keys = ("path", "file", "kind", "owner", "library_version", "loaded_by", "through", "system_copies")
        data = {key: self.libcuda.get(key) for key in keys}
        return {**data, **self.driver, "kernel_driver_version": self.host.get("kernel_driver_version")}

    @property
    def foreign_files(self) -> list[str]:
        """The driver's other libraries, such as its compiler, that came from the environment instead."""
        prefix = str(mapping_of(self.outcome.facts.get("python")).get("prefix") or "")
        if prefix in ("", "/", "/usr", "/usr/local"):
            return []
        files = [str(file) for file in list_of(self.outcome.facts.get("driver_files"))]
        return [file for file in files if file.startswith(f"{prefix}/") and "/libnvidia-" in file]

    def device(self, ordinal: object) -> Mapping[str, object]:
        """What is known of a device."""
        return self.devices.get(str(ordinal), {})

    def device_data(self, ordinal: object) -> dict[str, object]:
        """Data of a device, for scripts."""
        device = self.device(ordinal)
        return {"device": ordinal, "uuid": device.get("uuid"), "name": device.get("name")}

    @property
    def hidden(self) -> Fact | None:
        """The setting that hides the GPUs."""
        visible = self.variables.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            listed = str(visible).strip()
            everything = not listed or listed.startswith("-1") or listed == "NoDevFiles"
            return Fact(DEVICES_HIDDEN, variable="CUDA_VISIBLE_DEVICES", value=visible, everything=everything)
        container = self.variables.get("NVIDIA_VISIBLE_DEVICES")
        if container in ("", "none", "void"):
            return Fact(DEVICES_HIDDEN, variable="NVIDIA_VISIBLE_DEVICES", value=container, everything=True)
        return None


def driver_finding(
    check: str,
    status: Status,
    fact: Fact,
    code: Code | None = None,
    blames: Blame | None = None,
    data: Mapping[str, object] | None = None,
) -> Finding:
    """Return a finding of the driver level, without empty data."""
    kept = {key: value for key, value in (data or {}).items() if value not in (None, "", [], {})}
    return Finding(f"driver.{check}", status, fact, code, blames, kept)
