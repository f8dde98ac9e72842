"""Kernels by their names on this machine, for a Jupyter whose own Python has envkit.

Files of kernels on a shared volume hold the name that they had on the machine that wrote them last. With ::

    c.ServerApp.kernel_spec_manager_class = "envkit.jupyter.MachineKernelSpecManager"

in ``jupyter_server_config.py`` each listing tells how the environments run where Jupyter is. Nothing else needs it:
without envkit, Jupyter starts the same kernels by the same files.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from envkit.api.kernel import shown_name
from envkit.errors import EnvkitError
from envkit.host.detect import detect_host
from envkit.layout.volume import Volume
from envkit.models.host import Host


class MachineKernelSpecManager(KernelSpecManager):
    """Jupyter's own manager of kernelspecs, with names for this machine."""

    @cached_property
    def _host(self) -> Host:
        return detect_host()

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return a kernelspec; of envkit's, with the name that it has here unless somebody chose one."""
        spec: KernelSpec = super().get_kernel_spec(kernel_name)
        said = spec.metadata.get("envkit")
        if isinstance(said, dict) and not said.get("named"):
            try:
                shown = shown_name(Volume(Path(said["volume"])), said["environment"], self._host)
            except (EnvkitError, OSError, KeyError, TypeError, ValueError):  # a listing shows what it can
                shown = None
            spec.display_name = shown or spec.display_name
        return spec
