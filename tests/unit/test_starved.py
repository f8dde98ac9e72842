"""Threads that the system refuses: nothing waits for them for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from channels import Package, archive

from envkit.cli import app

_EXTRACT = """
import asyncio, re, resource, sys
from pathlib import Path
from rattler import Client
from envkit.engines import starved
from envkit.installer.extract import extract_within

archive, limited = Path(sys.argv[1]), sys.argv[2] == "limited"
starved._ASKED_S, starved._POLLS = 0.1, 4

async def extract():
    client, target = Client(), archive.with_name("target")
    await asyncio.to_thread(int)  # so has asyncio
    await starved._ask(client, asyncio.get_running_loop().create_future())  # from here on, its pool has a thread
    before = resource.getrlimit(resource.RLIMIT_AS)
    if limited:  # less is left than the stack of another one takes
        size = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
        resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 20), before[1]))
    try:
        await extract_within(client, archive, target)
        print(len(list(target.iterdir())))
    except MemoryError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_AS, before)

asyncio.run(extract())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads proc(5)")
@pytest.mark.parametrize(
    ("limit", "said"), [("none", "2\n"), ("limited", "the native engine could not start a thread\n")]
)
def test_an_extraction_without_a_thread_for_its_reads_ends(tmp_path: Path, limit: str, said: str) -> None:
    data, _ = archive(Package("app", files={"share/app": b"x" * 4_000_000}))
    place = tmp_path / "app.conda"
    place.write_bytes(data)
    command = [sys.executable, "-c", _EXTRACT, str(place), limit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (said, 0), done.stderr


def test_an_error_is_told_without_the_memory_to_draw_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(app, "_call", call)
    monkeypatch.setitem(sys.modules, "envkit.cli.output", None)  # importing it is an ImportError
    assert app._run(["create", "app"]) == 4
    assert capsys.readouterr().err.startswith("error (host-cannot-run) this process may not take as much memory")
