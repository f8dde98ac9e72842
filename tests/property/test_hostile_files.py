"""Whatever is in the files of channels, packages, users and volumes: an answer or a known error, in time, and no write
elsewhere.

Seconds in CI; `scripts/test --full` goes on for ten minutes.
"""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from channels import Package, archive, write_index
from harness import Shell
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from envkit.api import checkup
from envkit.api.clean import clean
from envkit.api.environments import list_environments, show_environment
from envkit.api.history import history
from envkit.api.session import Session
from envkit.builds.classify import classify
from envkit.builds.record import record_from_repodata
from envkit.cli.app import _known
from envkit.cli.validate import render_findings
from envkit.host.detect import detect_host
from envkit.inputs.pool import read_pool
from envkit.inputs.recognise import parse_input
from envkit.installer.bytecode_lists import damaged_lists
from envkit.installer.cache import cached, key, package_dir, read_index
from envkit.installer.seal import check_and_seal
from envkit.installer.verify import find_damage
from envkit.layout.gc import Keep
from envkit.layout.volume import Volume
from envkit.models.host import Host
from envkit.models.progress import Reporter
from envkit.settings import Settings, load_settings, resolve_channels
from envkit.wire.results import list_json, show_json
from envkit.wire.volume import clean_json, history_json

_LENGTH = "ENVKIT_TEST_FUZZ_EACH_S"
# Read before a test's isolation takes the variables away.
_IN_ALL_S = float(os.environ.get("ENVKIT_TEST_FUZZ_S", "600"))
_SECONDS = float(os.environ.get(_LENGTH, "0"))
HOSTILE: list[Any] = [
    None, True, -1, 0, 10**400, 1e308, "", ".", "..", "../../escape", "/etc/passwd", "a/b", "a\0b", "\ud800",
    "\x1b[31m",
    "x" * 5000, "~", "${HOME}", "[/red]", "é", "1.0", [], {}, [[]], [None], {"a": None}, ["../x"], [{"_path": "../x"}],
    {"paths": 3}, {"": ""},
]  # fmt: skip
RAW = [b"", b"\0", b"[" * 5000, b'{"a":' * 3000, b"\xff\xfe", b"null", b"[]", b"3", b'"x"', b"{}", b"{", b"NaN"]


@dataclass(frozen=True)
class Change:
    """One change of a document: at a place, chosen by numbers, another value; or other bytes in all."""

    steps: tuple[int, ...]
    value: Any
    raw: bytes | None
    cut: float | None

    def apply(self, document: Any) -> bytes:
        if self.raw is not None:
            return self.raw
        document = copy.deepcopy(document)
        holder, where, inner = None, None, document
        for step in self.steps:
            keys = (
                list(inner) if isinstance(inner, dict) else list(range(len(inner))) if isinstance(inner, list) else []
            )
            if not keys:
                break
            holder, where = inner, keys[step % len(keys)]
            inner = holder[where]
        if holder is None:
            document = self.value
        elif self.steps[-1] % 7 == 0:
            del holder[where]
        else:
            holder[where] = self.value
        text = json.dumps(document).encode()
        return text if self.cut is None else text[: int(len(text) * self.cut)]


CHANGES = st.builds(
    Change,
    steps=st.lists(st.integers(0, 60), min_size=1, max_size=5).map(tuple),
    value=st.sampled_from(HOSTILE) | st.text(max_size=20) | st.integers(),
    raw=st.none() | st.none() | st.none() | st.sampled_from(RAW) | st.binary(max_size=40),
    cut=st.none() | st.none() | st.none() | st.floats(0, 1),
)


def fuzzed(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test for seconds with the same changes each time; with `_LENGTH`, for so long with others."""
    return settings(
        max_examples=1_000_000 if _SECONDS else 40,
        derandomize=not _SECONDS,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(test)


ENDS: dict[str, float] = {}


def stop_in_time(name: str) -> None:
    """End a long run when its time is over: it is told as skipped, a failure as failure."""
    if _SECONDS and time.monotonic() > ENDS.setdefault(name, time.monotonic() + _SECONDS):
        pytest.skip(f"nothing in {_SECONDS:.0f} s")


def survives(action: Callable[[], object]) -> None:
    """Nothing but an error that the command line knows, and soon: in seconds of processor time."""
    began = time.process_time()
    try:
        action()
    except Exception as error:
        if _known(error) is None:
            raise
    assert time.process_time() - began < 10


@pytest.fixture(scope="module")
def host() -> Host:
    return detect_host()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A volume with two generations, and beside it a folder that nobody may write to."""
    shell = Shell.below(tmp_path_factory.mktemp("fuzz"))
    shell.publish(*(Package("app", v, files={"share/a": b"a", "lib/python3.11/site-packages/a.py": b""}) for v in "12"))
    shell.create("app=1")
    shell.ok("install", "-n", "demo", "app=2")
    (shell.volume.parent / "escape").mkdir()
    yield shell
    assert not list((shell.volume.parent / "escape").iterdir())


def inspect(volume: Volume, host: Host) -> None:
    """Everything that reads a volume and changes nothing."""
    session = Session(Settings(volume.root), reporter=Reporter())
    survives(lambda: json.dumps(list_json([list_environments(volume, fingerprint=host.fingerprint)])))
    survives(lambda: json.dumps(show_json(show_environment(volume, "demo", fingerprint=host.fingerprint))))
    survives(lambda: json.dumps(history_json(history(volume, "demo"))))
    survives(lambda: json.dumps(clean_json(clean(session, Keep(0, 0.0), dry_run=True))))

    def doctor() -> None:
        for subject in checkup.check_subjects(volume, None, host, full=True, reporter=Reporter()):
            render_findings(subject.findings)

    survives(doctor)


def files(shell: Shell) -> list[Path]:
    """The files that commands read on a volume."""
    private = shell.volume / ".envkit"
    found = [private / "volume.json", *private.glob("g/*/.envkit.json"), *private.glob("g/*/conda-meta/*")]
    found += [
        *private.glob("validations/*/*.json"),
        *private.glob("pkgs/*/*/info/*.json"),
        *private.glob("pyc/*/*/*.json"),
    ]
    return sorted(path for path in found if path.is_file())


@fuzzed
@given(number=st.integers(0, 1000), change=CHANGES)
def test_files_of_a_volume(place: Shell, host: Host, number: int, change: Change) -> None:
    stop_in_time("volume")
    paths = files(place)
    path = paths[number % len(paths)]
    before, state = path.read_bytes(), path.stat()
    try:
        document = json.loads(before)
    except ValueError:
        document = {}
    path.chmod(0o644)
    try:
        path.unlink()
        path.write_bytes(change.apply(document))
        inspect(Volume(place.volume), host)
    finally:
        path.unlink()
        path.write_bytes(before)
        path.chmod(state.st_mode & 0o777)
        os.utime(path, (state.st_atime, state.st_mtime))


@fuzzed
@given(
    folder=st.sampled_from(["leases", "uses", "trash", "validations", "pkgs", "pyc", "g", "index"]),
    name=st.text(max_size=30),
)
def test_names_in_a_volume(place: Shell, host: Host, folder: str, name: str) -> None:
    stop_in_time("names")
    if not name or "/" in name or "\0" in name or name in {".", ".."}:
        return
    path = place.volume / ".envkit" / folder / name
    try:
        if os.path.lexists(path):
            return
        path.mkdir() if len(name) % 2 else path.touch()
    except (OSError, UnicodeError):
        return
    try:
        inspect(Volume(place.volume), host)
    finally:
        path.rmdir() if path.is_dir() else path.unlink()


INFO = {
    "index.json": {"name": "app", "version": "1", "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"},
    "paths.json": {"paths": [{"_path": "share/a", "path_type": "hardlink", "sha256": "a" * 64, "size_in_bytes": 1,
                              "prefix_placeholder": "/p", "file_mode": "text"}], "paths_version": 1},
    "link.json": {"noarch": {"type": "python", "entry_points": ["a = b:c"]}, "package_metadata_version": 1},
}  # fmt: skip


@fuzzed
@given(name=st.sampled_from(sorted(INFO)), change=CHANGES)
def test_descriptions_of_packages(tmp_path_factory: pytest.TempPathFactory, name: str, change: Change) -> None:
    stop_in_time("info")
    volume = Volume(tmp_path_factory.getbasetemp() / "info-fuzz")
    raw = {**INFO["index.json"], "sha256": "b" * 64}
    record = record_from_repodata(raw, "app-1-0.conda", "https://channel.test", "linux-64")
    package = package_dir(volume, record)
    (package / "info").mkdir(parents=True, exist_ok=True)
    (package / "share").mkdir(exist_ok=True)
    (package / "share" / "a").unlink(missing_ok=True)
    (package / "share" / "a").write_bytes(b"a")
    for other, content in INFO.items():
        data = change.apply(content) if other == name else json.dumps(content).encode()
        (package / "info" / other).write_bytes(data)
    survives(lambda: check_and_seal(record, package))
    survives(lambda: read_index(volume, record))
    survives(lambda: find_damage(package))
    survives(lambda: damaged_lists(volume))
    assert cached(volume, record) in {True, False}


_, RECORD = archive(Package("pytorch", "2.5.1", "cuda126_py312_0", depends=["python >=3.12,<3.13.0a0", "__cuda"]))


@fuzzed
@given(change=CHANGES)
def test_records(change: Change) -> None:
    stop_in_time("records")
    data = change.apply(RECORD)
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(raw, dict):

        def read() -> None:
            record = record_from_repodata(raw, "pytorch-2.5.1-0.conda", "https://channel.test", "linux-64")
            classify(record)
            key(record)

        survives(read)


URL = "https://conda.anaconda.org/c/linux-64/a-1-0.conda"
DOCUMENTS: dict[str, Any] = {  # JSON is YAML, too
    "environment.yml": {
        "name": "x", "channels": ["conda-forge"], "platforms": ["linux-64"], "variables": {"A": "b"},
        "dependencies": ["python=3.11", "pytorch[version='>=2']", {"pip": ["numpy>=1", "--index-url https://a.test"]}],
    },
    "conda-lock.yml": {
        "version": 1,
        "metadata": {"content_hash": {"linux-64": "0"}, "channels": [{"url": "c"}], "platforms": ["linux-64"]},
        "package": [
            {"name": "a", "version": "1", "manager": "conda", "platform": "linux-64", "dependencies": {"b": ">=1"},
             "url": URL, "hash": {"md5": "0" * 32, "sha256": "0" * 64}, "category": "main", "optional": False},
            {"name": "b", "version": "1", "manager": "pip", "platform": "linux-64", "dependencies": {},
             "url": "https://a.test/b-1-py3-none-any.whl", "hash": {"sha256": "0" * 64}, "category": "main"},
        ],
    },
    "pixi.lock": {
        "version": 6,
        "environments": {"default": {"channels": [{"url": "https://conda.anaconda.org/c/"}],
                                     "packages": {"linux-64": [{"conda": URL}, {"pypi": "https://a.test/b.whl"}]}}},
        "packages": [
            {"conda": URL, "sha256": "0" * 64, "md5": "0" * 32, "depends": ["b >=1"], "size": 1, "timestamp": 1},
            {"pypi": "https://a.test/b.whl", "name": "b", "version": "1", "sha256": "0" * 64, "requires_dist": ["c"]},
        ],
    },
    ".condarc": {
        "channels": ["conda-forge", "defaults"], "channel_alias": "https://a.test", "channel_priority": "strict",
        "custom_channels": {"c": "https://a.test"}, "custom_multichannels": {"d": ["e"]}, "ssl_verify": True,
        "proxy_servers": {"http": "http://u:p@a.test"}, "envs_dirs": ["/nowhere"], "default_channels": ["x"],
        "mirrored_channels": {"c": ["https://b.test"]}, "allowlist_channels": ["c"], "remote_read_timeout_secs": 3.0,
        "override_virtual_packages": {"cuda": "12"}, "pinned_packages": ["a=1"], "subdir": "linux-64",
    },
    "hosts.json": {"schema_version": 1, "host": {"subdir": "linux-64", "driver_version": "550.54", "gpus": [{}]}},
}  # fmt: skip


@fuzzed
@given(name=st.sampled_from(sorted(DOCUMENTS)), change=CHANGES)
def test_documents_of_users(tmp_path_factory: pytest.TempPathFactory, name: str, change: Change) -> None:
    """Environment files, locks, condarc, and the hosts of a lock."""
    stop_in_time("documents")
    folder = tmp_path_factory.getbasetemp() / "documents-fuzz"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(change.apply(DOCUMENTS[name]))
    if name == ".condarc":
        env = {"HOME": str(folder), "CONDARC": str(path), "CONDA_ENVS_PATH": "/nowhere"}
        survives(lambda: resolve_channels(("c", "d", "defaults"), load_settings(env=env)))
    elif name == "hosts.json":
        survives(lambda: read_pool([path]))
    else:
        survives(lambda: parse_input(path.read_bytes(), path))
    assert [found.name for found in folder.iterdir() if found.name not in DOCUMENTS] == []


NAMES = ["environment.yml", "explicit.txt", "requirements.txt", "pixi.toml", "pylock.toml", "conda-lock.yml"]
TEXTS = [
    b"name: x\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip:\n    - numpy\nvariables: {A: b}\n",
    b"@EXPLICIT\nhttps://conda.anaconda.org/c/linux-64/a-1-0.conda#00000000000000000000000000000000\n",
    b"numpy>=1.0 ; python_version > '3'\n-r other.txt\n--hash=sha256:00\n",
    b"version: 1\nmetadata: {channels: [], platforms: [linux-64]}\npackage: []\n",
    (
        b"lock-version = '1.0'\n[[packages]]\nname = 'a'\nversion = '1'\n"
        b"wheels = [{url = 'https://a.test/a-1-py3-none-any.whl', hashes = {sha256 = '00'}}]\n"
    ),
    b'[workspace]\nname = "x"\nchannels = []\nplatforms = []\n[dependencies]\npython = "*"\n',
]


@fuzzed
@given(
    text=st.sampled_from(TEXTS),
    at=st.floats(0, 1),
    insert=st.binary(max_size=12) | st.sampled_from(RAW),
    skip=st.integers(0, 9),
    name=st.sampled_from(NAMES),
)
def test_files_of_users(text: bytes, at: float, insert: bytes, skip: int, name: str) -> None:
    stop_in_time("inputs")
    place = int(at * len(text))
    survives(lambda: parse_input(text[:place] + insert + text[place + skip :], Path("/nowhere") / name))


@pytest.mark.parametrize("seed", range(4))
def test_indexes_by_the_command_line(tmp_path: Path, seed: int) -> None:
    index_runs(tmp_path, seed, 1)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_indexes_at_length(tmp_path: Path) -> None:
    index_runs(tmp_path, 1000, 60)


def index_runs(tmp_path: Path, seed: int, count: int) -> None:
    """The native engine reads the index, so a child of its own does."""
    shell = Shell.below(tmp_path)
    draw = random.Random(seed)
    for number in range(count):
        steps = tuple(draw.randrange(60) for _ in range(draw.randrange(1, 4)))
        raw = draw.choice(RAW) if draw.random() < 0.2 else None
        data = Change(steps, draw.choice(HOSTILE), raw, draw.random() if draw.random() < 0.2 else None).apply(RECORD)
        write_index(shell.channel, {"linux-64": {}, "noarch": {}})
        index = b'{"info":{"subdir":"linux-64"},"packages":{},"packages.conda":{"pytorch-2.5.1-0.conda":' + data + b"}}"
        (shell.channel / "linux-64" / "repodata.json").write_bytes(index if raw is None else data)
        only = ("-c", str(shell.channel), "--override-channels", "--cuda", "none")
        for words in (("find", "pytorch", "--no-gpu", *only), ("create", "pytorch", "-n", f"e{number}", *only)):
            outcome = shell.run(*words)
            assert outcome.code in {0, 1, 2, 3, 4, 5, 6}, (data, outcome)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_at_length(capfd: pytest.CaptureFixture[str]) -> None:
    """Ten minutes, or `ENVKIT_TEST_FUZZ_S`, over the tests of this file, with changes of each run's own."""
    words = [sys.executable, "-m", "pytest", "-v", "-m", "not full", "--timeout=3000", __file__]
    with capfd.disabled():  # who waits for long sees which test runs
        done = subprocess.run(words, env={**os.environ, _LENGTH: str(_IN_ALL_S / 6)}, check=False)
    assert done.returncode == 0
