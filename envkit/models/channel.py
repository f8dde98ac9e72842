"""A channel: where it is, how it is called, and the secret that opens it, kept apart from both."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from envkit.patterns import regex
from envkit.values import dataclass, field, replace

DEFAULT_ALIAS = "https://conda.anaconda.org"
# What the name `defaults` stands for where no condarc says otherwise (conda documentation, "default_channels").
DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")

_TOKEN = regex(r"/t/([^/\s'\"]+)")
_USERINFO = regex(r"(?<=://)[^/\s]*@")  # up to the last @ of the host part: a password may hold one


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel.

    Attributes:
        name: What people call it: ``conda-forge``, or its URL.
        url: Base URL without credentials and without a trailing slash.
        token: Token of a ``/t/TOKEN/`` URL. Never shown, never stored.
        userinfo: ``user:password`` of the URL. Never shown, never stored.
        token_at: Where in the URL's path ``/t/TOKEN`` stood, in characters: servers mount conda below a path.
        mirrors: Other URLs of the same channel, with credentials, which are asked where this one fails.
    """

    name: str
    url: str
    token: str | None = field(default=None, repr=False, compare=False)
    userinfo: str | None = field(default=None, repr=False, compare=False)
    token_at: int = field(default=0, repr=False, compare=False)
    mirrors: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def secret_url(self) -> str:
        """The URL as the server wants to see it, with the credentials."""
        parts = urlsplit(self.url)
        before, after = parts.path[: self.token_at], parts.path[self.token_at :]
        path = f"{before}/t/{self.token}{after}" if self.token else parts.path
        netloc = f"{self.userinfo}@{parts.netloc}" if self.userinfo else parts.netloc
        return urlunsplit((parts.scheme, netloc, path, "", ""))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string that must not appear in any output."""
        parts: list[str] = [self.token] if self.token else []
        if self.userinfo:
            parts.append(self.userinfo)
            parts.extend(part for part in self.userinfo.split(":", 1)[1:] if part)
        for mirror in self.mirrors:
            parts += parse_channel(mirror).secrets
        return tuple(dict.fromkeys([*parts, *(unquote(p) for p in parts), *(quote(p, safe="") for p in parts)]))


def parse_channel(text: str, *, alias: str = DEFAULT_ALIAS, cwd: str = "/") -> Channel:
    """Read a channel as people write it: a name, a URL with or without credentials, or a path.

    Args:
        text: ``conda-forge``, ``https://host/t/TOKEN/channel``, ``file:///srv/channel`` or ``./channel``.
        alias: Where plain names live (condarc's ``channel_alias``).
        cwd: What relative paths are relative to.

    Raises:
        ValueError: The text names no channel.
    """
    text = text.strip().rstrip("/")
    if not text or any(c in text for c in "\0\n\r\t ") or text.startswith("-"):
        raise ValueError(f"not a channel: {_shown(text)!r}")
    if text.startswith(("/", "./", "../")) or text in {".", ".."}:
        return parse_channel("file://" + quote(posixpath.normpath(posixpath.join(cwd, text))))
    if "://" in text:
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:  # its words quote the user and the password; what is no port may be half a password
            scheme = text.partition("://")[0]
            raise ValueError(f"not a channel: {scheme}://*** (its host or port cannot be read)") from None
        if parts.scheme not in {"http", "https", "file", "s3", "gcs", "oci"}:
            raise ValueError(f"not a channel: {_shown(text)!r} (scheme {parts.scheme!r})")
        userinfo, _, netloc = parts.netloc.rpartition("@")
        token = _TOKEN.search(parts.path) if parts.scheme != "file" else None
        path = parts.path[: token.start()] + parts.path[token.end() :] if token else parts.path
        url = urlunsplit((parts.scheme, netloc, path.rstrip("/"), "", ""))
        base = urlsplit(alias)
        name = url
        if parts.scheme != "file" and netloc == base.netloc.rpartition("@")[2] and path.strip("/"):
            name = path.strip("/").removeprefix(base.path.strip("/")).strip("/")
        at = token.start() if token else 0
        return Channel(name or url, url, token[1] if token else None, userinfo or None, at)
    channel = parse_channel(f"{alias.rstrip('/')}/{text}", alias=alias)
    return channel if has_credentials(text) else replace(channel, name=text)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace credentials in any text: known secrets, ``/t/TOKEN`` and ``user:password@``."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USERINFO.sub("***@", _TOKEN.sub("/t/***", text))


def has_credentials(text: str) -> bool:
    """Return whether a channel, or a spec that names one, holds a token or a password. Paths hold none."""
    text = text.strip()
    return not text.startswith(("/", ".", "file:")) and (redact(f"/{text}") != f"/{text}" or _shown(text) != text)


def _shown(text: str) -> str:
    """Return a text that should be a channel, for a message, without what may be a password."""
    return re.sub(r"(?<=://).*@", "***@", redact(text), flags=re.DOTALL)
