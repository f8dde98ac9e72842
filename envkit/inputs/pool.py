"""Read the file of ``--hosts``: the output of ``envkit detect --json`` on several machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from envkit.errors import SettingsError
from envkit.host.wire import host_from_json
from envkit.models.host import Target
from envkit.values import replace

_HINT = "Write it with `envkit detect --json` on each machine: a JSON array, or one document after the other."


def read_pool(paths: Sequence[Path]) -> dict[str, Target]:
    """Read the machines of ``--hosts`` by name.

    A file holds one document, an array of them, or several, one after the other. A machine is named by the member
    ``name`` of its document, else by the file and its place there.
    """
    found: dict[str, Target] = {}
    for path in paths:
        documents = _documents(path)
        for index, document in enumerate(documents):
            place = path.name if len(documents) == 1 else f"{path.name}[{index}]"
            target = Target.from_host(host_from_json(document, where=place))
            # Machines with GPUs of one kind are alike, however many they have, and whatever these are called.
            gpus = dict.fromkeys(replace(gpu, memory_bytes=None, uuid=None) for gpu in target.gpus)
            target = replace(target, gpus=tuple(gpus), described=target.described | {"hosts"})
            name = _name(document) or place
            found[name if name not in found else f"{name} ({place})"] = target
    if not found:
        raise SettingsError(f"no machine in {', '.join(map(str, paths))}", hint=_HINT)
    return found


def _name(document: object) -> str | None:
    facts = document.get("facts") if isinstance(document, dict) else None
    for holder in (document, facts):
        name = holder.get("name") if isinstance(holder, dict) else None
        if isinstance(name, str) and name.strip():
            return name.strip()
    return None


def _documents(path: Path) -> list[object]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{path} cannot be read: {reason}", hint=_HINT) from error
    decoder = json.JSONDecoder()
    documents: list[object] = []
    at = len(text) - len(text.lstrip())
    while at < len(text):
        try:
            document, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            line = text.count("\n", 0, getattr(error, "pos", at)) + 1
            raise SettingsError(f"{path}, line {line}: not JSON", hint=_HINT) from error
        documents += document if isinstance(document, list) else [document]
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return documents
