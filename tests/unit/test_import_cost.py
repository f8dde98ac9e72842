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


def test_help_does_not_load_the_engine() -> None:
    code = (
        "from envkit.cli.app import app\n"
        "try:\n    app(args=['find', '--help'], standalone_mode=False)\nexcept BaseException:\n    pass"
    )
    assert "rattler" not in {name.split(".")[0] for name in loaded(code)}


def test_help_of_a_topic_loads_neither_engine_nor_renderer() -> None:
    code = "from envkit.cli.app import app\napp(args=['help', 'codes', '--raw'], standalone_mode=False)"
    assert not {name.split(".")[0] for name in loaded(code)} & {"rattler", "markdown_it", "pygments"}
