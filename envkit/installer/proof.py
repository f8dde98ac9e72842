"""Proofs: a cached package is still what was verified, told by the state of its files instead of their contents.

``pkgs/<sha256>/.verified.json`` is written when a package has been verified. It holds a digest of the path, size, mode,
modification time and inode of each file, which takes a fraction of reading them. An edit changes the time, a
replacement the inode. An edit that sets the time back changes st_ctime, as each hard link does: it is one if it lies
outside the spans in which envkit linked (`envkit.installer.spans`). Where the state differs, as after a copy of the
volume, the files themselves are read.

A proof counts if it was written by a user whose files count (see `envkit.layout.trust`), and so does each file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from envkit.errors import TamperedError, VolumeError
from envkit.installer import cache, states
from envkit.installer.spans import read_spans
from envkit.installer.states import FilesState, parse_states, read_state
from envkit.installer.verify import find_damage
from envkit.layout.disk import BLOCK
from envkit.layout.inventory import Held
from envkit.layout.private import Folder, folder, read_file
from envkit.layout.trust import trusted_users, trusts_group
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.process import LineChild
from envkit.tuples import NamedTuple
from envkit.values import asdict, dataclass

_NAME = ".verified.json"
_LIMIT = 4096
_MANY_BYTES = 750_000  # of lists: 3,000 files, for which a process takes some 20 ms, and 10 to start
_ANSWER_S = 3600.0
_NO_LIST = "none"
_KINDS: dict[str, type | tuple[type, ...]] = {
    "key": str,
    "state": str,
    "changed_ns": int,
    "paths": str,
    "prefix_bytes": (int, type(None)),
}


@dataclass(frozen=True, slots=True)
class PackageProof:
    """The state of a package's files when it was verified."""

    key: str  # the cache key of the package
    state: str  # digest of the state of its files
    changed_ns: int  # the last change time (st_ctime) of any of them
    paths: str  # sha256 of its ``info/paths.json``
    prefix_bytes: int | None  # the longest prefix that its binaries have room for; None without such files


class Verified(NamedTuple):
    """A cached package that is what was verified."""

    paths: str  # sha256 of its ``info/paths.json``
    held: Held | None  # the disk space of its files but for its description; None if some are links of others


def prove(key: str, target: Path) -> PackageProof:
    """Make the proof of a package that was verified just now, in a folder that no other user may write."""
    return _proof_of(key, read_state(str(target)), *_list_of(target))


def keep_proof(proof: PackageProof, home: Folder) -> None:
    """Write a proof beside its package."""
    home.write(_NAME, json.dumps(asdict(proof)), durable=False)


@contextlib.contextmanager
def verifying(volume: Volume, records: Sequence[Record]) -> Iterator[Verification]:
    """Look at the files of cached packages in a process of its own while the block runs; yield what judges them."""
    here = [record for record in records if cache.cached(volume, record)]
    roots = [str(cache.package_dir(volume, record)) for record in here]
    with contextlib.ExitStack() as stack:
        child = None
        if _are_many(roots):
            with contextlib.suppress(OSError, EOFError, ValueError):
                command = (sys.executable, "-I", "-S", states.__file__)
                child = LineChild(command, env=os.environ)
                stack.callback(child.close)
                child.tell(b"\0".join(map(os.fsencode, roots)))
        yield Verification(volume, here, child)


def find_changed(volume: Volume, records: Sequence[Record]) -> list[Record]:
    """Return the cached packages that are not what was verified, and have to be fetched again."""
    with verifying(volume, records) as verification:
        return verification.finish()[0]


class Verification:
    """The verification of cached packages, whose files a child looks at if there is one."""

    def __init__(self, volume: Volume, records: Sequence[Record], child: LineChild | None) -> None:
        self._volume = volume
        self._records = records
        self._child = child

    def finish(self) -> tuple[list[Record], dict[str, Verified]]:
        """Return the packages that are not what was verified, and have to be fetched again; the others by key."""
        verified: dict[str, Verified] = {}
        changed = []
        if self._records:
            known = self._told()
            with folder(self._volume.root, self._volume.packages) as packages:
                spans = read_spans(self._volume, packages)
                for record, state in zip(self._records, known, strict=True):
                    found = _verify(self._volume, packages, record, spans, state)
                    if found is None:
                        changed.append(record)
                    else:
                        verified[cache.key(record)] = found
        return changed, verified

    def _told(self) -> Sequence[FilesState | None]:
        """Return what the child says; None for what is to be looked at here."""
        if self._child is not None:
            with contextlib.suppress(EOFError, OSError, ValueError), contextlib.closing(self._child) as child:
                found = parse_states(child.hear(_ANSWER_S))
                if len(found) == len(self._records):
                    return found
        return [None] * len(self._records)


def _are_many(roots: Sequence[str]) -> bool:
    """Return whether packages have so many files that a process of its own is faster, by the size of their lists."""
    size = 0
    for root in roots:
        with contextlib.suppress(OSError):
            size += os.lstat(f"{root}/info/paths.json").st_size
    return size > _MANY_BYTES and bool(sys.executable)


def is_explained(volume: Volume, records: Iterable[Record]) -> bool:
    """Return whether packages that are cached are what was verified, as far as the state of their files tells."""
    with folder(volume.root, volume.packages) as packages:
        spans = read_spans(volume, packages)
        for record in records:
            proof = _read(volume, packages, cache.home_name(volume, record))
            with contextlib.suppress(FileNotFoundError):
                state = read_state(str(cache.package_dir(volume, record)))
                if proof is None or not _is_as_proved(proof, record, state, spans):
                    return False
    return True


def refuse_long_prefix(volume: Volume, records: Sequence[Record], prefix: Path) -> None:
    """Refuse packages whose binaries have no room for the path of a generation.

    Raises:
        VolumeError: The path is too long for them.
    """
    length = len(os.fsencode(prefix))
    with folder(volume.root, volume.packages) as packages:
        proofs = [(record, _read(volume, packages, cache.home_name(volume, record))) for record in records]
    for record, proof in proofs:
        if proof is not None and proof.prefix_bytes is not None and proof.prefix_bytes < length:
            raise VolumeError(
                f"{record.name} {record.version} was built for paths of at most {proof.prefix_bytes} bytes, and "
                f"{prefix} has {length}",
                hint="Choose a volume nearer to the root with --persist DIR, or another build of the package.",
            )


def _verify(
    volume: Volume, packages: Folder, record: Record, spans: Callable[[int], bool], state: FilesState | None
) -> Verified | None:
    """Return None if a package is not what was verified. The state of its files is read here unless it is known."""
    target = cache.package_dir(volume, record)
    proof = _read(volume, packages, target.parent.name)
    try:
        state = state or read_state(str(target))
    except OSError:
        return None
    held = Held(state.blocks * BLOCK, state.count) if state.inodes == state.count else None
    users = state.users | {os.lstat(target.parent).st_uid}
    if not users <= trusted_users(volume) and not trusts_group(volume):
        return None
    if proof is not None and _is_as_proved(proof, record, state, spans):
        return Verified(proof.paths, held)
    if find_damage(target) is not None:
        return None
    paths, prefix_bytes = _list_of(target)
    if proof is not None and proof.paths != paths:
        return None
    if paths == _NO_LIST and proof is not None:
        return None  # an old package has no digests of its files
    with contextlib.suppress(OSError, TamperedError), packages.enter(target.parent.name) as home:  # another user's
        keep_proof(_proof_of(cache.key(record), state, paths, prefix_bytes), home)
    return Verified(paths, held)


def _proof_of(key: str, state: FilesState, paths: str, prefix_bytes: int | None) -> PackageProof:
    return PackageProof(key, state.digest, max(state.changed, default=0), paths, prefix_bytes)


def _is_as_proved(proof: PackageProof, record: Record, state: FilesState, spans: Callable[[int], bool]) -> bool:
    if (proof.key, proof.state) != (cache.key(record), state.digest):
        return False
    return all(when <= proof.changed_ns or spans(when) for when in state.changed)


def _read(volume: Volume, packages: Folder, name: str) -> PackageProof | None:
    """Read a proof that counts; None if there is none."""
    try:
        with packages.enter(name) as here:
            text, state = here.read_from(_NAME, limit=_LIMIT)
        counts = not state.st_mode & 0o022 and state.st_uid in trusted_users(volume)
        found = json.loads(text)
        if not all(isinstance(found[name], kind) for name, kind in _KINDS.items()):
            return None
        proof = PackageProof(**found)
    except (OSError, ValueError, TypeError, LookupError, RecursionError, TamperedError):
        return None
    return proof if counts or trusts_group(volume) else None


def _list_of(target: Path) -> tuple[str, int | None]:
    """Return the sha256 of a package's list of files, and the longest prefix that its binaries have room for."""
    try:
        text = read_file(target / "info" / "paths.json")
        entries = json.loads(text)["paths"]
    except FileNotFoundError:
        return _NO_LIST, None
    rooms = [
        len(str(entry["prefix_placeholder"]).encode())
        for entry in entries
        if entry.get("prefix_placeholder") and entry.get("file_mode") == "binary"
    ]
    return hashlib.sha256(text).hexdigest(), min(rooms, default=None)
