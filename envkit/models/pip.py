"""The pip section of a file of packages: requirements and options, with the place of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from envkit.values import dataclass, field, replace

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PipOrigin = Literal["index", "archive", "vcs", "local"]


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, with the user and password that stood in it kept apart.

    Attributes:
        url: The URL without credentials.
        userinfo: ``user:password`` of the URL, as it was quoted there. Never shown, never stored.
    """

    url: str
    userinfo: str | None = field(default=None, repr=False, compare=False)

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password, or None."""
        if self.userinfo is None:
            return None
        user, _, password = self.userinfo.partition(":")
        return unquote(user), unquote(password)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string that must not appear in any output."""
        if not self.userinfo:
            return ()
        # Services take a token as the user, without a password.
        parts = [self.userinfo, self.userinfo.partition(":")[2] or self.userinfo]
        return tuple(dict.fromkeys([*parts, *(unquote(p) for p in parts), *(quote(p, safe="") for p in parts)]))


def parse_address(text: str) -> Address:
    """Split a URL from its credentials. The user of an ssh URL is no secret and stays.

    Raises:
        ValueError: Its host or port cannot be read. The message does not quote it.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    userinfo, mark, host = parts.netloc.rpartition("@")
    if not mark or (parts.scheme.endswith("ssh") and ":" not in userinfo):
        return Address(text)
    return Address(urlunsplit(parts._replace(netloc=host)), userinfo)


@dataclass(frozen=True, slots=True)
class PipRequirement:
    """One requirement: a project of an index, an archive by its URL, a repository, or a local path.

    Attributes:
        text: The requirement as pip reads it, in one line, without credentials, comments and options.
        place: Where it stands.
        origin: Where it comes from.
        requirement: The requirement, parsed; None for a URL or path whose project is not named.
        address: The URL of an archive or a repository; for a local path a ``file`` URL.
        editable: Whether ``-e`` stood before it.
        hashes: Digests that its archive must have one of, as ``sha256:...``.
    """

    text: str
    place: FilePlace = field(compare=False)
    origin: PipOrigin = "index"
    requirement: Requirement | None = None
    address: Address | None = None
    editable: bool = False
    hashes: tuple[str, ...] = ()

    @property
    def name(self) -> str | None:
        """The normalised name of the project, or None if it is not named."""
        from packaging.utils import canonicalize_name

        return None if self.requirement is None else canonicalize_name(self.requirement.name)

    @property
    def line(self) -> str:
        """The requirement with everything that belongs to it, as a line of a requirements file."""
        options = "".join(f" --hash={digest}" for digest in self.hashes)
        # pip keeps an editable repository in ./src; an environment that must survive holds it installed.
        return f"{'-e ' if self.editable and self.origin == 'local' else ''}{self.text}{options}"


@dataclass(frozen=True, slots=True)
class PipSection:
    """The content of a pip section or of a requirements file, with the files that it includes.

    Attributes:
        requirements: The packages to install.
        constraints: Versions that hold for a package only where it is installed (``-c``).
        index: The index to use instead of PyPI (``--index-url``); None for the default.
        extra_indexes: Indexes to use besides (``--extra-index-url``).
        find_links: Pages and folders that list archives (``--find-links``).
        no_index: Use no index, only `find_links` (``--no-index``).
        pre: Take pre-releases too (``--pre``).
        no_binary: Projects to build from source, or ``:all:``.
        only_binary: Projects never to build from source, or ``:all:``.
        require_hashes: Refuse requirements without a hash (``--require-hashes``).
        notes: Options that were read and have no effect here.
    """

    requirements: tuple[PipRequirement, ...] = ()
    constraints: tuple[PipRequirement, ...] = ()
    index: Address | None = None
    extra_indexes: tuple[Address, ...] = ()
    find_links: tuple[Address, ...] = ()
    no_index: bool = False
    pre: bool = False
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    require_hashes: bool = False
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.requirements)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every URL of the section."""
        named = (item.address for item in (*self.requirements, *self.constraints) if item.address is not None)
        indexes = (self.index,) if self.index is not None else ()
        return (*indexes, *self.extra_indexes, *self.find_links, *named)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string of the section that must not appear in any output."""
        return tuple(dict.fromkeys(secret for address in self.addresses for secret in address.secrets))

    @property
    def lines(self) -> tuple[str, ...]:
        """The section as lines of a requirements file that includes no other file, without credentials.

        Constraints are not among them; see `constraint_lines`.
        """
        options = [f"--index-url {self.index.url}"] if self.index else []
        options += [f"--extra-index-url {address.url}" for address in self.extra_indexes]
        options += [f"--find-links {address.url}" for address in self.find_links]
        flags = (("--no-index", self.no_index), ("--pre", self.pre), ("--require-hashes", self.require_hashes))
        options += [name for name, given in flags if given]
        lists = (("--no-binary", self.no_binary), ("--only-binary", self.only_binary))
        options += [f"{name} {','.join(names)}" for name, names in lists if names]
        return (*options, *(item.line for item in self.requirements))

    @property
    def constraint_lines(self) -> tuple[str, ...]:
        """The constraints as lines of a constraints file, without credentials."""
        return tuple(item.line for item in self.constraints)


def joined_sections(first: PipSection, second: PipSection) -> PipSection:
    """Return both sections as one; of an option that can stand once, the second's counts."""
    return PipSection(
        requirements=tuple(dict.fromkeys((*first.requirements, *second.requirements))),
        constraints=tuple(dict.fromkeys((*first.constraints, *second.constraints))),
        index=second.index or first.index,
        extra_indexes=_distinct((*first.extra_indexes, *second.extra_indexes)),
        find_links=_distinct((*first.find_links, *second.find_links)),
        no_index=first.no_index or second.no_index,
        pre=first.pre or second.pre,
        no_binary=tuple(dict.fromkeys((*first.no_binary, *second.no_binary))),
        only_binary=tuple(dict.fromkeys((*first.only_binary, *second.only_binary))),
        require_hashes=first.require_hashes or second.require_hashes,
        notes=(*first.notes, *second.notes),
    )


def _distinct(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Return each URL once, with the credentials that any of them has."""
    found: dict[str, Address] = {}
    for address in addresses:
        if address.url not in found or address.userinfo is not None:
            found[address.url] = address
    return tuple(found.values())


def with_logins(section: PipSection, addresses: Iterable[Address]) -> PipSection:
    """Return a section with the credentials of other addresses, where the URL is the same."""
    known = {address.url: address for address in addresses if address.userinfo is not None}

    def lend(items: tuple[PipRequirement, ...]) -> tuple[PipRequirement, ...]:
        return tuple(
            replace(item, address=known.get(item.address.url, item.address)) if item.address else item for item in items
        )

    return replace(
        section,
        requirements=lend(section.requirements),
        constraints=lend(section.constraints),
        index=known.get(section.index.url, section.index) if section.index else None,
        extra_indexes=tuple(known.get(address.url, address) for address in section.extra_indexes),
        find_links=tuple(known.get(address.url, address) for address in section.find_links),
    )


@dataclass(frozen=True, slots=True)
class PipWish:
    """A pip section, and what its installation may do."""

    section: PipSection = field(default_factory=PipSection)
    builds: tuple[str, ...] = ()  # projects that may be built from source, by normalised name, or ``all``
    prefer: tuple[str, ...] = ()  # projects to take from pip where conda has them too, by normalised name
    local: bool = False  # whether local paths may be installed

    def may_build(self, name: str | None) -> bool:
        """Return whether a project may be built from source."""
        return "all" in self.builds or name in self.builds


@dataclass(frozen=True, slots=True)
class Provided:
    """A Python distribution that a conda package brings."""

    name: str  # normalised name of the distribution
    version: str  # its version (PEP 440)
    package: str  # the conda package
    requires: tuple[str, ...] = ()  # what its extras need, where its metadata was read


def recorded_wish(wish: PipWish | None) -> dict[str, Any]:
    """Return the members of a recorded request that tell what pip is asked for."""
    wish = wish if wish is not None and wish.section else PipWish()
    return {
        "pip": wish.section.lines,
        "pip_constraints": wish.section.constraint_lines,
        "pip_builds": wish.builds,
        "pip_prefer": wish.prefer,
        "pip_local": wish.local,
    }
