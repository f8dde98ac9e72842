"""Folders that stand for the channels of a solve, with what the request may need of each: small indexes for conda."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envkit.engines.base import ChannelAccess
from envkit.models.channel import Channel, parse_channel
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec, with_channel
from envkit.patterns import regex
from envkit.values import dataclass, replace

if TYPE_CHECKING:
    from envkit.index.subset import Subset

# Paths that conda writes in URLs and messages as they are, and takes for no token.
_PLAIN = regex(r"(?:/(?!t/)[A-Za-z0-9._+-]+)+")
# Channels named in records, and addresses that lead elsewhere (CEP 15), are for the channels themselves.
_OF_CHANNELS = (b"::", b"channel=", b"url=", b'"base_url"')


@dataclass(frozen=True, slots=True)
class NearChannels:
    """The folders of one solve.

    Attributes:
        task: The task, with folders where it named channels.
        access: The folders as channels, in the order of those that they stand for.
        channels: The channels that they stand for.
    """

    task: SolveTask
    access: ChannelAccess
    channels: tuple[Channel, ...]

    def named(self, text: str) -> str:
        """Return a text with the names of channels for the folders."""
        for folder, channel in zip(self.access.channels, self.channels, strict=True):
            text = text.replace(folder.url, channel.name).replace(folder.url.removeprefix("file://"), channel.name)
        return text

    def record(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record of a folder as one of the channel."""
        url = str(raw.get("url", ""))
        for folder, channel in zip(self.access.channels, self.channels, strict=True):
            if url.startswith(f"{folder.url}/"):
                return {**raw, "url": channel.url + url.removeprefix(folder.url)}
        return dict(raw)


def bring_near(folder: Path, subsets: Sequence[Subset], task: SolveTask, access: ChannelAccess) -> NearChannels | None:
    """Move the parts of indexes into folders like those of channels; None where conda has to see the channels.

    Raises:
        OSError: A folder cannot be made.
    """
    if _PLAIN.fullmatch(str(folder)) is None or any(_is_bound(subset.path.read_bytes()) for subset in subsets):
        return None
    channels = tuple({channel.url: channel for channel in access.channels}.values())
    places = {channel.url: folder / f"channel-{at:03}" for at, channel in enumerate(channels)}
    near = tuple(parse_channel(str(place)) for place in places.values())
    named = {
        name: each.url for channel, each in zip(channels, near, strict=True) for name in (channel.name, channel.url)
    }
    moved = _moved(task, named)
    if moved is None:
        return None
    for place in places.values():
        for subdir in dict.fromkeys((*task.platforms, "noarch")):
            (place / subdir).mkdir(parents=True)
            (place / subdir / "repodata.json").write_text('{"packages":{},"packages.conda":{}}', encoding="utf-8")
    specs = [parse_match_spec(spec) for spec in moved.specs]
    for subset in subsets:
        place = places[subset.channel]
        shutil.move(subset.path, place / subset.subdir / "repodata.json")
        if hidden := {spec.name for spec in specs if spec.channel not in (None, str(place), place.as_uri())}:
            _leave_out(place / subset.subdir / "repodata.json", hidden)
    return NearChannels(moved, replace(access, channels=near), channels)


def _is_bound(content: bytes) -> bool:
    return any(mark in content for mark in _OF_CHANNELS)


def _leave_out(path: Path, names: set[str]) -> None:
    """Take packages that are asked of another channel out of an index: by priority they would hide those asked for."""
    index = json.loads(path.read_bytes())
    for key in ("packages", "packages.conda"):
        index[key] = {file: record for file, record in index.get(key, {}).items() if record.get("name") not in names}
    path.write_text(json.dumps(index), encoding="utf-8")


def _moved(task: SolveTask, named: Mapping[str, str]) -> SolveTask | None:
    """Return the task with other names for channels; None if it names one by another name, or a file."""
    texts = (*task.specs, *task.constraints, *(pin.spec for pin in task.pins))
    moved = {text: text for text in texts}
    for text in texts:
        spec = parse_match_spec(text)
        if not spec.name or "*" in spec.name or "url=" in text or "/" in spec.name:
            return None
        if spec.channel is not None:
            if spec.channel not in named:
                return None
            moved[text] = with_channel(text, named[spec.channel])
    return replace(
        task,
        specs=tuple(moved[text] for text in task.specs),
        constraints=tuple(moved[text] for text in task.constraints),
        pins=tuple(pin._replace(spec=moved[pin.spec]) for pin in task.pins),
    )
