"""The transaction that every verb changes an environment in: what it refuses, holds and removes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import envkit.api
from envkit.api.change import changing
from envkit.api.session import Session
from envkit.errors import (
    EnvironmentExistsError,
    EnvkitError,
    IntegrityError,
    UnknownEnvironmentError,
    UsageError,
    VolumeError,
)
from envkit.layout import lease
from envkit.layout.generation import claim, publish
from envkit.layout.opening import open_volume
from envkit.layout.volume import Volume
from envkit.models.progress import Reporter
from envkit.settings import Settings

MOST_PARAMETERS = 6


class Notes(Reporter):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def note(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return open_volume(tmp_path / "envs", create=True)


@pytest.fixture
def session(volume: Volume) -> Session:
    return Session(Settings(volume.root), reporter=Notes())


def link(volume: Volume, name: str) -> Path:
    """An environment whose generation is empty."""
    with claim(volume, name) as claimed:
        publish(volume, name, claimed.prefix)
    return claimed.prefix


@pytest.mark.parametrize(
    ("name", "there", "also", "error"),
    [
        ("missing", True, None, UnknownEnvironmentError),
        ("foreign", None, None, EnvironmentExistsError),
        ("foreign", False, None, EnvironmentExistsError),
        ("train", False, None, EnvironmentExistsError),
        ("train", True, "foreign", EnvironmentExistsError),
        ("../x", None, None, UsageError),
    ],
)
def test_what_is_refused(
    session: Session, volume: Volume, name: str, there: bool | None, also: str | None, error: type[EnvkitError]
) -> None:
    link(volume, "train")
    (volume.root / "foreign").mkdir()
    with pytest.raises(error), changing(session, name, there=there, also=also):
        pass


@pytest.mark.parametrize("there", [True, False, None])
def test_a_refusal_makes_no_volume(tmp_path: Path, there: bool | None) -> None:
    root = tmp_path / "envs"
    (root / "x").mkdir(parents=True)
    with pytest.raises(EnvkitError), changing(Session(Settings(root)), "x", there=there):
        pass
    assert [path.name for path in root.iterdir()] == ["x"]


def test_a_volume_that_is_not_there_is_not_made_for_an_environment_in_it(tmp_path: Path) -> None:
    with pytest.raises(VolumeError), changing(Session(Settings(tmp_path / "envs")), "x", there=True):
        pass
    assert not (tmp_path / "envs").exists()


def test_the_leases_of_both_names_are_held(session: Session, volume: Volume) -> None:
    link(volume, "train")
    with changing(session, "train", there=True, also="prod") as change:
        assert lease.is_held(volume, "train.name")
        assert lease.is_held(volume, "prod.name")
        change.rename("prod")
    assert not lease.is_held(volume, "train.name")
    assert not (volume.root / "train").is_symlink()
    assert (volume.root / "prod").is_symlink()


def test_leftovers_of_dead_runs_are_removed_aloud(session: Session, volume: Volume) -> None:
    (volume.generations / "train-00000000").mkdir()
    with changing(session, "train"):
        assert not list(volume.generations.iterdir())
    assert isinstance(session.reporter, Notes)
    assert session.reporter.heard == ["removed 1 leftovers of runs that died"]


def test_a_generation_that_is_not_whole_is_not_published(session: Session, volume: Volume) -> None:
    prefix = link(volume, "train")
    (volume.generations / "train-11111111").mkdir()
    with changing(session, "train", there=True) as change, pytest.raises(IntegrityError):
        change.publish(volume.generations / "train-11111111")
    assert (volume.root / "train").resolve() == prefix


def functions(path: Path) -> list[tuple[str, int]]:
    """The functions of a module, nested ones too, with how many parameters each has."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            has = node.args
            starred = [one for one in (has.vararg, has.kwarg) if one is not None]
            found.append((node.name, len([*has.posonlyargs, *has.args, *has.kwonlyargs, *starred])))
    return found


def test_no_verb_takes_a_crowd_of_parameters() -> None:
    crowded = {
        f"{path.stem}.{name}": number
        for path in Path(envkit.api.__file__).parent.glob("*.py")
        for name, number in functions(path)
        if number > MOST_PARAMETERS
    }
    assert crowded == {}
