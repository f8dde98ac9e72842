"""The container's entrypoint in namespaces over this machine's root: no image, a small server for JupyterLab."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from channels import Package, write_channel
from container_engine import Container, Image, free_ports, skip_unless_able
from harness import ROOT

OWNER = 12345
# pyenv's Python may be in the home of root, which is closed to others.
OPEN = f"chmod o+x {Path(sys.executable).resolve().parts[1]}"
# What `jupyter lab` is asked for, answered by a server of one page that shows who it is.
LAB = b"""#!/bin/sh
for word; do case $word in --port=*) port=${word#--port=} ;; --ServerApp.root_dir=*) cd "${word#*=}" ;; esac; done
id -u > served-by && test -s "$JUPYTER_TOKEN_FILE" && exec PYTHON -m http.server "$port"
"""


@pytest.fixture
def image(isolation: Path) -> Image:
    del isolation
    skip_unless_able()
    if shutil.which("sshd") is None and not Path("/usr/sbin/sshd").exists():
        pytest.skip("no sshd")
    entrypoint = (sys.executable, str(ROOT / "recipes" / "container" / "entrypoint.py"))
    path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return Image((Path("/"),), {"PATH": path}, "/", entrypoint, ("serve",), (), (), ())


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("home/.ssh", "no SSH: [Errno 13] Permission denied: '/data/home/.ssh/authorized_keys'"),
        (".ssh-host", "the SSH server has a new key at each start: /data/.ssh-host is not root's own folder"),
    ],
)
def test_links_of_the_owner_lead_root_nowhere(image: Image, tmp_path: Path, link: str, said: str) -> None:
    volume = tmp_path / "volume"
    (volume / "home").mkdir(parents=True)
    (volume / link).symlink_to("/etc")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "authorized_keys").write_text("ssh-ed25519 AAAA me\n")
    for path in (volume, volume / "home"):
        os.chown(path, OWNER, OWNER)
    binds = {volume: "data", tmp_path / "secrets": "run/secrets"}
    command = f"{sys.executable} {image.entrypoint[1]}; ls /etc > /data/listed"
    image = replace(image, entrypoint=("sh", "-c", command), command=("sh",))
    env = {"ENVKIT_RECIPE": "nothing", "SSH_PORT": str(free_ports(1)[0])}
    container = Container(image, tmp_path / "scratch", binds=binds, env=env, prepare=OPEN)
    assert container.engine.wait(60) == 0
    assert said in container.text()
    assert "there is no environment work" in container.text()
    written = set((volume / "listed").read_text().split()) - set(os.listdir("/etc"))
    assert not {"authorized_keys", "ssh_host_ed25519_key"} & written


def test_it_serves_starts_again_and_stops(image: Image, gpu_host: Mapping[str, str], tmp_path: Path) -> None:
    lab = LAB.replace(b"PYTHON", sys.executable.encode())
    channel = write_channel(tmp_path / "channel", [Package("lab", files={"bin/jupyter": lab})])
    volume = tmp_path / "volume"
    volume.mkdir()
    os.chown(volume, OWNER, OWNER)
    (volume / "mine.yml").write_text("channels: [file:///srv/channel, nodefaults]\ndependencies: [lab]\n")
    jupyter, ssh = free_ports(2)
    env = {"JUPYTER_PORT": str(jupyter), "SSH_PORT": str(ssh), "ENVKIT_RECIPE": "mine.yml", "DATA": "/data"}
    given = {
        "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64", "NVIDIA_VISIBLE_DEVICES": "all", "CUDA_VISIBLE_DEVICES": "0,1",
        "NCCL_IB_HCA": 'mlx5_0 "first" \\ # $HOME', "PATH": f"{image.env['PATH']}:/usr/local/nvidia/bin",
    }  # fmt: skip
    env |= {**given, "JUPYTER_TOKEN": "secret", "TERM": "dumb"}
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (tmp_path / "secrets").mkdir()
    shutil.copy(f"{key}.pub", tmp_path / "secrets" / "authorized_keys")
    binds = {volume: "data", channel: "srv/channel", tmp_path / "secrets": "run/secrets"}
    driver = Path(shutil.copytree(gpu_host["LD_LIBRARY_PATH"], tmp_path / "driver"))
    driver.chmod(0o755)
    binds[driver] = "usr/local/nvidia/lib64"  # as device plugins bring it
    home = (
        Path(sys.executable).resolve().parts[1]
    )  # pyenv's Python may be in the home of root, which is closed to others
    prepare = f"chmod o+x {home}"
    container = Container(image, tmp_path / "scratch", binds=binds, env=env, prepare=prepare)
    try:
        container.wait_for(jupyter, 60)
        assert (volume / "notebooks" / "served-by").read_text().strip() == str(OWNER)
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")
        login = ["ssh", "-F", "none", "-i", str(key), "-p", str(ssh), *(f"-o{option}" for option in options)]
        tell = "[os.getuid(), ctypes.CDLL('libcuda.so.1').cuInit(0), dict(os.environ)]"
        show = f'{sys.executable} -c "import ctypes, json, os; print(json.dumps({tell}))"'
        # A command, and a login shell, which takes what it runs from its input.
        for words, typed in (([show], ""), ([], f"{show}\nexit\n")):
            command = [*login, "-T", "me@127.0.0.1", *words]
            said = subprocess.run(command, input=typed, capture_output=True, text=True, check=False, timeout=60)
            assert said.returncode == 0, said.stderr
            uid, cuda, there = json.loads(said.stdout.splitlines()[-1])
            assert (uid, cuda, there["ENVKIT_ENV"], there["HOME"]) == (OWNER, 0, "work", "/data/home")
            assert {name: there.get(name) for name in given} == given
            assert not {"JUPYTER_TOKEN", "SECRETS"} & set(there)
        [server] = [pid for pid in container.processes() if b"http.server" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(server, signal.SIGKILL)
        until = time.monotonic() + 20
        while "JupyterLab ended with -9: again in 1 s" not in container.text() and time.monotonic() < until:
            time.sleep(0.05)
        container.wait_for(jupyter, 20)
        inside = container.processes()
        assert container.stop(15) == 143
    finally:
        container.kill()
    assert not [pid for pid in inside if Path(f"/proc/{pid}").exists()]
