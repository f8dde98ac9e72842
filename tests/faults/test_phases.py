"""An error of each call that a verb makes, in each of its phases: the old state or the new one, and nothing is lost."""

from __future__ import annotations

import collections
import errno
import sys
from pathlib import Path

import pytest
from bench import Bench, app, runs

PHASES = {  # by the path of the call, below the volume; the first that fits
    "lease": "/.envkit/leases/",
    "index": "/.envkit/index",
    "download": "/.envkit/pkgs/.incoming",
    "cache": "/.envkit/pkgs",
    "bytecode": "/.envkit/pyc",
    "manifest": ".envkit.json",
    "records": "/conda-meta",
    "generation": "/.envkit/g",
    "validation": "/.envkit/validations",
    "removal": "/.envkit/trash",
    "use": "/.envkit/uses",
    "volume": "/.envkit",
    "publication": "",
}
ERRORS = {
    "link": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS),
    "symlink": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS),
    "rename": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS),
    "mkdir": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS),
    "create": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS),
    "write": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "fsync": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "syncfs": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "flock": (errno.ENOLCK, errno.EIO),
    "unlink": (errno.EIO, errno.EROFS),
    "rmdir": (errno.EIO, errno.EROFS),
}
LEAST = 20  # errors a verb
VERBS: dict[str, tuple[str, ...]] = {
    "create": ("create", "app=2", "-n", "new"),
    "replace": ("create", "app=2", "-n", "demo", "--replace"),
    "upgrade": ("upgrade", "-n", "demo"),
    "install": ("install", "-n", "demo", "app=2"),
    "rollback": ("rollback", "demo"),
    "clone": ("clone", "demo", "new"),
    "rename": ("rename", "demo", "new"),
    "remove": ("remove", "old"),
    "clean": ("clean", "--keep", "0", "--older-than", "0"),
    "validate": ("validate", "demo"),
    "lock": ("lock", "app=2", "-o", "LOCK", "--format", "explicit"),
    "share": ("volume", "share", "--group", "0"),
    "fix": ("doctor", "--fix"),
}


def phase_of(path: str) -> str:
    return next(name for name, part in PHASES.items() if part in path)


def prepare(bench: Bench, verb: str) -> None:
    """Make what the verb changes; `demo` has release 1, and 2 for a rollback."""
    shell = bench.shell
    channel = ("-c", bench.url, "--override-channels")
    for name in ("new", "old"):
        if (shell.volume / name).is_symlink():
            shell.ok("remove", name)
    if not (shell.volume / "demo").is_symlink() or runs(shell) != "app 1":
        shell.publish(app(1))  # a request that an upgrade follows
        shell.ok("create", "app", "-n", "demo", "--replace", *channel)
        shell.publish(app(1), app(2))
    if verb == "rollback":
        shell.ok("upgrade", "-n", "demo")
    if verb in {"remove", "clean"}:
        shell.ok("create", "app=2", "-n", "old", *channel)
        if verb == "clean":
            shell.ok("remove", "old")
    else:
        shell.ok("clean", "--keep", "0" if verb != "rollback" else "1", "--older-than", "0")


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("verb", VERBS)
def test_an_error_in_each_phase(bench: Bench, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = bench.shell
    shell.publish(app(1), app(2))
    words = tuple(str(tmp_path / "lock.txt") if word == "LOCK" else word for word in VERBS[verb])
    if words[0] in {"create", "lock"}:
        words = (*words, "-c", bench.url, "--override-channels")
    prepare(bench, verb)
    trace = tmp_path / "trace"
    bench.faulty(*words, trace=trace)
    made: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        call, _, path = line.partition(" ")
        if call in ERRORS:
            phase = phase_of(path.removeprefix(str(shell.volume)))
            made[call, phase, PHASES[phase]] += 1
    table: collections.Counter[str] = collections.Counter()
    for number, (call, phase, part, nth) in enumerate(points(made)):
        prepare(bench, verb)
        errors = ERRORS[call]
        done = bench.failing(*words, call=call, number=errors[number % len(errors)], nth=nth, part=part)
        where = f"{verb}: {call} number {nth} of {phase} with {errno.errorcode[errors[number % len(errors)]]}"
        assert "Traceback" not in done.err, (where, done.err)
        assert done.code in {0, 7}, (where, done.code, done.err)
        name = "new" if verb == "rename" and (shell.volume / "new").is_symlink() else "demo"
        assert shell.ok("run", name, "--", "app").out in {"app 1\n", "app 2\n"}, (where, done.err)
        if name == "new":
            shell.ok("rename", "new", "demo")
        table[f"{phase}: {done.code}"] += 1
    prepare(bench, verb)
    shell.ok(*words)
    assert shell.ok("doctor", "--full", "--json").json["healthy"]
    with capsys.disabled():
        sys.stdout.write(f"\n{verb}: {table.total()} errors; exit codes by phase: {dict(sorted(table.items()))}\n")


def points(made: collections.Counter[tuple[str, str, str]]) -> list[tuple[str, str, str, int]]:
    """The first of each call in each phase; then the last, and those between, until there are enough."""
    found: list[tuple[str, str, str, int]] = [(*key, 1) for key in sorted(made)]
    for step in range(5, 0, -1):
        if len(found) >= LEAST:
            break
        for key in sorted(made):
            nth = max(1, round(made[key] * step / 5))
            if (*key, nth) not in found:
                found.append((*key, nth))
    return found
