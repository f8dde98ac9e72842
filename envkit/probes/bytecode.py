"""Give every module of an environment its bytecode, from a cache by hard link or by compiling it.

Run by the environment's own Python (3.7 and newer):

    python bytecode.py PREFIX CACHE TAG FILES MODE [--nonce TEXT] [--trace FD]

MODE is that of folders in the cache, in octal. FILES is a JSON file with a list of [key, path]: the key of the package
(its archive's digest) and the path of a ``.py`` file in the prefix. The cache holds the ``__pycache__`` folders of the
prefix below ``<key>/<TAG>/``; a file there fits when its header has the source's mtime and size, or its hash, as the
interpreter itself demands (PEP 552). The path inside the code object is set right by the import system on loading. One
JSON line on stdout says what was done, and which packages (``incomplete``) have modules whose bytecode could not be
written or kept.
"""

import contextlib
import importlib.util
import json
import os
import py_compile
import struct
import sys


def fits(pyc, source, state):
    """Whether the interpreter would take this bytecode for a source with this state."""
    try:
        with open(pyc, "rb") as file:
            head = file.read(16)
    except OSError:
        return False
    want = importlib.util.MAGIC_NUMBER + struct.pack(
        "<III", 0, int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF
    )
    if head[:4] == want[:4] and head[4:8] in (b"\1\0\0\0", b"\3\0\0\0"):  # valid by the hash of its source
        with open(source, "rb") as file:
            return head[8:] == importlib.util.source_hash(file.read())
    return head == want


def place(source, cached):
    """Put bytecode beside one source; return what was done."""
    state = os.stat(source)
    target = importlib.util.cache_from_source(source)
    if fits(target, source, state):
        return "present"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if fits(cached, source, state):
        try:
            os.link(cached, target)
            return "linked"
        except OSError:
            pass  # another file system, or too many links: compile
    try:
        py_compile.compile(
            source, cfile=target, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP
        )
    except (py_compile.PyCompileError, SyntaxError, ValueError, UnicodeError, RecursionError):
        return "failed"  # templates and files for other Pythons: nobody imports them
    return "compiled"


def enter(cache, path, mode):
    """Open a folder below the cache, made where it is missing, through no link: others may write there too."""
    descriptor = os.open(cache, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    for name in path.split("/"):
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, mode & 0o777, dir_fd=descriptor)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def keep(target, cache, cached, mode):
    """Put bytecode that is on the disk into the cache; return whether it is there."""
    folder, name = os.path.split(os.path.relpath(cached, cache))
    temporary = "%s.%d" % (name, os.getpid())
    try:
        descriptor = enter(cache, folder, mode)
        try:
            os.link(target, temporary, dst_dir_fd=descriptor)
            os.rename(temporary, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return False  # the cache is a saving, not a need
    return True


def sync(path):
    """Put what was compiled on the disk (syncfs(2)): a name in the cache outlives a power cut, so its bytes must.

    Return whether it is there.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) == 0:
            return True
        if ctypes.get_errno() in (5, 28, 122):  # EIO, ENOSPC, EDQUOT
            return False
    except (ImportError, OSError, AttributeError):
        pass
    finally:
        os.close(descriptor)
    os.sync()
    return True


def work(prefix, cache, tag, files):
    """Place the bytecode of all files; count what was done, list what is new to the cache, and what was hindered."""
    counts = {}
    compiled = []
    hindered = set()
    for key, path in files:
        cached = os.path.join(cache, key, tag, importlib.util.cache_from_source(path))
        try:
            done = place(os.path.join(prefix, path), cached)
        except OSError as error:
            if error.errno in (28, 122):  # ENOSPC, EDQUOT
                raise
            done = "failed"
            hindered.add(key)
        counts[done] = counts.get(done, 0) + 1
        if done == "compiled" or (done == "present" and not os.path.exists(cached)):
            compiled.append((key, importlib.util.cache_from_source(os.path.join(prefix, path)), cached))
    return counts, compiled, sorted(hindered)


def die_with_parent():
    """Ask the kernel to kill this process when the one that started it dies (Linux): nobody would wait for it."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, OSError, AttributeError):
        pass


def main():
    """Split the work over the processors."""
    die_with_parent()
    prefix, cache, tag, listing, mode = sys.argv[1:6]
    with open(listing, encoding="utf-8") as file:
        files = json.load(file)
    jobs = max(1, min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 8, len(files) // 200))
    if jobs == 1:
        totals = [work(prefix, cache, tag, files)]
    else:
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(jobs, die_with_parent) as pool:
            totals = pool.starmap(work, [(prefix, cache, tag, files[n::jobs]) for n in range(jobs)])
    total = {}
    for counts, _, _ in totals:
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    new = [item for _, compiled, _ in totals for item in compiled]
    left = {key for _, _, hindered in totals for key in hindered}
    if new and sync(prefix):
        left.update(key for key, target, cached in new if not keep(target, cache, cached, int(mode, 8)))
    else:
        left.update(key for key, _, _ in new)
    python = {"version": sys.version, "implementation": sys.implementation.name}
    answers = {"asked": sys.argv[1:], "python": python}
    print(json.dumps({"schema_version": 1, "counts": total, "incomplete": sorted(left), "answers": answers}))


if __name__ == "__main__":
    main()
