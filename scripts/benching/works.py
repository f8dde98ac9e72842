"""Each piece of work as every tool does it. Cases of peers that are not here are left out by whoever runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benching.contents import WHEELS
from benching.measure import Case, Step
from benching.peers import CONDA, CP, ENVKIT, MICROMAMBA, NO_BYTECODE, PYTHON, RATTLER, UV
from benching.stage import Stage, remove

TORCH = ("python", "numpy", "pytorch")
TINY = ("tiny",)
_TORCH_CLONES = 3
_CUDA = "12.4"  # what the driver below supports
_DRIVER = ("--driver", "550", "--gpu", "a100")
_MIXED = ("pytorch", "nvidia", "conda-forge")
_FORGE = ("conda-forge",)
SOLVES: Sequence[tuple[Sequence[str], Sequence[str]]] = (
    (_MIXED, ("pytorch=2.5.1", "pytorch-cuda=12.1", "python=3.11")),
    (_MIXED, ("pytorch=2.5.1", "pytorch-cuda=12.1", "torchvision", "python=3.11")),
    (_MIXED, ("pytorch=2.3.0", "pytorch-cuda=12.1", "torchvision", "torchaudio", "python=3.10")),
    (_MIXED, ("pytorch=2.1.0", "pytorch-cuda=12.1", "python=3.11")),
    (_MIXED, ("pytorch=2.0.1", "pytorch-cuda=11.7", "python=3.10")),
    (_MIXED, ("pytorch=1.13.1", "pytorch-cuda=11.7", "python=3.10")),
    (_FORGE, ("pytorch", "python=3.12")),
    (_FORGE, ("pytorch=2.5", "numpy<2.3", "python=3.11")),
    (_FORGE, ("jaxlib", "python=3.11")),
    (_FORGE, ("cupy", "python=3.12")),
)
"""Channels and specs that every engine solves over the real indexes."""


def channel_flags(*channels: str) -> list[str]:
    """Return the words that name these channels and no others, to envkit, micromamba and conda alike."""
    return [word for channel in channels for word in ("-c", channel)] + ["--override-channels"]


def torch_volume(stage: Stage) -> Path:
    """Return a volume with four environments of PyTorch, of which `demo` is validated."""
    clones = [("create", "-n", f"e{number}", "--clone", "demo", "--no-validate") for number in range(_TORCH_CLONES)]
    return stage.volume("torch", ("create", *create_words(TORCH, "demo", stage.torch)[1:]), *clones)


def small_volume(stage: Stage) -> Path:
    """Return a volume with one small environment, `demo`."""
    return stage.volume("small", create_words(TINY, "demo", stage.payloads))


def create_words(specs: Sequence[str], name: str, channel: str) -> list[str]:
    """Return the words of envkit that make an environment for the CPU."""
    return ["create", *specs, "-n", name, "--cuda", "none", *channel_flags(channel)]


def find(stage: Stage, channels: Sequence[str], *, copies: int = 1, known: bool = False, **more: str) -> list[Case]:
    """Find PyTorch in channels; conda too where there are several, the real ones.

    envkit has the indexes and, unless it is `known`, no answer that it gave before.
    """
    flags = channel_flags(*channels)
    ours = stage.envkit("find", "pytorch", *flags, **more)
    if known:
        stage.do(ours)  # fetches the indexes; what is said next is kept
    cases = [
        Case(ENVKIT, [ours], None if known else stage.forget, copies),
        Case(MICROMAMBA, [stage.micromamba("search", "pytorch", *flags, **more)], copies=copies),
        Case(RATTLER, [stage.bare("find", stage.bare_cache, "pytorch", *channels, **more)], copies=copies),
    ]
    if len(channels) > 1:
        cases.append(Case(CONDA, [stage.conda("search", "pytorch", *flags, **more)], copies=copies))
    return cases


def solve(stage: Stage) -> list[Case]:
    """Plan ten environments over the real indexes, one after the other; conda would take minutes.

    envkit keeps solutions, which are removed before each run.
    """
    real = dict(zip(("conda-forge", "pytorch", "nvidia"), stage.real_channels, strict=True))
    volume = small_volume(stage)
    steps: dict[str, list[Step]] = {ENVKIT: [], MICROMAMBA: [], RATTLER: []}
    for names, specs in SOLVES:
        channels = [real[name] for name in names]
        flags = [*channel_flags(*channels), "--dry-run", "-y"]
        steps[ENVKIT].append(stage.envkit("create", *specs, "-n", "plan", *_DRIVER, *flags, "--persist", volume))
        theirs = stage.micromamba("create", "-n", "plan", *specs, *flags, CONDA_OVERRIDE_CUDA=_CUDA)
        steps[MICROMAMBA].append(theirs)
        steps[RATTLER].append(stage.bare("solve", stage.bare_cache, _CUDA, ",".join(specs), *channels))
    return [Case(tool, words, stage.forget if tool == ENVKIT else None) for tool, words in steps.items()]


def create(
    stage: Stage, volume: Path, specs: Sequence[str], channel: str, *, cold: bool = False, **more: str
) -> list[Case]:
    """Make an environment. Cold: with empty caches of packages and indexes; warm: `cp -al` links a copy of `demo`.

    Warm, what was made before is set aside, not removed. Links that others make or remove look like edits to envkit,
    which would verify all files by their digests (so `cp -al` has a copy of its own), and ext4 is slow to make folders
    where some were removed lately. The disk is synchronised before each, so that none pays for another.

    `more` are variables.
    """
    theirs, bare, copy = (stage.scratch / f"{volume.name}-{name}" for name in ("mamba", "bare", "copy"))
    pkgs = stage.scratch / "cold-pkgs"
    cache = stage.scratch / "cold-rattler" if cold else stage.bare_cache

    def fresh(*paths: Path) -> Callable[[], None]:
        def prepare() -> None:
            (remove if cold else stage.set_aside)(*paths)
            stage.sync()

        return prepare

    ours: list[str | Path] = [*create_words(specs, "again", channel), "--no-validate", "-q", "--persist", volume]
    words: list[str | Path] = ["create", "-y", "-p", theirs, *specs, *channel_flags(channel)]
    least = ("create", cache, bare, ",".join(specs), channel)
    before = fresh(theirs, pkgs) if cold else fresh(theirs)
    apart = {**more, "CONDA_PKGS_DIRS": str(pkgs)} if cold else more
    cases = [
        Case(ENVKIT, [stage.envkit(*ours, **more)], fresh(volume if cold else volume / "again")),
        Case(MICROMAMBA, [stage.micromamba(*words, **apart)], before),
        Case(RATTLER, [stage.bare(*least, **more)], fresh(bare, cache) if cold else fresh(bare)),
        Case(CONDA, [stage.conda(*words, **apart)], before),
    ]
    if not cold:
        origin = stage.scratch / f"{volume.name}-origin"
        if CP in stage.peers and not origin.exists():
            stage.do(stage.step(CP, "-a", (volume / "demo").resolve(), origin))
        link = stage.step(CP, "-al", origin, copy, **more)
        cases[2:2] = [Case(MICROMAMBA + NO_BYTECODE, [stage.micromamba(*words, "--no-pyc", **more)], before)]
        cases.append(Case(CP, [link], fresh(copy)))
    return cases


def repeat(
    stage: Stage, volume: Path, specs: Sequence[str], channel: str, *, copies: int = 1, **more: str
) -> list[Case]:
    """Ask again for the environment `demo`, which is there; micromamba is asked to install what it installed before."""
    again: list[str | Path] = [*create_words(specs, "demo", channel), "--persist", volume]
    own = stage.scratch / f"{volume.name}-own"
    install: list[str | Path] = ["install", "-y", "-p", own, *specs, *channel_flags(channel)]
    if MICROMAMBA in stage.peers and not own.exists():
        stage.do(stage.micromamba("create", "--no-pyc", *install[1:]))
    return [
        Case(ENVKIT, [stage.envkit(*again, **more)], copies=copies),
        Case(MICROMAMBA, [stage.micromamba(*install, **more)], copies=copies),
    ]


def ensure(
    stage: Stage, volume: Path, specs: Sequence[str], channel: str, *, copies: int = 1, **more: str
) -> list[Case]:
    """Ask for `demo` from Python, beside a Python that does nothing."""
    options = f"cuda='none', channels=[{channel!r}], override_channels=True, persist={str(volume)!r}"
    code = f"import envkit; envkit.ensure('demo', {list(specs)!r}, {options})"
    return [
        Case(ENVKIT, [stage.step(PYTHON, "-c", code, **more)], copies=copies),
        Case(PYTHON, [stage.step(PYTHON, "-c", "pass", **more)], copies=copies),
    ]


def run(stage: Stage, volume: Path, *, copies: int = 1, **more: str) -> list[Case]:
    """Run `true` in `demo`."""
    words = ("run", "-p", (volume / "demo").resolve(), "true")
    return [
        Case(ENVKIT, [stage.envkit("run", "--persist", volume, "demo", "--", "true", **more)], copies=copies),
        Case(MICROMAMBA, [stage.micromamba(*words, **more)], copies=copies),
        Case(CONDA, [stage.conda(*words, **more)], copies=copies),
    ]


def list_all(stage: Stage, volume: Path, **more: str) -> list[Case]:
    """List the environments of a volume."""
    theirs = {"CONDA_ENVS_DIRS": str(volume), **more}
    return [
        Case(ENVKIT, [stage.envkit("list", "--persist", volume, **more)]),
        Case(MICROMAMBA, [stage.micromamba("env", "list", **theirs)]),
        Case(CONDA, [stage.conda("env", "list", **theirs)]),
    ]


def show(stage: Stage, volume: Path, **more: str) -> list[Case]:
    """Show `demo`."""
    words = ("list", "-p", (volume / "demo").resolve())
    return [
        Case(ENVKIT, [stage.envkit("show", "demo", "--persist", volume, **more)]),
        Case(MICROMAMBA, [stage.micromamba(*words, **more)]),
        Case(CONDA, [stage.conda(*words, **more)]),
    ]


def say_help(stage: Stage) -> list[Case]:
    """Print the help."""
    tools = (ENVKIT, MICROMAMBA, CONDA)
    return [*(Case(tool, [stage.step(tool, "--help")]) for tool in tools), Case(PYTHON, [_nothing(stage)])]


def detect(stage: Stage) -> list[Case]:
    """Say what this machine is."""
    return [
        Case(ENVKIT, [stage.envkit("detect")]),
        Case(MICROMAMBA, [stage.micromamba("info")]),
        Case(CONDA, [stage.conda("info")]),
        Case(PYTHON, [_nothing(stage)]),
    ]


def load(stage: Stage) -> list[Case]:
    """Import envkit, beside a Python that imports nothing."""
    return [Case(ENVKIT, [stage.step(PYTHON, "-c", "import envkit")]), Case(PYTHON, [_nothing(stage)])]


def _nothing(stage: Stage) -> Step:
    return stage.step(PYTHON, "-c", "pass")


def pip_part(stage: Stage) -> list[Case]:
    """Add ten wheels of an index on loopback to a Python: envkit with and without them, uv alone to a venv."""
    volume = stage.volume("pip", create_words(("python",), "demo", stage.torch))
    venv = stage.scratch / "pip-venv"
    address = ("--index-url", f"{stage.wheels}/simple/")
    file = stage.scratch / "environment.yml"
    lines = [" ".join(address), *WHEELS]
    head = f"channels: [{stage.torch}, nodefaults]\ndependencies:\n  - python\n  - pip:\n"
    file.write_text(head + "".join(f"    - {line}\n" for line in lines))
    words = ("-n", "again", "--cuda", "none", "--no-validate", "-q", "--persist", volume)
    plain = stage.envkit("create", "python", *channel_flags(stage.torch), *words)
    install: list[str | Path] = ["pip", "install", "--python", venv, *address, "--compile-bytecode", *WHEELS]

    def without() -> None:
        stage.set_aside(volume / "again")
        stage.sync()

    def empty() -> None:
        remove(venv)
        stage.do(stage.step(UV, "venv", venv, "--python", (volume / "demo" / "bin" / "python").resolve()))
        stage.sync()

    return [
        Case(ENVKIT, [stage.envkit("create", "-f", file, *words)], without),
        Case(f"{ENVKIT}, without", [plain], without),
        Case(UV, [stage.step(UV, *install)], empty),
    ]
