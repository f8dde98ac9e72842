"""The sayings of findings about containers, and their cures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from envkit.models.codes import container as codes
from envkit.words.values import join, plural, size_words

_PUBLISH = "publish it (`-p {port}:{port}`, or `ports:` of the compose file)"
_RECREATE = "create the container again: `docker compose up --force-recreate`"


def _not_given(driver: str | None) -> str:
    if driver is None:
        return "NVIDIA_VISIBLE_DEVICES asks for a GPU, and there is neither a device nor a driver"
    return f"the host has NVIDIA driver {driver}, and the container was given no GPU: no device, no libcuda"


def _give(driver: str | None) -> str:
    if driver is None:
        return "Nothing to do on a machine without a GPU; else install its driver and the NVIDIA Container Toolkit."
    return (
        "Start it with `docker run --gpus all`, or a compose file that reserves the device. If the engine then says "
        "`could not select device driver`: install the NVIDIA Container Toolkit on the host, run `nvidia-ctk runtime "
        "configure --runtime=docker`, and restart the engine."
    )


def _bare(nodes: Sequence[str], given: str | None) -> str:
    more = f" (NVIDIA_DRIVER_CAPABILITIES is {given})" if given is not None else ""
    return f"{join(nodes)} is there, and no libcuda.so.1{more}"


def _in_layer(volume: str, fs_type: str) -> str:
    return f"{volume} is on the container's own root ({fs_type}), not on a volume: it goes with the container"


def _of_root(paths: Sequence[str], count: int, owner: int, volume: str) -> str:
    return f"{plural(count, 'path')} of {volume}, which user {owner} owns, belong to root: {join(paths)}"


def _missing(path: str, variable: str | None, problem: str) -> str:
    return f"{path}{f' of {variable}' if variable else ''}: {problem}"


def _trust(variable: str | None) -> str:
    if variable:
        return f"Mount the file that {variable} names, or unset it."
    return "Install package ca-certificates in the image; a network with its own: mount its file, set SSL_CERT_FILE."


def _short(volume: str, free: int, inodes: int | None) -> str:
    return f"{volume} has {size_words(free)} left{f' and {inodes} inodes' if inodes is not None else ''}"


def _clock_wrong(host: str, ahead_s: int) -> str:
    minutes = max(1, round(abs(ahead_s) / 60))
    hours, days = round(minutes / 60) if minutes >= 60 else 0, round(minutes / 1440) if minutes >= 1440 else 0
    span = plural(days, "day") if days else plural(hours, "hour") if hours else plural(minutes, "minute")
    return f"the clock is {span} {'behind' if ahead_s > 0 else 'ahead of'} that of {host}"


def _of_clock(host: str, *, clock_is_wrong: bool) -> str:
    if clock_is_wrong:
        return "Set the clock: see above."
    return f"The clock agrees with the server's, so {host} needs another certificate: tell whoever runs it."


_SET_CLOCK = "Set the clock of the host (`timedatectl set-ntp true`): a container has no other."


CONTAINER: dict[str, str | Callable[..., str]] = {
    codes.CERTIFICATES_EXPIRED: "{expired} of {count} certificates in {path} are expired by this clock",
    codes.CERTIFICATES_MISSING: _missing,
    codes.CERTIFICATES_TRUSTED: "{count} trusted certificates in {path}",
    codes.CHANNEL_ANSWERS: "{host} answers",
    codes.CHANNEL_CERTIFICATE_EARLY: "the certificate of {host} is not valid yet by this clock",
    codes.CHANNEL_CERTIFICATE_EXPIRED: "the certificate of {host} is expired by this clock",
    codes.CHANNEL_CERTIFICATE_UNTRUSTED: "the certificate of {host} is not trusted here: {error}",
    codes.CHANNEL_UNREACHED: "{host} does not answer: {error}",
    codes.CLOCK_BEHIND: lambda seconds: (
        f"the clock is {plural(max(1, seconds // 60), 'minute')} behind files that are there"
    ),
    codes.CLOCK_WRONG: _clock_wrong,
    codes.CLOCK_PLAUSIBLE: "the clock is not behind the files",
    codes.FILES_OF_ROOT: _of_root,
    codes.GPU_CLOSED: lambda nodes: f"{join(nodes)} is there and may not be opened",
    codes.GPU_COMPAT: "804: the image brings a cuda-compat that this GPU, or driver {driver}, does not support",
    codes.GPU_FABRIC: "802: the GPUs wait for the fabric manager of the host",
    codes.GPU_GIVEN: lambda nodes: f"the GPU computes ({join(nodes)})" if nodes else "the GPU computes",
    codes.GPU_HIDDEN: "NVIDIA_VISIBLE_DEVICES={value} keeps every GPU out",
    codes.GPU_MISMATCH: "803: the container has the library of another driver than the host's {driver}",
    codes.GPU_NOT_GIVEN: _not_given,
    codes.GPU_NOT_WANTED: "nothing asks for a GPU, and there is none",
    codes.GPU_WITHOUT_LIBRARY: _bare,
    codes.OWNED: "the files of {volume} belong to user {owner}",
    codes.PORT_LOOPBACK: "{service} listens on port {port} of this container's loopback only",
    codes.PORT_SERVED: "{service} listens on port {port}",
    codes.PORT_SILENT: "nothing listens on port {port} ({service})",
    codes.PORT_TAKEN: "port {port} ({service}) is taken by {program}",
    codes.SHARED_MEMORY_ENOUGH: lambda size: f"shared memory (/dev/shm) of {size_words(size)}",
    codes.SHARED_MEMORY_SMALL: lambda size: f"shared memory (/dev/shm) of {size_words(size)}",
    codes.SPACE_ENOUGH: _short,
    codes.SPACE_SHORT: _short,
    codes.VOLUME_IN_LAYER: _in_layer,
    codes.VOLUME_MOUNTED: "{volume} is on {point} ({fs_type})",
}

CONTAINER_CURES: dict[str, str | Callable[..., str]] = {
    codes.CERTIFICATES_EXPIRED: "Set the host's clock (a container has no other), else update package ca-certificates.",
    codes.CERTIFICATES_MISSING: _trust,
    codes.CHANNEL_CERTIFICATE_EARLY: _of_clock,
    codes.CHANNEL_CERTIFICATE_EXPIRED: _of_clock,
    codes.CHANNEL_CERTIFICATE_UNTRUSTED: "Your network looks into TLS, or this is another server: SSL_CERT_FILE, or "
    "ssl_verify in ~/.condarc, names a file with its authority.",
    codes.CHANNEL_UNREACHED: "Check the network, the proxy and the name; --offline asks nobody.",
    codes.CLOCK_BEHIND: _SET_CLOCK,
    codes.CLOCK_WRONG: _SET_CLOCK,
    codes.FILES_OF_ROOT: "Give them back, as root: chown -R {owner} {volume}; and run nothing there as root.",
    codes.GPU_CLOSED: f"The engine lost its device rules (a `systemctl daemon-reload` does that): {_RECREATE}.",
    codes.GPU_COMPAT: "Take cuda-compat out of the image or of LD_LIBRARY_PATH, or choose a CUDA that the driver runs.",
    codes.GPU_FABRIC: "On the host: systemctl restart nvidia-fabricmanager, in the version of the driver.",
    codes.GPU_HIDDEN: "Set NVIDIA_VISIBLE_DEVICES=all, or leave it out, and start the container anew.",
    codes.GPU_MISMATCH: f"The driver was updated while it ran: {_RECREATE}; if that does not help, reboot the host.",
    codes.GPU_NOT_GIVEN: _give,
    codes.GPU_WITHOUT_LIBRARY: "Give the GPU by the NVIDIA Container Toolkit (`--gpus all`), not by `--device`; and "
    "set NVIDIA_DRIVER_CAPABILITIES=compute,utility.",
    codes.PORT_LOOPBACK: "Let it listen on 0.0.0.0 (`jupyter lab --ip=0.0.0.0`): publishing does not reach loopback.",
    codes.PORT_SILENT: f"Start the service; from outside the container, {_PUBLISH}.",
    codes.PORT_TAKEN: "End that program, or give the service another port: on the host `-p 8889:{port}`, "
    "or JUPYTER_PORT, SSH_PORT of the compose file.",
    codes.SHARED_MEMORY_SMALL: "Start the container with `--shm-size=8g` (`shm_size: 8gb`), or with --ipc=host.",
    codes.SPACE_SHORT: "Free some with `envkit clean`, or mount a larger volume.",
    codes.VOLUME_IN_LAYER: "Mount a volume there: `-v data:{volume}`, or `volumes:` of the compose file.",
}
