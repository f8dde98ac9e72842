"""`doctor --container` in namespaces where things are really wrong."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from certificates import Authority
from container_engine import free_ports, skip_unless_able
from harness import ENVKIT, Envkit, Outcome, run_program
from recording_server import record

OWNER = 12345
# A machine with an NVIDIA driver in its kernel, and what an engine gives of it to a container.
DRIVER = """
mkdir -p "$D/driver/nvidia" && echo "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.10  Wed" \
    > "$D/driver/nvidia/version" && mount --bind "$D/driver" /proc/driver
"""
DEVICE = """
mkdir "$D/dev" && mount -t tmpfs dev "$D/dev" && cp -a /dev/null /dev/zero /dev/random /dev/urandom "$D/dev/"
mkdir "$D/dev/shm" && mount -t tmpfs -o size=64m shm "$D/dev/shm"
case $D in /dev/shm/*)  # where the tests' own folders are in memory
    top=${D#/dev/shm/} && top=dev/shm/${top%%/*} && mkdir "$D/$top" && mount --rbind "/$top" "$D/$top" ;;
esac
mknod -m 600 "$D/dev/nvidia0" c 195 0 && mount --move "$D/dev" /dev
"""


class Inside:
    """Runs `doctor --container` in a mount namespace of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.volume = folder / "volume"
        self.volume.mkdir()
        self.ports = free_ports(2)

    def __call__(self, *preparing: str, env: Mapping[str, str] | None = None) -> Outcome:
        (self.folder / "d").mkdir(exist_ok=True)
        script = "set -e\nmount --make-rprivate /\n" + "\n".join(preparing) + '\nexec "$@"\n'
        words = [*ENVKIT, "doctor", "--container", "--persist", str(self.volume), "--offline", "--json"]
        variables = {**os.environ, "D": str(self.folder / "d"), "container": "docker"}
        variables |= {"JUPYTER_PORT": str(self.ports[0]), "SSH_PORT": str(self.ports[1]), **(env or {})}
        return run_program(["unshare", "-m", "sh", "-c", script, "sh", *words], env=variables, cwd=self.folder)

    def codes(self, *preparing: str, env: Mapping[str, str] | None = None) -> dict[str, str | None]:
        said = self(*preparing, env=env)
        assert said.code in {0, 6}, said.err
        return {finding["check"]: finding["code"] for finding in said.json["subjects"][0]["findings"]}


@pytest.fixture
def inside(isolation: Path, tmp_path: Path) -> Inside:
    del isolation
    skip_unless_able()
    return Inside(tmp_path)


@contextlib.contextmanager
def _listening(address: str, port: int, *words: str) -> Iterator[None]:
    """A program with these words in its command line that listens."""
    code = (
        "import socket, sys; s = socket.create_server((sys.argv[1], int(sys.argv[2]))); print('!', flush=True); input()"
    )
    command = [sys.executable, "-c", code, address, str(port), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        try:
            yield
        finally:
            program.kill()


def test_a_container_where_everything_is_wrong(inside: Inside) -> None:
    small = 'mount -t tmpfs -o size=64m,nr_inodes=200 small "$D"'
    (inside.volume / "of-root").write_text("x")
    os.chown(inside.volume, OWNER, OWNER)
    tomorrow = (inside.volume / ".").stat().st_mtime + 86_400
    os.utime(inside.volume / "of-root", (tomorrow, tomorrow))
    with _listening("0.0.0.0", inside.ports[0]), _listening("127.0.0.1", inside.ports[1], "sshd"):  # noqa: S104
        found = inside.codes(small, DRIVER, DEVICE, env={"NVIDIA_VISIBLE_DEVICES": "all", "SSL_CERT_FILE": "/nothing"})
    mounted = inside.volume.stat().st_dev != Path("/").stat().st_dev
    assert found == {
        "gpu": "gpu-without-library",
        "port.jupyter": "port-taken",
        "port.ssh": "port-loopback",
        "mount": None if mounted else "volume-in-layer",
        "owner": "files-of-root",
        "shm": "shared-memory-small",
        "clock": "clock-behind",
        "certificates": "certificates-missing",
        "space": found["space"],
    }


def test_a_container_that_was_given_little(inside: Inside) -> None:
    volume = f'mount -t tmpfs -o size=64m,nr_inodes=200 small "{inside.volume}" && chown {OWNER} "{inside.volume}"'
    found = inside.codes(DRIVER, volume, env={"NVIDIA_VISIBLE_DEVICES": "all"})
    assert (found["gpu"], found["space"], found["mount"]) == ("gpu-not-given", "space-short", None)
    assert (found["port.jupyter"], found["port.ssh"], found["owner"]) == ("port-silent", "port-silent", None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param("802", "gpu-fabric", marks=pytest.mark.full),
        ("803", "gpu-mismatch"),
        pytest.param("804", "gpu-compat", marks=pytest.mark.full),
        pytest.param("", None, marks=pytest.mark.full),
    ],
)
def test_what_the_driver_answers(inside: Inside, gpu_host: Mapping[str, str], error: str, code: str | None) -> None:
    failing = {"FAKECUDA_FAIL": f"cuInit={error}"} if error else {}
    assert inside.codes(DRIVER, DEVICE, env={**gpu_host, **failing})["gpu"] == code


def test_it_goes_with_nothing_else(inside: Inside) -> None:
    refused = run_program([*ENVKIT, "doctor", "train", "--container"], env=os.environ, cwd=inside.folder)
    assert refused.code == 2
    assert "--container looks at the container" in refused.err


DAY_S = 86_400


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority of a company, and its servers' certificates: not valid yet, valid, expired."""
    made = Authority(tmp_path_factory.mktemp("tls"))
    for name, days in (("early", (3, 9)), ("valid", (-1, 2)), ("late", (-9, -3))):
        made.sign(name, *days)
    return made


@pytest.mark.parametrize(
    ("name", "ahead_days", "clock", "channel", "cure"),
    [
        ("valid", 0, None, None, None),
        ("early", 5, "clock-wrong", "channel-certificate-early", "Set the clock"),
        ("late", -5, "clock-wrong", "channel-certificate-expired", "Set the clock"),
        ("early", 0, None, "channel-certificate-early", "needs another certificate"),
        pytest.param(
            "late", 0, None, "channel-certificate-expired", "needs another certificate", marks=pytest.mark.full
        ),
        pytest.param(
            "valid", 1, "clock-wrong", None, None, marks=pytest.mark.full
        ),  # not far enough to matter for the certificate
        pytest.param("http", -2, "clock-wrong", None, None, marks=pytest.mark.full),
        ("untrusted", 0, None, "channel-certificate-untrusted", "SSL_CERT_FILE"),
        ("closed", 0, None, "channel-unreached", "--offline asks nobody"),
    ],
)
def test_a_channel_tells_a_wrong_clock_from_a_bad_certificate(
    authority: Authority,
    envkit: Envkit,
    tmp_path: Path,
    name: str,
    ahead_days: int,
    clock: str | None,
    channel: str | None,
    cure: str | None,
) -> None:
    pair = None
    if name not in {"http", "closed"}:
        pair = authority.pair("valid" if name == "untrusted" else name)
    with contextlib.ExitStack() as until:
        server = record(tmp_path, certificate=pair, ahead_s=ahead_days * DAY_S)
        url = until.enter_context(server).url if name != "closed" else f"https://127.0.0.1:{free_ports(1)[0]}"
        env = {"CONDA_CHANNELS": f"{url}/channel", "no_proxy": "*", "NO_PROXY": "*"}
        if name != "untrusted":
            env["SSL_CERT_FILE"] = str(authority.file)
        words = ("doctor", "--container", "--persist", "envs", "--json")
        said = {finding["check"]: finding for finding in envkit(*words, env=env).json["subjects"][0]["findings"]}
    host = url.partition("://")[2]
    assert (said["clock"]["code"], said[f"channel.{host}"]["code"]) == (clock, channel)
    if clock is not None:
        days = abs(ahead_days)
        span = f"{days} day{'s' if days > 1 else ''} {'behind' if ahead_days > 0 else 'ahead of'} that of {host}"
        assert said["clock"]["text"] == f"the clock is {span}"
        assert "timedatectl" in said["clock"]["hint"]
    assert cure is None or cure in said[f"channel.{host}"]["hint"]


@pytest.mark.parametrize(
    ("name", "words"), [("early", "is not valid yet by this clock"), ("late", "is expired by this")]
)
def test_the_clock_is_named_where_a_channel_is_asked(
    authority: Authority, envkit: Envkit, tmp_path: Path, name: str, words: str
) -> None:
    env = {"SSL_CERT_FILE": str(authority.file), "CONDA_REMOTE_MAX_RETRIES": "0", "no_proxy": "*", "NO_PROXY": "*"}
    with record(tmp_path, certificate=authority.pair(name)) as server:
        failed = envkit("find", "x", "-c", f"{server.url}/channel", "--override-channels", env=env)
        silent = envkit("doctor", "--container", "--persist", "envs", "--offline", env=env)
    assert failed.code == 5
    assert words in failed.err
    assert "date -u" in failed.err
    assert "channel." not in silent.out


def test_a_proxy_that_is_in_the_way_is_named_without_its_password(envkit: Envkit) -> None:
    [port] = free_ports(1)
    env = {"CONDA_CHANNELS": "https://conda.example/x", "https_proxy": f"http://me:secret@127.0.0.1:{port}"}
    said = envkit("doctor", "--container", "--persist", "envs", env={**env, "no_proxy": "", "NO_PROXY": ""}).out
    assert f"conda.example does not answer: [Errno 111] Connection refused (proxy 127.0.0.1:{port})" in said
    assert "secret" not in said
