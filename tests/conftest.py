"""Fixtures that all tests share: isolation, the command line as a child, channels over loopback HTTP."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import (
    ENVKIT,
    REAL_CHANNELS,
    TIMEOUT_S,
    Envkit,
    Outcome,
    build_wheel_channel,
    kept_variables,
    run_program,
    serve,
)
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from browser import Browser

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts what it puts in the background with SIGINT ignored, and children inherit that: no test of an
    # interruption could pass.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_FIRST = (
    "test_fleet",
    "test_validate_pytorch",
    "test_wheel_channel",
    "test_first_hour",
    "test_pip_section",
    "test_main_job",
)
_FOLDERS = ("e2e", "faults", "indexes", "cli", "property", "probes", "engines", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first, so that no process runs one at the end while the others have nothing left to do."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, int]:
    first = next((n for n, name in enumerate(_FIRST) if item.path.name.startswith(name)), len(_FIRST))
    folder = item.path.parent.name
    return first, _FOLDERS.index(folder) if folder in _FOLDERS else len(_FOLDERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give each process whole files, in their order, and the files of `fleet` to one: they share clusters."""
    config.option.loadscopereorder = False
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc] # it is untyped
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "fleet" if "/test_fleet" in file else file


@pytest.fixture(autouse=True)
def isolation(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and none of the variables that steer envkit or conda; yields the home."""
    for name in os.environ.keys() - kept_variables():
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return home


@pytest.fixture
def envkit(isolation: Path, tmp_path: Path) -> Envkit:
    """The real command line in a child process."""
    del isolation

    def run(
        *args: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout_s: float = TIMEOUT_S
    ) -> Outcome:
        return run_program(
            [*ENVKIT, *args], env={**os.environ, **(env or {})}, cwd=cwd or tmp_path, timeout_s=timeout_s
        )

    return run


@pytest.fixture(scope="session")
def wheel_channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of real packages: python, pip, numpy, rich. Built once; skipped where its Python cannot be packed."""
    out = tmp_path_factory.mktemp("wheel-channel")
    return build_wheel_channel(out, ["numpy", "rich"])


@pytest.fixture(scope="session")
def index_server() -> Iterator[str]:
    """The real channel indexes over loopback HTTP; its URL is a channel alias."""
    folder = REAL_CHANNELS
    if folder is None:
        pytest.skip("no real channel indexes: name their folder with ENVKIT_TEST_CHANNELS")
    with serve(folder) as url:
        yield url


@pytest.fixture(scope="session")
def known_indexes(index_server: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Variables of a user to whom the real indexes are the usual channels, and whose cache holds them."""
    return {"CONDA_CHANNEL_ALIAS": index_server, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("known-indexes"))}


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; skipped where none is installed."""
    import browser  # few tests load playwright

    if (reason := browser.missing()) is not None:
        pytest.skip(reason)
    with browser.start(tmp_path_factory.mktemp("browser")) as started:
        yield started
