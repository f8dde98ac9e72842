"""`create` of what is there: recognised by files, without the parser, the engine and most of the command line.

When `create` finds that an environment was made from the same request, it keeps what it said beside the validations of
the generation, under a digest of everything that this depended on (`envkit.cli.circumstances`), byte by byte. With the
same digest, the same manifest and the same validation on this kind of host, the answer is the same. Everything else is
left to the whole command line, and so is every case that is not plain.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from envkit.cli.circumstances import Copied, circumstances
from envkit.client.volume import chosen_generation, find_validation, locate_volume, locate_volumes
from envkit.errors import EnvkitError
from envkit.hashes import sha256
from envkit.host.cache import default_cache_dir
from envkit.host.fingerprint import fingerprint_now
from envkit.layout.private import folder, read_file, trusted_owners
from envkit.paths import MANIFEST, PRIVATE, validation_folders
from envkit.patterns import regex
from envkit.printable import printable_lines
from envkit.tuples import NamedTuple

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.models.results import CreateResult

_END = ".request"  # of the notes; validations beside them end with .json
_KEPT = 16  # notes for each generation
_LIMIT_BYTES = 1 << 20
_VALUED = {
    "-n": "name", "--name": "name", "--persist": "persist", "-f": "file", "--file": "file", "-c": "channel",
    "--channel": "channel", "--cuda": "", "--python": "", "--prefer": "", "--pip": "pip", "--prefer-pip": "",
    "--allow-build": "", "--exclude-newer": "", "--engine": "", "--timeout": "",
}  # fmt: skip
_FLAGS = frozenset({"--override-channels", "-y", "--yes", "--offline", "-q", "--quiet", "--no-validate"})
# What makes a value of --pip, a line of a requirements file, depend on more than its words.
_LEADS_OUT = regex(r"-|.*(?:\$|\.(?:whl|zip|tar|t[gbxl]z))", re.IGNORECASE)
_STYLE = regex(r"\x1b\[[0-9;]*m")


class _Said(NamedTuple):
    """A command line, as far as it has to be looked at."""

    name: str
    persist: str | None
    files: tuple[str, ...]
    channels: tuple[str, ...]


class _Place(NamedTuple):
    """A generation, and the circumstances in which it is asked for."""

    root: str
    name: str
    prefix: str
    digest: str  # of the circumstances
    token: str  # of this machine
    fingerprint: str | None


_asked: list[_Place] = []
"""The request of this process, as it was before it read anything."""


def recall(words: Sequence[str]) -> bool:
    """Answer ``envkit create WORDS`` if it is certain that the environment is there and valid; else return False."""
    try:
        place = _find(words)
        if place is not None:
            _asked.append(place)
        note = _read_note(place) if place is not None and _is_plain_volume(place.root) else None
        if place is None or note is None or note["outcome"] != _outcome(place):
            return False
        folder(place.root, os.path.dirname(place.prefix)).close()  # nobody else's
        text = note["text"]
        plain = _STYLE.sub("", text)
        if plain != printable_lines(plain):  # the owner of a volume may have written it, too
            return False
        sys.stdout.write(text)
        sys.stdout.flush()
    except (EnvkitError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return True


def told_again(session: Session, result: CreateResult, show: Callable[[], int], *, as_json: bool) -> int:
    """Show a result and return the exit code; keep what is said of an environment that was there, for `recall`."""
    if not result.reused or as_json or sys.argv[1:2] != ["create"] or getattr(session.reporter, "told", True):
        return show()
    copied = Copied(sys.stdout)
    with contextlib.redirect_stdout(copied):
        code = show()
    if code == 0:
        _remember(sys.argv[2:], result, text=copied.text)
    return code


def _remember(words: Sequence[str], result: CreateResult, *, text: str) -> None:
    """Keep what was said of an environment that was there.

    Args:
        words: The words after ``create``.
        result: What came out.
        text: What was written to standard output.
    """
    if not result.reused or result.dry_run or result.corrections or result.fixed or result.advice:
        return
    with contextlib.suppress(EnvkitError, OSError, ValueError, KeyError, TypeError):
        place, said = _find(words), _scan(words)
        if place is None or said is None or (place.prefix, place.digest) not in {(p.prefix, p.digest) for p in _asked}:
            return  # a file changed since: the answer may be that to another one
        if said.persist is not None and len(locate_volumes(None)) > 1:
            return  # the commands in the text depend on which volumes have the environment
        outcome = _outcome(place)
        if place.prefix == result.prefix and outcome is not None:
            note = {"manifest": _digest_of(os.path.join(place.prefix, MANIFEST)), "outcome": outcome, "text": text}
            _write_note(place, json.dumps({"schema_version": 1, **note}))


def _find(words: Sequence[str]) -> _Place | None:
    said = _scan(words)
    if said is None or "_ENVKIT_COMPLETE" in os.environ:
        return None
    root = locate_volume(said.persist, said.name)
    prefix = chosen_generation(root, said.name)
    if prefix is None:
        return None
    token, fingerprint = fingerprint_now()
    digest = circumstances(words, root, token, files=said.files, channels=said.channels)
    return None if digest is None else _Place(root, said.name, prefix, digest, token, fingerprint)


def _scan(words: Sequence[str]) -> _Said | None:
    """Read a command line that holds nothing but packages and some options; None for any other."""
    found: dict[str, list[str]] = {"name": [], "persist": [], "file": [], "channel": [], "pip": [], "": []}
    specs, rest = 0, list(words)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if not word.startswith("-"):
            specs += 1
        elif option in _VALUED and (equals or rest):
            found[_VALUED[option]].append(value if equals else rest.pop(0))
        elif word not in _FLAGS:
            return None
    if len(found["name"]) != 1 or len(found["persist"]) > 1 or not (specs or found["file"]):
        return None  # else the name comes from elsewhere, and the packages from a recipe
    if any(_LEADS_OUT.match(line.strip()) for line in found["pip"]):
        return None
    return _Said(found["name"][0], next(iter(found["persist"]), None), tuple(found["file"]), tuple(found["channel"]))


def _is_plain_volume(root: str) -> bool:
    """Return whether a volume is one that `create` finds ready, and says nothing about."""
    state = os.stat(root)
    return (
        (os.geteuid() != 0 or state.st_uid == 0)
        and os.access(root, os.W_OK | os.X_OK)
        and not os.statvfs(root).f_flag & os.ST_RDONLY
        and os.path.isfile(os.path.join(root, PRIVATE, "volume.json"))
        and os.path.isfile(os.path.join(root, "env.sh"))
    )


def _read_note(place: _Place) -> dict[str, Any] | None:
    """Return what was kept of a generation in these circumstances; None without a note that holds."""
    for root, path in _folders(place):
        with contextlib.suppress(OSError), folder(root, path) as here:
            data, state = here.read_from(place.digest + _END, limit=_LIMIT_BYTES)
            note = json.loads(data) if state.st_uid in trusted_owners(here.root_state) else {}
            if note.get("schema_version") == 1 and note["manifest"] == _digest_of(f"{place.prefix}/{MANIFEST}"):
                return dict(note)
    return None


def _write_note(place: _Place, text: str) -> None:
    for root, path in _folders(place):
        try:
            with folder(root, path, make=True) as here:
                kept = [name for name in here.names() if name.endswith(_END)]
                for name in sorted(kept, key=lambda name: here.state(name).st_mtime)[: max(0, len(kept) - _KEPT + 1)]:
                    here.unlink(name)
                here.write(place.digest + _END, text, durable=False)
        except OSError:
            continue
        return


def _folders(place: _Place) -> Iterator[tuple[str, str]]:
    """Yield the folders that may hold notes, each with the root below which no link is followed."""
    cache = default_cache_dir(os.environ)
    first, *others = validation_folders(place.root, os.path.basename(place.prefix), cache)
    yield place.root, first
    for other in others:
        yield str(cache), other


def _outcome(place: _Place) -> str | None:
    """Return a digest of the validation on this kind of host; None unless it passed and knows this machine."""
    generation = os.path.basename(place.prefix)
    record = find_validation(place.root, generation, token=place.token, fingerprint=place.fingerprint)
    if record is None or record["verdict"] not in {"pass", "skip"} or place.token not in record["tokens"]:
        return None
    return sha256(json.dumps([record["verdict"], record["findings"]], sort_keys=True).encode()).hexdigest()


def _digest_of(path: str) -> str:
    return sha256(read_file(path)).hexdigest()
