"""A Python that is started through the environment's link stays in its generation, and leaves a mark of use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from envkit.installer.pin import list_pins, write_pin, wrong_pins
from envkit.layout.usage import in_use
from envkit.layout.uses import read_uses, sweep_uses
from envkit.layout.volume import Volume

TOLD = """
import encodings, json, os, subprocess, sys, time
import json.tool, sysconfig, email  # not loaded before the hook ran
def told():
    return {"prefix": sys.prefix, "base": sys.base_prefix, "executable": sys.executable, "path": sys.path,
            "files": [m.__file__ for m in (json, os, sysconfig, email)], "encodings": list(encodings.__path__),
            "env": [os.environ.get("PATH"), os.environ.get("CONDA_PREFIX")], "sysconfig": sysconfig.get_path("stdlib"),
            "child": sys.argv[1:] or json.loads(subprocess.check_output([sys.executable, __file__, "x"]))}
print(json.dumps(told()))
"""


def pythons() -> list[str]:
    """The Pythons of this machine, oldest first."""
    home = Path(sys.base_prefix).parent
    found = sorted(home.glob("3.*/bin/python"), key=lambda path: [int(n) for n in path.parts[-3].split(".")])
    return [str(path) for path in found if path.parts[-3].split(".")[1] not in {"5", "6"}] or [sys.executable]


def generation(tmp_path: Path, python: str) -> tuple[Path, Path]:
    """A prefix of links to a real installation, but for its site-packages, and a link to it."""
    home = Path(python).parent.parent
    [version] = {path.name for path in (home / "lib").glob("python3.*") if (path / "os.py").exists()}
    prefix = tmp_path / "v" / ".envkit" / "g" / "train-00000001"
    site = prefix / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    (prefix.parent.parent / "uses").mkdir()
    for path in (home / "lib" / version).iterdir():
        if path.name != "site-packages":
            (site.parent / path.name).symlink_to(path)
    for path in (home / "lib").glob("libpython*"):
        (prefix / "lib" / path.name).symlink_to(path)
    (prefix / "bin").mkdir()
    # A copy: Python looks for its library beside what a link leads to.
    (prefix / "bin" / "python").write_bytes(Path(python).resolve().read_bytes())
    (prefix / "bin" / "python").chmod(0o755)
    write_pin(prefix, prefix)
    link = tmp_path / "v" / "train"
    link.symlink_to(prefix)
    return prefix, link


def run(python: Path, *args: str, env: dict[str, str] | None = None) -> Any:
    done = subprocess.run([python, *args], env=env or {}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=pythons())
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    return generation(tmp_path, request.param)


@pytest.mark.parametrize("flags", [(), ("-I",), ("-E", "-s")])
def test_everything_that_a_start_through_the_link_knows_is_the_generations(
    place: tuple[Path, Path], tmp_path: Path, flags: tuple[str, ...]
) -> None:
    prefix, link = place
    script = tmp_path / "told.py"
    script.write_text(TOLD)
    env = {"PATH": f"/usr/bin:{link}/bin", "CONDA_PREFIX": str(link)}
    through, direct = (run(p / "bin" / "python", *flags, str(script), env=env) for p in (link, prefix))
    assert str(link) not in json.dumps(through)
    direct["env"] = [f"/usr/bin:{prefix}/bin", str(prefix)]
    for told in (through, direct):
        told["child"].pop("env", None) if isinstance(told["child"], dict) else None
    assert through == direct


WORKERS = """
import json, multiprocessing, sys
def told(_):
    import json.tool
    return [sys.prefix, sys.executable, json.tool.__file__]
if __name__ == "__main__":
    print(json.dumps([multiprocessing.get_context(how).Pool(1).map(told, [0])[0] for how in ("spawn", "forkserver")]))
"""


def test_workers_of_a_pinned_python_are_pinned(place: tuple[Path, Path], tmp_path: Path) -> None:
    """They are started with the executable of their parent."""
    prefix, link = place
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    told = run(link / "bin" / "python", str(script), env={"PATH": "/usr/bin"})
    assert str(link) not in json.dumps(told)
    assert [prefix_of for prefix_of, _, _ in told] == [str(prefix)] * 2


def test_no_hook_without_site_and_none_for_another_place(place: tuple[Path, Path]) -> None:
    prefix, link = place
    code = "import json, sys; print(json.dumps(sys.prefix))"
    assert run(link / "bin" / "python", "-S", "-c", code) == str(link)
    moved = prefix.with_name("moved")
    prefix.rename(moved)
    assert run(moved / "bin" / "python", "-c", code) == str(moved)


def test_the_files_are_known(place: tuple[Path, Path]) -> None:
    prefix, _ = place
    assert wrong_pins(prefix, list_pins(prefix)) == []
    [start] = prefix.glob("lib/python3*/site-packages/*.pth")
    start.write_text("import os\n")
    [code] = prefix.glob("lib/python3*/site-packages/_envkit_pin.py")
    code.unlink()
    assert sorted(w.path for w in wrong_pins(prefix, list_pins(prefix))) == sorted(
        str(p.relative_to(prefix)) for p in (start, code)
    )
    assert wrong_pins(prefix, ()) == []


def test_each_python_leaves_a_mark_while_it_runs(place: tuple[Path, Path]) -> None:
    prefix, link = place
    volume = Volume(prefix.parent.parent.parent)
    wait = "print(flush=True); input()"
    for python in (link / "bin" / "python", prefix / "bin" / "python"):
        with subprocess.Popen(
            [python, "-I", "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}
        ) as running:
            assert running.stdout is not None
            running.stdout.readline()
            [use] = read_uses(volume)
            assert (use.generation, use.pid, use.ended) == (prefix.name, running.pid, False)
            assert in_use(volume) == {prefix.name}
            running.communicate(b"\n")
        assert read_uses(volume) == []
        killed = subprocess.run([python, "-I", "-c", "import os; os.kill(os.getpid(), 9)"], env={}, check=False)
        assert killed.returncode == -9
        assert [use.ended for use in read_uses(volume)] == [True]
        assert sweep_uses(volume) == 1


def test_a_start_costs_next_to_nothing_and_fails_never(place: tuple[Path, Path], tmp_path: Path) -> None:
    prefix, _ = place
    python = prefix / "bin" / "python"
    code = (
        "import sys, time, _envkit_pin as m\n"
        "b = time.perf_counter(); n = 100\n"
        "for _ in range(n): m.start(sys.prefix)\n"
        "print((time.perf_counter() - b) / n)\n"
    )
    assert run(python, "-c", code) < 0.001  # with the creation of a file that is there
    uses = prefix.parent.parent / "uses"
    for path in uses.iterdir():
        path.unlink()
    uses.rmdir()
    assert run(python, "-c", "print(1)") == 1
    uses.symlink_to(tmp_path)
    assert run(python, "-c", "print(2)") == 2
    assert not list(tmp_path.glob("train-*"))
