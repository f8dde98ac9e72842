"""scripts/wheel_channel.py for real: a channel of a real Python and real wheels, solved, installed and run."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, Outcome, run_program
from mounts import mounted
from wheel_factory import write_wheel

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="packages a Linux Python"), pytest.mark.timeout(600)]

REQUIREMENTS = ["numpy", "pygments", "every-scheme[extra]", "stable-abi"]
SPECS = ["python", "pip", "numpy", "pygments", "every-scheme", "stable-abi"]
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of the kinds that no small real project has."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    write_wheel(
        folder,
        "every-scheme",
        files={"every_scheme/__init__.py": "def main() -> None:\n    print('entry point')\n"},
        data={
            "scripts/every-script": "#!python\nimport sys\nprint('script', sys.prefix)\n",
            "data/share/every/data.txt": "data",
            "headers/every.h": "/* header */",
        },
        requires=["pygments; extra == 'extra'"],
        metadata=["Provides-Extra: extra"],
        entry_points="[console_scripts]\nevery-entry = every_scheme:main\n",
    )
    machine = os.uname().machine
    write_wheel(
        folder,
        "stable-abi",
        tag=f"cp310-abi3-manylinux_2_17_{machine}",
        files={"stable_abi.py": "def main() -> None:\n    print('stable')\n"},
        entry_points="[console_scripts]\nstable-entry = stable_abi:main\n",
    )
    write_wheel(folder, "gpu-thing", requires=["nvidia-thing"])
    write_wheel(folder, "nvidia-thing")
    # pip takes no wheel without one of its own project here, for the runs that reach no index.
    write_wheel(folder, "pip", "99")
    return folder


def environment(wheelhouse: Path, **changes: str) -> dict[str, str]:
    return {**os.environ, "PIP_FIND_LINKS": str(wheelhouse), "COLUMNS": "200", **changes}


def command(out: Path, cache: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "scripts/wheel_channel.py"), str(out), "--cache", str(cache), *arguments]


def run(arguments: Sequence[str], env: dict[str, str]) -> Outcome:
    return run_program(arguments, env=env, timeout_s=3600)


def _used_s() -> float:
    """Processor time of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Made:
    """A channel, and the processor time that making it took."""

    out: Path
    cache: Path
    env: dict[str, str]
    cost_s: float = 0.0

    def packages(self) -> list[Path]:
        return sorted(self.out.glob("*/*.conda"))

    def again(self, out: Path | None = None, cache: Path | None = None) -> Outcome:
        return run(command(out or self.out, cache or self.cache, *REQUIREMENTS), self.env)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Made:
    folder = tmp_path_factory.mktemp("channel")
    # The wheelhouse's pip is newer than any: this run takes the real one.
    channel = Made(folder / "out", folder / "cache", environment(wheelhouse, PIP_CONSTRAINT=str(folder / "real-pip")))
    (folder / "real-pip").write_text("pip<99\n")
    started_s = _used_s()
    outcome = channel.again()
    assert outcome.code == 0, outcome.err
    assert outcome.out.strip() == channel.out.as_uri()
    return replace(channel, cost_s=_used_s() - started_s)


def ask_client(request: dict[str, Any]) -> list[dict[str, Any]]:
    script = ROOT / "tests/e2e/channel_client.py"
    result = subprocess.run(
        [sys.executable, script, json.dumps(request)], capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stderr
    answer: list[dict[str, Any]] = json.loads(result.stdout)
    return sorted(answer, key=lambda record: str(record["name"]))


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    # As long as a path gets on a cluster: a placeholder that is too short would show.
    prefix = folder / ("deep-" * 20) / "env"
    ask_client(
        {"channel": made.out.as_uri(), "specs": SPECS, "prefix": str(prefix), "cache": str(folder), "sharded": True}
    )
    return prefix


def inside(prefix: Path, *arguments: str) -> str:
    """What a program of the environment prints, in an environment without any variable."""
    program, *rest = arguments
    result = subprocess.run([prefix / "bin" / program, *rest], capture_output=True, text=True, check=False, env={})
    assert result.returncode == 0, result.stderr
    return result.stdout


# What was installed works, by itself.


def test_the_interpreter_has_its_libraries_and_knows_where_it_is(prefix: Path) -> None:
    code = """
import bz2, ctypes, hashlib, json, lzma, readline, sqlite3, ssl, sys, sysconfig, uuid, zlib
assert all(module.decompress(module.compress(b"x")) == b"x" for module in (bz2, lzma, zlib))
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
assert ssl.create_default_context() and ctypes.CDLL(None).getpid() > 0
maps = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
configured = sysconfig.get_config_var("prefix")
print(json.dumps([sys.prefix, sys.base_prefix, sys.executable, sysconfig.get_paths(), configured, sorted(maps)]))
"""
    found, base, executable, paths, configured, maps = json.loads(inside(prefix, "python", "-W", "error", "-c", code))
    assert found == base == configured == str(prefix)
    assert executable == str(prefix / "bin/python")
    assert all(Path(path).is_relative_to(prefix) for path in paths.values())
    ours = {Path(library).name.partition(".so")[0] for library in maps if Path(library).is_relative_to(prefix)}
    assert {"libssl", "libcrypto", "libsqlite3", "libffi", "liblzma", "libz"} <= ours
    assert not [library for library in maps if Path(library).is_relative_to(sys.base_prefix)]


def test_the_interpreter_tells_the_same_of_itself_as_the_one_it_was_made_of(prefix: Path) -> None:
    code = (
        "import platform, sys, sysconfig as s; print(sys.version, platform.python_build(), s.get_config_vars('SOABI'))"
    )
    original = Path(sys.base_prefix, "bin", f"python{MINOR}")
    told = subprocess.run([original, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert inside(prefix, "python", "-I", "-S", "-c", code) == told.stdout


def test_numpy_multiplies(prefix: Path) -> None:
    code = "import numpy as np; print(np.__file__, int((np.arange(9).reshape(3, 3) @ np.eye(3)).sum()))"
    place, total = inside(prefix, "python", "-c", code).split()
    assert Path(place).is_relative_to(prefix)
    assert total == "36"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["pip", "--version"], "(python "),
        (["pygmentize", "-V"], "Pygments version"),
        (["f2py", "-v"], "."),
        (["every-entry"], "entry point"),
        (["stable-entry"], "stable"),
        (["every-script"], "script {prefix}"),
        (["python3-config", "--prefix"], "{prefix}"),
    ],
)
def test_scripts_run(prefix: Path, arguments: list[str], expected: str) -> None:
    assert expected.format(prefix=prefix) in inside(prefix, *arguments)


def test_pip_knows_the_packages_and_finds_them_sound(prefix: Path) -> None:
    listed = {line["name"].lower() for line in json.loads(inside(prefix, "pip", "list", "--format=json"))}
    assert listed == {"pip", "numpy", "pygments", "every-scheme", "stable-abi"}
    assert "No broken requirements" in inside(prefix, "pip", "check")
    shown = inside(prefix, "pip", "show", "--verbose", "--files", "every-scheme")
    assert "Installer: conda" in shown
    for line in shown.partition("Files:\n")[2].split():
        assert (prefix / f"lib/python{MINOR}/site-packages" / line).exists(), line


def test_a_virtual_environment_can_be_made_in_it(prefix: Path, tmp_path: Path) -> None:
    inside(prefix, "python", "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    assert inside(tmp_path / "venv", "python", "-c", "print(__import__('sys').base_prefix)").strip() == str(prefix)


def test_every_scheme_has_its_place(prefix: Path) -> None:
    assert (prefix / "share/every/data.txt").read_text() == "data"
    assert (prefix / f"include/python{MINOR}/every-scheme/every.h").is_file()
    assert (prefix / f"include/python{MINOR}/Python.h").is_file()


def test_nothing_names_the_place_that_python_came_from(prefix: Path) -> None:
    here = os.fsencode(sys.base_prefix) + b"/"
    files = [path for path in prefix.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 1000
    # A short prefix, such as /usr/local, stands in texts that have nothing to do with it.
    if len(Path(sys.base_prefix).parts) > 3:
        assert [path for path in files if here in path.read_bytes()] == []
    meta = prefix / "conda-meta"
    assert [path for path in files if path.parent != meta and b"envkit_placehold" in path.read_bytes()] == []


def test_no_library_is_taken_from_elsewhere_than_the_prefix_or_the_host(prefix: Path) -> None:
    libraries = [
        prefix / "bin" / f"python{MINOR}",
        *prefix.glob("lib/*.so*"),
        *prefix.glob("lib/python*/lib-dynload/*.so"),
    ]
    listing = subprocess.run(["ldd", *libraries], capture_output=True, text=True, check=True, env={"PATH": os.defpath})
    assert "not found" not in listing.stdout
    found = {line.split(" => ")[1].split()[0] for line in listing.stdout.splitlines() if " => /" in line}
    outside = {Path(path).name.partition(".so")[0] for path in found if not Path(path).is_relative_to(prefix)}
    assert outside <= {"libc", "libm", "libdl", "libpthread", "librt", "libutil", "libresolv", "libgcc_s", "libstdc++"}


# The channel is what it says.


def test_the_index_tells_every_package_as_it_is(made: Made) -> None:
    for subdir in {path.parent for path in made.packages()}:
        lines = json.loads((subdir / "repodata.json").read_text())["packages.conda"]
        assert sorted(lines) == sorted(path.name for path in subdir.glob("*.conda"))
        for name, line in lines.items():
            content = (subdir / name).read_bytes()
            assert line["sha256"] == hashlib.sha256(content).hexdigest()
            assert line["md5"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
            assert line["size"] == len(content)
            assert line["subdir"] == subdir.name
            assert line["timestamp"] > 10**11
            assert name == f"{line['name']}-{line['version']}-{line['build']}.conda"


def test_the_python_package_holds_neither_tests_nor_bytecode_nor_others_packages(prefix: Path) -> None:
    record = json.loads(next((prefix / "conda-meta").glob("python-*.json")).read_text())
    paths = [line["_path"] for line in record["paths_data"]["paths"]]
    assert not [path for path in paths if "/test/" in path or "__pycache__" in path or path.endswith(".a")]
    assert [path for path in paths if "site-packages" in path] == [f"lib/python{MINOR}/site-packages/README.txt"]


class _Handler(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def served(made: Made) -> Iterator[tuple[str, list[str]]]:
    """The channel over HTTP on the loopback, and what was asked for."""
    asked: list[str] = []
    handler = functools.partial(type("Handler", (_Handler,), {"asked": asked}), directory=str(made.out))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_sharded_and_a_flat_index_say_the_same(served: tuple[str, list[str]], tmp_path: Path) -> None:
    url, asked = served
    request = {"channel": url, "specs": SPECS, "cache": str(tmp_path / "sharded"), "sharded": True}
    sharded = ask_client(request)
    assert any(path.endswith("repodata_shards.msgpack.zst") for path in asked)
    assert any("/shards/" in path for path in asked)
    assert not any("repodata.json" in path for path in asked)
    asked.clear()
    flat = ask_client({**request, "cache": str(tmp_path / "flat"), "sharded": False})
    assert any("repodata.json" in path for path in asked)
    assert flat == sharded
    assert [record["name"] for record in flat] == sorted(SPECS)


def test_an_extra_that_was_asked_for_is_among_the_dependencies(made: Made) -> None:
    lines = json.loads((made.out / "noarch/repodata.json").read_text())["packages.conda"]
    line = next(line for line in lines.values() if line["name"] == "every-scheme")
    assert line["depends"] == ["pygments", "python"]


# Runs again, at once, killed.


def test_a_second_run_is_quick_and_changes_nothing(made: Made) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.out.rglob("*")}
    started_s = _used_s()
    outcome = made.again()
    assert outcome.code == 0, outcome.err
    assert _used_s() - started_s < made.cost_s / 2
    assert {path: path.stat().st_mtime_ns for path in made.out.rglob("*")} == before


def test_a_damaged_wheel_in_the_cache_is_fetched_again(made: Made, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(made.cache, cache, ignore=shutil.ignore_patterns("stable*abi*"))
    outcome = run(command(tmp_path / "one", cache, "stable-abi"), made.env)
    assert outcome.code == 0, outcome.err
    for wheel in cache.glob("wheels/*/stable_abi*.whl"):
        wheel.write_bytes(wheel.read_bytes()[:-1])
    for package in cache.glob("packages/*/stable-abi*.conda"):
        package.unlink()
    outcome = run(command(tmp_path / "two", cache, "stable-abi"), made.env)
    assert outcome.code == 0, outcome.err
    one, two = ((tmp_path / name).glob("*/stable-abi*.conda") for name in ("one", "two"))
    assert next(one).read_bytes() == next(two).read_bytes()


def test_two_runs_at_once_make_the_same_bytes_as_one(made: Made, tmp_path: Path) -> None:
    arguments = command(tmp_path / "out", tmp_path / "cache", *REQUIREMENTS)
    runs = [
        subprocess.Popen(arguments, env=made.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in runs:
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
    found = {path.relative_to(tmp_path / "out"): path.read_bytes() for path in (tmp_path / "out").glob("*/*.conda")}
    assert found == {path.relative_to(made.out): path.read_bytes() for path in made.packages()}
    for subdir in {path.parent for path in found}:
        index = tmp_path / "out" / subdir / "repodata.json"
        assert index.read_bytes() == (made.out / subdir / "repodata.json").read_bytes()


def test_a_killed_run_leaves_no_half_package_and_the_next_one_ends_the_work(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = command(out, tmp_path / "cache", *REQUIREMENTS)
    process = subprocess.Popen(arguments, env=made.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "packing numpy" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    for package in [*out.rglob("*.conda"), *(tmp_path / "cache").rglob("*.conda")]:
        assert zipfile.ZipFile(package).testzip() is None
    assert not list(out.rglob("repodata*"))
    outcome = made.again(out, tmp_path / "cache")
    assert outcome.code == 0, outcome.err
    names = [path.name for path in sorted(out.glob("*/*.conda"))]
    assert names == [path.name for path in made.packages()]
    assert not list(out.rglob(".tmp-*"))


# Errors: one message, a hint, an exit code.

OFFLINE = {"PIP_NO_INDEX": "1"}
DEAD_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}


@dataclass(frozen=True)
class Refused:
    arguments: list[str]
    exit_code: int
    message: str
    changes: dict[str, str]


@pytest.mark.parametrize(
    "case",
    [
        Refused(["no-such-project-at-all"], 1, "no-such-project-at-all", OFFLINE),
        Refused(["stable-abi==7"], 1, "stable-abi==7", OFFLINE),
        Refused(["gpu-thing"], 1, "gpu-thing 1.0 is for NVIDIA GPUs: it needs nvidia-thing", OFFLINE),
        Refused(["a-project-of-the-net"], 5, "an index did not answer", DEAD_INDEX),
        Refused(["not a requirement"], 2, "is not a requirement", {}),
        Refused(["--python", "/nowhere/python"], 2, "does not run", {}),
        Refused(["--python", "/bin/false"], 2, "does not run", {}),
    ],
    ids=lambda case: case.arguments[-1],
)
def test_what_cannot_be_done_is_said_in_one_message(wheelhouse: Path, tmp_path: Path, case: Refused) -> None:
    env = environment(wheelhouse, PIP_RETRIES="0", PIP_EXTRA_INDEX_URL="", **case.changes)
    outcome = run(command(tmp_path / "out", tmp_path / "cache", *case.arguments), env)
    assert outcome.code == case.exit_code, outcome.err
    assert outcome.out == ""
    assert case.message in outcome.err
    assert "hint: " in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()


def test_debians_own_python_is_refused(wheelhouse: Path, tmp_path: Path) -> None:
    code = "import sys, sysconfig; sys.exit('deb_system' not in sysconfig.get_scheme_names())"
    system = Path("/usr/bin/python3")
    if not system.exists() or subprocess.run([system, "-c", code], check=False).returncode:
        pytest.skip("no Python of Debian's here")
    outcome = run(command(tmp_path / "out", tmp_path / "cache", "--python", str(system)), environment(wheelhouse))
    assert outcome.code == 2
    assert "Debian's own" in outcome.err


def test_a_full_disk_is_said(made: Made, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as small:
        outcome = made.again(small / "out")
    assert outcome.code == 7, outcome.err
    assert "No space left on device" in outcome.err
    assert "Traceback" not in outcome.err


def test_help_shows_the_way(wheelhouse: Path) -> None:
    outcome = run([sys.executable, str(ROOT / "scripts/wheel_channel.py"), "--help"], environment(wheelhouse))
    assert outcome.code == 0
    for word in ("OUT", "REQUIREMENT", "--with-torch", "--torch-index", "--python", "--cache", "examples:"):
        assert word in outcome.out
