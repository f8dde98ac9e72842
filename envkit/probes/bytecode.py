"""Give every module of an environment its bytecode, from a cache by hard link or by compiling it.

Run by the environment's own Python (3.7 and newer):

    python bytecode.py PREFIX CACHE FILES

FILES is a JSON file with a list of [key, path]: the key of the package (its archive's digest) and the path of a ``.py``
file in the prefix. The cache holds ``<key>/<tag>/<digest of path>.pyc``; a file there fits when its header has the
source's mtime and size, as the interpreter itself demands (PEP 552). The path inside the code object is set right by
the import system on loading. One JSON line on stdout says what was done.
"""

import hashlib
import importlib.util
import json
import os
import py_compile
import struct
import sys


def fits(pyc, state):
    """Whether the interpreter would take this bytecode for a source with this state."""
    try:
        with open(pyc, "rb") as file:
            head = file.read(16)
    except OSError:
        return False
    want = importlib.util.MAGIC_NUMBER + struct.pack(
        "<III", 0, int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF
    )
    return head == want


def place(source, cached):
    """Put bytecode beside one source; return what was done."""
    state = os.stat(source)
    target = importlib.util.cache_from_source(source)
    if fits(target, state):
        return "present"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if fits(cached, state):
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
    temporary = "%s.%d" % (cached, os.getpid())
    try:
        os.makedirs(os.path.dirname(cached), exist_ok=True)
        os.link(target, temporary)
        os.replace(temporary, cached)
    except OSError:
        pass  # the cache is a saving, not a need
    return "compiled"


def work(prefix, cache, files):
    """Place the bytecode of all files; count what was done."""
    counts = {}
    for key, path in files:
        name = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:24] + ".pyc"
        cached = os.path.join(cache, key, sys.implementation.cache_tag, name)
        try:
            done = place(os.path.join(prefix, path), cached)
        except OSError as error:
            if error.errno in (28, 122):  # ENOSPC, EDQUOT
                raise
            done = "failed"
        counts[done] = counts.get(done, 0) + 1
    return counts


def main():
    """Split the work over the processors."""
    prefix, cache, listing = sys.argv[1:4]
    with open(listing, encoding="utf-8") as file:
        files = json.load(file)
    jobs = max(1, min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 8, len(files) // 200))
    if jobs == 1:
        totals = [work(prefix, cache, files)]
    else:
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            totals = pool.starmap(work, [(prefix, cache, files[n::jobs]) for n in range(jobs)])
    total = {}
    for counts in totals:
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    print(json.dumps({"schema_version": 1, "counts": total}))


if __name__ == "__main__":
    main()
