"""envkit config: what is set and where, and envkit's own file."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Envkit

CONDARC = """
channels: ["https://me:SECRET@h/ch", conda-forge]
custom_channels: {private: https://h/t/SECRET/x}
proxy_servers: {http: "http://u:SECRET@p"}
channel_settings: [{channel: x, auth: SECRET, password: SECRET}]
changeps1: false
chanels: [a]
"""


def test_every_setting_is_shown_with_its_sources_and_no_secret(envkit: Envkit, isolation: Path, tmp_path: Path) -> None:
    (isolation / ".condarc").write_text(CONDARC)
    later = tmp_path / "later.yml"
    later.write_text("channels: [nvidia]\n")
    env = {"CONDARC": str(later), "CONDA_CHANNELS": "mine", "CONDA_OVERRIDE_CUDA": "12.4", "CONDA_TRACK_FEATURES": "x"}
    document = envkit("config", "show", "--json", env=env).json
    found = {setting["name"]: setting for setting in document["settings"]}
    assert found["channels"]["value"] == ["mine", "nvidia", "https://***@h/ch", "conda-forge"]
    assert [source["origin"] for source in found["channels"]["sources"]] == [
        "CONDA_CHANNELS",
        str(later),
        str(isolation / ".condarc"),
    ]
    assert {name for name, setting in found.items() if not setting["obeyed"]} == {
        "channel_settings",
        "changeps1",
        "chanels",
        "track_features",
    }
    assert found["CONDA_OVERRIDE_CUDA"]["value"] == "12.4"
    assert all(setting["text"] for setting in found.values())
    shown = envkit("config", "show", "--sources", env={**env, "COLUMNS": "200"})
    assert "CONDA_CHANNELS" in shown.out
    assert "SECRET" not in shown.out + str(document)


def test_what_is_foreign_is_named_and_narrow_terminals_cut_no_word(envkit: Envkit, isolation: Path) -> None:
    (isolation / ".condarc").write_text("override_virtual_packages: {cuda: '12.4', mine: '1'}\n")
    env = {"CONDA_CHANELS": "x", "CONDA_TOKEN_FOR_ME": "SECRET", "COLUMNS": "40"}
    shown = envkit("config", "show", "--sources", env=env).out
    words = {word.strip(":,") for word in shown.split()}
    assert {"override_virtual_packages", "CONDA_CHANELS", "CONDA_CHANNELS?", "CONDA_TOKEN_FOR_ME", "mine"} <= words
    assert "no virtual package of that" in " ".join(shown.split())
    assert "SECRET" not in shown


def test_envkits_own_file_is_changed_and_keeps_its_comments(envkit: Envkit, isolation: Path) -> None:
    own = isolation / ".config/envkit/config.yml"
    assert envkit("config", "get", "engine").code == 1
    assert envkit("config", "set", "persist", "~/envs").code == 0
    own.write_text(f"# mine\n{own.read_text()}other: 1  # kept\n")
    assert envkit("config", "set", "engine", "conda", "--json").json["value"] == "conda"
    assert envkit("config", "get", "persist").out == "~/envs\n"
    assert envkit("config", "show", "--json").json["settings"][0] == {
        **envkit("config", "show", "--json").json["settings"][0],
        "name": "persist",
        "value": str(isolation / "envs"),
        "origin": str(own),
    }
    assert envkit("config", "unset", "persist").code == 0
    assert envkit("config", "unset", "persist").code == 0
    assert own.read_text() == "# mine\nother: 1  # kept\nengine: conda\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("set", "engine", "magic"), "rattler"),
        (("set", "persist", "relative/path"), "/relative/path"),
        (("set", "persist", ""), "unset persist"),
        (("set", "timeout", "soon"), "seconds"),
        (("set", "channels", "a"), "conda config --set channels"),
        (("get", "nothing"), "persist, engine, torch_index, timeout"),
        (("unset", "nothing"), "persist, engine, torch_index, timeout"),
    ],
)
def test_what_no_setting_is(envkit: Envkit, isolation: Path, words: tuple[str, ...], hint: str) -> None:
    refused = envkit("config", *words, "--json")
    assert refused.code == 2
    assert hint in refused.json["error"]["hint"]
    assert not (isolation / ".config/envkit/config.yml").exists()


def test_a_broken_file_is_named_and_stays(envkit: Envkit, isolation: Path) -> None:
    own = isolation / ".config/envkit/config.yml"
    own.parent.mkdir(parents=True)
    own.write_text("persist: [")
    refused = envkit("config", "set", "engine", "conda")
    assert (refused.code, own.read_text()) == (2, "persist: [")
    assert str(own) in refused.err
