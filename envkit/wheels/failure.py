"""Errors of uv in the terms of envkit: the class says whose fault it is, the hint what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from envkit.errors import (
    ChannelError,
    EnvkitError,
    IntegrityError,
    NoSpaceError,
    SettingsError,
    UnsatisfiableError,
    VolumeError,
)
from envkit.models.pip import Provided
from envkit.patterns import regex
from envkit.process import ChildResult
from envkit.tuples import NamedTuple

_PREFIX = regex(r"^(?:error|  cause|cause):\s*")
_NO_WHEEL = regex(r"Wheels are required for `([^`]+)`")
_NONE_FITS = regex(r"\b([a-z0-9][a-z0-9-]*)(?:==\S+)? has no wheels with a matching")
_NETWORK = regex(
    r"error sending request|client error \(Connect\)|dns error|HTTP status (?:server|client) error"
    r"|Could not resolve host|unable to access|Could not connect|timed out|Connection (?:refused|reset)"
    r"|Failed to fetch|Failed to download|Failed to query|error decoding response body|could not be queried",
    re.IGNORECASE,
)
_LOGIN = regex(r"\b(?:401|403) (?:unauthorized|forbidden)|authentication|could not read username", re.IGNORECASE)
_BUILD = regex(r"Failed to (?:download and )?build|[Bb]uild backend (?:failed|returned)")
_FULL = regex(r"no space left on device|disk quota exceeded|os error (?:28|122)\b", re.IGNORECASE)
_REFUSED = regex(r"permission denied|read-only file system|os error (?:13|30)\b", re.IGNORECASE)
_INTEGRITY = regex(
    r"hash mismatch|hashes? (?:does|do) not match|invalid (?:zip|gzip)|not a valid (?:wheel|zip)|metadata .* mismatch"
    r"|does not match (?:the )?(?:expected|metadata|filename)|bad crc|unsupported compression|corrupt|failed to unzip"
    r"|name mismatch|version mismatch|has an invalid",
    re.IGNORECASE,
)
_OFFLINE = "network was disabled"


class Story(NamedTuple):
    """The words of a failed uv, without the drawing."""

    text: str  # causes, joined
    hints: str  # uv's own hints


def story_of(ended: ChildResult) -> Story:
    """Return what uv says of its failure."""
    lines = ended.error_text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("error:")), 0)
    causes: list[str] = []
    hints: list[str] = []
    for line in lines[start:]:
        text = line.strip()
        if not text:
            continue
        if text.startswith("hint:"):
            hints.append(text.removeprefix("hint:").strip())
        elif _PREFIX.match(line):
            causes.append(_PREFIX.sub("", line))
        elif hints:
            hints[-1] += f" {text}"
        elif causes:
            causes[-1] += f" {text}"
        else:
            causes.append(text)
    return Story(": ".join(dict.fromkeys(causes)) or f"it {ended.ending}", " ".join(hints))


def without_wheel(ended: ChildResult) -> list[str]:
    """Return the projects that uv names as having no wheel that fits."""
    return list(dict.fromkeys(_NO_WHEEL.findall(ended.error_text)))


def build_failed(ended: ChildResult) -> bool:
    """Return whether a project could not be built from source."""
    return _BUILD.search(ended.error_text) is not None


def needs_login(ended: ChildResult) -> bool:
    """Return whether an index or a repository refused to be read without other credentials."""
    return _LOGIN.search(ended.error_text) is not None


def unfit(ended: ChildResult) -> list[str]:
    """Return the projects of which no file fits, whether they could be built or not."""
    flat = " ".join(ended.error_text.split())
    return list(dict.fromkeys([*without_wheel(ended), *_NONE_FITS.findall(flat)]))


def failure_of(ended: ChildResult, doing: str, provided: Sequence[Provided] = ()) -> EnvkitError:
    """Return the error of a failed run of uv.

    Args:
        ended: The end of uv; its output is redacted already.
        doing: What it was to do, as in ``the pip section cannot be resolved``.
        provided: What conda provides, to explain a conflict with it.
    """
    if ended.state == "not-started":
        return SettingsError(f"uv {ended.ending}", hint="Install it beside envkit: pip install uv.")
    text, hints = story_of(ended)
    whole = f"{text} {hints}"
    if needs_login(ended):
        return ChannelError(
            f"{doing}: {whole}",
            hint="Credentials are never recorded: put them into ~/.netrc, or write user:password@ in the URL of the "
            "section that is given.",
        )
    if _FULL.search(whole):
        return NoSpaceError(f"{doing}: no space left: {text}", hint="Free space, or choose another volume.")
    if _INTEGRITY.search(whole):
        return IntegrityError(
            f"{doing}: {text}",
            hint="A broken download, a stale mirror, or a file that was changed. Try again; if it stays, use another "
            "index. Nothing was installed.",
        )
    if _OFFLINE in whole:
        return ChannelError(
            f"{doing}: {text}",
            hint="It is not in the volume's cache and --offline forbids to fetch it: run once without.",
        )
    if "No solution found" in text:
        story = Story(text.removeprefix("No solution found when resolving dependencies: "), hints)
        return _unsatisfiable(story, doing, provided)
    if _NETWORK.search(whole):
        return ChannelError(
            f"{doing}: {text}",
            hint="Check the network, the proxy (HTTPS_PROXY) and the URL of the index; run the same command again.",
        )
    if _REFUSED.search(whole):
        return VolumeError(
            f"{doing}: {text}", hint="Mend the owner and permissions of the volume's cache: envkit doctor."
        )
    return UnsatisfiableError(f"{doing}: {text}", hint=hints or "Change the requirement that it names.")


def _unsatisfiable(story: Story, doing: str, provided: Sequence[Provided]) -> UnsatisfiableError:
    text, hints = story
    named = [item for item in provided if re.search(rf"(?<![\w.-]){re.escape(item.name)}(?![\w-]|\.\w)", text)]
    if named:
        sides = ", ".join(f"{item.name} {item.version} ({item.package})" for item in named)
        return UnsatisfiableError(
            f"{doing}: conda provides {sides}, which stays as it is: {text}",
            hint=f"Loosen the requirement, pin the conda package to fit it, or take it from pip: "
            f"--prefer-pip {named[0].name}.",
        )
    missing = "was not found" in text or "there is no version of" in text
    hint = hints or (
        "Check the name and version; an index that has it is named with --extra-index-url in the section."
        if missing
        else "Loosen the versions that the message names."
    )
    return UnsatisfiableError(f"{doing}: {text}", hint=hint)
