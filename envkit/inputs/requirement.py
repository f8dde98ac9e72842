"""Parse one requirement as pip reads it: a specifier (PEP 508), a URL, a repository or a path."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from envkit.models.channel import redact
from envkit.models.pip import Address, FilePlace, PipOrigin, PipRequirement, parse_address
from envkit.patterns import regex

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_SCHEME = regex(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ARCHIVE = regex(r"\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lzma|Z))\Z", re.IGNORECASE)
_EXTRAS = regex(r"(.+?)(\[[^\]]*\])\s*\Z")
_SINGLE_EQUALS = regex(r"^([A-Za-z0-9._-]+(?:\[[^\]]*\])?\s*)=([^=].*)$")
_TOKEN_PATH = regex(r"/t/[^/]+/")
_SECRET_PARAMETER = regex(r"(?i)token|password|secret|signature|credential|^sig$|^key$|api_?key")
_VCS = ("git", "hg", "svn", "bzr")


class Broken(Exception):  # noqa: N818 - caught beside the line's place, which makes it a RecipeError
    """A requirement that cannot be read; the message quotes no credentials."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def parse_pip_requirement(
    text: str, place: FilePlace, folder: Path, hashes: tuple[str, ...] = (), *, editable: bool = False
) -> PipRequirement:
    """Parse a requirement without its options; relative paths are below `folder`.

    Raises:
        Broken: It is none.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    text, marker = _marker(text)
    if _is_url(text):
        return _by_url(text, marker, place, hashes, editable=editable)
    if editable or _is_path(text, folder):
        return _by_path(text, marker, place, folder, hashes, editable=editable)
    whole = f"{text}; {marker}" if marker else text
    try:
        found = Requirement(whole)
    except InvalidRequirement as error:
        raise _unreadable(text, error) from None
    if found.url is None:
        return PipRequirement(str(found), place, "index", found, hashes=hashes)
    address = address_of(found.url, folder)
    found.url = address.url
    return PipRequirement(str(found), place, _origin(address.url), found, address, hashes=hashes)


def address_of(text: str, folder: Path) -> Address:
    """Read a URL or a path, and keep its credentials apart.

    Raises:
        Broken: It cannot be read, or it holds a secret in its path or query.
    """
    if not _SCHEME.match(text):
        return Address((folder / Path(text).expanduser()).absolute().as_uri())
    try:
        address = parse_address(text.strip())
    except ValueError as error:
        raise Broken(f"a URL: {error}", "A password in it is quoted: write %40 for @ and %2F for /.") from None
    parts = urlsplit(address.url)
    hidden = _TOKEN_PATH.search(f"{parts.path}/") is not None
    hidden = hidden or any(_SECRET_PARAMETER.search(name) for name, _ in parse_qsl(parts.query))
    if hidden and parts.scheme != "file":
        raise Broken(
            f"a URL of {parts.hostname} holds a token in its path or query, which would be recorded with it",
            "Write it as user:password@ before the host, or put it into ~/.netrc.",
        )
    return address


def _marker(text: str) -> tuple[str, str]:
    """Split a requirement from its environment marker, at ``;``, in URLs at a space and ``;``."""
    head, mark, tail = text.partition("; ") if _is_url(text) or " @ " in text else text.partition(";")
    return head.strip(), tail.strip() if mark else ""


def _is_url(text: str) -> bool:
    scheme = text.split(":", 1)[0].lower() if ":" in text else ""
    return scheme in {"http", "https", "file", "ftp"} or scheme.split("+", 1)[0] in _VCS


def _is_path(text: str, folder: Path) -> bool:
    """Tell a path from a name as pip does: it has a separator or begins with a dot, or is an archive that is there."""
    if " @ " in text or "://" in text or _SCHEME.match(text):
        return False
    bare = _EXTRAS.sub(r"\1", text)
    if os.sep in bare or bare.startswith("."):
        return True
    return _ARCHIVE.search(bare) is not None and (folder / bare).is_file()


def _origin(url: str) -> PipOrigin:
    scheme = urlsplit(url).scheme
    if scheme.split("+", 1)[0] in _VCS:
        return "vcs"
    return "local" if scheme == "file" else "archive"


def _by_url(text: str, marker: str, place: FilePlace, hashes: tuple[str, ...], *, editable: bool) -> PipRequirement:
    extras = ""
    if (found := _EXTRAS.match(text)) and "#" not in found[1]:
        text, extras = found[1], found[2]
    address = address_of(text, Path("/"))
    parts = urlsplit(address.url)
    scheme = parts.scheme
    if scheme.split("+", 1)[0] in _VCS and not scheme.startswith("git"):
        raise Broken(f"{scheme} is no kind of repository that can be read here", "Use git+https, or a wheel.")
    if scheme in {"git", "git+git"}:
        raise Broken(
            f"{scheme}:// is a protocol without encryption that hosts have switched off", "Write git+https://."
        )
    fragment = dict(parse_qsl(parts.fragment))
    if parts.path.rpartition("/")[2].endswith(".whl"):
        fragment.setdefault("egg", unquote(parts.path.rpartition("/")[2]).split("-", 1)[0])
    for name in ("sha256", "sha384", "sha512"):  # pip takes a digest in the URL, too
        if digest := fragment.pop(name, None):
            hashes = (*hashes, f"{name}:{digest.lower()}")
    name, _, rest = fragment.get("egg", "").partition("[")
    name = re.sub(r"-(?:dev|[0-9][A-Za-z0-9.]*)\Z", "", name)  # setuptools' egg fragments could end in a version
    extras = extras or (f"[{rest}" if rest else "")
    inner = f"subdirectory={fragment['subdirectory']}" if "subdirectory" in fragment else ""
    clean = urlunsplit(parts._replace(fragment=inner))
    requirement = _named(name, extras, clean, marker)
    shown = str(requirement) if requirement is not None else clean + extras + (f" ; {marker}" if marker else "")
    kept = Address(clean, address.userinfo)
    return PipRequirement(shown, place, _origin(clean), requirement, kept, editable, hashes)


def _by_path(
    text: str, marker: str, place: FilePlace, folder: Path, hashes: tuple[str, ...], *, editable: bool
) -> PipRequirement:
    extras = ""
    if found := _EXTRAS.match(text):
        text, extras = found[1], found[2]
    path = Path(os.path.normpath((folder / Path(text).expanduser()).absolute()))
    url = f"file://{quote(str(path))}"
    name = path.name.split("-", 1)[0] if path.name.endswith(".whl") else ""
    requirement = _named(name, extras, url, marker)
    shown = str(requirement) if requirement is not None else f"{url}{extras}" + (f" ; {marker}" if marker else "")
    return PipRequirement(shown, place, "local", requirement, Address(url), editable, hashes)


def _named(name: str, extras: str, url: str, marker: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement

    if not name:
        return None
    try:
        return Requirement(f"{name}{extras} @ {url}" + (f" ; {marker}" if marker else ""))
    except InvalidRequirement as error:
        raise _unreadable(name, error) from None


def _unreadable(text: str, error: Exception) -> Broken:
    shown = redact(f"/{text}")[1:]
    if "://" in text:  # an error of a URL may quote half a password
        return Broken(f"{shown.partition('://')[0]}://*** is no requirement")
    single = _SINGLE_EQUALS.match(text)
    hint = f"pip compares with ==: {single[1].strip()}=={single[2].strip()}" if single else None
    why = str(error).splitlines()[0]
    return Broken(f"{shown!r} is no requirement: {why[:1].lower()}{why[1:]}", hint)
