"""What ``import envkit`` costs and offers."""

from __future__ import annotations

import inspect
import json
import pydoc
import re
import subprocess
import sys

import pytest
from harness import ROOT
from interpreter_cost import costs_at_most

import envkit
from envkit import errors
from envkit.client.child import error_of

IMPORT_LIMIT_S = 0.010
VERSION_LIMIT_S = 0.080


def test_import_is_free() -> None:
    code = "import json, sys; old = set(sys.modules); import envkit; print(json.dumps(sorted(set(sys.modules) - old)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(json.loads(done.stdout)) <= {"envkit", "__future__"}
    assert not done.stderr
    costs_at_most("import envkit", IMPORT_LIMIT_S)


def test_using_the_api_loads_no_third_party_module() -> None:
    code = (
        "import sys; before = set(sys.modules); import envkit, json\n"
        "for name in envkit.__all__: getattr(envkit, name)\n"
        "import envkit.client.local, envkit.client.child, envkit.activated\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(json.loads(done.stdout)) - sys.stdlib_module_names == {"envkit"}


def test_version_is_quick() -> None:
    costs_at_most(
        "import sys; sys.argv = ['envkit', '--version']; import envkit.__main__ as m; m.main()", VERSION_LIMIT_S
    )


def test_exports_are_sorted_and_there() -> None:
    def kind(name: str) -> int:
        return 0 if name.isupper() else 1 if name[0].isupper() else 2

    assert envkit.__all__ == sorted(envkit.__all__, key=lambda name: (kind(name), name))
    for name in envkit.__all__:
        assert getattr(envkit, name) is not None
    assert set(envkit._HOMES) == set(envkit.__all__) - {"__version__"}
    assert set(envkit.__all__) <= set(dir(envkit))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = envkit.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["create", "detect", "ensure", "find", "require", "validate"])
def test_verbs_are_documented_and_keyword_only_after_two(name: str) -> None:
    verb = getattr(envkit, name)
    parameters = list(inspect.signature(verb).parameters.values())
    positional = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert len(positional) <= 2
    assert "Raises:" in verb.__doc__
    for parameter in parameters:
        assert f"{parameter.name}:" in verb.__doc__, parameter.name
        assert parameter.annotation is not inspect.Parameter.empty


def test_every_error_comes_back_as_its_class() -> None:
    for name in errors.__all__:
        cls = getattr(errors, name)
        document = {"error": {"code": cls.code, "message": "what is wrong", "hint": "what to do"}}
        error = error_of(document, cls.exit_code)
        assert error is not None
        assert type(error) is cls
        assert (error.message, error.hint) == ("what is wrong", "what to do")


def test_errors_of_another_version_are_told_by_exit_code() -> None:
    error = error_of({"error": {"code": "of-tomorrow", "message": "m", "hint": None}}, 5)
    assert error is not None
    assert error.exit_code == 5
    assert error_of({"builds": []}, 0) is None


def test_an_error_that_is_not_caught_shows_its_hint() -> None:
    code = "import envkit; raise envkit.VolumeError('no room', hint='Make some.')"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.endswith("VolumeError: no room\nhint: Make some.\n")
    assert str(errors.HeldError("busy")) == "busy"


def test_help_shows_the_public_names_only() -> None:
    assert set(errors.__all__) < set(envkit.__all__)
    assert dir(envkit) == sorted(envkit.__all__)
    text = pydoc.plain(pydoc.render_doc(envkit))
    for name in set(envkit.__all__) - {"__version__"}:
        assert getattr(envkit, name).__doc__.splitlines()[0] in text
    assert "TYPE_CHECKING" not in text
    assert "_HOMES" not in text


def test_the_version_has_a_heading_in_the_changelog() -> None:
    assert f"\n## [{envkit.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_contributing_names_files_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:envkit|tests|scripts)/[\w./]+)`", text)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
