"""uv as a child process: found beside envkit's own Python, with a cache on the volume and nothing of the user's.

Credentials reach it by a netrc file and variables, never as arguments, which every user of the machine can read.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from envkit.engines.network import network_variables
from envkit.errors import SettingsError
from envkit.models.channel import redact
from envkit.models.network import NetworkPolicy
from envkit.models.pip import Address
from envkit.models.progress import Reporter
from envkit.patterns import regex
from envkit.process import ChildResult, run_child
from envkit.values import dataclass, field
from envkit.wheels.credentials import login_variables

_TIMEOUT_S = 7200.0
_STDERR_BYTES = 256 << 10
_GRACE_S = 2.0
# Variables of this process that uv and what it starts (git, ssh, compilers) keep.
_KEPT = {
    "ALL_PROXY", "CC", "CXX", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LOGNAME",
    "NO_PROXY", "PATH", "SSH_AUTH_SOCK", "SSL_CERT_DIR", "SSL_CERT_FILE", "SSL_CLIENT_CERT", "TMPDIR", "USER",
    "all_proxy", "http_proxy", "https_proxy", "no_proxy",
}  # fmt: skip
_KEPT_PREFIXES = ("GIT_SSH", "GIT_SSL", "XDG_")
# uv must not go on writing into a generation whose maker was killed (prctl(2), PR_SET_PDEATHSIG, kept over execve).
_TIED = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)\n"
    "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
)
_PYPI = ("files.pythonhosted.org", "pypi.org")
_DOWNLOADED = regex(r"^ ?Downloaded (\S+)$")


@dataclass(frozen=True, slots=True)
class Uv:
    """uv, ready to run."""

    executable: Path
    cache: Path  # where it keeps wheels and what indexes say
    policy: NetworkPolicy
    reporter: Reporter
    addresses: tuple[Address, ...] = ()  # URLs whose credentials it may use
    variables: Mapping[str, str] = field(default_factory=dict)  # for builds from source

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string that must not appear in any output."""
        return tuple(dict.fromkeys(secret for address in self.addresses for secret in address.secrets))

    def run(self, arguments: Sequence[str | Path], *, sizes: Mapping[str, int] | None = None) -> ChildResult:
        """Run ``uv ARGUMENTS`` with the cache and without any configuration.

        Args:
            arguments: The command and its options; they hold no secret.
            sizes: Bytes of the files to download, by project, for progress.
        """
        options = ["--no-config", "--no-progress", "--color", "never", "--cache-dir", str(self.cache)]
        options += ["--no-python-downloads", "--preview-features", "pylock"]
        options += ["--offline"] if self.policy.offline else []
        kept = bytearray()

        def hear(data: bytes) -> None:
            kept.extend(data)
            del kept[:-_STDERR_BYTES]
            for line in data.decode("utf-8", "replace").splitlines() if sizes else ():
                if (done := _DOWNLOADED.match(line)) and (size := (sizes or {}).get(done[1])):
                    self.reporter.advance("wheels", size, text=done[1])

        with ExitStack() as stack:
            ended = run_child(
                [*self._tied(), self.executable, *arguments, *options],
                env=self._environment() | stack.enter_context(login_variables(self.addresses)),
                timeout_s=_TIMEOUT_S,
                on_stderr=hear,
                grace_s=_GRACE_S,
            )
        return ended._replace(stderr=redact(bytes(kept).decode("utf-8", "replace"), self.secrets).encode())

    def _tied(self) -> list[str]:
        if not sys.platform.startswith("linux"):
            return []
        return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid())]

    def _environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if k in _KEPT or k.startswith(_KEPT_PREFIXES)}
        if not self.policy.verify:
            hosts = {urlsplit(address.url).hostname for address in self.addresses}
            env["UV_INSECURE_HOST"] = " ".join(sorted({*_PYPI, *filter(None, hosts)}))
        return {
            **env,
            **network_variables(self.policy, os.environ),
            "UV_SYSTEM_CERTS": "1",
            "UV_HTTP_RETRIES": str(self.policy.retries),
            "UV_HTTP_TIMEOUT": f"{self.policy.stall_s:.0f}",
            "GIT_TERMINAL_PROMPT": "0",
            **self.variables,
        }


def find_uv() -> Path | None:
    """Find uv: installed beside envkit, as its dependency is, else on PATH."""
    name = "uv.exe" if os.name == "nt" else "uv"
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        pass
    beside = Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin") / name
    found = beside if os.access(beside, os.X_OK) else shutil.which(name)
    return Path(found) if found else None


@lru_cache(maxsize=4)
def uv_version(executable: Path) -> str | None:
    """Ask uv for its version; None if it does not start."""
    ended = run_child([executable, "--version"], timeout_s=10.0)
    if ended.state != "done":
        return None
    words = ended.stdout.split()
    return words[1].decode() if len(words) > 1 else None


def make_uv(cache: Path, policy: NetworkPolicy, reporter: Reporter, addresses: Sequence[Address] = ()) -> Uv:
    """Return uv with a cache.

    Raises:
        SettingsError: There is no uv.
    """
    found = find_uv()
    if found is None:
        raise SettingsError(
            "the pip section is installed by uv, and there is none beside envkit or on PATH",
            hint="It is a dependency of envkit: `pip install uv` beside it, or `conda install uv`.",
        )
    return Uv(found, cache, policy, reporter, tuple(addresses))
