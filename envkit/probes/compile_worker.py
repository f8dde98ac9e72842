"""Compile modules of packages in the cache for as long as somebody asks: one JSON object a line in, one out.

Run by the environment's Python (3.7 and newer), from the package cache and before the environment is linked:

    python compile_worker.py STAGE PACKAGES FETCHING

The arguments are numbers of inherited descriptors: of the folder for what is compiled, of the cache, and of the folder
of packages that are still being fetched (-1: there is none). The first line that it writes says which Python this is.

A request names ``homes`` [[descriptor, path]], where the package may be, since it moves into the cache meanwhile; the
folder ``stage`` for its bytecode, the ``prefix`` that it is for, and ``modules`` as [source, path, shipped]: where
one is in the package and in the prefix, and whether bytecode may lie beside it in the package. The answer counts what
was done, and lists the bytecode ``made`` by folder; ``whole`` is false if anything that should be there is not.
"""

import contextlib
import importlib.util
import json
import marshal
import os
import struct
import sys

MEMORY_BYTES = 4 << 30
FULL = (28, 122)  # ENOSPC, EDQUOT
HASHED = (b"\1\0\0\0", b"\3\0\0\0")  # flags of bytecode that holds the hash of its source, unchecked or checked


class StaleError(Exception):
    """The package brings bytecode that the interpreter would not take."""


def limit_memory():
    """Bound this process, lest a module that is all data takes the machine."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except (ImportError, OSError, ValueError):
        pass


def die_with_parent():
    """Ask the kernel to kill this process when the thread that started it ends (Linux); else the end of input does."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, OSError, AttributeError):
        pass


def enter(homes, owners):
    """Open the first folder that is there, through no link: others may write into the cache.

    With `owners`, each folder belongs to one of these users, and nobody else may write it.
    """
    for number, (descriptor, path) in enumerate(homes):
        if descriptor < 0:
            continue
        here = os.dup(descriptor)
        try:
            for name in path.split("/"):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                os.close(here)
                here = inner
                state = os.fstat(here)
                if owners is not None and (state.st_uid not in owners or state.st_mode & 0o022):
                    raise PermissionError(path)
        except OSError:
            os.close(here)
            if number == len(homes) - 1:
                raise
            continue
        return here
    raise FileNotFoundError(homes)


def read(folder, path):
    """Return a file's content and state."""
    descriptor = os.open(path, os.O_RDONLY, dir_fd=folder)
    with open(descriptor, "rb", buffering=0) as file:
        return file.read(), os.fstat(descriptor)


def header(state):
    """Return the beginning of the bytecode of a source with this state (PEP 552)."""
    return importlib.util.MAGIC_NUMBER + struct.pack(
        "<III", 0, int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF
    )


def is_shipped(home, source):
    """Check whether the package brings the bytecode of this source, valid by its time and size or by its hash."""
    try:
        descriptor = os.open(importlib.util.cache_from_source(source), os.O_RDONLY, dir_fd=home)
    except OSError:
        return False
    try:
        head = os.read(descriptor, 16)
    finally:
        os.close(descriptor)
    if head == header(os.stat(source, dir_fd=home)):
        return True
    if head[:4] == importlib.util.MAGIC_NUMBER and head[4:8] in HASHED:
        text, _ = read(home, source)
        if head[8:] == importlib.util.source_hash(text):
            return True
    raise StaleError


class Stage:
    """The folder for what is compiled."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.made = set()

    def make(self, path):
        """Make a folder and those above it."""
        if path in self.made:
            return
        if "/" in path:
            self.make(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, dir_fd=self.descriptor)
        self.made.add(path)

    def write(self, path, parts, mode):
        """Write a new file."""
        self.make(os.path.dirname(path))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode, dir_fd=self.descriptor)
        try:
            data = b"".join(parts)
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:] if written else data)
        finally:
            os.close(descriptor)


def work(stage, request):
    """Compile the modules of a request; see the module."""
    counts, made, whole, fault = {}, {}, True, None
    home = enter(request["homes"], request["owners"])
    try:
        for source, path, shipped in request["modules"]:
            try:
                if shipped and is_shipped(home, source):
                    done = "present"
                else:
                    text, state = read(home, source)
                    code = compile(text, request["prefix"] + "/" + path, "exec", dont_inherit=True)
                    cached = importlib.util.cache_from_source(path)
                    mode = state.st_mode & 0o777 | 0o200
                    stage.write(request["stage"] + "/" + cached, (header(state), marshal.dumps(code)), mode)
                    folder, name = os.path.split(cached)
                    made.setdefault(folder, []).append(name)
                    done = "compiled"
            except (SyntaxError, ValueError, UnicodeError, RecursionError):
                done = "failed"  # templates and files for other Pythons: nobody imports them
            except (OSError, MemoryError, StaleError) as error:
                done, whole = "left", False
                if getattr(error, "errno", None) in FULL:
                    fault = error.errno
                    break
            counts[done] = counts.get(done, 0) + 1
    finally:
        os.close(home)
    return {"counts": counts, "made": made, "whole": whole, "fault": fault}


def main():
    """Answer until there are no more requests."""
    die_with_parent()
    limit_memory()
    stage = Stage(int(sys.argv[1]))
    print(json.dumps({"version": list(sys.version_info[:2]), "implementation": sys.implementation.name}), flush=True)
    for line in sys.stdin:
        try:
            answer = work(stage, json.loads(line))
        except OSError:  # the package is gone
            answer = {"counts": {}, "made": {}, "whole": False, "fault": None}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
