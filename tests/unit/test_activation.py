"""Activation as steps: what conda's own rules say (conda/activate.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from envkit import activation
from envkit.activated import environ_of
from envkit.activation import ActivationError, activated_environ, apply_steps, plan_activate, plan_deactivate
from envkit.errors import ValidationFailedError

BASE = {"PATH": "/usr/bin:/bin", "HOME": "/home/u", "COLOUR": "red"}


def make_prefix(folder: Path, *, variables: dict[str, str] | None = None, scripts: dict[str, str] | None = None) -> str:
    (folder / "conda-meta").mkdir(parents=True)
    (folder / "bin").mkdir()
    if variables:
        (folder / "conda-meta" / "state").write_text(json.dumps({"version": 1, "env_vars": variables}))
    for name, text in (scripts or {}).items():
        path = folder / "etc" / "conda" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder)


def test_activation_and_back(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path / "p", variables={"COLOUR": "blue", "SHAPE": "round", "GONE": "***unset***"})
    inside = apply_steps(plan_activate(prefix, BASE, name="train"), BASE)
    assert inside == {
        "PATH": f"{prefix}/bin:/usr/bin:/bin",
        "HOME": "/home/u",
        "CONDA_PREFIX": prefix,
        "CONDA_SHLVL": "1",
        "CONDA_DEFAULT_ENV": "train",
        "CONDA_PROMPT_MODIFIER": "(train) ",
        "COLOUR": "blue",
        "SHAPE": "round",
        "__CONDA_SHLVL_0_COLOUR": "red",
    }
    steps = plan_deactivate(inside)
    assert steps is not None
    assert apply_steps(steps, inside) == BASE
    assert plan_deactivate(BASE) is None


def test_one_environment_from_within_another(tmp_path: Path) -> None:
    one = make_prefix(tmp_path / "envs" / "one", variables={"COLOUR": "blue"}, scripts={"deactivate.d/a.sh": ""})
    two = make_prefix(tmp_path / "two", variables={"COLOUR": "green"})
    inside_one = apply_steps(plan_activate(one, BASE, name="one"), BASE)
    steps = plan_activate(two, inside_one, name="two")
    assert steps.before == [f"{one}/etc/conda/deactivate.d/a.sh"]
    inside_two = apply_steps(steps, inside_one)
    assert inside_two["PATH"] == f"{two}/bin:/usr/bin:/bin"
    assert inside_two["CONDA_SHLVL"] == "2"
    assert inside_two["CONDA_PREFIX_1"] == one
    assert inside_two["COLOUR"] == "green"
    back = plan_deactivate(inside_two)
    assert back is not None
    assert apply_steps(back, inside_two) == inside_one


def test_activated_again_it_stays_at_its_depth(tmp_path: Path) -> None:
    prefix = make_prefix(
        tmp_path / "p", variables={"COLOUR": "blue"}, scripts={"activate.d/a.sh": "", "deactivate.d/a.sh": ""}
    )
    inside = apply_steps(plan_activate(prefix, BASE, name="p"), BASE)
    steps = plan_activate(prefix, inside, name="p")
    assert apply_steps(steps, inside) == inside
    assert len(steps.before) == len(steps.after) == 1


def test_variables_of_packages_come_before_those_of_the_environment(tmp_path: Path) -> None:
    prefix = make_prefix(
        tmp_path / "p",
        variables={"B": "environment"},
        scripts={"env_vars.d/one.json": '{"A": "package", "B": "package"}', "env_vars.d/torn.json": "{"},
    )
    assert activation.read_variables(prefix) == {"A": "package", "B": "environment"}


def test_scripts_change_what_they_like(tmp_path: Path) -> None:
    script = (
        'echo noise; export FROM_SCRIPT="a b"; unset HOME; export LD_LIBRARY_PATH="$CONDA_PREFIX/lib:$LD_LIBRARY_PATH"'
    )
    prefix = make_prefix(tmp_path / "p", scripts={"activate.d/b.sh": script, "activate.d/a.sh": "export ORDER=a"})
    env = {**BASE, "LD_LIBRARY_PATH": "/opt/lib", "PYTHONHOME": "/elsewhere", "TEXT": "two\nlines", "PWD": "/x"}
    inside = activated_environ(prefix, env, name="p")
    assert inside["FROM_SCRIPT"] == "a b"
    assert inside["LD_LIBRARY_PATH"] == f"{prefix}/lib:/opt/lib"
    assert (inside["TEXT"], inside["ORDER"], inside["PWD"]) == ("two\nlines", "a", "/x")
    assert not {"HOME", "PYTHONHOME", "_", "SHLVL"} & set(inside)


def test_a_script_that_ends_the_shell_is_an_error(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path / "p", scripts={"activate.d/a.sh": "echo because >&2; exit 3"})
    with pytest.raises(ActivationError, match="exit status 3: because"):
        activated_environ(prefix, BASE)
    with pytest.raises(ValidationFailedError, match="exit status 3"):
        environ_of(prefix, BASE)


def test_scripts_run_once_for_the_same_variables(tmp_path: Path) -> None:
    count = tmp_path / "count"
    prefix = make_prefix(
        tmp_path / "p", scripts={"activate.d/a.sh": f'echo x >> "{count}"; export SEEN="$ASKED"; unset GONE'}
    )
    base = {**BASE, "HOME": str(tmp_path), "ASKED": "1", "GONE": "here"}
    first = environ_of(prefix, base, name="p")
    assert environ_of(prefix, {**base, "SHLVL": "7"}, name="p") == {**first, "SHLVL": "7"}
    assert count.read_text() == "x\n"
    assert first["SEEN"] == "1"
    assert "GONE" not in first
    assert environ_of(prefix, {**base, "ASKED": "2"}, name="p")["SEEN"] == "2"
    (tmp_path / "p/etc/conda/activate.d/a.sh").write_text("export SEEN=changed")
    assert environ_of(prefix, base, name="p")["SEEN"] == "changed"
    kept = list((tmp_path / ".cache" / "envkit").glob("activated-*.json"))
    assert kept
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_the_file_stands_alone(tmp_path: Path) -> None:
    """A copy of it starts kernels where envkit is not installed."""
    code = f"import runpy; m = runpy.run_path({activation.__file__!r}); print(m['quote'](\"it's\"))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "'it'\\''s'\n"
