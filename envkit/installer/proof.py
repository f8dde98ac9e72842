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
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from envkit.errors import TamperedError, VolumeError
from envkit.installer import cache
from envkit.installer.hardlinks import entered, opened
from envkit.installer.spans import read_spans
from envkit.installer.verify import find_damage
from envkit.layout.inventory import Numbered
from envkit.layout.private import Folder, folder, read_file
from envkit.layout.trust import trusted_users, trusts_group
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.tuples import NamedTuple
from envkit.values import asdict, dataclass

_NAME = ".verified.json"
_LIMIT = 4096
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


class _State(NamedTuple):
    """The state of all files below a folder."""

    digest: str
    users: set[int]  # their owners
    changed: set[int]  # when they changed (st_ctime)
    blocks: dict[int, int]  # their disk space by inode, in units of 512 bytes


def prove(key: str, target: Path) -> PackageProof:
    """Make the proof of a package that was verified just now, in a folder that no other user may write."""
    return _proof_of(key, _state_of(str(target)), *_list_of(target))


def keep_proof(proof: PackageProof, home: Folder) -> None:
    """Write a proof beside its package."""
    home.write(_NAME, json.dumps(asdict(proof)), durable=False)


def find_changed(volume: Volume, records: Sequence[Record]) -> tuple[list[Record], dict[int, Numbered]]:
    """Return the cached packages that are not what was verified, and have to be fetched again.

    All files of the others are returned too, by their inodes: an environment that is linked from them need not be
    looked at to know its disk space.
    """
    here = [record for record in records if cache.cached(volume, record)]
    files: dict[int, Numbered] = {}
    if not here:
        return [], files
    with folder(volume.root, volume.packages) as packages:
        spans = read_spans(volume, packages)
        return [record for record in here if not _holds(volume, packages, record, spans, files)], files


def is_explained(volume: Volume, records: Iterable[Record]) -> bool:
    """Return whether packages that are cached are what was verified, as far as the state of their files tells."""
    with folder(volume.root, volume.packages) as packages:
        spans = read_spans(volume, packages)
        for record in records:
            proof = _read(volume, packages, cache.home_name(volume, record))
            with contextlib.suppress(FileNotFoundError):
                state = _state_of(str(cache.package_dir(volume, record)))
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


def _holds(
    volume: Volume, packages: Folder, record: Record, spans: Callable[[int], bool], files: dict[int, Numbered]
) -> bool:
    """Return whether a package is what was verified; then add its files to `files`."""
    target = cache.package_dir(volume, record)
    proof = _read(volume, packages, target.parent.name)
    try:
        state = _state_of(str(target))
    except OSError:
        return False
    users = state.users | {os.lstat(target.parent).st_uid}
    if not users <= trusted_users(volume) and not trusts_group(volume):
        return False
    origin = f"pkgs/{target.parent.name}"
    if proof is not None and _is_as_proved(proof, record, state, spans):
        files.update({inode: (origin, blocks) for inode, blocks in state.blocks.items()})
        return True
    if find_damage(target) is not None:
        return False
    paths, prefix_bytes = _list_of(target)
    if proof is not None and proof.paths != paths:
        return False
    if paths == _NO_LIST and proof is not None:
        return False  # an old package has no digests of its files
    with contextlib.suppress(OSError, TamperedError), packages.enter(target.parent.name) as home:  # another user's
        keep_proof(_proof_of(cache.key(record), state, paths, prefix_bytes), home)
    files.update({inode: (origin, blocks) for inode, blocks in state.blocks.items()})
    return True


def _proof_of(key: str, state: _State, paths: str, prefix_bytes: int | None) -> PackageProof:
    return PackageProof(key, state.digest, max(state.changed, default=0), paths, prefix_bytes)


def _is_as_proved(proof: PackageProof, record: Record, state: _State, spans: Callable[[int], bool]) -> bool:
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


def _state_of(root: str) -> _State:
    """Look at all files and links below a folder, in one order. There are tens of thousands.

    Raises:
        OSError: It is not there, or a folder in it is closed, or became a link.
    """
    users: set[int] = set()
    changed: set[int] = set()
    blocks: dict[int, int] = {}
    digest = hashlib.blake2b(digest_size=20)
    with entered(root) as top:
        stack = [""]
        while stack:
            inner = stack.pop()
            with opened(inner, within=top) as folder, os.scandir(folder) as found:
                lines = []
                for entry in sorted(found, key=_name):
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(f"{inner}{entry.name}/")
                        continue
                    state = entry.stat(follow_symlinks=False)  # in the open folder: no walk along its path
                    inode = state.st_ino
                    users.add(state.st_uid)
                    changed.add(state.st_ctime_ns)
                    blocks[inode] = state.st_blocks
                    lines.append(f"{inner}{entry.name}\0{state.st_size} {state.st_mtime_ns} {inode} {state.st_mode}\n")
            digest.update("".join(lines).encode("utf-8", "surrogateescape"))
    return _State(digest.hexdigest(), users, changed, blocks)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


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
