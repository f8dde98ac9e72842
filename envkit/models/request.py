"""Requests, with the channels and machines that they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from envkit.errors import SpecError
from envkit.models.channel import Channel, has_credentials, redact
from envkit.models.cutoff import moment_of
from envkit.models.fact import Fact
from envkit.models.host import Target
from envkit.models.spec import MatchSpec, parse_match_spec
from envkit.models.version import CudaVersion
from envkit.patterns import regex
from envkit.values import dataclass, field

if TYPE_CHECKING:
    import datetime

    from envkit.models.pip import PipWish

Prefer = Literal["version", "native"]
_CHOICE = regex(r"(?:cuda[-_ ]?|cu)?(\d{1,3})(?:\.(\d{1,2}))?(?:\.\d+)?\Z")
_LONGEST_MAJOR = 2  # "121" and "cu118" leave out the dot


@dataclass(frozen=True, slots=True)
class CudaChoice:
    """The value of ``--cuda``.

    Attributes:
        kind: ``auto`` (the best for the target), ``none`` (CPU), ``major`` (any toolkit of it) or ``exact``.
        version: The toolkit; its minor means nothing when `kind` is ``major``.
    """

    kind: Literal["auto", "none", "major", "exact"] = "auto"
    version: CudaVersion | None = None

    @classmethod
    def parse(cls, text: str) -> CudaChoice:
        """Read ``auto``, ``none`` (or ``cpu``), ``12``, ``12.1``; also ``cu121`` and ``12.1.105``, as people paste.

        Raises:
            ValueError: The text is none of these.
        """
        lowered = text.strip().lower()
        if lowered in {"auto", ""}:
            return cls()
        if lowered in {"none", "cpu", "no", "off"}:
            return cls("none")
        match = _CHOICE.match(lowered)
        if match is None:
            raise ValueError(
                f"not a CUDA choice: {text!r} (write auto, none, a major such as 12, or a toolkit as 12.1)"
            )
        major, minor = match.groups()
        if minor is None and len(major) > _LONGEST_MAJOR:
            major, minor = major[:-1], major[-1]
        if minor is None:
            return cls("major", CudaVersion(int(major), 0))
        return cls("exact", CudaVersion(int(major), int(minor)))

    @property
    def asks_cuda(self) -> bool:
        """Whether the user named a CUDA toolkit."""
        return self.kind in {"major", "exact"}

    def matches(self, build_cuda: CudaVersion | None, *, major_only: bool = False) -> bool:
        """Return whether a build's toolkit is the one asked for; where only its major is known, the major decides."""
        if self.version is None:
            return self.kind == "auto"
        if build_cuda is None:
            return False
        if self.kind == "major" or major_only:
            return build_cuda.major == self.version.major
        return build_cuda == self.version

    def __str__(self) -> str:
        if self.version is None:
            return self.kind
        return str(self.version.major) if self.kind == "major" else str(self.version)


@dataclass(frozen=True, slots=True)
class Request:
    """The packages that the user asked for, and how.

    Attributes:
        specs: MatchSpecs, in the user's order.
        cuda: ``--cuda``.
        python: ``"3.11"``, or None for any.
        prefer: Whether the newest version or the surest tier comes first.
        channels: Channels in the order of preference; names or URLs without credentials.
        exclude_newer: Packages published after this are not seen: a cutoff (`envkit.models.cutoff`).
        parsed: The specs, parsed.

    Raises:
        SpecError: A spec holds a token or a password: requests are shown and recorded.
    """

    specs: tuple[str, ...] = ()
    cuda: CudaChoice = CudaChoice()
    python: str | None = None
    prefer: Prefer = "version"
    channels: tuple[str, ...] = ()
    exclude_newer: str | None = None
    parsed: tuple[MatchSpec, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parsed", tuple(map(parse_match_spec, self.specs)))
        for spec in self.specs:
            if has_credentials(spec):
                raise SpecError(
                    f"a package specification must not hold credentials: {redact(f'/{spec}')[1:]!r}",
                    hint="Give the channel with -c, where its token or password is kept out of every record.",
                )

    @property
    def newest(self) -> datetime.datetime | None:
        """The time that `exclude_newer` means now."""
        return None if self.exclude_newer is None else moment_of(self.exclude_newer)

    @property
    def newest_ms(self) -> int | None:
        """`newest` in milliseconds since 1970, as channels count."""
        return None if self.newest is None else int(self.newest.timestamp() * 1000)

    @property
    def pairs(self) -> Iterator[tuple[str, MatchSpec]]:
        """Each spec as text and parsed."""
        return zip(self.specs, self.parsed, strict=True)


@dataclass(frozen=True, slots=True)
class Correction:
    """A request that cannot work as it stands, and the one that does.

    Attributes:
        fact: What is wrong and what the correction does.
        specs: The corrected MatchSpecs, all of them.
        channels: The corrected channels, all of them.
        cuda: The corrected ``--cuda``, or None to leave it.
    """

    fact: Fact
    specs: tuple[str, ...]
    channels: tuple[str, ...]
    cuda: str | None = None

    @property
    def code(self) -> str:
        """The fact's code."""
        return self.fact.code


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A request, the machines that it is for, and the channels to ask."""

    request: Request
    target: Target  # the machine to choose for; what the machines have in common, where there are several
    hosts: Mapping[str, Target] = field(default_factory=dict)  # machines by name, where there are several
    channels: tuple[Channel, ...] = ()  # named by the user, a file or a manifest, with their credentials
    override_channels: bool = False  # ask no others
    pip: PipWish | None = None  # what pip is asked for, if it is
    pinned: tuple[str, ...] = ()  # specs that hold for every package of a solution: the environment's own pins
