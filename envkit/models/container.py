"""What is seen from inside a container, or of the machine that is to run one."""

from __future__ import annotations

from typing import Literal

from envkit.values import dataclass

Reach = Literal["all", "loopback", "none"]
"""Who reaches a port: everybody, this machine only, or nobody, since nothing listens."""


AnswerProblem = Literal["early", "late", "untrusted", "unreached"]
"""Why a server cannot be used: its certificate is not valid yet, no longer, or not trusted; or it does not answer."""


@dataclass(frozen=True, slots=True)
class ChannelAnswer:
    """The answer of a channel's server."""

    host: str  # with its port, where that is not the usual one
    problem: AnswerProblem | None
    error: str = ""  # in the words of the system
    ahead_s: float | None = None  # its clock against this machine's, if it says its time


@dataclass(frozen=True, slots=True)
class PortUse:
    """A port that a service should have."""

    service: str
    port: int
    reach: Reach
    program: str | None = None  # command line of what listens, where it can be seen


@dataclass(frozen=True, slots=True)
class GpuAccess:
    """The host's GPUs as the container was given them."""

    module: str | None = None  # version of the host's kernel module, which a container sees in any case
    nodes: tuple[str, ...] = ()  # device files of GPUs
    closed: tuple[str, ...] = ()  # those of them that may not be opened
    libcuda: bool = False  # whether the loader finds the driver library
    visible: str | None = None  # NVIDIA_VISIBLE_DEVICES
    capabilities: str | None = None  # NVIDIA_DRIVER_CAPABILITIES


@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificate authorities that programs trust."""

    path: str  # the file or folder
    variable: str | None = None  # the variable that names it
    count: int = 0
    expired: int = 0  # by this machine's clock
    problem: str | None = None  # why they cannot be loaded


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """Facts for `doctor --container`."""

    kind: str | None  # kind of container; None outside one
    volume: str  # path of the volume
    mount_point: str  # what it is mounted on
    mount_type: str  # type of its file system
    in_layer: bool  # whether it is on the container's own root file system
    uid: int  # of this process
    owner: int  # uid of the volume's owner
    foreign: tuple[str, ...] = ()  # paths of the volume that belong to root, where its owner is another; a few
    foreign_count: int = 0  # how many
    free_bytes: int = 0
    free_inodes: int | None = None
    shm_bytes: int | None = None  # size of /dev/shm
    now: float = 0.0  # this machine's clock, in seconds since 1970
    newest: float = 0.0  # the newest time of a file of envkit or the volume
    gpus: GpuAccess = GpuAccess()
    ports: tuple[PortUse, ...] = ()
    certificates: Certificates | None = None
    answers: tuple[ChannelAnswer, ...] = ()  # of the servers of the channels
