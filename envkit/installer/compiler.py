"""Bytecode made while packages are still fetched and linked: by workers that stay alive, from packages in the cache.

The environment's own Python compiles. It runs from the cache as soon as it and its dependencies are there, which is why
they are fetched first. It writes into a folder of this run; when the bytecode of a package is complete and on the disk,
one rename puts it into ``pyc/``, where `link_kept` finds it. A package that could not be compiled here (Python does not
run from the cache, a worker died) is left to `make_bytecode`.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from envkit.builds.dependency import dependency_names
from envkit.errors import TamperedError
from envkit.installer import cache
from envkit.installer.bytecode_lists import LIST, list_text, read_list
from envkit.installer.modules import Module, cached_modules, python_of, python_tag
from envkit.installer.seal import close_to_others
from envkit.layout.atomic import sync_file_system
from envkit.layout.private import Folder, folder
from envkit.layout.refusal import full_while, no_space
from envkit.layout.trash import discard
from envkit.layout.trust import cache_mode, guards_caches, keep_name, trusted_users
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter
from envkit.probe import PROBES_DIR
from envkit.process import LineChild, usable_processors
from envkit.values import dataclass, field
from envkit.words.values import plural

DOING = "bytecode was made"
"""What was being done, for the error of a full disk."""

_MOST_WORKERS = 8
_CHUNK_BYTES = 200_000  # of sources: some 0.1 s, so that all workers end together
_ANSWER_S = 600.0
_HELLO_S = 60.0
_TOLD_S = 0.2
_STARTS = 3  # of each worker: a module may crash the compiler


@dataclass
class _Package:
    """A package that is being compiled."""

    record: Record
    modules: int  # number of them
    left: int  # chunks that are not done
    whole: bool = True
    files: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some modules of a package."""

    package: _Package
    modules: list[Module]


class Compiler:
    """The workers of one run and what they have done. Threads may add packages at the same time."""

    def __init__(self, volume: Volume, records: Sequence[Record], prefix: Path) -> None:
        self.volume = volume
        self.records = records
        self.prefix = prefix
        self.counts: dict[str, int] = {}
        self.kept = 0  # modules whose bytecode went into the cache
        python, tag = python_of(records), python_tag(records)
        self._python, self._tag = python, tag or ""
        self.first = _closure(records, python)
        self._stack = contextlib.ExitStack()
        self._stage: Folder | None = None
        self._descriptors: tuple[int, int, int] = (-1, -1, -1)
        self._queue: queue.PriorityQueue[tuple[float, int, _Chunk | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._state = threading.Condition()
        self._packages: list[_Package] = []
        self._done: list[_Package] = []
        self._children: set[LineChild] = set()
        self._threads: list[threading.Thread] = []
        self._working = 0
        self._closed = False
        self._fault: OSError | None = None
        self._held: Folder | None = None

    def begin(self, missing: Sequence[Record], fetching: Folder | None) -> None:
        """Begin with the packages that are in the cache.

        Args:
            missing: Those that are not, and will be added.
            fetching: The folder that holds them until they are moved into the cache.
        """
        here = [record for record in self.records if record not in missing and not self._is_known(record)]
        if self._python is None or not (here or missing):
            return
        self._stage = self._stack.enter_context(cache.incoming(self.volume))
        packages = self._stack.enter_context(folder(self.volume.root, self.volume.packages))
        own = os.dup(fetching.descriptor) if fetching is not None else -1
        if own >= 0:
            self._stack.callback(os.close, own)
        self._descriptors = (self._stage.descriptor, packages.descriptor, own)
        for record in here:
            self.add(record, cache.package_dir(self.volume, record))
        if not self.first & {record.name for record in missing}:
            self.start()

    def _is_known(self, record: Record) -> bool:
        """Return whether there is a list of a package's bytecode, which `link_kept` looks at."""
        home = keep_name(self.volume, self.volume.bytecode, cache.key(record))
        return os.path.lexists(self.volume.bytecode / home / self._tag / LIST)

    def add(self, record: Record, package: Path) -> None:
        """Take a package that was extracted to a folder, and checked."""
        if self._stage is None or self._python is None or self._is_known(record):
            return
        try:
            modules = cached_modules(package, record, self._python)
            self._stage.enter(cache.key(record), new=True, mode=cache_mode(self.volume)).close()
        except (OSError, ValueError) as error:
            self._note_fault(error)
            return
        modules.sort(key=lambda module: -module.size_bytes)
        chunks: list[list[Module]] = []
        room = 0
        for module in modules:
            if room <= 0:
                chunks.append([])
                room = _CHUNK_BYTES
            chunks[-1].append(module)
            room -= max(module.size_bytes, 1000)
        one = _Package(record, len(modules), len(chunks))
        with self._state:
            self._packages.append(one)
            if not chunks:
                self._done.append(one)
        for chunk in chunks:
            self._queue.put((-sum(m.size_bytes for m in chunk), next(self._numbers), _Chunk(one, chunk)))

    def start(self) -> None:
        """Start the workers: Python and its dependencies are in the cache."""
        if self._stage is None or self._threads:
            return
        wanted = max(1, min(_MOST_WORKERS, usable_processors()))
        self._working = wanted
        for begun in range(wanted):
            thread = threading.Thread(target=self._serve, name="envkit-compiler", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system refuses it (ulimit -v, ulimit -u): fewer do
                with self._state:
                    self._working -= wanted - begun
                return
            self._threads.append(thread)

    def take_done(self) -> list[_Package]:
        """Return the packages that were completed since; they may be kept after the next sync of the file system."""
        with self._state:
            done, self._done = self._done, []
        kept = []
        for package in done:
            if package.whole and self._stage is not None:
                try:
                    with self._stage.enter(cache.key(package.record)) as home:
                        if guards_caches(self.volume):
                            close_to_others(Path(home.through))
                        home.write(LIST, list_text(list(package.files.items()), home), durable=False)
                    kept.append(package)
                except OSError as error:
                    self._note_fault(error)
        return kept

    def keep(self, packages: Sequence[_Package]) -> None:
        """Put the bytecode of packages, which is on the disk, into the cache.

        Raises:
            OSError: The volume is full.
        """
        if not packages or self._stage is None:
            return
        with folder(self.volume.root, self.volume.bytecode, make=True) as store:
            for package in packages:
                try:
                    self._move(package, self._stage, store)
                    self.kept += sum(map(len, package.files.values()))
                except OSError as error:  # a folder of another user; the cache only saves work
                    if no_space(error):
                        raise

    def _move(self, package: _Package, stage: Folder, store: Folder) -> None:
        key = cache.key(package.record)
        name = keep_name(self.volume, self.volume.bytecode, key)
        with store.enter(name, make=True, mode=cache_mode(self.volume)) as home:
            try:
                stage.move(key, home, self._tag)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                    raise
                place = self.volume.bytecode / name / self._tag
                if read_list(place) is None:  # else another process was faster
                    discard(self.volume, place)
                    stage.move(key, home, self._tag)

    @property
    def pending(self) -> int:
        """Number of modules in packages that are not done."""
        with self._state:
            return sum(package.modules for package in self._packages if package.left)

    def finish(self, reporter: Reporter) -> None:
        """Wait for all packages, and keep them.

        Raises:
            NoSpaceError: The volume is full.
        """
        for _ in self._threads:
            self._queue.put((float("inf"), next(self._numbers), None))
        left, working = self.pending, bool(self._threads)
        reporter.start("bytecode", plural(left, "module"), total=left)
        while working:
            with self._state:
                self._state.wait(_TOLD_S)
                working = self._working > 0
            before, left = left, self.pending
            reporter.advance("bytecode", before - left)
        try:
            done = self.take_done()
            if self._fault is not None:
                raise self._fault
            if done:
                sync_file_system(self.volume.packages)
                self.keep(done)
        except OSError as error:
            if no_space(error):
                raise full_while(self.volume, error, DOING) from error
            raise

    def close(self) -> None:
        """End the workers and remove what was not kept."""
        with self._state:
            self._closed = True
            children = list(self._children)
        for child in children:
            child.kill()
        for _ in self._threads:
            self._queue.put((-float("inf"), next(self._numbers), None))
        for thread in self._threads:
            thread.join()
        self._stack.close()

    def _serve(self) -> None:
        """Start a worker and give it chunks, until there are no more; in a thread, with which the worker ends."""
        try:
            for _ in range(_STARTS):
                if self._closed or self._talk():
                    return
        except (OSError, TamperedError, MemoryError):
            return  # it cannot be started
        finally:
            with self._state:
                self._working -= 1
                self._state.notify_all()

    def _talk(self) -> bool:
        """Return False if the worker died."""
        if self._python is None:
            return True
        home = self._home_of(self._python)
        command = (home / "bin" / "python", "-I", "-S", "-B", "-W", "ignore", PROBES_DIR / "compile_worker.py")
        inherited = [number for number in self._descriptors if number >= 0]
        child = LineChild([*command, *map(str, self._descriptors)], env=self._variables(), inherited=inherited)
        with self._state:
            self._children.add(child)
        chunk = None
        try:
            hello = json.loads(child.hear(_HELLO_S))
            if hello["version"] != [int(part) for part in self._python.version.split(".")[:2]]:
                return True
            while not self._closed:
                chunk = self._queue.get()[2]
                if chunk is None:
                    return True
                self._note(chunk, json.loads(child.ask(self._request(chunk), _ANSWER_S)))
                chunk = None
        except (EOFError, TimeoutError, ValueError, LookupError, TypeError, AttributeError):
            if chunk is not None:
                self._note(chunk, {"whole": False})
            return False
        finally:
            with self._state:
                self._children.discard(child)
            child.close()
        return True

    def _home_of(self, python: Record) -> Path:
        """Return the directory of Python in the cache; in a shared volume by its descriptor, which nobody swaps."""
        if not guards_caches(self.volume):
            return cache.package_dir(self.volume, python)
        with self._state:
            if self._held is None:
                self._held = self._stack.enter_context(cache.open_package(self.volume, python))
            return Path(self._held.through)

    def _request(self, chunk: _Chunk) -> bytes:
        record = chunk.package.record
        package = f"{record.name}-{record.version}-{record.build}"
        _, packages, fetching = self._descriptors
        homes = [[fetching, f"{cache.key(record)}/{package}"]]
        homes.append([packages, f"{cache.home_name(self.volume, record)}/{package}"])
        request = {
            "homes": homes,
            "owners": sorted(trusted_users(self.volume)) if guards_caches(self.volume) else None,
            "stage": cache.key(record),
            "prefix": str(self.prefix),
            "modules": [module[:3] for module in chunk.modules],
        }
        return json.dumps(request).encode()

    def _note(self, chunk: _Chunk, answer: dict[str, object]) -> None:
        package = chunk.package
        counts, made, fault = answer.get("counts"), answer.get("made"), answer.get("fault")
        with self._state:
            package.whole = package.whole and answer.get("whole") is True
            for what, count in counts.items() if isinstance(counts, dict) else ():
                self.counts[what] = self.counts.get(what, 0) + count
            for inner, names in made.items() if isinstance(made, dict) else ():
                package.files.setdefault(inner, []).extend(names)
            if isinstance(fault, int):
                self._fault = OSError(fault, os.strerror(fault))
            package.left -= 1
            if not package.left:
                self._done.append(package)
            self._state.notify_all()

    def _note_fault(self, error: Exception) -> None:
        """Remember a full disk; all else leaves a package without bytecode from here."""
        if isinstance(error, OSError) and no_space(error):
            self._fault = error

    def _variables(self) -> dict[str, str]:
        """Return the variables of a worker: Python's libraries are in packages of their own."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        places = [cache.package_dir(self.volume, r) / "lib" for r in self.records if r.name in self.first]
        known = [env["LD_LIBRARY_PATH"]] if env.get("LD_LIBRARY_PATH") else []
        env["LD_LIBRARY_PATH"] = os.pathsep.join([*(str(place) for place in places if place.is_dir()), *known])
        return env


@contextlib.contextmanager
def compiling(volume: Volume, records: Sequence[Record], prefix: Path) -> Iterator[Compiler]:
    """Yield a compiler for the packages of a prefix, and end its workers."""
    compiler = Compiler(volume, records, prefix)
    try:
        yield compiler
    finally:
        compiler.close()


def _closure(records: Sequence[Record], python: Record | None) -> frozenset[str]:
    """Return the names of Python and of the packages that it needs."""
    known = {record.name: record for record in records}
    found: set[str] = set()
    todo = [python.name] if python is not None else []
    while todo:
        name = todo.pop()
        if name in known and name not in found:
            found.add(name)
            todo += dependency_names(known[name].depends)
    return frozenset(found)
