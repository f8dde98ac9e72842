"""Reading conda's configuration: files in order, merging, variables, names of channels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from envkit.errors import SettingsError
from envkit.inputs.conda_config import CondaConfig
from envkit.inputs.condarc import condarc_files
from envkit.models.channel_names import ChannelNames
from envkit.models.conda_keys import BY_VARIABLE, KEYS
from envkit.settings import Settings, is_allowed, load_settings, resolve_channels
from envkit.words.conda_keys import HOW, variable_words


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home")}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_files_are_read_in_condas_order(tmp_path: Path, home: dict[str, str]) -> None:
    names = [
        "root/.condarc",
        "root/condarc.d/10.yml",
        "root/condarc.d/20.yaml",
        "mamba/.condarc",
        "mamba/.mambarc",
        "xdg/conda/condarc",
        "home/.config/conda/.condarc",
        "home/.conda/.condarc",
        "home/.conda/condarc.d/a.yml",
        "home/.condarc",
        "home/.mambarc",
        "prefix/.condarc",
        "prefix/condarc.d/z.yml",
        "named.yml",
        "mambarc.yml",
    ]
    _write(tmp_path, {name: f"channels: [{name}]\n" for name in (*names, "root/condarc.d/readme.txt")})
    env = {
        **home,
        "CONDA_EXE": str(tmp_path / "root/bin/conda"),
        "MAMBA_ROOT_PREFIX": str(tmp_path / "mamba"),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "CONDA_PREFIX": str(tmp_path / "prefix"),
        "CONDARC": str(tmp_path / "named.yml"),
        "MAMBARC": str(tmp_path / "mambarc.yml"),
    }
    found = [str(path.relative_to(tmp_path)) for path in condarc_files(env) if tmp_path in path.parents]
    order = [name for name in names if name != "mamba/.mambarc"]
    order.insert(order.index("home/.condarc"), "mamba/.mambarc")
    assert found == order
    # The last file comes first in a list that is joined, and the variable before all files.
    channels = load_settings(env={**env, "CONDA_CHANNELS": "variable"}).channels
    assert [name for name in channels if "/etc/" not in name] == ["variable", *reversed(order)]


@pytest.mark.parametrize(
    ("first", "second", "key", "merged"),
    [
        ("channels: [a, b]", "channels: [c, a]", "channels", ["c", "a", "b"]),
        ("channels: [a]  #!final", "channels: [b]", "channels", ["a"]),
        ("channels:  #!final\n  - a", "channels: [b]", "channels", ["a"]),
        ("channels:\n  - a\n  - top  #!top\n  - b", "channels: [c]", "channels", ["top", "c", "a", "b"]),
        ("channels:\n  - last  #!bottom\n  - b", "channels: [c]", "channels", ["c", "b", "last"]),
        ("channels: one", "channels:", "channels", ["one"]),
        ("channel: [a]", "channels: [b]", "channels", ["b", "a"]),
        ("channel_alias: https://a", "channel_alias: https://b", "channel_alias", "https://b"),
        ("channel_alias: https://a  #!final", "channel_alias: https://b", "channel_alias", "https://a"),
        ("channel_alias: https://$WHO/x", "", "channel_alias", "https://me/x"),
        ("channels: ['https://${WHO}/x', '$NOBODY']", "", "channels", ["https://me/x", "$NOBODY"]),
        ("custom_channels: {a: x, b: x}", "custom_channels: {a: y}", "custom_channels", {"a": "y", "b": "x"}),
        ("custom_channels:\n  a: x  #!final", "custom_channels: {a: y}", "custom_channels", {"a": "x"}),
        ("custom_multichannels: {m: [a]}", "custom_multichannels: {m: [b]}", "custom_multichannels", {"m": ["b", "a"]}),
        ("offline: yes", "offline: 'no'", "offline", "no"),
    ],
)
def test_files_merge_as_in_conda(
    tmp_path: Path, home: dict[str, str], first: str, second: str, key: str, merged: object
) -> None:
    _write(tmp_path, {"home/.condarc": first + "\n", "later.yml": second + "\n"})
    config = CondaConfig({**home, "WHO": "me", "CONDARC": str(tmp_path / "later.yml")})
    assert config.get(key) == merged


@pytest.mark.parametrize(
    "text",
    [
        "channels: {a: b}",
        "channels: [[a]]",
        "custom_channels: [secret]",
        "custom_multichannels: {a: {b: c}}",
        "override_virtual_packages: [secret]",
        "channel_alias: [secret]",
        "offline: secret",
        "remote_max_retries: secret",
        "channels: [a]\nchannel: [b]",
        "channel_alias: secret",
        "ssl_verify: /not/there",
    ],
)
def test_a_value_of_the_wrong_kind_names_key_and_file(tmp_path: Path, home: dict[str, str], text: str) -> None:
    _write(tmp_path, {"home/.condarc": text})
    with pytest.raises(SettingsError, match=r"/home/\.condarc") as caught:
        load_settings(env=home)
    assert text.partition(":")[0] in caught.value.message
    assert "secret" not in caught.value.message


# A value for each key that can be written in a file; the others are lists or texts of any kind.
_VALUES = {
    "offline": "true",
    "ssl_verify": "truststore",
    "channel_alias": "https://a",
    "channel_priority": "strict",
    "override_virtual_packages": "{cuda: '12'}",
    "exclude_newer": "7d",
    "subdir": "linux-64",
}
_KINDS = {"text": "1", "list": "[a]", "map": "{http: a}", "lists": "{a: [b]}", "maps": "[{channel: a}]"}


@pytest.mark.parametrize("name", sorted(KEYS))
def test_every_key_is_obeyed_or_named(tmp_path: Path, home: dict[str, str], name: str) -> None:
    key = KEYS[name]
    _write(tmp_path, {"home/.condarc": f"{name}: {_VALUES.get(name, _KINDS[key.kind])}\n"})
    found = load_settings(env=home)
    assert found.unheeded == (() if key.obeyed else ((name, str(tmp_path / "home/.condarc")),))
    for variable in key.variables:
        (tmp_path / "home/.condarc").unlink(missing_ok=True)
        found = load_settings(env={**home, variable: _VALUES.get(name, "1")})
        assert found.unheeded == (() if key.obeyed else ((name, variable),))
    assert HOW[name]


def test_the_words_and_the_table_have_the_same_keys() -> None:
    assert HOW.keys() == KEYS.keys()
    assert len(BY_VARIABLE) == len({v for key in KEYS.values() for v in key.variables})


def test_a_key_that_nobody_knows_is_named(tmp_path: Path, home: dict[str, str]) -> None:
    _write(tmp_path, {"home/.condarc": "chanels: [a]\n"})
    assert load_settings(env=home).unheeded == (("chanels", str(tmp_path / "home/.condarc")),)


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("CONDA_CHANELS", True),
        ("CONDA_FOO_BAR", True),
        *(
            (name, False)
            for name in ("CONDA_EXE", "CONDA_PREFIX", "CONDA_PREFIX_1", "CONDA_SHLVL", "CONDA_DEFAULT_ENV")
        ),
        *((name, False) for name in ("CONDA_PROMPT_MODIFIER", "CONDA_PYTHON_EXE", "_CE_CONDA", "CONDA_BACKUP_CC")),
        *((name, False) for name in ("CONDA_OVERRIDE_CUDA", "CONDA_BUILD_SYSROOT", "CONDA_DIR", "CONDA_STACKED_2")),
    ],
)
def test_a_variable_that_is_not_condas_is_named(
    tmp_path: Path, home: dict[str, str], variable: str, named: bool
) -> None:
    found = load_settings(env={**home, variable: str(tmp_path)})
    assert found.unheeded == (((variable, variable),) if named else ())
    assert not load_settings(env={**home, variable: " "}).unheeded
    assert variable_words("CONDA_CHANELS").endswith(": CONDA_CHANNELS?")


def _settings(tmp_path: Path, text: str, **env: str) -> Settings:
    _write(tmp_path, {"home/.condarc": text})
    return load_settings(env={"HOME": str(tmp_path / "home"), **env})


_CONDARC = """
channel_alias: https://public.example/conda
custom_channels:
  private: https://user:pw@corp.example/x
  deep/name: https://corp.example/t/TOK/y
  onalias: plain
custom_multichannels:
  both: [private, conda-forge, 'https://third.example/z']
  empty: []
migrated_custom_channels:
  private: https://old.example/conda
migrated_channel_aliases: [https://former.example/conda]
mirrored_channels:
  mirrored: [https://one.example/m, https://two.example/m]
default_channels: [https://repo.example/pkgs/main]
"""


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("conda-forge", ["https://public.example/conda/conda-forge"]),
        ("private", ["https://corp.example/x/private"]),
        ("private/label/dev", ["https://corp.example/x/private/label/dev"]),
        ("privates", ["https://public.example/conda/privates"]),
        ("deep/name", ["https://corp.example/y/deep/name"]),
        ("onalias", ["https://public.example/conda/onalias"]),
        (
            "both",
            [
                "https://corp.example/x/private",
                "https://public.example/conda/conda-forge",
                "https://third.example/z",
            ],
        ),
        ("defaults", ["https://repo.example/pkgs/main"]),
        ("pkgs/main", ["https://repo.example/pkgs/main"]),
        ("https://old.example/conda/private", ["https://corp.example/x/private"]),
        ("https://former.example/conda/conda-forge", ["https://public.example/conda/conda-forge"]),
        ("https://corp.example/x/private/label/dev", ["https://corp.example/x/private/label/dev"]),
        ("mirrored", ["https://one.example/m"]),
        ("https://else.example/a/private", ["https://else.example/a/private"]),
    ],
)
def test_what_the_names_of_channels_mean(tmp_path: Path, text: str, urls: list[str]) -> None:
    channels = resolve_channels([text], _settings(tmp_path, _CONDARC))
    assert [channel.url for channel in channels] == urls
    for channel in channels:
        assert "corp" not in channel.url or channel.name.startswith(("private", "deep/name"))


def test_credentials_of_named_channels_stay_apart(tmp_path: Path) -> None:
    settings = _settings(tmp_path, _CONDARC)
    private, deep, by_url, mirrored = resolve_channels(
        ["private", "deep/name", "https://corp.example/x/private/label/dev", "mirrored"], settings
    )
    assert private.secret_url == "https://user:pw@corp.example/x/private"
    assert deep.secret_url == "https://corp.example/t/TOK/y/deep/name"
    assert by_url.userinfo == "user:pw"
    assert mirrored.mirrors == ("https://two.example/m",)
    assert "pw" not in repr((private, by_url))
    with pytest.raises(SettingsError, match="no members"):
        resolve_channels(["empty"], settings)


def test_a_token_of_anaconda_login_opens_its_server(tmp_path: Path) -> None:
    folder = tmp_path / "home/.config/binstar"
    _write(folder, {"https%3A%2F%2Fapi.anaconda.org.token": "SECRET\n"})
    found = _settings(tmp_path, "channels: [mine]\n")
    (channel,) = resolve_channels(found.channels, found)
    assert channel.secret_url == "https://conda.anaconda.org/t/SECRET/mine"
    assert "SECRET" not in repr(found)
    closed = _settings(tmp_path, "add_anaconda_token: false\n")
    assert resolve_channels(["mine"], closed)[0].token is None


def test_local_is_the_folder_of_conda_build(tmp_path: Path) -> None:
    _write(tmp_path, {"home/conda-bld/noarch/repodata.json": "{}"})
    found = _settings(tmp_path, "use_local: true\nchannels: [a]\n")
    assert found.channels == ("local", "a")
    assert resolve_channels(["local"], found)[0].url == f"file://{tmp_path}/home/conda-bld"


@pytest.mark.parametrize(
    ("policy", "allowed", "refused"),
    [
        (
            "denylist_channels: [defaults]",
            ["conda-forge"],
            ["defaults", "pkgs/main", "https://repo.anaconda.com/pkgs/r"],
        ),
        ("allowlist_channels: [conda-forge]", ["conda-forge"], ["nvidia", "https://mirror.example/conda-forge"]),
        ("whitelist_channels: [a, b]\ndenylist_channels: [b]", ["a"], ["b", "c"]),
    ],
)
def test_channels_that_the_configuration_forbids(
    tmp_path: Path, policy: str, allowed: list[str], refused: list[str]
) -> None:
    settings = _settings(tmp_path, policy)
    assert resolve_channels(allowed, settings)
    for name in refused:
        assert not is_allowed(name, settings)
        with pytest.raises(SettingsError, match=r"(denylist|allowlist)_channels of .*\.condarc"):
            resolve_channels([name], settings)


@pytest.mark.parametrize(
    ("text", "env", "expected"),
    [
        ("", {}, {}),
        ("offline: true", {}, {"offline": True}),
        ("offline: true", {"CONDA_OFFLINE": "false"}, {}),
        ("remote_max_retries: 7\nremote_backoff_factor: 2", {}, {"retries": 7, "backoff_s": 2.0}),
        ("remote_read_timeout_secs: 5", {}, {"stall_s": 5.0}),
        ("remote_read_timeout_secs: 5", {"ENVKIT_TIMEOUT": "90"}, {"stall_s": 90.0}),
        ("remote_connect_timeout_secs: 4", {}, {"connect_s": 4.0}),
        (
            "proxy_servers: {http: http://p, https: http://q}",
            {},
            {"proxies": (("http", "http://p"), ("https", "http://q"))},
        ),
        ("ssl_verify: false", {}, {"verify": False}),
        ("ssl_verify: truststore", {}, {}),
        ("ssl_verify: <here>", {"REQUESTS_CA_BUNDLE": "<dir>"}, {"ca": "<here>"}),
        ("verify_ssl: <dir>", {}, {"ca": "<dir>/"}),
        ("", {"REQUESTS_CA_BUNDLE": "<here>"}, {"ca": "<here>"}),
        ("", {"CURL_CA_BUNDLE": "<here>"}, {"ca": "<here>"}),
        ("", {"CURL_CA_BUNDLE": "<here>", "SSL_CERT_FILE": "/x"}, {}),
        ("", {"CONDA_SSL_VERIFY": "no"}, {"verify": False}),
    ],
)
def test_how_the_network_is_used(tmp_path: Path, text: str, env: dict[str, str], expected: dict[str, Any]) -> None:
    here = tmp_path / "ca.pem"
    here.touch()

    def filled(value: Any) -> Any:
        return value.replace("<here>", str(here)).replace("<dir>", str(tmp_path)) if isinstance(value, str) else value

    found = _settings(tmp_path, filled(text), **{name: filled(value) for name, value in env.items()}).network
    plain = Settings(Path("/v")).network
    expected = {name: filled(value) for name, value in expected.items()}
    assert {name: getattr(found, name) for name in plain.__dataclass_fields__} == {
        **{name: getattr(plain, name) for name in plain.__dataclass_fields__},
        **expected,
    }


def test_virtual_packages_of_the_configuration(tmp_path: Path) -> None:
    found = _settings(tmp_path, "override_virtual_packages: {__cuda: '12.4', glibc: 2.28, osx: null}\nsubdir: osx-64\n")
    assert found.overrides == {"cuda": "12.4", "glibc": "2.28", "osx": ""}
    assert found.platform == "osx-64"
    assert found.unheeded == ()
    found = _settings(tmp_path, "override_virtual_packages: {__unix: '1', win: '10.0', mine: '1'}\n")
    assert [name for name, _ in found.unheeded] == [
        "override_virtual_packages: __unix",
        "override_virtual_packages: mine",
    ]


@pytest.mark.parametrize(("solver", "engine"), [("rattler", "rattler"), ("classic", "rattler"), ("nothing", "rattler")])
def test_the_solver_is_an_engine_that_is_here(tmp_path: Path, solver: str, engine: str) -> None:
    found = _settings(tmp_path, f"solver: {solver}\n")
    assert found.engine == engine
    assert bool(found.notes) is (solver != "rattler")


def test_names_need_no_configuration() -> None:
    assert [channel.url for channel in ChannelNames().resolve("conda-forge")] == [
        "https://conda.anaconda.org/conda-forge"
    ]
