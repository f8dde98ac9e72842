"""Errors of py-rattler about channels, as errors of envkit."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from envkit.engines.base import ChannelAccess
from envkit.engines.network import proxy_for
from envkit.engines.outage import describe_outage
from envkit.engines.watch import TransferFault
from envkit.errors import ChannelError, EnvkitError, NoSpaceError, VolumeError
from envkit.models.channel import Channel
from envkit.patterns import regex
from envkit.words.values import size_words

_CAUSE = " Caused by: "
# Errors of the native engine have no number. A channel of files can be unreadable for the second kind of reasons, too.
_FULL = regex(r"no space left|quota exceeded|\(os error (?:28|122)\)", re.IGNORECASE)
_NOT_WRITTEN = regex(r"(?:write|cache|temporary|create).*\(os error (?:5|30)\)", re.IGNORECASE | re.DOTALL)


def given_up(fault: TransferFault, access: ChannelAccess) -> EnvkitError:
    """Make the error of a transfer that was given up."""
    distant = [channel for channel in access.channels if urlsplit(channel.url).scheme != "file"] or access.channels
    if fault.peer and len(distant) > 1:
        distant = [channel for channel in distant if fault.peer in _addresses(channel)] or distant
    where = ", ".join(channel.name for channel in distant)
    if fault.kind in {"expands", "memory"}:
        what = "expands to more than" if fault.kind == "expands" else "takes more memory than"
        return ChannelError(
            f"the index of {where} is refused: it {what} {size_words(fault.size_bytes)}",
            hint="No index is so large: the server is broken, or hostile. Nothing of it was kept. Another channel: "
            "-c NAME --override-channels.",
        )
    hosts = ", ".join(dict.fromkeys(urlsplit(channel.url).netloc for channel in distant))
    cause = (
        f"{hosts} accepts no connection within {fault.seconds:.0f} s"
        if fault.kind == "unconnected"
        else f"{hosts} sent next to nothing for {fault.seconds:.0f} s"
    )
    error = ChannelError(
        f"channel {where} cannot be read: {cause}",
        hint="Check the network, proxy and URL; --timeout SECONDS waits longer. Indexes that were read before: "
        "--offline. Another channel: -c NAME --override-channels.",
    )
    error.unreachable, error.cause = distant[0].url, cause
    return error


def _addresses(channel: Channel) -> set[str]:
    """Return the addresses of a channel's host, which the resolver knows by now."""
    with contextlib.suppress(OSError, UnicodeError):
        return {str(found[4][0]) for found in socket.getaddrinfo(urlsplit(channel.url).hostname, None)}
    return set()


def channel_error(text: str, access: ChannelAccess) -> EnvkitError:
    """Make the error of a channel: both ends of the native engine's chain of causes, all of it for ``--json``."""
    flat = " ".join(text.split())
    causes = flat.split(_CAUSE)
    error = _of_channel(flat, ": ".join(dict.fromkeys((causes[0], causes[-1]))), access)
    if len(causes) > 2:
        error.members["causes"] = causes
    return error


def of_disk(text: str, index_dir: Path) -> VolumeError | None:
    """Return the error of an index cache that cannot be written; None where the text tells of something else."""
    if _FULL.search(text):
        return NoSpaceError(f"no space is left for channel indexes in {index_dir}", hint="Free some space there.")
    if _NOT_WRITTEN.search(text):
        return VolumeError(
            f"channel indexes cannot be written to {index_dir}: {text.rpartition(': ')[2]}",
            hint="Look at the disk or the mount of that folder; another volume: --persist DIR.",
        )
    return None


_CREDENTIALS = (
    "It needs a token or password, or another one: in ~/.netrc, in the file that RATTLER_AUTH_FILE names, or in the "
    "URL of the channel in ~/.condarc (https://HOST/t/TOKEN/NAME, https://USER:PASSWORD@HOST/NAME)."
)
_ELSEWHERE = "Indexes that were read before: --offline. Another channel: -c NAME --override-channels."


def _cure(outage: str | None) -> str:
    if outage is not None and "the proxy" in outage:
        return "Check HTTP_PROXY, HTTPS_PROXY, NO_PROXY and condarc's proxy_servers (`envkit config show`)."
    if outage is not None and "by this clock" in outage:
        return (
            "Compare the clock with another machine's (`date -u`) and set it. If it is right, the server needs another "
            "certificate; `envkit doctor --container` asks it for its time."
        )
    if outage is not None and "certificate" in outage:
        return (
            "Name a file with the certificate authority of your network: SSL_CERT_FILE, or ssl_verify in ~/.condarc "
            "(`ssl_verify: false` checks none)."
        )
    return "Check the network, proxy and URL."


def _of_channel(flat: str, short: str, access: ChannelAccess) -> EnvkitError:
    if (refused := of_disk(flat, access.index_dir)) is not None:
        return refused
    named = [c for c in access.channels if c.url in flat]
    named += [c for c in access.channels if urlsplit(c.url).netloc and urlsplit(c.url).netloc in flat]
    where = named[0].name if named else ", ".join(c.name for c in access.channels)
    if access.policy.offline:
        return ChannelError(
            f"the index of {where} is not in the cache and --offline forbids to fetch it",
            hint="Run once without --offline.",
        )
    proxy = proxy_for(access.policy, named[0].url, os.environ) if named else None
    outage = describe_outage(flat, named[0].url, proxy) if named else None
    if outage is None and ("could not find subdir" in flat or "404" in flat):
        return ChannelError(
            f"there is no channel {where}: {short}",
            hint="Check the name or URL of the channel; a channel has at least a noarch/repodata.json.",
        )
    if outage is None and ("401" in flat or "403" in flat):
        return ChannelError(f"channel {where} refuses: {short}", hint=_CREDENTIALS)
    error = ChannelError(f"channel {where} cannot be read: {outage or short}", hint=f"{_cure(outage)} {_ELSEWHERE}")
    if outage is not None:
        error.unreachable, error.cause = named[0].url, outage
    return error
