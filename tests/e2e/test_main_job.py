"""The main job on real packages: find, create, create again, validate, list, show, run, over loopback HTTP."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Envkit, serve


@pytest.fixture(scope="module")
def channel(wheel_channel: Path) -> Iterator[str]:
    with serve(wheel_channel) as url:
        yield url


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume of several tests: Python's bytecode is compiled once."""
    return tmp_path_factory.mktemp("main-job") / "envs"


def test_main_job(envkit: Envkit, channel: str, tmp_path: Path) -> None:
    volume = tmp_path / "envs"
    only = ("-c", channel, "--override-channels")

    found = envkit("find", "numpy", *only, "--json")
    assert found.code == 0, found.err
    assert found.json["pick"].startswith("numpy-")
    assert found.json["builds"][0]["channel"] == channel

    made = envkit("create", "numpy", "rich", "pip", "-n", "train", "--persist", volume, *only, "--json")
    assert made.code == 0, made.err
    assert not made.err
    document = made.json
    prefix = Path(document["prefix"])
    assert document["path"] == f"{volume}/train"
    assert document["reused"] is False
    assert document["validation"]["verdict"] == "pass"
    assert {p["name"] for p in document["packages"]} >= {"python", "numpy", "rich"}
    assert all(p["sha256"] for p in document["packages"])
    assert (volume / "train").resolve() == prefix

    again = envkit("create", "numpy", "rich", "pip", "-n", "train", "--persist", volume, *only, "--json")
    assert again.code == 0, again.err
    assert again.json["reused"] is True
    assert again.json["prefix"] == document["prefix"]

    validated = envkit("validate", "train", "--persist", volume, "--json")
    assert validated.code == 0, validated.out
    checks = {f["check"]: f["status"] for f in validated.json["findings"]}
    assert checks == {
        "files": "pass",
        "python": "pass",
        "import numpy": "pass",
        "import rich": "pass",
        "import pip": "pass",
    }

    listed = envkit("list", "--persist", volume, "--json")
    assert [e["name"] for e in listed.json["environments"]] == ["train"]
    assert listed.json["environments"][0]["validated"]["verdict"] == "pass"

    shown = envkit("show", "train", "--persist", volume, "--json")
    assert shown.json["request"]["specs"] == ["numpy", "rich", "pip"]

    code = "import numpy, sys; print(int((numpy.arange(9).reshape(3, 3) @ numpy.eye(3)).trace()), sys.prefix)"
    ran = envkit("run", "--persist", volume, "train", "--", "python", "-c", code)
    assert ran.code == 0, ran.err
    assert ran.out.split() == ["12", str(prefix)]
    passed_on = envkit("run", "--persist", volume, "train", "--", "sh", "-c", "exit 41")
    assert passed_on.code == 41

    _is_a_conda_environment(prefix, {p["name"] for p in document["packages"]})
    _has_bytecode_of_its_own(prefix)


def _is_a_conda_environment(prefix: Path, names: set[str]) -> None:
    """CEP 32: a filled history, one JSON for each package, readable by the group; CEP 22: frozen."""
    meta = prefix / "conda-meta"
    history = (meta / "history").read_text()
    assert history.startswith("==> ")
    for name in names:
        assert f"::{name}-" in history
    records = {json.loads(path.read_bytes())["name"] for path in meta.glob("*.json")}
    assert records == names
    for path in meta.iterdir():
        assert path.stat().st_mode & stat.S_IRGRP, path
    assert (meta / "frozen").is_file()
    pip = subprocess.run(
        [prefix / "bin" / "python", "-m", "pip", "install", "six"], capture_output=True, text=True, check=False
    )
    assert pip.returncode != 0
    assert "envkit" in pip.stderr


def _has_bytecode_of_its_own(prefix: Path) -> None:
    sources = list((prefix / "lib").glob("python3*/site-packages/numpy/*.py"))
    assert sources
    for source in sources:
        assert list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")), source


def test_environment_from_a_file(envkit: Envkit, channel: str, volume: Path, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(
        f"name: fromfile\nchannels: [{channel}]\ndependencies:\n  - python\n  - rich\nvariables:\n  COLOUR: blue\n"
    )
    made = envkit("create", "--persist", volume, "--json")
    assert made.code == 0, made.err
    assert made.json["environment"] == "fromfile"
    ran = envkit(
        "run",
        "--persist",
        volume,
        "fromfile",
        "--",
        "python",
        "-c",
        "import os; print(os.environ['COLOUR'])",
    )
    assert ran.out.strip() == "blue"


def test_second_environment_shares_files(envkit: Envkit, channel: str, volume: Path) -> None:
    only = ("-c", channel, "--override-channels", "--persist", str(volume), "--json")
    one = envkit("create", "numpy", "-n", "one", *only)
    two = envkit("create", "numpy", "-n", "two", *only)
    assert (one.code, two.code) == (0, 0), two.out
    for relative in ("lib/libpython3*", "lib/python3*/site-packages/numpy/__init__.py"):
        for first in Path(one.json["prefix"]).glob(relative):
            second = Path(two.json["prefix"]) / first.relative_to(one.json["prefix"])
            assert first.samefile(second) or first.is_symlink() or _holds_the_prefix(first, one.json["prefix"])


def test_a_broken_list_of_bytecode_is_made_again(envkit: Envkit, channel: str, tmp_path: Path) -> None:
    only = ("-c", channel, "--override-channels", "--persist", str(tmp_path / "envs"), "--no-validate", "--json")
    assert envkit("create", "numpy", "-n", "one", *only).code == 0
    lists = sorted((tmp_path / "envs/.envkit/pyc").glob("*/*/files.json"))
    before = [sorted(json.loads(path.read_text())["files"]) for path in lists]
    assert lists
    assert any(before)
    for number, content in enumerate(("", "[1]", '[["lib", []]]', '{"a": 1}', "null")):
        for path in lists:
            path.write_text(content)
        again = envkit("create", "numpy", "-n", f"again{number}", *only)
        assert again.code == 0, again.err
        _has_bytecode_of_its_own(Path(again.json["prefix"]))
        assert [sorted(json.loads(path.read_text())["files"]) for path in lists] == before, content


def test_bytecode_is_left_out_where_that_is_asked_for(envkit: Envkit, channel: str, volume: Path) -> None:
    only = ("-c", channel, "--override-channels", "--persist", str(volume), "--no-validate", "--json")
    none = envkit("create", "numpy", "-n", "none", "--bytecode", "none", *only)
    assert list(Path(none.json["prefix"]).glob("lib/python3*/site-packages/numpy/**/*.pyc")) == []
    _has_bytecode_of_its_own(Path(envkit("create", "numpy", "-n", "now", *only).json["prefix"]))
    wrong = envkit("create", "numpy", "-n", "later", "--bytecode", "later", *only)
    assert (wrong.code, wrong.json["error"]["code"]) == (2, "bad-setting"), wrong.out


def _holds_the_prefix(path: Path, prefix: str) -> bool:
    return prefix.encode() in path.read_bytes()


def test_damaged_environment_fails_validation(envkit: Envkit, channel: str, volume: Path) -> None:
    made = envkit("create", "numpy", "-n", "hurt", "--persist", volume, "-c", channel, "--override-channels", "--json")
    prefix = Path(made.json["prefix"])
    victim = next(prefix.glob("lib/python3*/site-packages/numpy/_core/_multiarray_umath*.so"))
    victim.unlink()
    validated = envkit("validate", "hurt", "--persist", volume, "--json")
    assert validated.code == 3
    failed = {f["code"]: f for f in validated.json["findings"] if f["status"] == "fail"}
    assert set(failed) == {"files-damaged", "import-failed"}
    assert victim.name in failed["files-damaged"]["text"]
    assert all(f["blames"] == "environment" for f in failed.values())


def test_any_prefix_can_be_validated(envkit: Envkit, tmp_path: Path) -> None:
    subprocess.run(["python3", "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    validated = envkit("validate", tmp_path / "venv", "--json")
    assert validated.code == 0, validated.err
    assert [finding["check"] for finding in validated.json["findings"]][:2] == ["files", "python"]
