#!/usr/bin/env python3
"""The first process of the container: have the environment on the volume, then serve JupyterLab and SSH from it.

The image holds no environment. `envkit ensure` makes it on the volume at the first start and finds it there at each
later one, whatever happened to the container in between. Every part but sshd runs as the owner of the volume.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

DATA = Path(os.environ.get("DATA", "/data"))  # the volume
ENVS = DATA / "envs"
KERNELS = ENVS / ".envkit" / "jupyter"  # of the volume
NAME = os.environ.get("ENVKIT_ENV", "work")  # the environment
RECIPE = os.environ.get("ENVKIT_RECIPE", "pytorch-2.7-jupyter")  # a recipe of envkit, or a file on the volume
PORTS = {service: int(os.environ.get(f"{service.upper()}_PORT", port)) for service, port in (
    ("jupyter", 8888), ("ssh", 2222), ("tensorboard", 6006),
)}  # fmt: skip
SECRETS = Path(os.environ.get("SECRETS", "/run/secrets"))
USER = "me"
DEFAULT_UID = 1000
GRACE_S = 8.0  # less than the ten seconds after which an engine kills
HOST_CANNOT_RUN = 4  # of envkit: the environment is there, this machine's GPU is not
# Of a shell or of this process; all else is of the container, and of everything that runs in it.
_OWN = {"HOME", "USER", "LOGNAME", "SHELL", "TERM", "PWD", "OLDPWD", "SHLVL", "_", "DATA", "SECRETS", "JUPYTER_TOKEN"}
_RETRY_S = (1.0, 60.0)  # pause before a service is started again: the first, the longest


def say(text: str) -> None:
    """Write a line to the container's log."""
    sys.stdout.write(f"container: {text}\n")
    sys.stdout.flush()


def stop(text: str, hint: str, code: int = 2) -> NoReturn:
    """Say why there is nothing to serve, and end."""
    say(f"{text}\n hint {hint}")
    raise SystemExit(code)


class Owner:
    """The owner of the volume, as whom everything but sshd runs."""

    def __init__(self) -> None:
        if not DATA.is_dir():
            stop(f"{DATA} is no directory", f"Mount a volume there: -v data:{DATA}")
        state = DATA.stat()
        self.uid, self.gid = state.st_uid, state.st_gid
        self.is_root = os.geteuid() == 0
        if not self.is_root:
            self.uid, self.gid = os.geteuid(), os.getegid()
        elif self.uid == 0 and not any(DATA.iterdir()):
            self.uid = self.gid = int(os.environ.get("ENVKIT_UID", DEFAULT_UID))
            os.chown(DATA, self.uid, self.gid)
        elif self.uid == 0:
            stop(
                f"{DATA} belongs to root, and nothing here runs as root",
                f"Give it to a user once: chown -R {DEFAULT_UID}:{DEFAULT_UID} {DATA}",
            )
        self.home = DATA / "home"
        if self.is_root:
            self._account()

    def _account(self) -> None:
        """Add the account to the root file system, which is new after each `docker compose up`.

        Another account of the image may have the same uid; this one has the home and the shell.
        """
        with contextlib.suppress(KeyError):
            pwd.getpwnam(USER)
            return
        with Path("/etc/passwd").open("a", encoding="utf-8") as file:
            file.write(f"{USER}:x:{self.uid}:{self.gid}::{self.home}:/bin/bash\n")
        with Path("/etc/shadow").open("a", encoding="utf-8") as file:
            file.write(f"{USER}:*:19000::::::\n")  # no password fits `*`; unlike `!` it is no locked account

    @contextlib.contextmanager
    def acting(self) -> Iterator[None]:
        """Let the block do what the owner may do: links in a volume lead root nowhere, and NFS may not know root."""
        if not self.is_root:
            yield
            return
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def command(self) -> dict[str, object]:
        """Return what makes a child of `subprocess` run as the owner."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_root else {}

    def make(self, path: Path, mode: int = 0o755) -> Path:
        """Make a folder that belongs to the owner."""
        with self.acting():
            path.mkdir(mode=mode, parents=True, exist_ok=True)
        return path

    def give(self, path: Path, text: str) -> Path:
        """Write a file that only the owner may read."""
        with self.acting():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            path.chmod(0o600)
        return path

    def variables(self) -> dict[str, str]:
        """Return the environment variables of everything that runs as the owner."""
        kept = {name: value for name, value in os.environ.items() if name not in {"DATA", "SECRETS"}}
        own = {
            "HOME": self.home,
            "USER": USER,
            "LOGNAME": USER,
            "SHELL": "/bin/bash",
            "CONDA_ENVS_PATH": ENVS,
        }
        return {**kept, **{name: str(value) for name, value in own.items()}}


class Service:
    """A process that is started again when it ends."""

    def __init__(
        self, name: str, words: Sequence[str | Path], env: Mapping[str, str], how: Mapping[str, object]
    ) -> None:
        self.name = name
        self._words = [str(word) for word in words]
        self._env = dict(env)
        self._how = dict(how)
        self._process: subprocess.Popen[bytes] | None = None
        self._pause_s = _RETRY_S[0]
        self._due = 0.0

    def keep(self) -> None:
        """Start it if it does not run and its time has come."""
        if self._process is not None and self._process.poll() is not None:
            say(f"{self.name} ended with {self._process.returncode}: again in {self._pause_s:.0f} s")
            self._process = None
            self._due = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, _RETRY_S[1])
        if self._process is None and time.monotonic() >= self._due:
            self._process = subprocess.Popen(
                self._words, env=self._env, stdin=subprocess.DEVNULL, start_new_session=True, **self._how
            )  # type: ignore[call-overload]

    def owns(self, pid: int, status: int) -> bool:
        """Take the end of its process, which this process reaped."""
        if self._process is None or self._process.pid != pid:
            return False
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return True

    def signal(self, number: int) -> None:
        """Send a signal to its process group."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def token_file(owner: Owner) -> Path:
    """Return the file with JupyterLab's token: a secret of the engine, else one on the volume, made at first."""
    given = SECRETS / "jupyter_token"
    kept = owner.home / ".jupyter_token"
    if given.is_file() and given.read_text(encoding="utf-8").strip():
        return owner.give(kept, given.read_text(encoding="utf-8").strip())
    if not kept.exists():
        owner.give(kept, secrets.token_urlsafe(32))
    return kept


def host_key() -> Path:
    """Return the key of the SSH server: kept on the volume by root, so that clients know it again."""
    folder = DATA / ".ssh-host"
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != 0:
            raise PermissionError(f"{folder} is not root's own folder")
    except OSError as error:  # a file server that does not know root
        say(f"the SSH server has a new key at each start: {error}")
        folder = Path("/run/envkit-ssh")
        folder.mkdir(mode=0o700, exist_ok=True)
    key = folder / "ssh_host_ed25519_key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return key


def session_variables(owner: Owner) -> dict[str, str]:
    """Return the variables of the container for sessions over SSH; an engine may bring the driver by them alone."""
    own = {"ENVKIT_ENV": NAME, **{f"{service.upper()}_PORT": str(port) for service, port in PORTS.items()}}
    given = {**owner.variables(), **own}.items()
    return {name: text for name, text in given if name not in _OWN and name.isidentifier() and text.isprintable()}


def sshd(owner: Owner) -> Service | None:
    """Return the SSH server: keys only, for the owner only; its host key stays on the volume."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not owner.is_root or not Path(program).exists():
        say("no SSH: it needs sshd, and to be started as root")
        return None
    folder = owner.home / ".ssh"
    try:
        owner.make(folder, 0o700)
        keys = SECRETS / "authorized_keys"
        if keys.is_file():
            owner.give(folder / "authorized_keys", keys.read_text(encoding="utf-8"))
        elif not (folder / "authorized_keys").exists():
            say(f"no SSH key: put one into {folder}/authorized_keys, or give the secret authorized_keys")
    except OSError as error:
        say(f"no SSH: {error}")
        return None
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    given = session_variables(owner)
    config = Path("/run/envkit-sshd.conf")
    lines = (
        f"Port {PORTS['ssh']}", f"HostKey {host_key()}", "PidFile none", "UsePAM no", "PermitRootLogin no",
        "StrictModes yes",
        "PasswordAuthentication no", "KbdInteractiveAuthentication no", "AuthenticationMethods publickey",
        f"AuthorizedKeysFile {folder}/authorized_keys", f"AllowUsers {USER}", "X11Forwarding no",
        "Subsystem sftp internal-sftp",
        # sshd_config(5) quotes as JSON does.
        "SetEnv " + " ".join(json.dumps(f"{name}={value}", ensure_ascii=False) for name, value in given.items()),
    )  # fmt: skip
    config.touch(mode=0o600)  # variables may be secrets
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Login shells take PATH from /etc/profile, which reads these files last.
    with contextlib.suppress(OSError):
        Path("/etc/profile.d/envkit.sh").write_text(f"export PATH={shlex.quote(given['PATH'])}\n", encoding="utf-8")
    return Service("sshd", [program, "-D", "-e", "-f", config], os.environ, {})


def envkit(owner: Owner, *words: str | Path) -> int:
    """Run envkit as the owner, its progress in the log; return its exit code."""
    done = subprocess.run(
        ["envkit", *map(str, words)], env=owner.variables(), stdin=subprocess.DEVNULL, check=False, **owner.command()
    )  # type: ignore[call-overload]
    return int(done.returncode)


def ensure(owner: Owner) -> None:
    """Have the environment: at once if it is there, else made from the recipe, which may take a while."""
    given = DATA / RECIPE
    source = ("-f", given) if given.is_file() else ("--recipe", RECIPE)
    code = envkit(owner, "ensure", NAME, *source, "--progress", "lines")
    if code == HOST_CANNOT_RUN and (ENVS / NAME).exists():
        say("this machine cannot run all of it; what is wrong:")
        envkit(owner, "doctor", "--container")
    elif code:
        stop(f"there is no environment {NAME} (envkit ended with {code})", "The lines above say why.", code)
    if not (KERNELS / "kernels" / f"envkit-{NAME.lower()}" / "kernel.json").exists():
        envkit(owner, "kernel", "install", NAME, "--shared")


def jupyter(owner: Owner) -> Service:
    """Return JupyterLab, which runs in the environment."""
    notebooks = owner.make(DATA / "notebooks")
    words = (
        "envkit", "run", NAME, "--", "jupyter", "lab", "--no-browser", "--ip=0.0.0.0", f"--port={PORTS['jupyter']}",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={notebooks}",
        # Else a login shell, whose /etc/profile takes the environment off PATH.
        "--ServerApp.terminado_settings={'shell_command': ['/bin/bash']}",
    )  # fmt: skip
    token = token_file(owner)
    say(f"JupyterLab on port {PORTS['jupyter']}; its token is in {token}")
    env = {**owner.variables(), "JUPYTER_TOKEN_FILE": str(token), "JUPYTER_PATH": str(KERNELS)}
    env.pop("JUPYTER_TOKEN", None)
    return Service("JupyterLab", words, env, owner.command())


def tensorboard_words(folder: str) -> tuple[str, ...]:
    """Return the command of TensorBoard on a folder of logs."""
    port = f"--port={PORTS['tensorboard']}"
    return ("envkit", "run", NAME, "--", "tensorboard", "--bind_all", port, f"--logdir={folder}")


def services(owner: Owner) -> Iterator[Service]:
    """Yield what is served, in the order of the start: SSH first, to look around while the environment is made."""
    ssh = sshd(owner)
    if ssh is not None:
        yield ssh
    ensure(owner)
    yield jupyter(owner)
    logs = os.environ.get("TENSORBOARD_LOGDIR")
    if logs:
        yield Service("TensorBoard", tensorboard_words(logs), owner.variables(), owner.command())


class _Stopped(BaseException):
    """The engine asked the container to stop."""


def serve(owner: Owner) -> int:
    """Run the services until the engine stops the container; reap every process that is left to this one."""

    def stopped(number: int, _: object) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)
        raise _Stopped(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    running: list[Service] = []
    try:
        for service in services(owner):
            running.append(service)
            service.keep()
        while True:
            _reap(running)
            for service in running:
                service.keep()
            time.sleep(0.2)
    except _Stopped as asked:
        say("stopping")
        _end(running)
        return 128 + int(asked.args[0])
    except SystemExit:
        _end(running)
        raise


def _reap(running: Sequence[Service]) -> bool:
    """Take the end of processes, also of those whose parents died; return whether there are others."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        any(service.owns(pid, status) for service in running)


def _end(running: Sequence[Service]) -> None:
    """End every process: asked first, killed when the time is over."""
    for number, grace_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, 1.0)):
        for service in running:
            service.signal(number)
        if os.getpid() == 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, number)  # also what was started over SSH
        until = time.monotonic() + grace_s
        while time.monotonic() < until:
            if not _reap(running):
                return
            time.sleep(0.05)


def main(words: Sequence[str]) -> int:
    """Serve; or run one thing as the owner of the volume: `health`, `tensorboard DIR`, or a command."""
    os.umask(0o022)
    owner = Owner()
    owner.make(owner.home)
    owner.make(ENVS)
    if not words or words[0] == "serve":
        try:
            return serve(owner)
        except OSError as error:
            stop(
                str(error),
                f"May user {owner.uid} write {DATA}, and does it exist? envkit doctor --container says more.",
            )
    if words[0] == "health":
        code = envkit(owner, "validate", NAME, "--level", "driver", "--deadline", "20", "-q")
        return 1 if code else 0  # engines know no other
    given = words[0] == "tensorboard" and len(words) > 1
    return become(owner, tensorboard_words(words[1]) if given else ("envkit", "run", NAME, "--", *words))


def become(owner: Owner, command: Sequence[str]) -> NoReturn:
    """Replace this process by a command of the owner."""
    if owner.is_root:
        os.setgroups([])
        os.setgid(owner.gid)
        os.setuid(owner.uid)
    os.execvpe(command[0], list(command), owner.variables())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
