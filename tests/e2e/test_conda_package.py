"""The conda package: its recipe says what pyproject.toml says; built into a local channel, installed, and run.

`ENVKIT_TEST_PEER_CHANNEL` is the URL of a channel with real packages of conda and libmambapy, with what they need, for
the Python that runs the tests: then every engine of the installed package is asked. Without it they are stand-ins that
hold nothing, and what needs them is skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import ENVKIT, ROOT, Outcome, build_wheel_channel, run_program
from ruamel.yaml import YAML

import envkit as package
from envkit.recipes import builtin_names

# Read before the isolation takes it away.
PEERS = os.environ.get("ENVKIT_TEST_PEER_CHANNEL")
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
        least = spec.partition(";")[0].lstrip("~=>")
        assert run[name].startswith(f">={least}"), name


def test_it_is_no_recipe_of_an_environment() -> None:
    assert "envkit" not in builtin_names()
    assert "recipe" not in builtin_names()


@dataclass(frozen=True)
class Installed:
    """An environment with the conda package in it.

    Attributes:
        prefix: Where it is.
        channel: A channel with `rich`.
        env: Variables to run its programs with.
    """

    prefix: Path
    channel: Path
    env: Mapping[str, str]

    def run(self, program: str, *words: str | Path, **more: str) -> Outcome:
        command = [str(self.prefix / "bin" / program), *map(str, words)]
        return run_program(command, env={**self.env, **more})


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The package, built from the recipe into a channel and installed from it with envkit."""
    folder = tmp_path_factory.mktemp("conda-package")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    # Which is all that a conda channel would have beside conda and libmambapy.
    names = ["jinja2", "msgspec", "nvidia-ml-py", "packaging>=26,<27", "platformdirs", "py-rattler>=0.28,<0.29", "rich"]
    names += ["pyyaml", "ruamel.yaml", "tomli", "typer", "uv>=0.13.9,<0.14", "zstandard", "hatchling"]
    channel = build_wheel_channel(folder / "channel", names)
    if PEERS is None:
        empty = [Package("conda", "26.7.1", noarch="generic"), Package("libmambapy", "2.8.1")]
        peers = write_channel(folder / "stand-ins", empty).as_uri()
    else:
        peers = PEERS
    code = (
        "import sys, rattler_build as rb\n"
        "recipe = rb.Stage0Recipe.from_file(sys.argv[1])\n"
        "made = recipe.run_build(output_dir=sys.argv[2], channels=sys.argv[3:])\n"
        "print(*made[0].packages)"
    )
    out = folder / "out"
    channels = [peers, channel.as_uri()]  # a name that both have is taken as the first needs it
    words = [sys.executable, "-c", code, str(RECIPE), str(out), *channels]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(out.glob("noarch/envkit-*.conda"))
    more = [word for url in (out.as_uri(), *channels) for word in ("-c", url)]
    words = [*("create", "envkit", "--persist", str(folder / "envs"), "--override-channels"), *more]
    made = run_program([*ENVKIT, *words], env=env, timeout_s=600)
    assert made.code == 0, made.err
    return Installed(folder / "envs" / "envkit", channel, env)


@pytest.mark.timeout(600)
def test_it_is_built_installed_and_run(installed: Installed) -> None:
    found = installed.run("envkit", "find", "rich", "-c", installed.channel, "--override-channels")
    assert found.code == 0, found.err
    assert "rich" in found.out
    assert "engine rattler" in installed.run("envkit", "detect").out


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    PEERS is None, reason="conda and libmambapy are empty stand-ins: ENVKIT_TEST_PEER_CHANNEL names real"
)
def test_every_engine_is_there(installed: Installed) -> None:
    engines = installed.run("envkit", "detect", "--json").json["engines"]
    assert [(engine["name"], engine["available"]) for engine in engines] == [
        *(("rattler", True), ("libmamba", True), ("conda", True))
    ]
    only = ("-c", installed.channel, "--override-channels", "--json")
    for engine in ("rattler", "libmamba", "conda"):
        env = {"CONDA_SOLVER": "classic"}  # its other solver is a package of its own
        found = installed.run("envkit", "find", "rich", "--engine", engine, *only, **env)
        assert found.code == 0, found.err + found.out
        assert found.json["pick"].startswith("rich-")
        planned = installed.run("envkit", "create", "rich", "-n", "e", "--dry-run", "--engine", engine, *only, **env)
        assert planned.code == 0, planned.err + planned.out
        assert {"rich", "pygments"} <= {package["name"] for package in planned.json["packages"]}


@pytest.mark.timeout(600)
@pytest.mark.skipif(PEERS is None, reason="no ENVKIT_TEST_PEER_CHANNEL: stand-ins")
def test_conda_knows_it(installed: Installed) -> None:
    found = installed.run("conda", "envkit", "find", "rich", "-c", installed.channel, "--override-channels", "--json")
    assert found.code == 0, found.err
    assert found.json["pick"].startswith("rich-")
    doctor = installed.run("conda", "doctor", "--verbose", "--prefix", installed.prefix)
    assert "envkit: " in doctor.out, doctor.err
    assert "checks passed" in doctor.out
