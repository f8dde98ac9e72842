"""Where the rows play: a folder with channels and volumes, made when a row first needs them, and a server beside it.

Channels and generated indexes stay for the next run, and so do the peers' copies of the indexes, since the server keeps
its port. Volumes are made anew: what is on them is the work of the code that is measured.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benching.measure import RunFailedError, Say, Step
from benching.peers import CONDA, ENVKIT, MICROMAMBA, PYTHON, Peers

_HERE = Path(__file__).parent
_SCRIPTS = _HERE.parent
_REAL = ("conda-forge", "pytorch", "nvidia")
_KEPT_VARIABLES = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class NotHereError(Exception):
    """A row cannot be measured on this machine; the message says why."""


@dataclass
class Stage:
    """Folders, URLs and commands of one run."""

    work: Path  # all of it
    url: str  # of the folder of channels
    peers: Peers
    say: Say
    real: Path | None  # real channel indexes, served below /real
    _volumes: dict[str, Path] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def root(self) -> Path:
        """The folder of channels and peers' caches, which stay."""
        return self.work / "kept"

    @property
    def scratch(self) -> Path:
        """The folder of volumes and caches that are made anew."""
        return self.work / "run"

    # Commands. Every program gets a home without configuration, and caches of its own.

    @cached_property
    def variables(self) -> dict[str, str]:
        """The environment of every command."""
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        return {
            **kept,
            "HOME": str(home),
            "XDG_CACHE_HOME": str(self.scratch / "cache"),
            "NO_COLOR": "1",
        }

    @property
    def mamba_root(self) -> Path:
        """The root prefix of micromamba and conda, which keeps indexes from run to run."""
        return self.root / "mamba"

    @property
    def bare_cache(self) -> Path:
        """The caches of bare py-rattler."""
        return self.root / "rattler"

    def envkit(self, *words: str | Path, **more: str) -> Step:
        """Return ``envkit WORDS``."""
        return self.step(ENVKIT, *words, **more)

    def bare(self, *words: str | Path, **more: str) -> Step:
        """Return a command of `bare.py`."""
        return self.step(PYTHON, _HERE / "bare.py", *words, **more)

    def micromamba(self, *words: str | Path, **more: str) -> Step:
        """Return ``micromamba WORDS``, without any configuration file."""
        return self.step(MICROMAMBA, "--no-rc", *words, MAMBA_ROOT_PREFIX=str(self.mamba_root), **more)

    def conda(self, *words: str | Path, **more: str) -> Step:
        """Return ``conda WORDS``."""
        own = {"CONDARC": os.devnull, "CONDA_PKGS_DIRS": str(self.mamba_root / "pkgs")}
        return self.step(CONDA, *words, **{**own, **more})

    def step(self, tool: str, *words: str | Path, **more: str) -> Step:
        """Return a command of a program by the name of its peer, whether it is here or not."""
        return Step([self.peers.programs.get(tool, tool), *map(str, words)], {**self.variables, **more})

    def do(self, *steps: Step) -> None:
        """Run commands that prepare something.

        Raises:
            RunFailedError: One failed; the message is what it wrote.
        """
        for step in steps:
            done = subprocess.run(
                step.argv, env=step.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if done.returncode not in step.codes:
                said = done.stderr.strip()[-800:]
                raise RunFailedError(f"{' '.join(step.argv)}\nended with {done.returncode}:\n{said}")

    # Channels.

    @property
    def real_channels(self) -> list[str]:
        """The URLs of real indexes."""
        if self.real is None:
            raise NotHereError("no real channel indexes: name their folder with ENVKIT_TEST_CHANNELS")
        link = self.root / "real"
        if not (link.is_symlink() and link.resolve() == self.real):
            link.unlink(missing_ok=True)
            link.symlink_to(self.real)
        return [f"{self.url}/real/{name}" for name in _REAL]

    def flat(self, records: int) -> str:
        """Return the URL of a channel with a generated flat index."""
        return self._made(f"flat-{records}", [_HERE / "indexes.py"], str(records))

    @cached_property
    def payloads(self) -> str:
        """The URL of the channel of packages without content."""
        return self._made("packages", ["-m", "benching.payloads", "packages"])

    @cached_property
    def wheels(self) -> str:
        """The URL of the index of wheels without content."""
        return self._made("wheels", ["-m", "benching.payloads", "wheels"])

    @cached_property
    def torch(self) -> str:
        """The URL of a channel of Python, numpy and PyTorch for the CPU, with the bytecode that real packages bring."""
        return self._made("pytorch-channel", [_SCRIPTS / "wheel_channel.py"], "--with-torch", "--bytecode")

    def _made(self, name: str, script: Sequence[Path | str], *words: str) -> str:
        if not (self.root / name / ".whole").exists():
            self.say(f"making {name}")
            shutil.rmtree(self.root / name, ignore_errors=True)
            step = Step(
                [sys.executable, *map(str, script), str(self.root / name), *words],
                {**os.environ, "PYTHONPATH": str(_SCRIPTS)},
            )
            try:
                self.do(step)
            except RunFailedError as error:
                raise NotHereError(f"{name} cannot be made: {error}") from error
            (self.root / name / ".whole").touch()
        return f"{self.url}/{name}"

    def sync(self) -> None:
        """Let the disk finish what came before."""
        os.sync()

    def set_aside(self, *paths: Path) -> None:
        """Make the places of folders and links free, and remove nothing until the run ends."""
        for path in paths:
            if path.is_symlink():
                path.unlink()
            elif path.exists():
                path.rename(self.scratch / f"aside-{next(self._numbers)}")

    def forget(self) -> None:
        """Remove what envkit keeps of answers and solutions, so that it works them out again from its indexes."""
        cache = self.scratch / "cache" / "envkit"
        remove(*cache.glob("found-*"), cache / "index" / "solved")
        for volume in self.scratch.glob("volume-*"):
            remove(volume / ".envkit" / "index" / "solved")

    # Volumes.

    def volume(self, key: str, *steps: Sequence[str | Path]) -> Path:
        """Return the volume of this name; at first, make it with these commands of envkit."""
        if key not in self._volumes:
            self.say(f"making the volume {key}")
            place = self.scratch / f"volume-{key}"
            self.do(*(self.envkit(*words, "--persist", place) for words in steps))
            self._volumes[key] = place
        return self._volumes[key]

    def fill(self, volume: Path, count: int) -> None:
        """Make environments e0 to e<count - 1> on a volume, where that has not been done."""
        if count and not (volume / f"e{count - 1}").exists():
            self.say(f"making {count} environments")
            self.do(self.step(PYTHON, _HERE / "fill.py", volume, self.payloads, str(count)))

    def latency(self, microseconds: int) -> dict[str, str]:
        """Return variables with which each call that names a file of this stage takes longer, but for envkit's own."""
        own = Path(self.peers.programs[ENVKIT]).parent.parent
        root = {"LATENCY_ROOT": str(self.work), "LATENCY_SPARE": str(own), "LATENCY_US": str(microseconds)}
        return {"LD_PRELOAD": str(self._latency_library), **root}

    @cached_property
    def _latency_library(self) -> Path:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None or not sys.platform.startswith("linux"):
            raise NotHereError("no C compiler, or not Linux: nothing can be preloaded")
        library = self.scratch / "latency.so"
        words = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_HERE / "latency.c"), "-ldl"]
        try:
            self.do(Step(words, self.variables))
        except RunFailedError as error:
            raise NotHereError(f"the library that delays calls cannot be compiled: {error}") from error
        return library


def remove(*paths: Path) -> None:
    """Remove folders, files and links, and what an active link leads to."""
    for path in paths:
        if path.is_symlink():
            target = path.resolve()
            path.unlink()
            shutil.rmtree(target, ignore_errors=True)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def serving(root: Path) -> Iterator[str]:
    """Serve a folder by a process of its own, at the port of the last run where that is free; the value is the URL."""
    note = root / "port"
    known = note.read_text() if note.exists() else "0"
    for port in dict.fromkeys([known, "0"]):
        words = [sys.executable, str(_HERE / "server.py"), str(root), port]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if process.stdout is not None and (said := process.stdout.readline().strip()):
            break
    else:
        raise NotHereError("no port on loopback could be had")
    note.write_text(said)
    try:
        yield f"http://127.0.0.1:{said}"
    finally:
        process.terminate()
        process.wait()
