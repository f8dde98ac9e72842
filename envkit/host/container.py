"""Detect the kind of container."""

from __future__ import annotations

import re
from collections.abc import Mapping

from envkit.host.tree import Tree

_MARKS = (
    ("/.singularity.d", "apptainer"),
    ("/run/.containerenv", "podman"),
    ("/.dockerenv", "docker"),
    ("/dev/lxd", "lxc"),
    ("/dev/incus", "lxc"),
)
_CGROUPS = {"kubepods": "kubernetes", "libpod": "podman", "docker": "docker", "/lxc": "lxc", "containerd": "containerd"}
_LAYERS = {"buildkit": "docker", "/docker/": "docker", "containers/storage": "podman", "containerd": "containerd"}
_SECRETS = "/var/run/secrets/kubernetes.io"


def parse_cgroup(text: str) -> str | None:
    """Return the kind of container that ``/proc/1/cgroup`` (version 1) names."""
    return next((kind for word, kind in _CGROUPS.items() if word in text), None)


def parse_root_mount(text: str) -> str | None:
    """Return the kind of container whose layers are mounted at ``/`` (``/proc/self/mountinfo``, proc(5)).

    Under BuildKit, which has no ``/.dockerenv``, this is the only sign.
    """
    for line in text.splitlines():
        mount, _, rest = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) > 4 and fields[4] == "/" and rest.startswith("overlay "):
            for word, kind in _LAYERS.items():
                if word in rest:
                    return kind
    return None


def read_container(tree: Tree, env: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the kind of container, or None, and its source; the most specific sign wins."""
    declared = (tree.text("/run/systemd/container") or "").strip()
    # systemd's convention (https://systemd.io/CONTAINER_INTERFACE/); WSL is not a container.
    signs = (
        ("kubernetes" if env.get("KUBERNETES_SERVICE_HOST") else None, "KUBERNETES_SERVICE_HOST"),
        ("kubernetes" if tree.exists(_SECRETS) else None, _SECRETS),
        ("apptainer" if env.get("APPTAINER_CONTAINER") else None, "APPTAINER_CONTAINER"),
        ("apptainer" if env.get("SINGULARITY_CONTAINER") else None, "SINGULARITY_CONTAINER"),
        *((kind if tree.exists(name) else None, name) for name, kind in _MARKS),
        (_kind(env.get("container", "")), "the variable `container`"),
        (_kind(declared), "/run/systemd/container"),
        (parse_cgroup(tree.text("/proc/1/cgroup") or ""), "/proc/1/cgroup"),
        (parse_root_mount(tree.text("/proc/self/mountinfo") or ""), "/proc/self/mountinfo"),
    )
    return next(((kind, source) for kind, source in signs if kind), (None, "no sign of a container"))


def _kind(declared: str) -> str | None:
    return declared if declared != "wsl" and re.fullmatch(r"[a-z][a-z0-9-]{0,31}", declared) else None
