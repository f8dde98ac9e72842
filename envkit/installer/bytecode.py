"""Bytecode: compiled once for each package and Python, then hard-linked, since generations are read-only.

``pyc/<key of the package>/<tag>/`` mirrors the prefix: it holds the ``__pycache__`` folders of one package for one
Python. A package that is complete there (it has its list of files) is linked file by file, which takes a fraction of
starting the environment's Python.

The compiler (`envkit.installer.compiler`) fills it while packages are fetched. What it left, and wheels, are compiled
in the prefix.
"""

from __future__ import annotations

import errno
import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from envkit.errors import TamperedError
from envkit.installer import cache
from envkit.installer.bytecode_lists import BytecodeFiles, read_weighed, write_list
from envkit.installer.compiler import DOING, Compiler
from envkit.installer.hardlinks import LinkTarget, entered, link_target, opened
from envkit.installer.modules import linked_modules, python_tag
from envkit.layout.disk import BLOCK
from envkit.layout.inventory import Held, Origins
from envkit.layout.refusal import full_while, no_space
from envkit.layout.space import free_space
from envkit.layout.trust import cache_mode, guards_caches, keep_name, open_kept, own_name, trusted_users
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.probe import list_of
from envkit.models.progress import Reporter
from envkit.probe import PROBES_DIR, run_probe
from envkit.scratch import scratch

_TIMEOUT_S = 1800.0


def link_kept(
    volume: Volume,
    records: Sequence[Record],
    target: LinkTarget,
    *,
    among: Sequence[Record] | None = None,
    known: Origins | None = None,
) -> tuple[int, list[Record]]:
    """Link the bytecode of complete packages in the cache; return the number of files, and the other packages.

    Args:
        records: All packages of the prefix, which tell the Python.
        target: The open prefix.
        among: Link that of these only.
        known: Takes what was linked from where.

    Raises:
        NoSpaceError: The volume is full.
    """
    tag = python_tag(records)
    linked = 0
    rest: list[Record] = []
    guarded = guards_caches(volume)
    for record in (records if among is None else among) if tag is not None else ():
        name = _name(volume, record)
        if not (volume.bytecode / name).is_dir():
            name = own_name(volume, volume.bytecode, cache.key(record))
        try:
            if guarded:
                with open_kept(volume, volume.bytecode, name, str(tag)) as kept:
                    done = _link_package(volume, record, Path(kept.through), target)
            else:
                done = _link_package(volume, record, volume.bytecode / name / str(tag), target)
        except TamperedError:
            done = None
        except OSError as error:
            if no_space(error):
                raise full_while(volume, error, DOING) from error
            done = None  # too many links (EMLINK), none at all, or a file is gone: compile
        if known is not None and (done is None or done[1] is None):
            known.whole = False
        if done is None:
            rest.append(record)
            continue
        files, blocks = done
        count = sum(len(names) for _, names in files)
        linked += count
        if known is not None and blocks is not None:
            known.add(f"pyc/{name}", Held(blocks * BLOCK, count), files)
    return linked, rest


def _name(volume: Volume, record: Record) -> str:
    """Return the name of the folder in which this user keeps the bytecode of a package."""
    return keep_name(volume, volume.bytecode, cache.key(record))


def _link_package(
    volume: Volume, record: Record, folder: Path, target: LinkTarget
) -> tuple[BytecodeFiles, int | None] | None:
    """Link the bytecode of a package; return its list, and its disk space if that is known, in blocks."""
    files, blocks = read_weighed(folder)
    if files is None or not _fits(folder, files, cache.package_dir(volume, record)):
        return None
    if guards_caches(volume):
        users = trusted_users(volume)
        found = (f"{folder}/{inner}/{name}" for inner, names in files for name in names)
        if not all(os.lstat(path).st_uid in users for path in found):
            return None
    return files, blocks if _link_files(folder, files, target) else None


def make_bytecode(
    volume: Volume,
    records: Sequence[Record],
    where: tuple[Path, Path],
    kept: tuple[int, list[Record]],
    *,
    compiler: Compiler,
    env: Callable[[], Mapping[str, str]],
    reporter: Reporter,
) -> None:
    """Link what the compiler made, compile what it left with the environment's own Python, and keep that.

    Everything works without bytecode, so only a full disk is an error here.

    Args:
        volume: The volume.
        records: The packages of the prefix.
        where: The prefix, and a path to it by which files are written; see `envkit.layout.generation.Claimed`.
        kept: The result of `link_kept`: what was linked before, and the packages that had none.
        compiler: Made bytecode meanwhile.
        env: Returns variables for the environment's Python.

    Raises:
        NoSpaceError: The volume is full.
    """
    prefix, place = where
    python = prefix / "bin" / "python"
    tag = python_tag(records)
    if tag is None or not (place / "bin" / "python").exists():
        return
    compiler.finish(reporter)
    linked, rest = kept
    with link_target(place) as target:
        more, rest = link_kept(volume, records, target, among=rest)
    counts = {what: count for what, count in compiler.counts.items() if what != "left"}
    if linked + more > compiler.kept:
        counts["linked"] = linked + more - compiler.kept
    files = [(_name(volume, record), name) for record in rest for name in linked_modules(place, record)]
    if files:
        done, incomplete = _compile(volume, python, place, tag, files, env())
        for what, count in done.items():
            counts[what] = counts.get(what, 0) + count
        for record in rest:
            if incomplete is None or _name(volume, record) in incomplete:
                continue  # compiled again by the next run
            folder = volume.bytecode / _name(volume, record) / tag
            try:
                write_list(volume, folder)
            except OSError as error:
                if no_space(error):
                    raise full_while(volume, error, DOING) from error
                # A folder of another user. The cache only saves work.
    reporter.finish("bytecode", ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none")


def make_wheel_bytecode(
    volume: Volume,
    records: Sequence[Record],
    where: tuple[Path, Path],
    files: Sequence[tuple[str, str]],
    *,
    env: Mapping[str, str],
) -> dict[str, int]:
    """Compile the modules of wheels as those of packages; return how many were compiled, linked or failed.

    Args:
        volume: The volume of the prefix.
        records: The conda packages of the prefix, which tell the Python.
        where: The prefix, and a path by which it is written.
        files: The digest of a wheel, and the path of a module that it brought; for each module.
        env: Variables for the environment's Python.

    Raises:
        NoSpaceError: The volume is full.
    """
    tag = python_tag(records)
    if tag is None or not files:
        return {}
    return _compile(volume, where[0] / "bin" / "python", where[1], tag, list(files), env)[0]


def _fits(folder: Path, files: BytecodeFiles, package: Path) -> bool:
    """Check on one file whether bytecode has the time and size of its source (PEP 552).

    All sources of a package come from one archive, and hard links keep the time. Copies may differ; then the
    interpreter would reject the bytecode, so the package is compiled.
    """
    for inner, names in files:
        home = inner.rpartition("__pycache__")[0]
        _, noarch, short = home.partition("/site-packages/")
        module = names[0].split(".", 1)[0] + ".py"
        for source in (package / home / module, package / "site-packages" / short / module if noarch else None):
            if source is None or not source.exists():
                continue
            state = source.stat()
            with (folder / inner / names[0]).open("rb") as file:
                head = file.read(16)
            return head[4:] == struct.pack("<III", 0, int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF)
        return False
    return True


def _link_files(folder: Path, files: BytecodeFiles, target: LinkTarget) -> bool:
    """Link the files of a list; return whether none of them was there before."""
    whole = True
    with entered(str(folder)) as home:
        for inner, names in files:
            with opened(inner, within=home) as source, target.folder(inner) as place:
                for name in names:
                    try:
                        os.link(name, name, src_dir_fd=source, dst_dir_fd=place, follow_symlinks=False)
                    except FileExistsError:  # two packages with the same module, or one that ships its own bytecode
                        whole = False
    return whole


def _compile(
    volume: Volume, python: Path, prefix: Path, tag: str, files: list[tuple[str, str]], env: Mapping[str, str]
) -> tuple[dict[str, int], frozenset[str] | None]:
    """Compile; return what was done, and the keys of packages with modules left over: None if that is not known."""
    with scratch() as folder:
        listing = folder / "files.json"
        listing.write_text(json.dumps(files), encoding="utf-8")
        outcome = run_probe(
            python,
            PROBES_DIR / "bytecode.py",
            [str(prefix), str(volume.bytecode), tag, str(listing), f"{cache_mode(volume):o}"],
            env=env,
            timeout_s=_TIMEOUT_S,
        )
    said = next((number for number in (errno.ENOSPC, errno.EDQUOT) if os.strerror(number) in outcome.stderr_tail), None)
    if said is not None or free_space(volume.root).none_left:
        raise full_while(volume, OSError(said or errno.ENOSPC, "while modules were compiled"), DOING)
    counts = outcome.facts.get("counts")
    if not isinstance(counts, Mapping):
        return {f"modules not compiled ({outcome.state})": len(files)}, None
    left = list_of(outcome.facts.get("incomplete")) if outcome.state == "done" else None
    done = {str(what): count for what, count in counts.items() if isinstance(count, int)}
    return done, None if left is None else frozenset(map(str, left))
