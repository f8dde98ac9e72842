"""The manifest: what a generation is, written once, inside it. Pydantic, since files come from other versions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LockedPackage", "Manifest", "PastValidation", "RecordedRequest", "ValidationRecord", "VolumeFile"]


class _File(BaseModel):
    # Built at first use: a command reads or writes one or two of these, and to build them all takes longer than that.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class LockedPackage(_File):
    """One installed package: enough to fetch and link it again, bit for bit."""

    name: str
    version: str
    build: str
    subdir: str
    fn: str
    url: str
    channel: str
    sha256: str | None = None
    size: int | None = None
    record: dict[str, Any] = Field(default_factory=dict)


class RecordedRequest(_File):
    """What the user asked for; the same request again is recognised by equality.

    `source_sha256` is the digest of the file that it was read from. It tells a program that reads little that the
    request is the same; that it differs tells nothing, so it has no part in equality.
    """

    specs: tuple[str, ...]
    channels: tuple[str, ...] | None = None
    cuda: str = "auto"
    python: str | None = None
    platform: str | None = None
    prefer: str = "version"
    target: dict[str, Any] = Field(default_factory=dict)
    pip: tuple[str, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)
    source_sha256: str | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordedRequest):
            return NotImplemented
        return self.model_dump(exclude={"source_sha256"}) == other.model_dump(exclude={"source_sha256"})

    def __hash__(self) -> int:
        return hash((self.specs, self.channels, self.cuda, self.python))


class Manifest(_File):
    """What a generation is and where it comes from.

    `lineage`, `number`, `parent` and `verb` are those of `envkit.layout.lineage.Origin`.
    """

    schema_version: Literal[1] = 1
    envkit_version: str
    name: str
    generation: str
    prefix: str
    created: str
    lineage: str = ""
    number: int = 1
    parent: str | None = None
    verb: str = "create"
    request: RecordedRequest
    channels: tuple[str, ...]
    virtual_packages: tuple[tuple[str, str, str], ...] = ()
    digest: str
    packages: tuple[LockedPackage, ...]
    target: dict[str, Any] = Field(default_factory=dict)
    fingerprint: str = ""
    choice: dict[str, Any] = Field(default_factory=dict)
    skipped_link_scripts: tuple[str, ...] = ()


class PastValidation(_File):
    """That a generation was validated, and how it went."""

    verdict: Literal["pass", "fail", "skip"]
    created: str
    seconds: float = 0.0


class ValidationRecord(PastValidation):
    """The outcome of the last validation of one generation on one kind of host, and of those before it.

    `tokens` are what a quick look at such hosts gave (`envkit.host.fingerprint.Quick`), the latest last: by them a
    host is recognised without asking its driver.
    """

    schema_version: Literal[1] = 1
    generation: str
    fingerprint: str
    host: dict[str, Any] = Field(default_factory=dict)
    findings: tuple[dict[str, Any], ...] = ()
    needs_gpu: bool = False
    history: tuple[PastValidation, ...] = ()
    tokens: tuple[str, ...] = ()


class VolumeFile(_File):
    """``volume.json``: what a volume is."""

    schema_version: Literal[1] = 1
    id: str
    mounted_at: str
    created: str
    probed: str = ""
    capabilities: dict[str, Any] = Field(default_factory=dict)
    file_system: dict[str, Any] = Field(default_factory=dict)
