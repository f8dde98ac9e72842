"""Settings of VS Code: what they say of an environment, and how they are put into files that people keep by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envkit.api.vscode import write_settings
from envkit.errors import UsageError
from envkit.outputs.jsonc import merge_text, merge_values
from envkit.outputs.vscode import vscode_settings

BY_HAND = """\
// Mine.
{
  "editor.rulers": [100, 120], // two of them
  /* "python.defaultInterpreterPath": "/old", */
  "python.defaultInterpreterPath": "/usr/bin/python3",
  "terminal.integrated.env.linux": { "EDITOR": "vim" },
  "files.exclude": {
    "**/.git": true, // {"not": "a brace"}
  },
  "jupyter.kernels.trusted": [
    "/a/kernel.json"
  ] // the last one
  // and no more
}
"""
MERGED = """\
// Mine.
{
  "editor.rulers": [100, 120], // two of them
  /* "python.defaultInterpreterPath": "/old", */
  "python.defaultInterpreterPath": "/v/train/bin/python",
  "terminal.integrated.env.linux": { "EDITOR": "vim",
      "CONDA_ENVS_PATH": "/v"
  },
  "files.exclude": {
    "**/.git": true, // {"not": "a brace"}
    "**/x": true
  },
  "jupyter.kernels.trusted": [
    "/a/kernel.json",
    "/b/kernel.json"
  ], // the last one
  // and no more
  "new": {
      "a": [
          1
      ]
  }
}
"""
VALUES = {
    "python.defaultInterpreterPath": "/v/train/bin/python",
    "terminal.integrated.env.linux": {"CONDA_ENVS_PATH": "/v"},
    "files.exclude": {"**/x": True},
    "jupyter.kernels.trusted": ["/a/kernel.json", "/b/kernel.json"],
    "new": {"a": [1]},
}


def test_comments_and_other_settings_stay_where_they_are() -> None:
    assert merge_text(BY_HAND, VALUES) == MERGED
    assert merge_text(MERGED, VALUES) == MERGED
    windows = BY_HAND.replace("\n", "\r\n")
    assert merge_text(windows, VALUES) == MERGED.replace("\n", "\r\n")
    for empty in ("", "  \n", "{}", "{\n}\n", "\ufeff{ }", "// nothing yet\n", "{/* none */}"):
        merged = merge_text(empty, {"a": 1})
        assert '"a": 1' in merged
        assert merge_text(merged, {"a": 1}) == merged


@pytest.mark.parametrize(
    "text",
    ["[]", "1", "{", '{"a" 1}', '{"a": 1 "b": 2}', '{"a": nul}', "{'a': 1}", '{"a": 1} x', "{,}", '{"a": }', "<<<<<<<"],
)
def test_what_cannot_be_read_is_left_alone(text: str, tmp_path: Path) -> None:
    file = tmp_path / ".vscode" / "settings.json"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        write_settings(tmp_path, {"a": 1})
    assert file.read_text() == text
    for bad in ("[" * 100_000, '{"a":' * 100_000, "\x00"):
        with pytest.raises(ValueError, match=r"deep|not JSON"):
            merge_text(bad, {"a": 1})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.text(max_size=3), _JSON, max_size=4)


@settings(max_examples=60, deadline=None)
@given(_OBJECTS, _OBJECTS, st.sampled_from([None, 2, "\t"]))
def test_a_merge_is_that_of_the_values(before: dict[str, object], more: dict[str, object], indent: int | None) -> None:
    text = merge_text(json.dumps(before, indent=indent), more)
    assert json.loads(text) == merge_values(before, more)
    assert merge_text(text, more) == text


def test_settings_of_a_workspace(tmp_path: Path) -> None:
    made = vscode_settings("/v", "train", command=["/v/.envkit/bin/envkit"], kernels=["/k/kernel.json"])
    assert made["python.defaultInterpreterPath"] == "/v/train/bin/python"
    mac = vscode_settings("/v", "train", command=["/usr/bin/python3", "-m", "envkit"], platform="darwin")
    assert mac["terminal.integrated.profiles.osx"]["train"] == {
        "path": "/usr/bin/python3",
        "args": ["-m", "envkit", "shell", "train", "--persist", "/v"],
    }
    path, changed = write_settings(tmp_path, made)
    assert (path, changed, json.loads(path.read_text())) == (tmp_path / ".vscode/settings.json", True, made)
    assert write_settings(tmp_path, made)[1] is False
    elsewhere = tmp_path / "dotfiles.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    elsewhere.chmod(0o600)
    assert write_settings(tmp_path, mac)[1] is True
    assert path.is_symlink()
    assert elsewhere.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="is not a folder"):
        write_settings(tmp_path / "gone", made)
