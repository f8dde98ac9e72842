"""Importing envkit costs next to nothing, and nothing heavy loads before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"rattler", "pydantic", "pydantic_core", "typer", "rich", "ruamel", "pynvml", "platformdirs", "filelock"}


def loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nimport json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_envkit_loads_no_third_party_module() -> None:
    extra = loaded("import envkit") - loaded("")
    assert {name for name in extra if name.split(".")[0] not in sys.stdlib_module_names} == {"envkit"}


@pytest.mark.parametrize(
    "module", ["envkit.errors", "envkit.host.fingerprint", "envkit.models.host", "envkit.models.build", "envkit.probe"]
)
def test_plain_modules_load_nothing_heavy(module: str) -> None:
    assert not {name.split(".")[0] for name in loaded(f"import {module}")} & HEAVY


def test_the_version_loads_nothing_heavy() -> None:
    code = "sys.argv = ['envkit', '--version']\nfrom envkit.__main__ import main\nmain()"
    assert not {name.split(".")[0] for name in loaded(code)} & HEAVY


def test_help_loads_nothing_heavy() -> None:
    for words in (["--help"], ["find", "--help"], ["create", "-h"], ["help", "codes", "--raw"]):
        code = (
            f"import os, sys; sys.argv = ['envkit', *{words}]\n"
            "def leave(code): raise SystemExit(code)\n"
            "os._exit = leave\n"
            "from envkit.__main__ import main\n"
            "try:\n    main()\nexcept SystemExit:\n    print()"
        )
        assert not {name.split(".")[0] for name in loaded(code)} & (HEAVY - {"rich"}), words
