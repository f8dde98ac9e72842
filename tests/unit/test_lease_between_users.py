"""One volume, two users: what one of them holds the other sees, and what one may not write he is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envkit.client.use import share_for_life
from envkit.layout import gc, lease
from envkit.layout.generation import MANIFEST, publish
from envkit.layout.volume import Volume, open_volume

ROOT = Path(__file__).parents[2]
_NOBODY = 65534
_AS_NOBODY = """
import os, sys
os.setgid({id}); os.setuid({id})
os.umask(0o022)
from pathlib import Path
from envkit.errors import EnvkitError
from envkit.layout import gc, lease
from envkit.layout.volume import Volume
from envkit.models.progress import SilentReporter
volume = Volume(Path(sys.argv[1]))
try:
    {code}
except EnvkitError as error:
    print(error.exit_code)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/tmp"):  # noqa: S108 - not used as one
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


def as_nobody(volume: Volume, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY.format(id=_NOBODY, code=code), str(volume.root)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_the_other_makes_is_not_swept(volume: Volume) -> None:
    path = volume.generations / "train-00000000"
    path.mkdir()
    opened(volume)
    with lease.hold(volume, path.name):
        assert (volume.leases / path.name).stat().st_mode & 0o777 == 0o666
        assert as_nobody(volume, f"print(lease.is_held(volume, {path.name!r}), gc.sweep(volume))") == "True 0"
        (volume.leases / path.name).chmod(0o600)  # it cannot even be looked at
        assert as_nobody(volume, f"print(lease.is_held(volume, {path.name!r}), gc.sweep(volume))") == "True 0"
    assert path.is_dir()
    assert gc.sweep(volume) == 1


def test_the_lease_that_a_dead_user_left_is_taken(volume: Volume) -> None:
    opened(volume)
    for mode in (0o666, 0o644):  # 0644: of an envkit of before
        path = volume.leases / "cache"
        path.touch()
        path.chmod(mode)
        code = "\n    with lease.hold(volume, 'cache'):\n        print(lease.is_held(volume, 'cache'))"
        assert as_nobody(volume, code) == "True"


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
        assert as_nobody(volume, f"print(lease.is_held(volume, {path.name!r}))") == "True"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize(
    "code",
    [
        "from envkit.api.remove import remove; remove(volume, 'train', reporter=SilentReporter())",
        "from envkit.api.remove import rename; rename(volume, 'train', 'new', reporter=SilentReporter())",
        "from envkit.api.history import rollback; rollback(volume, 'train', reporter=SilentReporter())",
    ],
)
@pytest.mark.parametrize("leases", [0o755, 0o777])
def test_a_volume_of_somebody_else_is_refused(volume: Volume, code: str, leases: int) -> None:
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
    assert as_nobody(volume, code) == "7"
    assert (volume.root / "train").resolve() == volume.generations / "train-00000002"
