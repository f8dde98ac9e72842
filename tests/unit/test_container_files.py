"""The files of recipes/container: linted by tools that others keep, compared with what articles tell people to run."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose
from dockerfile_parse import DockerfileParser
from harness import ROOT

from envkit.recipes import load_builtin

FOLDER = ROOT / "recipes" / "container"

TORCH, TENSORFLOW = "pytorch/pytorch:2.7.0-cuda12.6-cudnn9-runtime", "tensorflow/tensorflow:2.9.1-gpu-jupyter"
ARTICLES = {
    f"docker run -it --rm --gpus all -p 8888:8888 -p 2222:22 -v $(pwd)/nb:/workspace --shm-size=8g {TORCH}": {
        "SHM_SIZE": "8g", "NOTEBOOKS": "PWD/nb",
    },
    f"docker run -d --gpus all -v $(realpath ~/notebooks):/tf/notebooks -p 8888:8888 {TENSORFLOW}": {
        "NOTEBOOKS": "HOME/notebooks",
    },
    f"$ docker run -u $(id -u):$(id -g) -v ~/nb:/tf/notebooks -it -p 8888:8888 --gpus all {TENSORFLOW}": {
        "NOTEBOOKS": "HOME/nb",
    },
    f"sudo nvidia-docker run --rm --name tf1 -p 8888:8888 -p 6006:6006 {TENSORFLOW} jupyter notebook --allow-root": {},
    f"""docker run --runtime=nvidia --rm -d -p 80:8888 -v /notebooks:/notebooks \
        {TENSORFLOW} jupyter notebook --notebook-dir=/notebooks --allow-root --NotebookApp.token=''""": {
        "JUPYTER_PORT": "80", "NOTEBOOKS": "/notebooks",
    },
    """docker run --gpus all --ipc=host --ulimit memlock=-1 --ulimit stack=67108864 -it --rm -p 8888:8888 \
        -v ${PWD}:/workspace nvcr.io/nvidia/pytorch:25.04-py3 jupyter lab --ip=0.0.0.0 --allow-root""": {
        "NOTEBOOKS": "PWD",
    },
    """docker run \
        --gpus=all \
        --ipc=host \
        -p 2222:22 \
        -e PUBLIC_KEY="$(cat ~/.ssh/id_ed25519.pub)" -e PASSWORD="secret" \
        -v `pwd`/projects:/workspace/code -v `pwd`/data:/workspace/data \
        -d --name work pytorch-ssh:cuda12""": {
        "NOTEBOOKS": "PWD/projects", "SSH_KEYS": "~/.ssh/id_ed25519.pub",
    },
    """docker run -d -p 5022:22 --gpus '"device=0,1"' -e SSH_PUBLIC_KEY="$(cat ~/.ssh/id_rsa.pub)" torch-ssh""": {
        "SSH_PORT": "5022", "CUDA_VISIBLE_DEVICES": "0,1", "SSH_KEYS": "~/.ssh/id_rsa.pub",
    },
    """docker run --gpus 2 -itd -p 10.1.1.7:8889:8888 --publish=10.1.1.7:6007:6006/tcp -v ./:/work --init \
        --hostname lab --restart unless-stopped --memory="16g" --cpus 8 --log-opt max-size=50m lab:gpu bash""": {
        "GPUS": "2", "JUPYTER_PORT": "8889", "TENSORBOARD_PORT": "6007", "BIND": "10.1.1.7", "NOTEBOOKS": "./",
    },
    """docker run -it -d --gpus all -p 8888:8888 --user root -e NB_USER="$USER" -e CHOWN_HOME=yes \
        -w "/home/${NB_USER}" -v "$PWD":"/home/$USER/work" quay.io/jupyter/pytorch-notebook:cuda12-latest""": {
        "NOTEBOOKS": "PWD",
    },
    """docker run --rm -it --gpus all -p 8888:8888 -e JUPYTER_TOKEN=passwd --env="DISPLAY" \
        --mount type=bind,source=/srv/nb,target=/work --shm-size 16gb pytorch-notebook""": {
        "NOTEBOOKS": "/srv/nb", "SHM_SIZE": "16gb",
    },
    "NV_GPU=1 nvidia-docker run -v $(pwd):/src/notebooks -p 8888:8888 -td keras": {
        "NOTEBOOKS": "PWD", "CUDA_VISIBLE_DEVICES": "1",
    },
}  # fmt: skip
"""Commands as tutorials and images for PyTorch, TensorFlow, JupyterLab and SSH have them, and the variables with which
the compose file does the same."""

_BEFORE = re.compile(r"\$?\s*(?:sudo\s+)?(?P<set>(?:\w+=\S+\s+)*)(?P<program>docker|nvidia-docker)\s+run\s")
_FLAGS = ("-i", "-t", "-d", "--rm", "--init")
_WORDS = (
    *("--gpus", "--shm-size", "--ipc", "--name", "--restart", "--runtime", "--hostname", "--memory", "--cpus"),
    *("--log-opt", "-w"),
)
_LISTS = (("-p", "--publish"), ("-v", "--volume"), ("-e", "--env"), ("--mount",), ("--ulimit",), ("-u", "--user"))


def _docker(line: str, folder: Path) -> argparse.Namespace:
    """Read the line as a shell and docker do."""
    before = _BEFORE.match(line)
    assert before is not None, line
    env = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "USER": "me"}
    words = ["sh", "-c", rf"printf '%s\0' {line[before.end() :]}"]
    given = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True)
    parser = argparse.ArgumentParser(prog="docker", exit_on_error=False, add_help=False)
    for flag in _FLAGS:
        parser.add_argument(flag, action="store_true")
    for word in _WORDS:
        parser.add_argument(word)
    for names in _LISTS:
        parser.add_argument(*names, action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(given.stdout.split("\0")[:-1])
    if before["program"] == "nvidia-docker" or asked.runtime == "nvidia":  # before `--gpus` of 2019
        chosen = dict(item.split("=", 1) for item in before["set"].split()).get("NV_GPU")
        asked.gpus = f"device={chosen}" if chosen else "all"
    return asked


def _variables(asked: argparse.Namespace) -> dict[str, str]:
    """Return the variables of the compose file that stand for the options."""
    found: dict[str, str] = {}
    names = {"8888": "JUPYTER", "22": "SSH", "2222": "SSH", "6006": "TENSORBOARD"}
    for port in asked.publish:
        *address, outside, inside = port.removesuffix("/tcp").split(":")
        if outside != {"22": "2222"}.get(inside, inside):
            found[f"{names[inside]}_PORT"] = outside
        found |= {"BIND": address[0]} if address else {}
    mounts = [mount.rsplit(":", 1)[0] for mount in asked.volume]
    mounts += [dict(part.split("=", 1) for part in mount.split(","))["source"] for mount in asked.mount]
    found |= {"NOTEBOOKS": mounts[0]} if mounts else {}
    found |= {"SHM_SIZE": asked.shm_size} if asked.shm_size else {}
    gpus = (asked.gpus or "all").strip('"')
    if gpus.startswith("device="):
        found["CUDA_VISIBLE_DEVICES"] = gpus.removeprefix("device=")
    elif gpus != "all":
        found["GPUS"] = gpus
    keys = [variable.partition("=")[2] for variable in asked.env if "PUBLIC_KEY=" in variable]
    return found | ({"SSH_KEYS": keys[0]} if keys else {})


def _filled(variables: Mapping[str, str]) -> str:
    """The compose file with these variables, each in place of its default."""
    text = (FOLDER / "compose.yml").read_text()
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1]) or found[2], text)


@pytest.mark.parametrize("line", ARTICLES)
def test_a_docker_line_is_answered_by_the_compose_file(line: str, tmp_path: Path) -> None:
    keys = tmp_path / "home/.ssh"
    keys.mkdir(parents=True)
    (tmp_path / "home/notebooks").mkdir()
    for name in ("id_rsa.pub", "id_ed25519.pub"):
        (keys / name).write_text(f"~/.ssh/{name}")  # the test tells files by it
    places = {"PWD": str(tmp_path), "HOME": str(tmp_path / "home")}
    variables = {
        name: re.sub("^(PWD|HOME)", lambda found: places[found[1]], value) for name, value in ARTICLES[line].items()
    }
    asked = _docker(line, tmp_path)
    assert _variables(asked) == variables
    composed: Any = PyCompose.from_yaml(_filled(variables))
    composed.validate()
    service = composed.get_service("work").model_dump()
    published = [str(port) for port in service["ports"]]
    for port in asked.publish:
        *_, outside, inside = port.removesuffix("/tcp").split(":")
        # Port 22 of an article is sshd as root; here it is 2222 inside, too, since nothing needs the privilege.
        address = variables.get("BIND", "127.0.0.1")
        assert f"{address}:{outside}:{'2222' if inside == '22' else inside}" in published, port
    mounts = {str(mount).rpartition(":")[2]: str(mount).rpartition(":")[0] for mount in service["volumes"]}
    assert mounts["/data/notebooks"] == variables.get("NOTEBOOKS", "./notebooks")
    assert mounts["/data"] in composed.volumes  # a named volume: the environment is there the next time
    [device] = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", {"gpu"})
    assert str(device["count"]) == variables.get("GPUS", "all")
    # As much as --ipc=host needs.
    assert service["shm_size"].rstrip("b") == variables.get("SHM_SIZE", "8g").rstrip("b")
    limits = {name: str(limit) for name, limit in service["ulimits"].items()}
    for limit in asked.ulimit:
        name, _, value = limit.partition("=")
        assert limits[name] == value
    given = service["environment"]
    assert "CUDA_VISIBLE_DEVICES" in given  # without a value: that of the shell, if it has one
    assert not re.search("TOKEN|PASSWORD|KEY", str(given))  # these are files
    assert f"file: {variables.get('SSH_KEYS', '$HOME/.ssh/id_ed25519.pub')}\n" in _filled(variables)
    image = DockerfileParser(path=str(FOLDER)).structure
    exposed = next(step["value"] for step in image if step["instruction"] == "EXPOSE").split()
    assert {port.rpartition(":")[2] for port in published} == set(exposed)
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
