"""Pip sections end to end: resolved by uv around conda's packages, locked, installed whole or not at all."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import ENVKIT, Outcome, Shell, serve
from packaging.pylock import Pylock
from simple_index import serve_private, write_index, write_sdist
from wheel_factory import write_wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

POINTS = 20
PTX = ".version 8.3\n.target sm_90\n.address_size 64\n.visible .entry nothing() { ret; }\n"


@dataclass(frozen=True)
class Section:
    """A shell, a real channel, and an index of small wheels on loopback."""

    shell: Shell
    url: str
    root: Path
    channel: Path

    def file(self, *lines: str, specs: tuple[str, ...] = ("python", "numpy"), index: bool = True) -> Path:
        head = [f"--index-url {self.url}/simple"] if index else []
        path = self.shell.home / "environment.yml"
        entries = [f"  - {spec}" for spec in specs] + ["  - pip:"] + [f"    - {line}" for line in (*head, *lines)]
        path.write_text(f"channels: [{self.channel.as_uri()}, nodefaults]\ndependencies:\n" + "\n".join(entries) + "\n")
        return path

    def create(self, *lines: str, name: str = "demo", args: tuple[str, ...] = (), **more: str) -> Outcome:
        words = ("create", "-f", str(self.file(*lines)), "-n", name, "--cuda", "none", "--json", *args)
        return self.shell.run(*words, **more)

    def python(self, code: str, name: str = "demo") -> str:
        return self.shell.ok("run", name, "--", "python", "-c", code).out.strip()


def write_projects(folder: Path) -> list[Path]:
    folder.mkdir()
    wheel = functools.partial(write_wheel, folder, unpacked=False)
    tool = "[console_scripts]\ntool = tool:main\n"
    hook = {"tool.py": "import alpha\ndef main():\n    print('tool of', alpha.version)\n"}
    return [
        wheel("alpha", "1.0", files={"alpha/__init__.py": "version = 1\n"}),
        wheel("alpha", "2.0", files={"alpha/__init__.py": "version = 2\n"}, requires=["beta>=1"]),
        wheel("beta", "1.0", files={"beta.py": "x = 1\n"}, requires=["numpy>=1.0"]),
        wheel("tool", "1.0", files=hook, requires=["alpha"], entry_points=tool),
        wheel("wants-old", "1.0", files={"wants_old.py": ""}, requires=["numpy<1.5"]),
        wheel("numpy", "1.4", files={"numpy/__init__.py": "__version__ = '1.4'\n"}),
        wheel("other", "1.0", tag="cp36-cp36m-win32", files={"other.py": ""}),
        wheel("bad", "1.0", files={"bad.py": ""}),
        wheel("clash", "1.0", files={"numpy/__init__.py": "", "clash.py": ""}),
        wheel("kernels", "1.0", files={"kernels/__init__.py": "", "kernels/code.ptx": PTX}),
        wheel("torch", "2.0", files={"torch.py": ""}),
        write_sdist(folder, "raw", "1.0"),
        write_sdist(folder, "ext", "1.0", begins="import torch\n"),
        write_sdist(folder, "broken", "1.0", begins="raise SystemExit('no compiler for this')\n"),
    ]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("index")
    write_index(folder, write_projects(folder / "made"), lying={"bad"})
    with serve(folder) as url:
        yield url, folder


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory, wheel_channel: Path) -> Shell:
    """A volume whose cache has the conda packages."""
    shell = Shell.below(tmp_path_factory.mktemp("seed"))
    words = ("create", "python", "numpy", "-n", "plain", "-c", str(wheel_channel), "--override-channels")
    shell.ok(*words, "--cuda", "none", "--no-validate")
    return shell


@pytest.fixture
def section(seed: Shell, index: tuple[str, Path], wheel_channel: Path) -> Iterator[Section]:
    yield Section(seed, *index, wheel_channel)
    for path in seed.volume.iterdir():
        if path.is_symlink() and path.name != "plain":
            path.unlink()


def lock_of(prefix: Path) -> Pylock:
    return Pylock.from_dict(tomllib.loads((prefix / "pylock.toml").read_text()))


def module(prefix: Path, name: str) -> Path:
    return next(prefix.glob(f"lib/python3*/site-packages/{name}"))


def test_a_section_is_planned_made_shown_and_recognised(section: Section) -> None:
    before = set((section.shell.volume / ".envkit/g").iterdir())
    planned = section.create("tool", args=("--dry-run",))
    assert planned.code == 0, planned.err
    found = {package["name"]: package["version"] for package in planned.json["pip"]}
    assert found == {"alpha": "2.0", "beta": "1.0", "tool": "1.0"}
    assert set((section.shell.volume / ".envkit/g").iterdir()) == before
    made = section.create("tool")
    assert made.code == 0, made.err
    assert made.json["pip"] == planned.json["pip"]
    assert "does not list pip" in made.err or made.err == ""
    prefix = section.shell.prefix()
    # The lock is that of the standard, and holds the digest of each file.
    lock = lock_of(prefix)
    assert [package.name for package in lock.packages] == ["alpha", "beta", "tool"]
    assert all(package.wheels and set(package.wheels[0].hashes) == {"sha256"} for package in lock.packages)
    # It runs, its entry point too; conda's numpy is the one that is imported.
    assert subprocess.run([prefix / "bin/tool"], check=True, capture_output=True, text=True).stdout == "tool of 2\n"
    assert section.python("import numpy; print(numpy.__version__)") != "1.4"
    assert (prefix / "lib/python3.11/site-packages/alpha/__pycache__").is_dir() or sys.version_info[:2] != (3, 11)
    # Files shared through the cache cannot be written in place.
    assert not stat.S_IMODE(module(prefix, "beta.py").stat().st_mode) & 0o222
    # Everything that tells of an environment tells of it.
    shown = section.shell.ok("show", "demo", "--json").json
    assert [p["name"] for p in shown["pip"]["packages"]] == ["alpha", "beta", "tool"]
    assert shown["pip"]["provided"].keys() == {"numpy"}
    assert shown["packages"].__len__() == 2
    listed = {e["name"]: e["packages"] for e in section.shell.ok("list", "--json").json["environments"]}
    assert listed["demo"] == 5
    exported = section.shell.ok("export", "demo").out
    assert "- tool" in exported
    assert f"--index-url {section.url}/simple" in exported
    assert "alpha==2.0" in section.shell.ok("export", "demo", "--pins").out
    validated = section.shell.ok("validate", "demo", "--json").json
    assert {"import tool", "import numpy"} <= {f["check"] for f in validated["findings"]}
    assert section.shell.ok("doctor", "demo", "--full").code == 0
    assert section.create("tool").json["reused"] is True
    assert section.create("alpha").json["error"]["code"] == "environment-exists"


def test_changes_keep_what_is_there_and_can_go_back(section: Section) -> None:
    assert section.create("alpha<2").code == 0
    change = section.shell.ok("install", "-n", "demo", "--pip", "tool", "--json").json
    assert [(c["name"], c["kind"]) for c in change["difference"]["changes"]] == [("tool", "added")]
    assert section.python("import alpha; print(alpha.version)") == "1"
    change = section.shell.ok("install", "-n", "demo", "--pip", "alpha", "--json").json
    assert change["difference"]["changes"] == []  # nothing has to move
    assert section.shell.ok("upgrade", "-n", "demo", "alpha", "--json").json["difference"]["changes"][0]["after"] == {
        "version": "2.0",
        "build": "pip",
        "size_bytes": None,
    }
    assert section.python("import alpha; print(alpha.version)") == "2"
    section.shell.ok("rollback", "demo")
    assert section.python("import alpha; print(alpha.version)") == "1"
    section.shell.ok("uninstall", "-n", "demo", "tool")
    assert section.shell.run("run", "demo", "--", "python", "-c", "import tool").code == 1
    assert section.shell.run("uninstall", "-n", "demo", "beta").code == 2


def test_what_conda_provides_is_never_replaced(section: Section) -> None:
    version = section.python("import numpy; print(numpy.__version__)", "plain")
    for lines, told in ((("numpy<1.5",), "environment.yml:7:7"), (("wants-old",), "wants-old")):
        refused = section.create(*lines)
        assert refused.code == 1, refused.out
        error = refused.json["error"]
        assert error["code"] == "unsatisfiable"
        assert told in error["message"]
        assert f"numpy {version}" in error["message"]
        assert "--prefer-pip numpy" in error["hint"]
    assert "pip" not in section.create("numpy>1").json
    preferred = section.create("wants-old", name="old", args=("--prefer-pip", "numpy", "--no-validate"))
    assert preferred.code == 0, preferred.err
    assert section.python("import numpy; print(numpy.__version__)", "old") == "1.4"
    clash = section.create("clash", name="clash")
    assert clash.code == 1
    assert "numpy/__init__.py of the conda package numpy" in clash.json["error"]["message"]
    assert not (section.shell.volume / "clash").is_symlink()


@pytest.mark.parametrize(
    ("lines", "code", "told", "hint"),
    [
        (("bad",), 6, "hash", "index"),
        (("no-such-project",), 1, "no-such-project was not found", "name"),
        (("alpha>3",), 1, "alpha>", ""),
        (("other",), 1, "no wheel for Python", "another Python"),
        (("raw",), 1, "of raw (newest with one: none)", "--allow-build raw"),
        (("./here",), 2, "a folder of this machine", "--allow-local"),
        (("-r missing.txt",), 2, "missing.txt, which cannot be read", ""),
        (("alpha @ http://127.0.0.1:9/alpha-1.0-py3-none-any.whl",), 5, "127.0.0.1:9", "network"),
    ],
)
def test_refusals(section: Section, lines: tuple[str, ...], code: int, told: str, hint: str) -> None:
    before = set((section.shell.volume / ".envkit/g").iterdir())
    refused = section.create(*lines)
    assert refused.code == code, refused.out + refused.err
    assert told.lower() in refused.json["error"]["message"].lower()
    assert hint in refused.json["error"]["hint"]
    assert set((section.shell.volume / ".envkit/g").iterdir()) == before


def test_a_build_is_made_where_it_was_allowed(section: Section) -> None:
    made = section.create("raw", args=("--allow-build", "raw"))
    assert made.code == 0, made.out
    assert section.python("import raw; print(raw.built)") == "(None, None)"
    pip = section.shell.ok("show", "demo", "--json").json["pip"]
    assert pip["built"] == ["raw"]


def test_a_build_sees_the_framework_and_the_gpus(section: Section) -> None:
    """An extension is compiled against the torch that is there, for the GPUs of the target; its log is kept."""
    target = ("--driver", "550", "--gpu", "a100", "--no-validate")
    made = section.create("torch", "ext", args=("--allow-build", "all", *target))
    assert made.code == 0, made.out + made.err
    assert section.python("import ext; print(ext.built)") == "(None, '8.0')"
    assert "ext" in (section.shell.prefix() / "pip-build.log").read_text()
    refused = section.create("torch", "broken", name="broken", args=("--allow-build", "broken", *target))
    assert refused.code == 1, refused.out
    assert "broken cannot be built from source" in refused.json["error"]["message"]
    log = Path(refused.json["error"]["hint"].split("log is ")[1].rstrip("."))
    assert "no compiler for this" in log.read_text()


def test_clones_moves_and_second_environments_need_no_network(section: Section, tmp_path: Path) -> None:
    assert section.create("tool").code == 0
    volume = tmp_path / "moved"
    shutil.copytree(section.shell.volume, volume, symlinks=True)
    away = Shell(volume, section.channel, section.shell.home)
    away.ok("doctor", "demo", "--fix", ALL_PROXY="http://127.0.0.1:9", no_proxy="")  # linked anew, where it is now
    away.ok("clone", "demo", "twin", ALL_PROXY="http://127.0.0.1:9", no_proxy="")
    assert away.prefix("demo").is_relative_to(volume)
    told = subprocess.run([away.prefix("demo") / "bin/tool"], check=True, capture_output=True, text=True)
    assert told.stdout == "tool of 2\n"
    assert (away.prefix("twin") / "pylock.toml").read_bytes() == (away.prefix("demo") / "pylock.toml").read_bytes()
    assert len({module(away.prefix(name), "beta.py").stat().st_ino for name in ("demo", "twin")}) == 1


def test_clean_takes_wheels_that_nothing_holds(section: Section) -> None:
    assert section.create("alpha<2").code == 0
    cache = section.shell.volume / ".envkit/uv"
    assert list(cache.glob("archive-v*/*/alpha-1.0.dist-info"))
    assert section.create("tool", name="other").code == 0
    section.shell.ok("remove", "other")
    cleaned = section.shell.ok("clean", "--keep", "0", "--older-than", "0", "--json").json
    assert any(item["kind"] == "wheel" and "tool 1.0" in item["why"].replace("-", " ") for item in cleaned["items"])
    assert list(cache.glob("archive-v*/*/alpha-1.0.dist-info"))
    assert not list(cache.glob("archive-v*/*/tool-1.0.dist-info"))
    assert section.create("tool", name="again").code == 0  # fetched again


def test_damage_is_found_and_mended(section: Section) -> None:
    assert section.create("tool").code == 0
    damaged = module(section.shell.prefix(), "beta.py")
    damaged.chmod(0o644)
    damaged.write_text("x = 2\n")  # through the hard link: the cache has it, too
    sound = section.shell.run("doctor", "demo", "--json")
    assert sound.code == 0  # same size
    found = section.shell.run("doctor", "demo", "--full", "--json")
    assert found.code == 6
    assert "beta.py" in found.out
    mended = section.shell.run("doctor", "demo", "--full", "--fix", "--json")
    assert mended.code == 0, mended.out + mended.err
    assert section.python("import beta; print(beta.x)") == "1"


class _Watch(threading.Thread):
    """Looks for a text in the arguments of every process."""

    def __init__(self, text: str) -> None:
        super().__init__(daemon=True)
        self.text, self.found, self.over = text.encode(), False, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.found |= self.text in path.read_bytes() and path.parent.name != str(os.getpid())


def test_credentials_reach_nothing(section: Section) -> None:
    secret = "PASS-77"
    watch = _Watch(secret)
    with serve_private(section.root, "user", secret) as place:
        indexed = f"--index-url http://user:{secret}@{place}/simple"
        direct = f"beta @ http://user:{secret}@{place}/files/beta-1.0-py3-none-any.whl"
        path = section.file(indexed, "alpha", direct, index=False)
        watch.start()
        made = section.shell.run("create", "-f", str(path), "-n", "demo", "--cuda", "none", "--json")
        watch.over.set()
        assert made.code == 0, made.out + made.err
        kept = section.shell.ok("export", "demo")
        again = section.shell.run("upgrade", "-n", "demo")
        assert again.code == 5, again.out + again.err
        assert "netrc" in again.err
        netrc = section.shell.home / ".netrc"
        netrc.write_text(f"machine 127.0.0.1 login user password {secret}\n")
        try:
            by_netrc = section.shell.run("upgrade", "-n", "demo")
        finally:
            netrc.unlink()
        assert by_netrc.code == 0, by_netrc.err
        path.write_text(path.read_text().replace(secret, f"wrong-{secret}").replace("alpha", "tool"))
        wrong = section.shell.run("create", "-f", str(path), "-n", "none", "--cuda", "none")
        assert wrong.code == 5, wrong.err
    path.unlink()
    assert not watch.found
    for outcome in (made, kept, again, by_netrc, wrong):
        assert secret not in outcome.out + outcome.err
    for root in (section.shell.volume, section.shell.home):
        for file in root.rglob("*"):
            if file.is_file() and not file.is_symlink():
                assert secret.encode() not in file.read_bytes(), file


def _killed(words: list[str], env: dict[str, str], after_s: float) -> int:
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        return process.wait()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("points", [3, pytest.param(POINTS, marks=[pytest.mark.full, pytest.mark.timeout(1200)])])
def test_killed(section: Section, points: int) -> None:
    words = [*ENVKIT, "create", "-f", str(section.file("tool")), "-n", "demo", "--cuda", "none", "--no-validate"]
    env = section.shell.env()
    began = time.monotonic()
    subprocess.run(words, env=env, check=True, capture_output=True)
    whole_s = time.monotonic() - began
    ended = []
    for point in range(points):
        (section.shell.volume / "demo").unlink(missing_ok=True)
        ended.append(_killed(words, env, whole_s * (point + 1) / (points + 1)))
        listing = section.shell.ok("list", "--json").json["environments"]
        names = {entry["name"] for entry in listing}
        assert all(entry["problem"] is None for entry in listing)
        if "demo" in names:
            assert section.python("import tool, alpha; print(alpha.version)") == "2"
    assert ended.count(-signal.SIGKILL) >= points // 2
    done = section.create("tool", args=("--no-validate",))
    assert done.code == 0, done.err
    assert section.python("import tool, alpha; print(alpha.version)") == "2"
    assert section.shell.ok("doctor").code == 0
    generations = (section.shell.volume / ".envkit/g").iterdir()
    unfinished = [path for path in generations if not (path / ".envkit.json").exists()]
    assert unfinished == []
    assert json.loads((section.shell.prefix() / ".envkit.json").read_bytes())["pip"]["packages"]


@pytest.mark.parametrize("name", ["pixi.lock", "conda-lock.yml", "explicit.txt"])
def test_a_lock_holds_the_section(section: Section, name: str) -> None:
    lock = section.shell.home / name
    file = str(section.file("tool"))
    section.shell.ok("lock", "-f", file, "--cuda", "none", "-o", str(lock), "--replace")
    made = section.shell.run("create", "-f", str(lock), "-n", "locked", "--json")
    assert made.code == 0, made.out + made.err
    assert section.python("import tool; tool.main()", "locked") == "tool of 2"
    prefix = section.shell.prefix("locked")
    assert {package.name for package in lock_of(prefix).packages} == {"tool", "alpha", "beta"}
    assert section.shell.run("create", "-f", str(lock), "-n", "locked", "--json").json["reused"] is True
    section.shell.ok("export", "locked", "--format", name.partition(".")[0])
    again = section.shell.home / f"again-{name}"
    again.write_text(section.shell.ok("export", "locked", "--format", name.partition(".")[0]).out)
    copied = section.shell.run("create", "-f", str(again), "-n", "copy", "--json")
    assert copied.code == 0, copied.out + copied.err
    assert {package.name for package in lock_of(section.shell.prefix("copy")).packages} == {"tool", "alpha", "beta"}


def test_a_lock_builds_nothing_unasked(section: Section) -> None:
    lock = section.shell.home / "built.lock"
    words = ("lock", "-f", str(section.file("raw")), "--cuda", "none", "--format", "pixi", "-o", str(lock))
    section.shell.ok(*words, "--allow-build", "raw")
    refused = section.shell.run("create", "-f", str(lock), "-n", "built")
    assert refused.code == 2
    assert "1 distribution without a wheel" in refused.err
    assert "--allow-build raw" in refused.err


def test_a_wheel_without_code_for_the_gpu_is_refused(section: Section) -> None:
    words = ("create", "-f", str(section.file("kernels")), "-n", "demo", "--driver", "570", "--no-validate", "--json")
    before = set((section.shell.volume / ".envkit/g").iterdir())
    for _ in range(2):
        refused = section.shell.run(*words, "--gpu", "a100")
        assert refused.code == 4, refused.err
        assert refused.json["error"]["code"] == "no-gpu-code"
        assert "code.ptx of kernels 1.0 holds" in refused.json["error"]["message"]
        assert refused.json["lacking"][0]["fn"] == "kernels-1.0-py3-none-any.whl"
        assert not (section.shell.volume / "demo").exists()
        assert set((section.shell.volume / ".envkit/g").iterdir()) == before
    made = section.shell.ok(*words, "--gpu", "h100")
    assert any("code.ptx" in advice for advice in made.json["advice"])
    kept = [json.loads(path.read_text()) for path in (section.shell.volume / ".envkit/gpucode").iterdir()]
    assert "kernels" in {item["name"] for item in kept}
    foreseen = section.shell.run("validate", "demo", "--gpu", "a100", "--driver", "570", "--json")
    assert (foreseen.code, foreseen.json["verdict"]) == (3, "fail")


@pytest.mark.timeout(240)
def test_projects_of_pypi(section: Section) -> None:
    """Real wheels, an entry point, and a project that has a source distribution only (docopt)."""
    lines = ("einops==0.8.1", "tqdm==4.67.1", "six==1.17.0", "docopt==0.6.2")
    path = section.file(*lines, specs=("python", "numpy"), index=False)
    words = ("create", "-f", str(path), "-n", "demo", "--cuda", "none", "--json")
    refused = section.shell.run(*words)
    if refused.code == 5:
        pytest.skip(f"PyPI cannot be reached: {refused.json['error']['message']}")
    assert refused.code == 1, refused.out
    assert "docopt" in refused.json["error"]["message"]
    assert "--allow-build docopt" in refused.json["error"]["hint"]
    made = section.shell.run(*words, "--allow-build", "docopt")
    assert made.code == 0, made.err + made.out
    code = "import einops, tqdm, six, docopt, numpy as n; "
    code += "print(einops.rearrange(n.arange(4), '(a b) -> b a', a=2).tolist())"
    assert section.python(code) == "[[0, 2], [1, 3]]"
    tool = subprocess.run(
        [section.shell.prefix() / "bin/tqdm", "--version"], check=True, capture_output=True, text=True
    )
    assert tool.stdout.strip() == "4.67.1"
    section.shell.ok("clone", "demo", "second", "--offline")
    assert section.python(code, "second") == "[[0, 2], [1, 3]]"
    assert section.shell.ok("doctor", "second", "--full").code == 0
