"""A day in the container of recipes/container: killed, and begun again with an empty root file system."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from container_engine import Container, Image, build, free_ports, skip_unless_able
from harness import ROOT, build_wheel_channel
from recording_server import Recorded, record

FOLDER = ROOT / "recipes" / "container"
OWNER = 12345  # nobody has this uid in the image
GIVEN = {"NVIDIA_VISIBLE_DEVICES": "0", "NCCL_DEBUG": "WARN"}
"""Variables that the engine is told to set."""
DRIVER = {"LD_LIBRARY_PATH": "/usr/local/nvidia/lib64", **GIVEN}
"""Variables that notebooks and sessions need: device plugins of Kubernetes bring the driver by the first."""
SOURCES = (
    "import os, sys\nsys.prefix",
    "import numpy as np\nx = np.arange(4.0)\nfloat(x @ x)",
    "os.getuid()",
    f"[os.environ.get(name) for name in {list(DRIVER)}]",
)
BLOCK = "envkit: {for: A test., kernel: true, ports: {jupyter: 8888, ssh: 2222}}"

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]  # the image is built once, in minutes


@pytest.fixture(scope="module")
def began_s() -> float:
    """Processor time before anything was set up."""
    return _spent_s()


@pytest.fixture(scope="module")
def image(began_s: float, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image that its Dockerfile makes, with this envkit."""
    del began_s
    skip_unless_able()
    top = tmp_path_factory.mktemp("image")
    context = Path(shutil.copytree(FOLDER, top / "context"))
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(context), str(ROOT)]
    subprocess.run(words, check=True)
    [wheel] = context.glob("*.whl")
    return build(context, top, {"ENVKIT": f"./{wheel.name}"})


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Python and numpy, made of wheels; JupyterLab comes from PyPI."""
    with record(build_wheel_channel(tmp_path_factory.mktemp("channel"), ["numpy"])) as server:
        yield server


class Day:
    """A volume, keys, and the ports of the container that uses them."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.volume = folder / "volume"
        self.volume.mkdir()
        os.chown(self.volume, OWNER, OWNER)
        self.jupyter, self.ssh, self.tensorboard = free_ports(3)
        self.key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        (folder / "secrets").mkdir()
        shutil.copy(f"{self.key}.pub", folder / "secrets" / "authorized_keys")
        ports = {"JUPYTER": self.jupyter, "SSH": self.ssh, "TENSORBOARD": self.tensorboard}
        self.env = {
            "ENVKIT_RECIPE": "environment.yml",
            **GIVEN,
            **{f"{name}_PORT": str(port) for name, port in ports.items()},
        }
        self.starts = 0

    def start(self, **env: str) -> Container:
        self.starts += 1
        binds = {self.volume: "data", self.folder / "secrets": "run/secrets"}
        if os.environ.get("SSL_CERT_FILE"):  # this network has its own
            binds[Path("/etc/ssl/certs")] = "etc/ssl/certs"
            env = {"SSL_CERT_FILE": os.environ["SSL_CERT_FILE"], **env}
        scratch = self.folder / f"start-{self.starts}"
        return Container(self.image, scratch, binds=binds, env={**self.env, **env})

    def login(self, *words: str, user: str = "me", give: str = "", **options: str) -> subprocess.CompletedProcess[str]:
        known = {"StrictHostKeyChecking": "yes" if self.starts > 1 else "accept-new", "BatchMode": "yes"}
        known |= {"UserKnownHostsFile": str(self.folder / "known"), "IdentitiesOnly": "yes", **options}
        flags = [word for name, value in known.items() for word in ("-o", f"{name}={value}")]
        return subprocess.run(
            ["ssh", "-F", "none", "-p", str(self.ssh), "-i", self.key, *flags, f"{user}@127.0.0.1", *words],
            input=give, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def run(self, what: str = "day.ipynb") -> list[Any]:
        """Run a notebook, or a command in a terminal, through the server's API, from a shell over SSH."""
        client = (ROOT / "tests" / "notebook_client.py").read_text()
        place = f"http://127.0.0.1:{self.jupyter}"
        command = f'envkit run work -- python - {place} "$(cat .jupyter_token)" envkit-work {shlex.quote(what)}'
        done = self.login(command, give=client)
        assert done.returncode == 0, done.stderr
        outputs: list[Any] = json.loads(done.stdout)
        return outputs


def _notebook() -> str:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "metadata": {}, "id": f"c{n}", "outputs": [], "execution_count": None, "source": source}
        for n, source in enumerate(SOURCES)
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_day(began_s: float, image: Image, channel: Recorded, tmp_path: Path) -> None:
    day = Day(image, tmp_path)
    lines = f"channels: [{channel.url}, nodefaults]\ndependencies:\n  - python\n  - numpy\n  - pip:\n"
    wheels = "".join(f"      - {name}\n" for name in ("jupyterlab", "ipykernel", "tensorboard"))
    (day.volume / "environment.yml").write_text(f"{lines}{wheels}{BLOCK}\n")
    first = day.start()
    try:
        first.wait_for(day.ssh, 20)  # before the environment is there: to look around
        first.wait_for(day.jupyter, 150)
        assert "validate  pass" in first.text()  # its progress is in the log
        assert "token=" not in first.text().replace("token=...", "")

        who = day.login("id -un; id -u; umask; envkit list --json | head -c 20")
        assert who.stdout.split()[:3] == ["me", str(OWNER), "0022"], who.stderr
        for refused in (
            day.login("true", PreferredAuthentications="password", PubkeyAuthentication="no"),
            day.login("true", user="root"),
        ):
            assert refused.returncode == 255
            assert "Permission denied (publickey)" in refused.stderr
        (day.volume / "notebooks" / "day.ipynb").write_text(_notebook())
        token = (day.volume / "home" / ".jupyter_token").stat()
        assert (token.st_uid, token.st_mode & 0o777) == (OWNER, 0o600)
        outputs = day.run()
        prefix = os.readlink(day.volume / "envs" / "work").rsplit("/", 1)[-1]
        assert outputs == [f"'/data/envs/.envkit/g/{prefix}'", "14.0", str(OWNER), str(list(DRIVER.values()))]
        _look_around(day, first)
        inside = first.processes()
    finally:
        first.kill()
    assert not any(Path(f"/proc/{pid}").exists() and "zombie" not in _state(pid) for pid in inside)

    asked = len(channel.asked)
    nowhere = "http://127.0.0.1:9"  # nothing can be downloaded
    again = day.start(http_proxy=nowhere, https_proxy=nowhere, NO_PROXY="127.0.0.1,localhost")
    try:
        waited_s = again.wait_for(day.jupyter, 30)
        busy_s = sum(map(_cpu_s, again.processes()))
        assert "work is there" in again.text()
        assert len(channel.asked) == asked
        # Three seconds from the start to the port; on a machine that others use, processor time tells.
        assert min(waited_s, busy_s) < 3, (waited_s, busy_s)
        assert day.run() == outputs
        assert day.login("true").returncode == 0  # the host key is the same
        orphan = day.login("setsid sleep 300 >/dev/null 2>&1 </dev/null & sleep 0.1; echo $!")
        assert orphan.returncode == 0
        assert not _zombies(again)
        inside = again.processes()
        stopping = time.monotonic()
        assert again.stop(15) == 143
        assert time.monotonic() - stopping < 10
    finally:
        again.kill()
    assert not any(Path(f"/proc/{pid}").exists() for pid in inside)
    assert _spent_s() - began_s < 180  # with the image and the channel, which the test makes itself


def _look_around(day: Day, container: Container) -> None:
    """Shells have the container's variables; TensorBoard is started when somebody asks; doctor finds all in order."""
    health = container.execute(*day.image.health, env=day.image.env)
    assert health.returncode == 0, health.stdout
    over_ssh = day.login(f"bash -lc 'printenv {' '.join(DRIVER)}; command -v envkit; echo $PATH'")
    assert over_ssh.stdout.split() == [*DRIVER.values(), "/usr/local/bin/envkit", container.variables["PATH"]]
    assert container.variables["PATH"].startswith("/usr/local/nvidia/bin:")
    prefix = f"/data/envs/.envkit/g/{os.readlink(day.volume / 'envs' / 'work').rsplit('/', 1)[-1]}"
    assert (
        f"{DRIVER['LD_LIBRARY_PATH']} {prefix}/bin/python" in day.run("echo $LD_LIBRARY_PATH $(command -v python)")[0]
    )
    started = day.login("nohup envkit-container tensorboard /data/home/runs >tb.log 2>&1 </dev/null & echo started")
    assert started.stdout == "started\n"
    container.wait_for(day.tensorboard, 60)
    well = day.login("envkit doctor --container --json")
    found = {f["check"]: f["status"] for f in json.loads(well.stdout)["subjects"][0]["findings"]}
    assert {found[check] for check in ("port.jupyter", "port.ssh", "mount", "owner", "certificates")} == {"pass"}


def test_what_is_wrong_is_said(image: Image, tmp_path: Path) -> None:
    day = Day(image, tmp_path)
    day.env["ENVKIT_RECIPE"] = "nothing"
    failing = day.start()
    assert failing.engine.wait(60) == 2
    assert "there is no recipe 'nothing'" in failing.text()
    assert "there is no environment work" in failing.text()
    os.chown(day.volume, 0, 0)
    roots = day.start()
    assert roots.engine.wait(60) == 2
    assert "/data belongs to root" in roots.text()
    assert "chown -R 1000:1000 /data" in roots.text()


def _zombies(container: Container) -> list[int]:
    """Processes that nobody reaped in five seconds; the entrypoint does five times a second."""
    until = time.monotonic() + 5
    while dead := [pid for pid in container.processes() if "zombie" in _state(pid)]:
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return dead


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


def _spent_s() -> float:
    """Processor time of this process and of all that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
