"""The HTTP client of the native engine, made from a NetworkPolicy and the credentials of channels."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import envkit
from envkit.models.channel import Channel
from envkit.models.network import NetworkPolicy

if TYPE_CHECKING:
    from rattler import Client


def _has_home() -> bool:
    """Return whether this user has a home directory, which the store of credentials insists on, for OCI and S3 too."""
    try:
        return bool(Path.home())
    except RuntimeError:
        return False


def make_client(policy: NetworkPolicy, channels: Sequence[Channel] = ()) -> Client:
    """Create a client that retries, uses stored credentials, and adds those of `channels` to requests.

    A channel with a token or a password is requested by its clean URL, the one in index cache and records; the client
    rewrites it on the way out.
    """
    from rattler.networking import Client, MirrorMiddleware
    from rattler.networking.middleware import (
        AddHeadersMiddleware,
        AuthenticationMiddleware,
        GCSMiddleware,
        OciMiddleware,
        RetryMiddleware,
        S3Middleware,
    )

    has_home = _has_home()
    mirrors = {channel.url: [channel.secret_url] for channel in channels if channel.token}
    logins = [(urlsplit(c.url), c.userinfo) for c in channels if c.userinfo]

    def login(host: str, path: str) -> dict[str, str] | None:
        for parts, userinfo in logins:
            if host == parts.hostname and path.startswith(parts.path.rstrip("/") + "/"):
                token = base64.b64encode(unquote(userinfo).encode()).decode()
                return {"Authorization": f"Basic {token}"}
        return None

    return Client(
        [
            *([MirrorMiddleware(mirrors)] if mirrors else []),
            *([AddHeadersMiddleware(login)] if logins else []),
            RetryMiddleware(policy.retries),
            *(make() for make in (AuthenticationMiddleware, OciMiddleware, S3Middleware) if has_home),
            GCSMiddleware(),
        ],
        user_agent=f"envkit/{envkit.__version__}",
    )
