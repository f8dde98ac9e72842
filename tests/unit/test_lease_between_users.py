"""One volume, two users: what one of them holds the other sees, and what one may not write he is told."""

from __future__ import annotations

import codecs
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envkit.api.history import rollback
from envkit.api.remove import remove, rename
from envkit.api.session import Session
from envkit.client.use import share_for_life
from envkit.errors import EnvkitError
from envkit.layout import gc, lease
from envkit.layout.generation import publish
from envkit.layout.opening import open_volume
from envkit.layout.volume import Volume
from envkit.paths import MANIFEST
from envkit.settings import Settings

_NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/tmp"):
            folder.chmod(0o755)
    volume = open_volume(tmp_path / "envs", create=True)
    before = os.umask(0o022)
    yield volume
    os.umask(before)


def opened(volume: Volume) -> None:
    """Let everybody write the volume, as on a shared one."""
    for path in (volume.root, *volume.private.rglob("*"), volume.private):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o777)


def as_nobody(act: Callable[[], object]) -> object:
    """What a function gives in a process of another user; an error's exit code. The interpreter need not be theirs."""
    codecs.lookup("ascii")  # codecs are loaded from the interpreter's library, which the other user may not read
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            try:
                value = act()
            except EnvkitError as error:
                value = error.exit_code
            os.write(writer, json.dumps(value).encode())
        except BaseException as error:  # noqa: BLE001 - never return into the test
            os.write(writer, json.dumps(repr(error)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def test_what_the_other_makes_is_not_swept(volume: Volume) -> None:
    path = volume.generations / "train-00000000"
    path.mkdir()
    opened(volume)
    with lease.hold(volume, path.name):
        assert (volume.leases / path.name).stat().st_mode & 0o777 == 0o666
        assert as_nobody(lambda: [lease.is_held(volume, path.name), gc.remove_leftovers(volume)]) == [True, 0]
        (volume.leases / path.name).chmod(0o600)  # it cannot even be looked at
        assert as_nobody(lambda: [lease.is_held(volume, path.name), gc.remove_leftovers(volume)]) == [True, 0]
    assert path.is_dir()
    assert gc.remove_leftovers(volume) == 1


def test_the_lease_that_a_dead_user_left_is_taken(volume: Volume) -> None:
    def take() -> bool:
        with lease.hold(volume, "cache"):
            return lease.is_held(volume, "cache")

    opened(volume)
    for mode in (0o666, 0o644):  # 0644: of an envkit of before
        path = volume.leases / "cache"
        path.touch()
        path.chmod(mode)
        assert as_nobody(take) is True


def test_a_job_of_the_other_is_seen(volume: Volume) -> None:
    path = volume.generations / "train-00000000"
    path.mkdir()
    opened(volume)
    pid = os.fork()
    if pid == 0:
        share_for_life(str(path))
        signal.pause()
    try:
        for _ in range(200):
            if (volume.leases / path.name).exists() and lease.is_held(volume, path.name):
                break
            time.sleep(0.01)
        assert as_nobody(lambda: lease.is_held(volume, path.name)) is True
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize(
    "act",
    [
        lambda session: remove(session, "train"),
        lambda session: rename(session, "train", "new"),
        lambda session: rollback(session, "train"),
    ],
    ids=["remove", "rename", "rollback"],
)
@pytest.mark.parametrize("leases", [0o755, 0o777])
def test_a_volume_of_somebody_else_is_refused(volume: Volume, act: Callable[[Session], object], leases: int) -> None:
    for number in (1, 2):
        path = volume.generations / f"train-0000000{number}"
        (path / "conda-meta").mkdir(parents=True)
        (path / MANIFEST).write_text(
            f'{{"envkit_version": "0", "name": "train", "generation": "{path.name}", "prefix": "{path}", "number": '
            f'{number}, "created": "2026-01-01T00:00:00+00:00", "lineage": "a", "request": {{"specs": ["a"]}}, '
            '"channels": [], "digest": "0", "packages": []}'
        )
        publish(volume, "train", path)
    volume.leases.chmod(leases)
    assert as_nobody(lambda: act(Session(Settings(volume.root)))) == 7
    assert (volume.root / "train").resolve() == volume.generations / "train-00000002"
