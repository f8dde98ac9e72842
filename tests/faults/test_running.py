"""A process keeps the generation that it was started in, whatever happens to the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Shell

PROGRAM = """
import json, multiprocessing, sys

def where(name):
    return __import__(name).__file__

if __name__ == "__main__":
    print("started", flush=True)
    sys.stdin.readline()
    import rich.table, decimal
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        files = [rich.table.__file__, decimal.__file__, *pool.map(where, ["rich", "decimal"])]
    print(json.dumps({"executable": sys.executable, "files": files}), flush=True)
"""


@pytest.mark.timeout(240)
def test_it_goes_on_importing_and_starting_workers(wheel_channel: Path, tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell = Shell(shell.volume, wheel_channel, shell.home)
    shell.create("python", "rich", args=("--no-validate",))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "envkit", "run", "demo", "--", "python", str(program)],
            env=shell.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        return process, str(shell.prefix())

    first = start()
    shell.ok("install", "-n", "demo", "mdurl", "--no-validate")
    second = start()
    shell.ok("rollback", "demo")
    shell.ok("clean", "--keep", "0", "--older-than", "0")  # which leaves what is in use
    for process, prefix in (first, second):
        out, _ = process.communicate("\n", timeout=60)
        said = json.loads(out)
        assert said["executable"].startswith(prefix)
        assert [file for file in said["files"] if not file.startswith(prefix)] == []
