"""The sayings of notes on files of packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from envkit.models.codes import inputs as codes
from envkit.words.values import article, join

_SHOWN = 6


def _gone(builds: Sequence[str]) -> str:
    count = len(builds)
    what = "1 build of the file is" if count == 1 else f"{count} builds of the file are"
    return f"{what} no longer in the channels, the same versions are taken: {join(builds, most=_SHOWN)}"


def _part(path: str, format_name: str, environment: str, platform: str, others: Sequence[str]) -> str:
    rest = f"; it also holds {join(others, most=_SHOWN)}" if others else ""
    return f"{path} is {article(format_name)}: environment {environment} for {platform} is taken{rest}"


INPUTS: dict[str, str | Callable[..., str]] = {
    codes.BUILDS_GONE: _gone,
    codes.FILE_PLATFORMS: lambda path, platforms, platform: (
        f"{path} names {join(platforms)} as its platforms, not {platform}"
    ),
    codes.HASHES_ADDED: "{path} has no digests for {count} packages: those of the channels' indexes are taken",
    codes.KEY_IGNORED: "{path}: the key {key} is not one of an environment.yml and is ignored",
    codes.LINE_DROPPED: "{path}: {spec} is left out: its selector [{selector}] does not hold for {platform}",
    codes.LOCK_PART: _part,
    codes.PIP_SECTION_EMPTY: "{path}:{line}: the pip: section lists nothing",
    codes.PYTHON_ASSUMED: "{path} names no Python: the newest of the channels is taken (--python names another)",
    codes.READ_AS: "{path} is read as {format_name}",
    codes.SPEC_READ_AS: "{path}{place}: {spec} is read as {read}, as conda does",
}
