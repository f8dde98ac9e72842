"""The conda package: its recipe says what pyproject.toml says; built into a local channel, installed, and run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import ROOT, Envkit, build_wheel_channel
from ruamel.yaml import YAML

import envkit as package
from envkit.recipes import builtin_names

RECIPE = ROOT / "recipes" / "envkit" / "recipe.yaml"


def test_the_recipe_says_what_the_project_says() -> None:
    recipe = YAML(typ="safe", pure=True).load(RECIPE.read_text())
    assert recipe["context"]["version"] == package.__version__
    run = {spec.split()[0]: spec.partition(" ")[2] for spec in recipe["requirements"]["run"]}
    listed = re.search(r"^dependencies = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)
    assert listed is not None
    wanted = dict(re.findall(r'"([\w.-]+?)([<>=~!][^"]*)"', listed[1]))
    assert set(run) == {*wanted, "python", "conda", "libmambapy"}
    for name, spec in wanted.items():
        least = spec.lstrip("~=>")
        assert run[name].startswith(f">={least}"), name


def test_it_is_no_recipe_of_an_environment() -> None:
    assert "envkit" not in builtin_names()
    assert "recipe" not in builtin_names()


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_it_is_built_installed_and_run(envkit: Envkit, tmp_path: Path) -> None:
    pytest.importorskip("rattler_build")
    # Which is all that a conda channel would have beside conda and libmambapy, which no wheel brings: these are empty.
    names = ["nvidia-ml-py", "platformdirs", "py-rattler>=0.28,<0.29", "pydantic", "rich"]
    channel = build_wheel_channel(tmp_path / "channel", [*names, "ruamel.yaml", "typer", "hatchling"])
    stand_ins = write_channel(
        tmp_path / "stand-ins", [Package("conda", "26.7.1", noarch="generic"), Package("libmambapy", "2.8.1")]
    )
    code = (
        "import sys, rattler_build as rb\n"
        "recipe = rb.Stage0Recipe.from_file(sys.argv[1])\n"
        "made = recipe.run_build(output_dir=sys.argv[2], channels=sys.argv[3:])\n"
        "print(*made[0].packages)"
    )
    out = tmp_path / "out"
    channels = [channel.as_uri(), stand_ins.as_uri()]
    done = subprocess.run(
        [sys.executable, "-c", code, str(RECIPE), str(out), *channels], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(out.glob("noarch/envkit-*.conda"))

    words = [word for url in (out.as_uri(), *channels) for word in ("-c", url)]
    made = envkit("create", "envkit", "--persist", tmp_path / "envs", *words, "--override-channels", timeout_s=600)
    assert made.code == 0, made.err
    program = tmp_path / "envs" / "envkit" / "bin" / "envkit"
    found = subprocess.run(
        [program, "find", "rich", "-c", channels[0], "--override-channels"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "rich" in found.stdout
    detected = subprocess.run([program, "detect"], capture_output=True, text=True, check=True)
    assert "engine rattler" in detected.stdout
