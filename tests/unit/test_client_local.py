"""What the API knows from files: the same request, a host seen before, a host that cannot run it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from envkit.client.environment import Environment
from envkit.client.local import Wanted, _channel, matches, refusal
from envkit.client.report import ReportView
from envkit.client.volume import find_validation, linked_generation, locate_volume
from envkit.errors import HostCannotRunError, SettingsError, UsageError, ValidationFailedError
from envkit.models.channel import parse_channel
from envkit.models.request import CudaChoice

REQUEST: dict[str, Any] = {
    "specs": ["pytorch>=2.5"],
    "channels": ["conda-forge"],
    "cuda": "12.1",
    "python": None,
    "prefer": "version",
    "target": {},
}


@pytest.mark.parametrize(
    ("wanted", "same"),
    [
        (Wanted(("pytorch>=2.5",), cuda="12.1", channels=("conda-forge",)), True),
        (Wanted(("pytorch>=2.5",), cuda="cu121", channels=("https://conda.anaconda.org/conda-forge",)), True),
        (Wanted(("pytorch>=2.5",), cuda="12", channels=("conda-forge",)), False),
        (Wanted(("pytorch>=2.5",), cuda="12.1"), False),
        (Wanted(("pytorch>=2.4",), cuda="12.1", channels=("conda-forge",)), False),
        (Wanted(("pytorch>=2.5",), cuda="12.1", channels=("conda-forge",), python="3.11"), False),
        (Wanted(("pytorch>=2.5",), cuda="what", channels=("conda-forge",)), False),
        (Wanted(recipe="pytorch", cuda="12.1", channels=("conda-forge",)), False),
        (Wanted(file="/no/such/file", cuda="12.1", channels=("conda-forge",)), False),
    ],
)
def test_same_request(wanted: Wanted, same: bool) -> None:
    assert matches({"request": REQUEST}, wanted) is same


@pytest.mark.parametrize(
    "text",
    [
        *("conda-forge", "nvidia/label/cuda-12.1.0", "/srv/channel/", "/srv/../opt/./x", "./here", "/a+b"),
        *("https://h/c", "http://127.0.0.1:8080/c/label/dev//", "HTTP://h/c", "https://conda.anaconda.org/nvidia"),
        *("https://h/t/TOKEN/c", "https://me:pw@h/c", "https://h/a%20b", "https://h:/c", "https://h/c?q", "s3://h/c"),
    ],
)
def test_channels_are_named_as_the_command_line_names_them(text: str) -> None:
    assert _channel(text) == parse_channel(text, cwd=str(Path.cwd())).name


@pytest.mark.parametrize("text", ["auto", "none", "cpu", "12", "12.1", "121", "cu121", "12.1.105", "9.2", "12.10"])
def test_cuda_choices_are_written_as_the_command_line_writes_them(text: str) -> None:
    request = {**REQUEST, "cuda": str(CudaChoice.parse(text))}
    wanted = Wanted(tuple(REQUEST["specs"]), cuda=text, channels=tuple(REQUEST["channels"]))
    assert matches({"request": request}, wanted)
    assert not matches({"request": {**request, "cuda": "11"}}, wanted)


@pytest.mark.parametrize("text", ["12.", ".1", "\uff11\uff12", "012"])
def test_what_is_no_cuda_choice_matches_nothing(text: str) -> None:
    request = {**REQUEST, "cuda": text}
    wanted = Wanted(tuple(REQUEST["specs"]), cuda=text, channels=tuple(REQUEST["channels"]))
    assert not matches({"request": request}, wanted)


def test_a_described_target_is_for_the_command_line() -> None:
    request = {**REQUEST, "target": {"driver_version": "550"}}
    assert not matches({"request": request}, Wanted(("pytorch>=2.5",), cuda="12.1", channels=("conda-forge",)))


@pytest.fixture
def environment() -> Environment:
    """An environment of CUDA 12.1 builds that was validated nowhere."""
    made = Environment("train", root="/data/envs", prefix="/data/envs/.envkit/g/train-00000000")
    made._manifest = {"request": REQUEST, "choice": {"variant": "cuda", "build_cuda": "12.1"}}
    return made


def gpu_host(root: Path, driver: str) -> str:
    (root / "dev").mkdir()
    for node in ("nvidia0", "nvidiactl"):
        (root / "dev" / node).touch()
    proc = root / "proc" / "driver" / "nvidia"
    proc.mkdir(parents=True)
    (proc / "version").write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {driver}  Thu Jan  1 00:00:00\n")
    return str(root)


def test_no_gpu_is_refused_with_a_cure(environment: Environment, tmp_path: Path) -> None:
    said = refusal(environment, gpu=None, root=str(tmp_path))
    assert said is not None
    assert "no NVIDIA GPU" in said[0]
    assert "--cuda none 'pytorch>=2.5'" in said[1]
    assert refusal(environment, gpu=False, root=str(tmp_path)) is None


@pytest.mark.parametrize("driver", ["525.60.13", "530.30.02", "570.86.10"])
def test_a_driver_that_will_do_is_not_refused(environment: Environment, tmp_path: Path, driver: str) -> None:
    assert refusal(environment, gpu=None, root=gpu_host(tmp_path, driver)) is None


def test_an_old_driver_is_refused_with_a_cure(environment: Environment, tmp_path: Path) -> None:
    said = refusal(environment, gpu=None, root=gpu_host(tmp_path, "470.82.01"))
    assert said is not None
    assert "470.82.01 supports CUDA 11.4 at most" in said[0]
    assert "525.60.13" in said[1]
    assert "--replace 'pytorch>=2.5'" in said[1]


def test_what_was_validated_here_is_not_judged_by_files(environment: Environment, tmp_path: Path) -> None:
    environment.validation = ReportView({"verdict": "pass"})
    assert refusal(environment, gpu=None, root=str(tmp_path)) is None


def test_cpu_environment_needs_no_gpu(tmp_path: Path) -> None:
    made = Environment("cpu", root="/data/envs", prefix="/data/envs/.envkit/g/cpu-00000000")
    made._manifest = {"request": REQUEST, "choice": {}}
    assert refusal(made, gpu=None, root=str(tmp_path)) is None
    assert refusal(made, gpu=True, root=str(tmp_path)) is not None


def test_a_validation_is_found_by_token_or_fingerprint(tmp_path: Path) -> None:
    folder = tmp_path / ".envkit" / "validations" / "train-1"
    folder.mkdir(parents=True)
    record = {"schema_version": 1, "fingerprint": "f1", "verdict": "pass", "tokens": ["t1", "t2"]}
    (folder / "f1.json").write_text(json.dumps(record))
    (folder / "torn.json").write_text("{")
    root = str(tmp_path)
    assert find_validation(root, "train-1", token="t2", fingerprint=None) == record
    assert find_validation(root, "train-1", token="t9", fingerprint="f1") == record
    assert find_validation(root, "train-1", token="t9", fingerprint=None) is None
    cache = Path.home() / ".cache/envkit/validations" / hashlib.sha256(root.encode()).hexdigest()[:16] / "train-1"
    cache.mkdir(parents=True)
    newer = {**record, "verdict": "fail", "created": "2026-01-01T00:00:00+00:00"}
    (cache / "f1.json").write_text(json.dumps(newer))  # of a volume that took no writes then
    assert find_validation(root, "train-1", token="t1", fingerprint="f1") == newer
    assert find_validation(root, "train-2", token="t1", fingerprint="f1") is None


def test_links_that_are_not_ours_are_no_environments(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "out").symlink_to("/usr")
    (tmp_path / "gone").symlink_to(".envkit/g/gone-1")
    assert [linked_generation(str(tmp_path), name) for name in ("plain", "out", "gone", "none")] == [None] * 4
    for name in ("", "..", "-x", "a/b", ".hidden"):
        with pytest.raises(UsageError):
            linked_generation(str(tmp_path), name)


def test_volume_by_argument_variable_and_files(
    tmp_path: Path, isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert locate_volume("~/envs") == str(isolation / "envs")
    assert locate_volume(None) == str(isolation / ".local/share/envkit/envs")
    (isolation / ".condarc").write_text(f"envs_dirs: [{tmp_path / 'from-condarc'}]\n")
    assert locate_volume(None) == str(tmp_path / "from-condarc")
    monkeypatch.setenv("CONDA_ENVS_PATH", str(tmp_path / "from-variable"))
    assert locate_volume(None) == str(tmp_path / "from-variable")
    monkeypatch.setenv("CONDA_ENVS_DIRS", str(tmp_path / "another"))
    with pytest.raises(SettingsError):
        locate_volume(None)


def test_blame_decides_the_error() -> None:
    def report(blames: str) -> ReportView:
        finding = {"check": "c", "status": "fail", "text": "what", "blames": blames, "hint": "cure"}
        return ReportView({"verdict": "fail", "findings": [finding]}, prefix="/p")

    with pytest.raises(ValidationFailedError, match="/p: what") as environment:
        report("environment").raise_for_error()
    assert environment.value.hint == "cure"
    with pytest.raises(HostCannotRunError):
        report("host").raise_for_error()
