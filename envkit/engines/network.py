"""The HTTP client of the native engine, made from a NetworkPolicy and the credentials of channels."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import envkit
from envkit.engines.memory import check_memory
from envkit.models.channel import Channel
from envkit.models.network import NetworkPolicy

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from rattler import Client

_AUTH_FILE = "RATTLER_AUTH_FILE"


def network_variables(policy: NetworkPolicy, env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that lead a program over the proxies and to the certificates of a policy.

    A proxy that `env` names already stays, as in conda (requests reads the environment first).
    """
    found: dict[str, str] = {}
    for scheme, url in policy.proxies:
        names = (f"{scheme.upper()}_PROXY", f"{scheme}_proxy")
        if not any(env.get(name) for name in names):
            found.update(dict.fromkeys(names, url))
    if policy.ca is not None:
        found["SSL_CERT_DIR" if policy.ca.endswith("/") else "SSL_CERT_FILE"] = policy.ca
    return found


def make_client(policy: NetworkPolicy, channels: Sequence[Channel] = ()) -> Client:
    """Create a client that retries, uses stored credentials, and adds those of `channels` to requests.

    A channel with a token or a password is requested by its clean URL, the one in index cache and records; the client
    rewrites it on the way out. py-rattler 0.28 reads proxies and certificates from the environment, when the client is
    made and never again.
    """
    check_memory()
    mirrors = {
        channel.url: [channel.secret_url, *channel.mirrors] for channel in channels if channel.token or channel.mirrors
    }
    logins = [(urlsplit(c.url), c.userinfo) for c in channels if c.userinfo]
    with _variables(network_variables(policy, os.environ)):
        if not policy.verify:
            return _unverified(policy, mirrors, logins)
        return _verified(policy, mirrors, logins)


_Logins = Sequence[tuple["SplitResult", str | None]]


def proxy_for(policy: NetworkPolicy, url: str, env: Mapping[str, str]) -> str | None:
    """Return the host and port of the proxy that requests for a URL go over, without credentials; None for none."""
    parts = urlsplit(url)
    merged = {**env, **network_variables(policy, env)}
    names = [f"{parts.scheme}_proxy", f"{parts.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    proxy = next((merged[name] for name in names if merged.get(name)), None)
    host = parts.hostname or ""
    exempt = [part.strip().lstrip(".") for part in (merged.get("NO_PROXY") or merged.get("no_proxy") or "").split(",")]
    if proxy is None or any(part in {"*", host} or (part and host.endswith(f".{part}")) for part in exempt):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}").netloc.rpartition("@")[2] or None


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _verified(policy: NetworkPolicy, mirrors: Mapping[str, list[str]], logins: _Logins) -> Client:
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

    def login(host: str, path: str) -> dict[str, str] | None:
        for parts, userinfo in logins:
            if host == parts.hostname and path.startswith(parts.path.rstrip("/") + "/"):
                token = base64.b64encode(unquote(userinfo or "").encode()).decode()
                return {"Authorization": f"Basic {token}"}
        return None

    return Client(
        [
            # First: each retry asks the next mirror.
            RetryMiddleware(max(policy.retries, *(len(urls) - 1 for urls in mirrors.values()), 0)),
            *([MirrorMiddleware(dict(mirrors))] if mirrors else []),
            *([AddHeadersMiddleware(login)] if logins else []),
            *(make() for make in (AuthenticationMiddleware, OciMiddleware, S3Middleware) if has_home),
            GCSMiddleware(),
        ],
        user_agent=_agent(),
    )


def _unverified(policy: NetworkPolicy, mirrors: Mapping[str, list[str]], logins: _Logins) -> Client:
    """Create a client that checks no certificate.

    py-rattler makes such a client from its own configuration only, which takes passwords by host, from a file.
    """
    from rattler import Config
    from rattler.networking import Client

    lines = ["tls-no-verify = true", "[mirrors]"]
    lines += [f"{json.dumps(url)} = {json.dumps(urls)}" for url, urls in mirrors.items()]
    config = Config.from_toml("\n".join(lines))
    import tempfile

    with tempfile.TemporaryDirectory(prefix="envkit-") as folder:
        path = Path(folder) / "auth.json"
        variables = {}
        if logins:
            entries = _stored()
            for parts, userinfo in logins:
                user, _, password = unquote(userinfo or "").partition(":")
                entries[str(parts.hostname)] = {"BasicHTTP": {"username": user, "password": password}}
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(entries, file)
            variables = {_AUTH_FILE: str(path)}
        with _variables(variables):
            return Client.from_config(config, max_retries=policy.retries, user_agent=_agent())


def _stored() -> dict[str, object]:
    """Return the credentials of the user's own file, if there is one."""
    named = os.environ.get(_AUTH_FILE)
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(Path(named).read_text(encoding="utf-8")) if named else {}
        return found if isinstance(found, dict) else {}
    return {}


def _has_home() -> bool:
    """Return whether this user has a home directory, which the store of credentials insists on, for OCI and S3 too."""
    try:
        return bool(Path.home())
    except RuntimeError:
        return False


def _agent() -> str:
    return f"envkit/{envkit.__version__}"
