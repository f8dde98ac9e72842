"""Conda's rules from a channel's name to its URLs (conda 26.7, ``conda/models/channel.py``)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from envkit.models.channel import DEFAULT_ALIAS, DEFAULTS, Channel, has_credentials, parse_channel
from envkit.values import dataclass, field, replace

LOCAL = "local"
_SUBDIRS = frozenset(
    {"noarch", "linux-64", "linux-aarch64", "linux-ppc64le", "linux-32", "osx-64", "osx-arm64", "win-64", "win-arm64"}
)


@dataclass(frozen=True, slots=True)
class ChannelNames:
    """The names that the configuration gives to channels.

    A name of `custom` or `mirrored` is never looked for below `alias`: it may be private.

    Attributes:
        alias: URL before plain names (``channel_alias``).
        multi: Channels behind one name: ``defaults``, ``local``, those of ``custom_multichannels``.
        custom: Where a name lives; its URL is this and the name (``custom_channels``).
        migrated: The same for names and URLs that moved (``migrated_custom_channels``): the old place of a name.
        old_aliases: Former values of `alias`; URLs below them are read below `alias`.
        mirrored: The mirrors of a name, best first (``mirrored_channels``).
        tokens: Tokens by the URL of a server, from ``anaconda login``.
    """

    alias: str = DEFAULT_ALIAS
    multi: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"defaults": DEFAULTS})
    custom: Mapping[str, str] = field(default_factory=dict)
    migrated: Mapping[str, str] = field(default_factory=dict)
    old_aliases: tuple[str, ...] = ()
    mirrored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)

    def resolve(self, text: str, *, cwd: str = "/") -> tuple[Channel, ...]:
        """Return the channels that a name, a URL or a path means.

        Members of a multichannel that are names of `custom` mean these; conda looks for them below the alias.

        Raises:
            ValueError: The text names no channel.
        """
        text = text.strip().rstrip("/")
        head, _, last = text.rpartition("/")
        if head and last in _SUBDIRS:  # conda takes the platform of a channel apart, too
            text = head
        if text in self.multi:
            members = self.multi[text]
            if not members:
                raise ValueError(f"the channel {text!r} has no members")
            return tuple(self._single(member, cwd) for member in members)
        return (self._single(text, cwd),)

    def _single(self, text: str, cwd: str) -> Channel:
        text = text.strip().rstrip("/")
        channel = self._moved(text, cwd) if _is_place(text) else self._named(text, cwd)
        return self._with_token(channel)

    def _named(self, text: str, cwd: str) -> Channel:
        if self.mirrored.get(text):
            first, *others = (self._moved(member, cwd) for member in self.mirrored[text])
            mirrors = tuple(channel.secret_url for channel in others)
            return replace(first, name=text, mirrors=mirrors)
        for known, place in sorted(self._known().items(), key=lambda item: -len(item[0])):
            if text == known or text.startswith(f"{known}/"):
                return _below(place, text, self.alias, cwd)
        return parse_channel(text, alias=self.alias, cwd=cwd)

    def _known(self) -> dict[str, str]:
        """Return where names live: those of the configuration, and the names of members of multichannels."""
        found: dict[str, str] = {}
        for members in self.multi.values():
            for member in members:
                parts = urlsplit(member)
                name = parts.path.strip("/")
                if parts.scheme in {"http", "https"} and name and not has_credentials(member):
                    found[name] = f"{parts.scheme}://{parts.netloc}"
        return found | dict(self.custom)

    def _moved(self, text: str, cwd: str) -> Channel:
        """Return the channel of a URL or path: what moved at its new place, what has a name under that name."""
        channel = parse_channel(text, alias=self.alias, cwd=cwd)
        if channel.url.startswith("file:"):
            return channel
        for name, place in sorted(self.migrated.items(), key=lambda item: -len(item[0])):
            rest = _rest(channel.url, f"{place.rstrip('/')}/{name}")
            if rest is not None:
                return self._named(f"{name}/{rest}".rstrip("/"), cwd)
        for alias in self.old_aliases:
            rest = _rest(channel.url, alias)
            if rest:
                return self._named(rest, cwd)
        for name, place in self.custom.items():
            known = _below(place, name, self.alias, cwd)
            rest = _rest(channel.url, known.url)
            if rest is not None:
                token, userinfo = channel.token or known.token, channel.userinfo or known.userinfo
                at = channel.token_at if channel.token else known.token_at
                label = f"{name}/{rest}".rstrip("/")
                return replace(channel, name=label, token=token, userinfo=userinfo, token_at=at)
        return channel

    def _with_token(self, channel: Channel) -> Channel:
        if channel.token or channel.userinfo:
            return channel
        for url, token in self.tokens.items():
            if _rest(channel.url, url) is not None:
                return replace(channel, token=token, token_at=len(urlsplit(url).path.rstrip("/")))
        return channel


def _is_place(text: str) -> bool:
    return "://" in text or text.startswith(("/", "./", "../", "~/")) or text in {".", ".."}


def _below(place: str, name: str, alias: str, cwd: str) -> Channel:
    """Return the channel `name` below a URL or path; a place without a scheme is the alias itself (conda's rule)."""
    if place.startswith("/"):
        place = "file://" + quote(posixpath.normpath(place))
    if "://" not in place:
        place = alias
    channel = parse_channel(f"{place.rstrip('/')}/{name}", alias=alias, cwd=cwd)
    return replace(channel, name=name)


def _rest(url: str, base: str) -> str | None:
    """Return the path of a URL below a base without credentials, or None if it is not below it."""
    try:
        start = parse_channel(base).url
    except ValueError:
        return None
    if url == start:
        return ""
    return url[len(start) + 1 :] if url.startswith(f"{start}/") else None
