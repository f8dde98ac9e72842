"""The engines that can be used here; each that cannot is skipped with the reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_engine import FakeEngine

from envkit.engines.base import ChannelAccess, Engine
from envkit.engines.conda import CondaEngine, beside
from envkit.engines.registry import list_engines, make_engine
from envkit.models.channel import parse_channel
from envkit.models.network import NetworkPolicy

# Read before the isolation takes them away. conda need not be on PATH, and its default solver need not be installed.
CONDA = os.environ.get("ENVKIT_TEST_CONDA") or os.environ.get("CONDA_EXE") or shutil.which("conda")
CONDA_SOLVERS = os.environ.get("ENVKIT_TEST_CONDA_SOLVERS", "classic").split(",")
ENGINES = ["fake", "rattler", "libmamba", *(f"conda-{solver}" for solver in CONDA_SOLVERS)]

Access = Callable[..., ChannelAccess]


@pytest.fixture
def conda_program() -> Path:
    if CONDA is None:
        pytest.skip("conda is not installed (ENVKIT_TEST_CONDA may name it)")
    return Path(CONDA)


@pytest.fixture
def no_conda() -> None:
    """For what happens without conda: it may lie beside the Python that runs the tests."""
    if shutil.which("conda", path=str(beside())):
        pytest.skip("there is a conda beside this Python")


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(engine_name: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    if engine_name == "fake":
        yield FakeEngine()
    elif engine_name.startswith("conda"):
        program = request.getfixturevalue("conda_program")
        yield CondaEngine(program, env={**os.environ, "CONDA_SOLVER": engine_name.removeprefix("conda-")})
    else:
        info = next(info for info in list_engines() if info.name == engine_name)
        if not info.available:
            pytest.skip(f"{engine_name} is not installed: {info.hint}")
        yield make_engine(engine_name)


@pytest.fixture
def access_of(tmp_path: Path) -> Access:
    def make(*channels: Path | str, policy: NetworkPolicy | None = None) -> ChannelAccess:
        index_dir = tmp_path / "index"
        index_dir.mkdir(exist_ok=True)
        parsed = tuple(parse_channel(str(channel)) for channel in channels)
        return ChannelAccess(parsed, policy or NetworkPolicy(retries=0), index_dir)

    return make
