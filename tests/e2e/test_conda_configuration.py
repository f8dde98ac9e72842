"""What is configured for conda is obeyed, on the way to real servers: names, proxies, certificates, policies."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority
from channels import Package, write_channel
from harness import ENVKIT, Shell
from recording_server import Recorded, record

SECRET = Package("secret", files={"share/secret": b"x"}, noarch="generic")
PUBLIC = Package("public", files={"share/public": b"x"}, noarch="generic")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell.below(tmp_path)


def _condarc(shell: Shell, text: str) -> None:
    (shell.home / ".condarc").write_text(text)


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Recorded]:
    """The public host; it has a channel of the private one's name too."""
    write_channel(tmp_path / "public/conda-forge", [PUBLIC])
    write_channel(tmp_path / "public/private", [Package("secret", "9.9", files={"share/evil": b"x"}, noarch="generic")])
    with record(tmp_path / "public") as server:
        yield server


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Recorded]:
    write_channel(tmp_path / "corp/private", [SECRET])
    with record(tmp_path / "corp") as server:
        yield server


@pytest.mark.parametrize(
    "config",
    [
        "custom_channels: {private: CORP}",
        "mirrored_channels: {private: [CORP/private]}",
        "custom_channels: {private: CORP}\ncustom_multichannels: {both: [private]}",
        "custom_channels: {private: CORP}\nmigrated_custom_channels: {private: 'http://old.invalid/x'}",
    ],
)
@pytest.mark.parametrize("command", ["find", "create"])
def test_the_name_of_a_private_channel_is_never_asked_at_the_public_host(
    shell: Shell, public: Recorded, private: Recorded, config: str, command: str
) -> None:
    _condarc(shell, f"channel_alias: {public.url}\n{config.replace('CORP', private.url)}\n")
    channel = "both" if "both" in config else "http://old.invalid/x/private" if "migrated" in config else "private"
    words = ["find", "secret"] if command == "find" else ["create", "secret", "-n", "demo", "--no-validate"]
    outcome = shell.ok(*words, "-c", channel, "--json")
    assert private.asked
    assert public.asked == []
    assert "9.9" not in outcome.out


def test_each_channel_of_a_list_is_asked_at_its_own_host(shell: Shell, public: Recorded, private: Recorded) -> None:
    _condarc(
        shell,
        f"channel_alias: {public.url}\ncustom_channels: {{private: {private.url}}}\nchannels: [private, conda-forge]\n",
    )
    shell.ok("create", "secret", "public", "-n", "demo", "--no-validate", "--json")
    assert (shell.prefix() / "share/secret").is_file()
    assert {path.split("/")[1] for path in public.asked} == {"conda-forge"}
    assert {path.split("/")[1] for path in private.asked} == {"private"}


def test_credentials_of_a_private_channel_reach_its_host_alone(
    shell: Shell, public: Recorded, private: Recorded
) -> None:
    corp = private.url.replace("://", "://me:pass%40word@")
    _condarc(
        shell,
        f"channel_alias: {public.url}\ncustom_channels: {{private: '{corp}'}}\nchannels: [private, conda-forge]\n",
    )
    outcome = shell.ok("find", "secret", "--json")
    assert "Basic bWU6cGFzc0B3b3Jk" in {headers.get("authorization") for headers in private.headers}
    assert {headers.get("authorization") for headers in public.headers} == {None}
    assert "pass" not in outcome.out + outcome.err


def test_the_next_mirror_is_asked_where_one_fails(shell: Shell, private: Recorded) -> None:
    _condarc(shell, f"mirrored_channels: {{private: ['http://localhost:9/none', '{private.url}/private']}}\n")
    shell.ok("create", "secret", "-c", "private", "-n", "demo", "--no-validate")
    assert (shell.prefix() / "share/secret").is_file()


def test_a_proxy_of_condarc_is_used(shell: Shell, private: Recorded) -> None:
    _condarc(shell, f"proxy_servers: {{http: '{private.url}'}}\ncustom_channels: {{private: 'http://corp.invalid'}}\n")
    shell.ok("create", "secret", "-c", "private", "-n", "demo", "--no-validate")
    assert private.asked
    assert all(path.startswith("http://corp.invalid/private/") for path in private.asked)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """An authority of the company, and a certificate of localhost with its key."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    return (authority.file, *authority.sign("localhost"))


@pytest.mark.parametrize(
    ("config", "variables", "works"),
    [
        ("", {}, False),
        ("ssl_verify: CA", {}, True),
        ("ssl_verify: false", {}, True),
        ("", {"CONDA_SSL_VERIFY": "CA"}, True),
        ("", {"REQUESTS_CA_BUNDLE": "CA"}, True),
        ("", {"CURL_CA_BUNDLE": "CA"}, True),
        ("", {"SSL_CERT_FILE": "CA"}, True),
        ("ssl_verify: truststore", {"SSL_CERT_FILE": "CA"}, True),
    ],
)
def test_certificates_are_trusted_as_configured(
    shell: Shell,
    tmp_path: Path,
    certificate: tuple[Path, Path, Path],
    config: str,
    variables: dict[str, str],
    works: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):  # this machine's own
        monkeypatch.delenv(name, raising=False)
    authority, *pair = certificate
    write_channel(tmp_path / "corp/private", [SECRET])
    with record(tmp_path / "corp", certificate=(pair[0], pair[1])) as server:
        corp = server.url.replace("://", "://me:pw@")
        _condarc(shell, f"custom_channels: {{private: '{corp}'}}\n{config.replace('CA', str(authority))}\n")
        more = {name: value.replace("CA", str(authority)) for name, value in variables.items()}
        outcome = shell.run("create", "secret", "-c", "private", "-n", "demo", "--no-validate", **more)
        assert outcome.code == (0 if works else 5), outcome.err
        if works:
            assert "Basic bWU6cHc=" in {headers.get("authorization") for headers in server.headers}


def test_offline_of_condarc_asks_nobody(shell: Shell, private: Recorded) -> None:
    _condarc(shell, f"offline: true\ncustom_channels: {{private: '{private.url}'}}\n")
    assert shell.run("find", "secret", "-c", "private").code == 5
    assert private.asked == []


def test_a_channel_that_is_forbidden_is_not_asked(shell: Shell, public: Recorded) -> None:
    _condarc(shell, f"channel_alias: {public.url}\ndenylist_channels: [conda-forge]\n")
    refused = shell.run("find", "public", "-c", "conda-forge", "--json")
    assert refused.code == 2
    assert "denylist_channels" in refused.json["error"]["message"]
    _condarc(shell, f"channel_alias: {public.url}\noverride_channels_enabled: false\n")
    refused = shell.run("find", "public", "-c", "conda-forge", "--override-channels", "--json")
    assert refused.code == 2
    assert public.asked == []


def test_what_is_not_obeyed_is_said_once(shell: Shell, public: Recorded) -> None:
    _condarc(shell, f"channel_alias: {public.url}\nchangeps1: false\nchanels: [a]\n")
    first = shell.ok("find", "public", "--json", CONDA_TRACK_FEATURES="a")
    for name in ("changeps1", "track_features", "chanels"):
        assert name in first.err
    assert len(first.err.splitlines()) == 1
    assert shell.ok("find", "public", "--json", CONDA_TRACK_FEATURES="a").err == ""
    assert "changeps1" in shell.ok("find", "public", "--json").err


def test_the_platform_and_virtual_packages_of_condarc(shell: Shell, public: Recorded) -> None:
    _condarc(
        shell,
        f"channel_alias: {public.url}\nsubdir: osx-arm64\n"
        "override_virtual_packages: {cuda: '12.4', cuda_arch: '8.6', linux: '5.4'}\n",
    )
    target = shell.ok("find", "public", "--json").json["target"]
    assert target["subdir"] == "osx-arm64"
    target = shell.ok("find", "public", "--json", CONDA_SUBDIR="linux-64").json["target"]
    assert (target["subdir"], target["driver_cuda"], target["linux"]) == ("linux-64", "12.4", "5.4")
    assert [gpu["compute_capability"] for gpu in target["gpus"]] == ["8.6"]
    # CEP 46: there is no __cuda_arch without __cuda; a variable comes before a file.
    target = shell.ok("find", "public", "--json", CONDA_SUBDIR="linux-64", CONDA_OVERRIDE_CUDA="").json["target"]
    assert (target["driver_cuda"], target["gpus"]) == (None, [])


def test_a_proxy_that_is_down_is_named(shell: Shell, private: Recorded) -> None:
    _condarc(shell, f"custom_channels: {{private: '{private.url}'}}\n")
    refused = shell.run("find", "secret", "-c", "private", HTTP_PROXY="http://me:pw@127.0.0.1:9")
    assert refused.code == 5
    assert "the proxy 127.0.0.1:9 refuses the connection" in refused.err
    assert "proxy_servers" in refused.err
    assert "pw" not in refused.err
    assert private.asked == []
    shell.ok("find", "secret", "-c", "private", "--refresh", HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="localhost")


def test_a_certificate_that_is_not_trusted_names_the_settings(
    shell: Shell, tmp_path: Path, certificate: tuple[Path, Path, Path]
) -> None:
    write_channel(tmp_path / "corp/private", [SECRET])
    with record(tmp_path / "corp", certificate=certificate[1:]) as server:
        refused = shell.run("find", "secret", "-c", f"{server.url}/private")
    assert refused.code == 5
    assert "SSL_CERT_FILE" in refused.err
    assert "ssl_verify" in refused.err


@pytest.mark.parametrize("place", [None, "netrc", "RATTLER_AUTH_FILE", "condarc"])
def test_a_channel_that_wants_a_password_says_where_it_goes(shell: Shell, tmp_path: Path, place: str | None) -> None:
    write_channel(tmp_path / "corp/private", [SECRET])
    with record(tmp_path / "corp", login="me:pw") as server:
        url, env = f"{server.url}/private", {}
        if place == "netrc":
            (shell.home / ".netrc").write_text("machine localhost login me password pw\n")
            (shell.home / ".netrc").chmod(0o600)
        elif place == "RATTLER_AUTH_FILE":
            env = {place: str(tmp_path / "auth.json")}
            (tmp_path / "auth.json").write_text('{"localhost": {"BasicHTTP": {"username": "me", "password": "pw"}}}')
        elif place == "condarc":
            _condarc(shell, f"custom_channels: {{private: '{server.url.replace('://', '://me:pw@')}'}}\n")
        outcome = shell.run("find", "secret", "-c", url, **env)
    if place is not None:
        assert outcome.code == 0, outcome.err
    else:
        assert outcome.code == 5
        for name in ("netrc", "RATTLER_AUTH_FILE", "condarc"):
            assert name in outcome.err


@pytest.mark.parametrize("words", [("find", "pytorch"), ("create", "pytorch", "-n", "demo", "--dry-run")])
def test_signs_of_nvidia_and_a_channel_with_cpu_builds_alone(shell: Shell, words: tuple[str, ...]) -> None:
    write_channel(shell.channel, [Package("pytorch", "2.0", "cpu_0")])
    asked = shell.run(*words, "-c", str(shell.channel), "--json", NVIDIA_VISIBLE_DEVICES="all")
    assert asked.code == 4, asked.out
    assert "--cuda none" in asked.json["error"]["hint"]
    shell.ok(*words, "-c", str(shell.channel), "--cuda", "none", "--json", NVIDIA_VISIBLE_DEVICES="all")


def test_a_server_that_sends_nothing_is_given_up_in_time(shell: Shell) -> None:
    """remote_read_timeout_secs holds for indexes as for packages."""
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, and is never read
        _condarc(shell, f"channel_alias: http://127.0.0.1:{server.getsockname()[1]}\nremote_read_timeout_secs: 2\n")
        said = shell.run("find", "public", "-c", "mine", "--override-channels")
    assert (said.code, "sent next to nothing for 2 s" in said.err) == (5, True), said.err


def test_at_a_terminal_no_word_is_split(shell: Shell) -> None:
    _condarc(shell, "changeps1: false\ntrack_features: [a]\nshow_channel_urls: true\nnotify_outdated_conda: false\n")
    ours, theirs = os.openpty()
    words = [*ENVKIT, "find", "public", "--offline", "-c", str(shell.channel)]
    env = shell.env(COLUMNS="40", CONDA_CHANELS="x")
    subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, check=False)
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    said = said.partition("config show`")[0]
    assert max(map(len, said.splitlines())) <= 40
    for word in ("changeps1", "track_features", "show_channel_urls", "notify_outdated_conda", "CONDA_CHANELS"):
        assert word in said
