"""Importing envkit costs next to nothing, and nothing heavy loads before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from channels import Package
from harness import Shell, run_program

HEAVY = {"rattler", "pydantic", "pydantic_core", "typer", "rich", "ruamel", "pynvml", "platformdirs", "filelock"}


def loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nimport json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_envkit_loads_no_third_party_module() -> None:
    extra = loaded("import envkit") - loaded("")
    assert {name for name in extra if name.split(".")[0] not in sys.stdlib_module_names} == {"envkit"}


@pytest.mark.parametrize(
    "module",
    [
        "envkit.errors",
        "envkit.host.fingerprint",
        "envkit.models.host",
        "envkit.models.build",
        "envkit.probe",
        "envkit.api.environments",
        "envkit.cli.again",
    ],
)
def test_plain_modules_load_nothing_heavy(module: str) -> None:
    assert not {name.split(".")[0] for name in loaded(f"import {module}")} & HEAVY


# What each command loads in the process that answers: how many modules at most besides those of a bare Python, and
# none of these. Raise a number on purpose only: 10 modules are about 4 ms.
_VIEWS = {"typer", "click", "rich", "markdown_it", "pygments", "pydantic"}
_NETWORK = {"asyncio", "ssl", "http", "logging", "email"}
_SLOW = {*_VIEWS, *_NETWORK, "rattler", "ruamel", "uv", "importlib.metadata", "packaging", "inspect", "traceback"}
LOADS = {
    "--version": (5, {*_SLOW, "typing", "re", "json", "pathlib"}),
    "--help": (25, {*_SLOW, "json", "pathlib"}),
    "find --help": (80, _SLOW),
    "help codes --raw": (50, _SLOW),
    "config show": (90, _SLOW),
    "detect --json": (160, _SLOW - {"uv"}),
    "list": (96, _SLOW),
    "show demo": (103, _SLOW),
    "history demo": (130, _SLOW),
    "diff demo@1 demo@1": (130, _SLOW),
    "volume": (148, _SLOW),
    "kernel list": (65, _SLOW),
    "activate demo": (40, _SLOW),
    "doctor demo": (245, _SLOW),
    "clean --dry-run": (185, _SLOW),
    "validate demo": (257, _SLOW),
    "recipes": (57, _SLOW),
    "nonsense": (50, _SLOW),
    "find": (95, _SLOW),
    "find --nonsense x": (95, _SLOW),
    "find app -c CHANNEL --override-channels": (
        268,
        {*_VIEWS, *_NETWORK, "rattler", "ruamel", "uv", "packaging", "importlib.metadata"},
    ),
    "create app -n demo -c CHANNEL --override-channels --no-validate": (271, _SLOW - {"rattler"}),
}
_TELL = """
import json, os, sys
bare = set(sys.modules)
def leave(code):
    sys.__stderr__.write("\\nLOADED " + json.dumps(sorted(set(sys.modules) - bare)) + "\\n")
    sys.__stderr__.flush()
    end(code)
end, os._exit = os._exit, leave
sys.argv = ["envkit", *sys.argv[1:]]
from envkit.__main__ import main
try:
    main()
except SystemExit:
    pass
leave(0)
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    made = Shell.below(tmp_path_factory.mktemp("loads"))
    made.publish(Package("app", files={"share/a": b"a"}))
    made.create("app", args=("--no-validate",))
    made.ok("find", "app", "-c", str(made.channel), "--override-channels")  # from here on it is warm
    made.ok("detect")
    return made


@pytest.mark.parametrize("line", LOADS)
def test_a_command_loads_what_it_needs(shell: Shell, line: str) -> None:
    most, never = LOADS[line]
    words = line.replace("CHANNEL", str(shell.channel)).split()
    said = run_program([sys.executable, "-c", _TELL, *words], env=shell.env())
    modules = json.loads(said.err.rpartition("LOADED ")[2])
    assert {name for name in modules if name in never or name.split(".")[0] in never} == set()
    assert len(modules) <= most, modules
