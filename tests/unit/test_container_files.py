"""The files of recipes/container: linted by tools that others keep, compared with what articles tell people to run."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose
from dockerfile_parse import DockerfileParser
from harness import ROOT

from envkit.recipes import load_builtin

FOLDER = ROOT / "recipes" / "container"

ARTICLES = """
docker run -it --rm --gpus all -p 8888:8888 -p 2222:22 -v $(pwd)/notebooks:/workspace --shm-size=8g torch:2.7-cuda12
docker run -d --gpus=all --ipc=host -p 8888:8888 -p 6006:6006 -v ~/nb:/tf -e JUPYTER_TOKEN=secret tensorflow:2.9-gpu
docker run --gpus 0 --publish 127.0.0.1:8888:8888 --volume /srv/nb:/home/jovyan/work --restart always pytorch-notebook
""".strip().splitlines()
"""Commands of the kind that articles on containers with PyTorch, TensorFlow, JupyterLab and SSH begin with."""


def _compose() -> Any:
    """The compose file as an engine sees it: variables that are not set have their defaults."""
    text = (FOLDER / "compose.yml").read_text()
    composed = PyCompose.from_yaml(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    composed.validate()
    return composed


def _docker(line: str) -> argparse.Namespace:
    """Read the line as docker does."""
    parser = argparse.ArgumentParser(prog="docker", exit_on_error=False)
    parser.add_argument("run", choices=["run"])
    for flag in ("-it", "-d", "--rm"):
        parser.add_argument(flag, action="store_true")
    for word in ("--gpus", "--shm-size", "--ipc", "--name", "--restart"):
        parser.add_argument(word)
    for short, long in (("-p", "--publish"), ("-v", "--volume"), ("-e", "--env")):
        parser.add_argument(short, long, action="append", default=[])
    parser.add_argument("image")
    return parser.parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize("line", ARTICLES)
def test_a_docker_line_is_answered_by_the_compose_file(line: str) -> None:
    asked = _docker(line)
    composed = _compose()
    service = composed.get_service("work").model_dump()
    published = {str(port).split(":")[-2]: str(port).split(":")[-1] for port in service["ports"]}
    for port in asked.publish:
        outside = port.split(":")[-2]
        assert outside in published, port
        # Port 22 of an article is sshd as root; here it is 2222 inside, too, since nothing needs the privilege.
        assert published[outside] == {"22": "2222"}.get(port.split(":")[-1], port.split(":")[-1])
    mounts = {str(mount).rpartition(":")[2]: str(mount).rpartition(":")[0] for mount in service["volumes"]}
    if asked.volume:
        assert mounts["/data/notebooks"] == "./notebooks"
    assert mounts["/data"] in composed.volumes  # a named volume: the environment is there the next time
    if asked.gpus:
        [device] = service["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", "all", {"gpu"})
    if asked.shm_size or asked.ipc:
        assert service["shm_size"] == "8gb"
    for variable in asked.env:
        assert not variable.startswith("JUPYTER_TOKEN") or "JUPYTER_TOKEN" not in str(service["environment"])
    image = DockerfileParser(path=str(FOLDER)).structure
    exposed = next(step["value"] for step in image if step["instruction"] == "EXPOSE").split()
    assert set(published.values()) == set(exposed)
    ports = dict(load_builtin("pytorch-2.7-jupyter").block.ports)  # type: ignore[union-attr]
    assert {str(ports["jupyter"]), str(ports["ssh"])} <= set(exposed)


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, FOLDER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_holds_no_environment_and_nothing_secret() -> None:
    steps = DockerfileParser(path=str(FOLDER)).structure
    runs = " ".join(step["value"] for step in steps if step["instruction"] == "RUN")
    assert "create" not in runs
    assert "ssh_host_*" in runs  # each volume has a host key of its own
    assert not re.search(
        "TOKEN|PASSWORD", " ".join(step["content"] for step in steps if step["instruction"] != "COMMENT")
    )


def test_the_file_for_machines_without_a_gpu_takes_the_reservation_out() -> None:
    text = (FOLDER / "compose.cpu.yml").read_text()
    assert "deploy: !reset null" in text  # Compose 2.24
    rest = text.replace("    deploy: !reset null\n", "").replace("${ENVKIT_RECIPE:-notebook-math}", "notebook-math")
    PyCompose.from_yaml(rest).validate()
    assert load_builtin("notebook-math").flags.get("cuda", "auto") == "auto"
