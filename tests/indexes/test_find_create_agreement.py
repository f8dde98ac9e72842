"""What find picks, create takes: random machines and requests over the real indexes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from envkit.api.find import find_builds
from envkit.api.session import Session
from envkit.api.solve import solve_request
from envkit.cuda.target import describe_target
from envkit.errors import EnvkitError
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Inquiry, Request
from envkit.settings import load_settings

_NAMES = (
    "pytorch", "pytorch>=2", "pytorch-gpu", "torchvision", "jaxlib", "jax", "cupy", "tensorflow", "xgboost", "numba",
    "faiss-gpu", "lightgbm", "onnxruntime", "numpy",
)  # fmt: skip
_DRIVERS = ("450", "470", "515", "525", "535", "550", "560", "570", "575", "580", None)
_GPUS = ("k80", "p100", "v100", "t4", "a100", "rtx3090", "l4", "h100", "rtx4090", "rtx5090", "b200", None)
_CUDA = ("auto", "auto", "auto", "11", "11.8", "12", "12.1", "12.4", "12.6", "13", "none")
_PYTHONS = (None, None, None, "3.9", "3.11", "3.12", "3.13")


@dataclass(frozen=True)
class _Case:
    spec: str
    driver: str | None
    gpu: str | None
    cuda: str
    python: str | None


def _cases(seed: int, number: int) -> list[_Case]:
    chance = random.Random(seed)
    cases = []
    for _ in range(number):
        driver = chance.choice(_DRIVERS)
        gpu = chance.choice(_GPUS) if driver else None
        cases.append(_Case(chance.choice(_NAMES), driver, gpu, chance.choice(_CUDA), chance.choice(_PYTHONS)))
    return cases


@pytest.fixture
def session(index_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("CONDA_CHANNEL_ALIAS", index_server)
    return Session(load_settings(persist=tmp_path / "envs"))


def _disagreement(session: Session, case: _Case) -> str | None:
    """Return how find and create differ in a case; None where they agree, or find says that they do not."""
    gpus = [case.gpu] if case.gpu else []
    target = describe_target(
        Target("linux-64", glibc="2.35"), driver=case.driver, gpus=gpus, no_gpu=case.driver is None
    )
    inquiry = Inquiry(Request((case.spec,), CudaChoice.parse(case.cuda), case.python), target)
    found = find_builds(session, inquiry)
    pick = found.pick.build.record if found.pick else None
    try:
        records = {record.url for record in solve_request(session, inquiry).records}
    except EnvkitError as error:
        said = any(advice.code == "closure-unsolved" for advice in found.advice)
        return None if pick is None or said else f"{case}: find picks {pick.fn}, create: {error.message}"
    if pick is None:
        return f"{case}: find has nothing ({found.error}), create solves"
    return None if pick.url in records else f"{case}: find picks {pick.fn}, create takes another"


@pytest.mark.parametrize(
    ("seed", "number"), [(1, 12), pytest.param(2, 200, marks=[pytest.mark.full, pytest.mark.timeout(1200)])]
)
def test_what_find_picks_create_takes(session: Session, seed: int, number: int) -> None:
    found = [text for case in _cases(seed, number) if (text := _disagreement(session, case)) is not None]
    assert found == []
