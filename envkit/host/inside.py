"""Read what a container was given: device files, ports, the mount and owners of the volume, clock, certificates."""

from __future__ import annotations

import ctypes.util
import datetime
import os
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from envkit.host.container import read_container
from envkit.host.kernel import read_kernel_module
from envkit.host.nodes import is_gpu_node, list_nodes
from envkit.host.tree import Tree
from envkit.layout.filesystem import read_mount
from envkit.models.container import Certificates, ContainerFacts, GpuAccess, PortUse, Reach

_LOOPBACK = {
    "0100007F",
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
}  # as /proc/net has them
_LISTEN = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_LOOKED_AT = 20_000  # paths of a volume
_SHOWN = 5
_SHARED_MEMORY = os.path.join("/dev", "shm")
_SERVICES = {"jupyter": 8888, "ssh": 2222}


def read_container_facts(volume: Path, env: Mapping[str, str]) -> ContainerFacts:
    """Read the facts for `doctor --container`; nothing is asked over a network."""
    tree = Tree()
    kind, _ = read_container(tree, env)
    real = volume if volume.exists() else next(parent for parent in volume.parents if parent.exists())
    mount, state, space = read_mount(real), real.stat(), os.statvfs(real)
    foreign, count = read_foreign(real, state.st_uid)
    return ContainerFacts(
        kind=kind,
        volume=str(volume),
        mount_point=mount.point,
        mount_type=mount.fs_type or "unknown",
        in_layer=mount.layer or (kind is not None and mount.point == "/"),
        uid=os.geteuid(),
        owner=state.st_uid,
        foreign=foreign,
        foreign_count=count,
        free_bytes=space.f_bavail * space.f_frsize,
        free_inodes=space.f_favail if space.f_files else None,
        shm_bytes=_size(_SHARED_MEMORY),
        now=time.time(),
        newest=_newest(real),
        gpus=read_gpu_access(tree, env),
        ports=tuple(read_ports(_services(env))),
        certificates=read_certificates(env),
    )


def _services(env: Mapping[str, str]) -> dict[str, int]:
    """Return the ports of the services, which the container's variables may change."""
    named = {service: env.get(f"{service.upper()}_PORT", "") for service in _SERVICES}
    return {service: int(text) if (text := named[service]).isdigit() else port for service, port in _SERVICES.items()}


def _size(folder: str) -> int | None:
    try:
        state = os.statvfs(folder)
    except OSError:
        return None
    return state.f_blocks * state.f_frsize


def read_gpu_access(tree: Tree, env: Mapping[str, str]) -> GpuAccess:
    """Read which GPUs the engine gave."""
    module = read_kernel_module(tree)
    nodes = tuple(f"/dev/{name}" for name in list_nodes(tree) if is_gpu_node(name))
    return GpuAccess(
        module=str(module.version) if module is not None and module.version is not None else None,
        nodes=nodes,
        closed=tuple(node for node in nodes if not _opens(tree.path(node))),
        libcuda=_finds_libcuda(env),
        visible=env.get("NVIDIA_VISIBLE_DEVICES"),
        capabilities=env.get("NVIDIA_DRIVER_CAPABILITIES"),
    )


def _opens(path: str) -> bool:
    """Return whether a device may be opened: the device rules of a control group refuse with EPERM."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except PermissionError:
        return False
    except OSError:
        return True  # the driver's affair
    return True


def _finds_libcuda(env: Mapping[str, str]) -> bool:
    """Return whether the loader finds libcuda; it is not loaded here."""
    folders = [folder for folder in env.get("LD_LIBRARY_PATH", "").split(":") if folder]
    if any(Path(folder, "libcuda.so.1").exists() for folder in folders):
        return True
    return ctypes.util.find_library("cuda") is not None


def read_foreign(volume: Path, owner: int) -> tuple[tuple[str, ...], int]:
    """Return paths of a volume that belong to root where its owner is another: a few, and how many.

    The host key of the SSH server belongs to root for good reasons.
    """
    if owner == 0:
        return (), 0
    found = [path for path, uid in _owners(volume) if uid == 0]
    return tuple(found[:_SHOWN]), len(found)


def _owners(volume: Path) -> Iterator[tuple[str, int]]:
    left = _LOOKED_AT
    waiting = [str(volume)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return
                    if entry.name == ".ssh-host":
                        continue
                    state = entry.stat(follow_symlinks=False)
                    yield entry.path, state.st_uid
                    if entry.is_dir(follow_symlinks=False):
                        waiting.insert(0, entry.path)
        except OSError:
            continue


def _newest(volume: Path) -> float:
    """Return the newest time of what was written before: envkit itself, the volume, its environments."""
    known = [Path(__file__), volume, *volume.glob("*"), *volume.glob(".envkit/*")]
    times = []
    for path in known:
        try:
            times.append(path.lstat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)


def read_ports(services: Mapping[str, int]) -> Iterator[PortUse]:
    """Read who listens on the ports of services (proc(5), ``/proc/net/tcp``)."""
    listening: dict[int, list[tuple[str, str]]] = {}
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, number = fields[1].partition(":")
            if fields[3] == _LISTEN:
                listening.setdefault(int(number, 16), []).append((address, fields[9]))
    for service, port in services.items():
        sockets = listening.get(port, [])
        reach: Reach = "none"
        if sockets:
            reach = "loopback" if all(address in _LOOPBACK for address, _ in sockets) else "all"
        yield PortUse(service, port, reach, _program([inode for _, inode in sockets]) if sockets else None)


def _program(inodes: Sequence[str]) -> str | None:
    """Return the command line of the process that has one of these sockets, if this user may see it."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(entry.path) in wanted for entry in os.scandir(process / "fd")):
                words = (process / "cmdline").read_bytes().split(b"\0")
                return b" ".join(words).decode("utf-8", "replace").strip()[:200]
        except OSError:
            continue
    return None


def read_certificates(env: Mapping[str, str]) -> Certificates:
    """Load the certificate authorities that programs trust."""
    paths = ssl.get_default_verify_paths()
    variable = next((name for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if env.get(name)), None)
    path = env[variable] if variable is not None else paths.cafile or paths.openssl_cafile
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        return Certificates(path, variable, problem=error.strerror or "it cannot be read")
    loaded = context.get_ca_certs()
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    expired = sum(ssl.cert_time_to_seconds(str(found["notAfter"])) < now for found in loaded)
    return Certificates(path, variable, len(loaded), expired)
