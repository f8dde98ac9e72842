"""Run commands from a small process and print what each cost, as JSON; started by `benching.measure` alone.

The peak memory of a child counts that of the process which started it (Linux keeps it across exec), so the one that
measures must be as small as a bare Python. The standard library only, and little of it.

Standard input: {"steps": [{"argv": [...], "env": {...}, "codes": [0]}, ...], "copies": 1, "timeout_s": 600,
"errors": PATH}, the file that gets what they write to standard error.
Copies of a step run at once; "{copy}" in an argument is the number of the copy.
Standard output: {"wall_s": ..., "cpu_s": ..., "peak_bytes": ...}, or {"failed": [step, code]}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

TYPE_CHECKING = False  # as typing's, without its memory

if TYPE_CHECKING:
    from typing import Any


def start(step: dict[str, Any], errors: str, copy: int) -> int:
    """Start one command without input, its output discarded, its errors appended to a file; return its process id."""
    argv = [word.replace("{copy}", str(copy)) for word in step["argv"]]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
    ]
    return os.posix_spawnp(argv[0], argv, step["env"], file_actions=actions, setpgroup=0)


def main() -> None:
    """Run what standard input says."""
    work = json.load(sys.stdin)
    running: set[int] = set()

    def stop(_number: int, _frame: object) -> None:
        for process in running:
            os.killpg(process, signal.SIGKILL)

    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGTERM, stop)
    wall_s, cpu_s, peak = 0.0, 0.0, 0
    failed: list[int] | None = None
    for number, step in enumerate(work["steps"]):
        signal.alarm(work["timeout_s"])
        begin = time.perf_counter()
        running.update(start(step, work["errors"], copy) for copy in range(work["copies"]))
        while running:
            process, status, used = os.wait4(-1, 0)
            running.discard(process)
            cpu_s += used.ru_utime + used.ru_stime
            peak = max(peak, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
            code = os.waitstatus_to_exitcode(status)
            if code not in step["codes"]:
                failed = failed or [number, code]
        wall_s += time.perf_counter() - begin
        signal.alarm(0)
        if failed:
            break
    print(json.dumps({"failed": failed} if failed else {"wall_s": wall_s, "cpu_s": cpu_s, "peak_bytes": peak}))


main()
