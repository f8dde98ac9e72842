"""Codes of findings about containers: what an engine gave, and what it did not."""

from __future__ import annotations

from envkit.models.fact import Blame, Code


def _finding(name: str, meaning: str, blames: Blame | None = "host") -> Code:
    return Code("finding", name, meaning, blames)


def _seen(name: str, meaning: str) -> Code:
    return Code("seen", name, meaning)


CERTIFICATES_EXPIRED = _finding("certificates-expired", "Most trusted certificates are expired by this clock.")
CERTIFICATES_MISSING = _finding("certificates-missing", "There are no trusted certificates, so that no TLS works.")
CHANNEL_CERTIFICATE_EARLY = _finding("channel-certificate-early", "A channel's certificate is not valid yet.")
CHANNEL_CERTIFICATE_EXPIRED = _finding("channel-certificate-expired", "A channel's certificate is expired.")
CHANNEL_CERTIFICATE_UNTRUSTED = _finding("channel-certificate-untrusted", "A channel's certificate is not trusted.")
CHANNEL_UNREACHED = _finding("channel-unreached", "A channel does not answer.", None)
CLOCK_BEHIND = _finding("clock-behind", "The clock is behind the files of the volume.")
CLOCK_WRONG = _finding("clock-wrong", "The clock differs from that of a channel.")
FILES_OF_ROOT = _finding("files-of-root", "Files of the volume belong to root, and its owner cannot change them.")
GPU_CLOSED = _finding("gpu-closed", "The container was given a GPU that it may no longer open.")
GPU_COMPAT = _finding("gpu-compat", "The image has a cuda-compat that this GPU does not support (804).")
GPU_FABRIC = _finding("gpu-fabric", "The host's fabric manager is not ready (802).")
GPU_HIDDEN = _finding("gpu-hidden", "A variable keeps the GPUs out of the container.")
GPU_MISMATCH = _finding("gpu-mismatch", "The container has the driver library of another driver than the host (803).")
GPU_NOT_GIVEN = _finding("gpu-not-given", "The container was not given a GPU of the host.")
GPU_WITHOUT_LIBRARY = _finding("gpu-without-library", "The container has a GPU's device and not its driver library.")
PORT_LOOPBACK = _finding("port-loopback", "A service listens inside the container only.")
PORT_SILENT = _finding("port-silent", "Nothing listens on a port that is to be served.", None)
PORT_TAKEN = _finding("port-taken", "Another program has the port of a service.")
SHARED_MEMORY_SMALL = _finding("shared-memory-small", "Shared memory is too small for data loaders and several GPUs.")
SPACE_SHORT = _finding("space-short", "There is little space left on the volume.")
VOLUME_IN_LAYER = _finding("volume-in-layer", "The volume is not mounted: its files go with the container.")

CERTIFICATES_TRUSTED = _seen("certificates-trusted", "Trusted certificates can be loaded.")
CHANNEL_ANSWERS = _seen("channel-answers", "A channel answers, with a valid certificate where it has one.")
CLOCK_PLAUSIBLE = _seen("clock-plausible", "The clock is not behind the files.")
GPU_GIVEN = _seen("gpu-given", "The container has devices and the driver library.")
GPU_NOT_WANTED = _seen("gpu-not-wanted", "Nothing asks for a GPU, and there is none.")
OWNED = _seen("owned", "The files of the volume belong to its owner.")
PORT_SERVED = _seen("port-served", "A service listens on its port.")
SHARED_MEMORY_ENOUGH = _seen("shared-memory-enough", "Shared memory is large enough.")
SPACE_ENOUGH = _seen("space-enough", "There is space on the volume.")
VOLUME_MOUNTED = _seen("volume-mounted", "The volume outlives the container.")
