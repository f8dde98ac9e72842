from __future__ import annotations

from pathlib import Path

import pytest

from envkit.errors import SettingsError
from envkit.models.channel import parse_channel, redact
from envkit.settings import Settings, load_settings, resolve_channels


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def test_the_flag_wins(home: dict[str, str], tmp_path: Path) -> None:
    settings = load_settings(persist=tmp_path / "flag", env={**home, "CONDA_ENVS_PATH": "/elsewhere"})
    assert settings.volume == tmp_path / "flag"
    assert settings.origins["volume"] == "--persist"


def test_the_variable_wins_over_files(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".condarc").write_text("envs_dirs: [/from/condarc]\n")
    settings = load_settings(env={**home, "CONDA_ENVS_PATH": str(tmp_path / "variable")})
    assert settings.volume == tmp_path / "variable"
    assert settings.origins["volume"] == "CONDA_ENVS_PATH"


def test_the_first_writable_directory_is_used_and_it_is_said(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = load_settings(env={**home, "CONDA_ENVS_DIRS": f"{tmp_path}/file/envs:{tmp_path}/envs"})
    assert settings.volume == tmp_path / "envs"
    assert f"{tmp_path}/file/envs" in settings.notes[0]


def test_two_names_of_one_setting_must_agree(home: dict[str, str]) -> None:
    assert load_settings(env={**home, "CONDA_ENVS_DIRS": "/a", "CONDA_ENVS_PATH": "/a"}).volume == Path("/a")
    with pytest.raises(SettingsError, match="differ"):
        load_settings(env={**home, "CONDA_ENVS_DIRS": "/a", "CONDA_ENVS_PATH": "/b"})


def test_own_file_wins_over_condarc(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".condarc").write_text("envs_dirs: [/from/condarc]\nchannels: [conda-forge]\n")
    own = tmp_path / ".config" / "envkit" / "config.yml"
    own.parent.mkdir(parents=True)
    own.write_text("persist: ~/mine\n")
    settings = load_settings(env=home)
    assert settings.origins["volume"] == str(own)
    assert settings.channels == ("conda-forge",)


def test_lists_of_several_condarc_merge_later_first(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".condarc").write_text("channels: [b, c]\n")
    (tmp_path / "late").write_text("channels: [a, b]\nchannel_alias: https://mirror.example/conda\n")
    settings = load_settings(env={**home, "CONDARC": str(tmp_path / "late")})
    assert settings.channels == ("a", "b", "c")
    assert [c.url for c in resolve_channels(["a"], settings)] == ["https://mirror.example/conda/a"]


@pytest.mark.parametrize("text", ["[", "- a\n- b\n", "channels: {a: b}\n", "\x00"])
def test_a_broken_condarc_is_named(home: dict[str, str], tmp_path: Path, text: str) -> None:
    (tmp_path / ".condarc").write_text(text)
    with pytest.raises(SettingsError, match=r"\.condarc"):
        load_settings(env=home)


def test_defaults_are_spread_out() -> None:
    channels = resolve_channels(["defaults", "conda-forge", "conda-forge"], Settings(Path("/v")))
    assert [c.url.rsplit("/", 2)[-2:] for c in channels] == [["pkgs", "main"], ["pkgs", "r"], [*_forge()]]


def _forge() -> tuple[str, str]:
    return ("conda.anaconda.org", "conda-forge")


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("conda-forge", "conda-forge", "https://conda.anaconda.org/conda-forge"),
        ("https://conda.anaconda.org/conda-forge/", "conda-forge", "https://conda.anaconda.org/conda-forge"),
        ("http://host:8080/a/b", "http://host:8080/a/b", "http://host:8080/a/b"),
        ("file:///srv/channel", "file:///srv/channel", "file:///srv/channel"),
        ("./channel", "file:///home/me/channel", "file:///home/me/channel"),
        ("/srv/my channel".replace(" ", "-"), "file:///srv/my-channel", "file:///srv/my-channel"),
        ("nvidia/label/cuda-12.1.0", "nvidia/label/cuda-12.1.0", "https://conda.anaconda.org/nvidia/label/cuda-12.1.0"),
    ],
)
def test_parse_channel(text: str, name: str, url: str) -> None:
    channel = parse_channel(text, cwd="/home/me")
    assert (channel.name, channel.url) == (name, url)
    assert not channel.secrets


@pytest.mark.parametrize("text", ["", "-c", "a b", "ftp://host/x", "x\ny"])
def test_what_is_no_channel(text: str) -> None:
    with pytest.raises(ValueError, match="not a channel"):
        parse_channel(text)


def test_credentials_are_kept_apart() -> None:
    channel = parse_channel("https://me:p%40ss@host/t/TOK/private")
    assert channel.url == channel.name == "https://host/private"
    assert channel.secret_url == "https://me:p%40ss@host/t/TOK/private"
    assert "p@ss" in channel.secrets
    shown = f"{channel!r} {redact('see https://me:p%40ss@host/t/TOK/private and p@ss', channel.secrets)}"
    for secret in ("TOK", "p%40ss", "p@ss", "me:"):
        assert secret not in shown
