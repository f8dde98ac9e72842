"""As much of a container engine as a test needs: it builds a Dockerfile and runs the image in namespaces of Linux.

The base image is made by debootstrap. A running container is a process in its own mount and PID namespace, whose root
is an overlay over the image with an empty upper layer in memory: what was written there is gone when it ends. The
network is that of this machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import WordSplitter

CACHE = Path(os.environ.get("ENVKIT_TEST_CONTAINERS", "/var/tmp/envkit-test-containers"))
"""Where built layers are kept; a run that finds them there takes seconds instead of minutes."""

_SUITES = {"debian:bookworm-slim": "bookworm"}
_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")  # of a network that has its own
_BUILD = """set -e
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/run"
if [ -d "$ROOT/etc/ssl/certs" ] && [ -s /etc/ssl/certs/ca-certificates.crt ]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$ROOT/run/host-ca.crt"
fi
cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
chroot "$ROOT" /bin/bash -o pipefail -c "cd $WORKDIR && $STEP"
"""
# dpkg waits for the disk after each file, which takes a minute; in memory it does not.
_IN_MEMORY = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$LAYER"
export ROOT="$LAYER/root"
sh -ec "$FILL" >"$LAYER/log" 2>&1 || { tail -c 2000 "$LAYER/log"; exit 1; }
cp -a --one-file-system "$ROOT" "$DONE"
"""
_OVER = """set -e
mount --make-rprivate /
export ROOT="$TOP/root"
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$TOP/work" "$ROOT"
"""
_DEBIAN = 'debootstrap --variant=minbase "$SUITE" "$ROOT" && rm -rf "$ROOT"/var/cache/apt/archives/*.deb'
_RUN = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$SCRATCH"
mkdir "$SCRATCH/upper" "$SCRATCH/work" "$SCRATCH/root"
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work" "$SCRATCH/root"
cd "$SCRATCH/root"
mount -t proc proc proc
mount --rbind /dev dev
mkdir -p run && mount -t tmpfs tmpfs run
printf '%s\\n' "$BINDS" | while read -r from to; do
    [ -n "$from" ] || continue
    mkdir -p "./$to" && mount --bind "$from" "./$to"
done
cp -L /etc/resolv.conf etc/resolv.conf 2>/dev/null || true
echo "127.0.0.1 localhost" > etc/hosts
eval "$PREPARE"
exec chroot . /usr/bin/env -i -C "$WORKDIR" "$@"
"""


@dataclass(frozen=True)
class Image:
    """What a Dockerfile makes: layers, the top one first, and what the engine is told."""

    layers: tuple[Path, ...]
    env: Mapping[str, str]
    workdir: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    health: tuple[str, ...]
    ports: tuple[int, ...]
    volumes: tuple[str, ...]


def skip_unless_able() -> None:
    """Skip a test where no namespaces with an overlay can be made."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("containers are run by root, with unshare of util-linux")
    mounting = "d=$(mktemp -d) && mount -t tmpfs t $d && mkdir $d/a $d/b $d/c $d/d && "
    mounting += "mount -t overlay o -o lowerdir=$d/a,upperdir=$d/b,workdir=$d/c $d/d"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", mounting], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no overlay can be mounted here: {tried.stderr.decode().strip()}")


@dataclass
class _Build:
    """A build in progress."""

    context: Path
    args: dict[str, str]
    top: Path  # of the last layers, which depend on what is tested
    layers: tuple[Path, ...] = ()  # the top one first
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    key: str = ""
    kept: bool = True  # whether all layers are of the cache


def build(context: Path, top: Path, args: Mapping[str, str]) -> Image:
    """Build a Dockerfile of Debian. What comes before its first COPY is kept between runs.

    Args:
        context: The folder with the Dockerfile and what it copies.
        top: An empty folder for what is not kept.
        args: Build arguments.
    """
    if shutil.which("debootstrap") is None:
        pytest.skip("no debootstrap, which makes the base image")
    parser = DockerfileParser(path=str(context), env_replace=False)
    state = _Build(context, dict(args), top)
    said: dict[str, Any] = {"ENTRYPOINT": (), "CMD": (), "HEALTHCHECK": (), "EXPOSE": [], "VOLUME": []}
    for step in parser.structure:
        word, value = step["instruction"], step["value"]
        if word in {"FROM", "RUN", "COPY"}:
            {"FROM": _from, "RUN": _run, "COPY": _copy}[word](state, value)
        elif word == "ARG":
            name, _, default = value.partition("=")
            state.args.setdefault(name, default)
        elif word == "ENV":
            state.env |= dict(pair.split("=", 1) for pair in WordSplitter(value).split())
        elif word == "WORKDIR":
            state.workdir = value
            if not state.kept:
                (state.layers[0] / value.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word in {"ENTRYPOINT", "CMD"}:
            said[word] = tuple(json.loads(value))
        elif word == "HEALTHCHECK":
            said[word] = tuple(json.loads(value[value.index("CMD") + 3 :]))
        elif word in {"EXPOSE", "VOLUME"}:
            said[word] += value.split()
    return Image(
        state.layers, state.env, state.workdir, said["ENTRYPOINT"], said["CMD"], said["HEALTHCHECK"],
        tuple(map(int, said["EXPOSE"])), tuple(said["VOLUME"]),
    )  # fmt: skip


def _layer(state: _Build, step: str, script: str, env: Mapping[str, str]) -> str | None:
    """Take the layer of a step from the cache, or make it; return what went wrong.

    Args:
        script: Shell code that fills the folder ROOT; it is in memory, and becomes the layer when all went well. BEFORE
            is the layer below.
    """
    state.key = hashlib.sha256(f"{state.key}\n{step}\n{script}".encode()).hexdigest()[:16]
    place = CACHE / state.key
    before, state.layers = state.layers, (place / "root",)
    if (place / "done").exists():
        return None
    shutil.rmtree(place, ignore_errors=True)
    (place / "memory").mkdir(parents=True)
    variables = {**env, "FILL": script, "LAYER": str(place / "memory"), "DONE": str(place / "root")}
    variables |= {"BEFORE": str(before[0])} if before else {}
    words = ["unshare", "-m", "sh", "-c", _IN_MEMORY]
    made = subprocess.run(words, env=variables, capture_output=True, text=True, errors="replace", check=False)
    if made.returncode:
        shutil.rmtree(place, ignore_errors=True)
        return f"{made.stdout}{made.stderr}"
    (place / "done").write_text(step)
    return None


def _from(state: _Build, image: str) -> None:
    failed = _layer(state, image, _DEBIAN, {**os.environ, "SUITE": _SUITES[image]})
    if failed is not None:
        pytest.skip(f"debootstrap cannot make {image}: {failed[-300:]}")


def _run(state: _Build, step: str) -> None:
    env = _step_variables(state, step)
    if state.kept:
        failed = _layer(state, step, f'cp -a "$BEFORE" "$ROOT"\n{_BUILD}', env)
    else:
        words = ["unshare", "-m", "sh", "-c", f"{_OVER}{_BUILD}"]
        env |= {"UPPER": str(state.layers[0]), "LOWER": ":".join(map(str, state.layers[1:])), "TOP": str(state.top)}
        done = subprocess.run(words, env=env, capture_output=True, text=True, errors="replace", check=False)
        failed = f"{done.stdout[-2000:]}{done.stderr[-2000:]}" if done.returncode else None
    if failed is not None:
        pytest.fail(f"RUN {step[:80]}...: {failed}")


def _step_variables(state: _Build, step: str) -> dict[str, str]:
    certificates = {name: "/run/host-ca.crt" for name in _CERTIFICATES if os.environ.get(name)}
    inside = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    return {**inside, **certificates, **state.env, **state.args, "STEP": step, "WORKDIR": state.workdir}


def _copy(state: _Build, value: str) -> None:
    if state.kept:  # from here on it is about what is tested
        for name in ("upper", "work", "root"):
            (state.top / name).mkdir()
        state.layers, state.kept = (state.top / "upper", *state.layers), False
    source, target = value.split()
    shutil.copytree(state.context / source, state.layers[0] / target.lstrip("/"), dirs_exist_ok=True)


class Container:
    """A container that runs: its first process, and its log."""

    def __init__(
        self,
        image: Image,
        scratch: Path,
        *,
        binds: Mapping[Path, str],
        env: Mapping[str, str],
        words: Sequence[str] = (),
        prepare: str = "",
    ) -> None:
        """Start the image's entrypoint.

        Args:
            binds: Paths of this machine, and where in the container they are mounted.
            words: A command instead of the image's.
            prepare: Shell code to run in the new root before.
        """
        self.log = scratch / "log"
        place = scratch / "mount"
        place.mkdir(parents=True, exist_ok=True)
        inside = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **image.env, **env}
        variables = {
            "PATH": os.environ["PATH"], "SCRATCH": str(place), "LOWER": ":".join(map(str, image.layers)),
            "BINDS": "\n".join(f"{source} {target}" for source, target in binds.items()), "WORKDIR": image.workdir,
            "PREPARE": prepare,
        }  # fmt: skip
        self.variables = inside
        command = [*image.entrypoint, *(words or image.command)]
        with self.log.open("wb") as log:
            self.engine = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", _RUN, "sh",
                 *(f"{name}={value}" for name, value in inside.items()), *command],
                env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.began = time.monotonic()

    @property
    def first(self) -> int:
        """The process id, on this machine, of the container's first process."""
        for _ in range(200):
            children = Path(f"/proc/{self.engine.pid}/task/{self.engine.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.01)
        raise AssertionError(self.text())

    def text(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace")

    def processes(self) -> list[int]:
        """Return the processes in the container, by this machine's ids."""
        space = os.readlink(f"/proc/{self.first}/ns/pid")
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.readlink(entry / "ns" / "pid") == space:
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def wait_for(self, port: int, seconds: float) -> float:
        """Wait until something listens on a port of this machine; return the seconds since the start."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return time.monotonic() - self.began
            if self.engine.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"nothing listens on {port}:\n{self.text()}")

    def execute(self, *words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as root: `docker exec`."""
        first = self.first
        inside = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **env}
        return subprocess.run(
            ["nsenter", f"--target={first}", "--mount", "--pid", f"--root=/proc/{first}/root", "--wd=/", *words],
            env=inside, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def stop(self, seconds: float) -> int:
        """Ask it to stop, as `docker stop` does; return its exit code."""
        os.kill(self.first, signal.SIGTERM)
        return self.engine.wait(seconds)

    def kill(self) -> None:
        """End every process in it at once."""
        if self.engine.poll() is None:
            os.kill(self.first, signal.SIGKILL)
            self.engine.wait(20)


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for item in sockets:
        item.bind(("127.0.0.1", 0))
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports
