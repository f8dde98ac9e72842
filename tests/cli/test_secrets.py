"""A secret never reaches a manifest, a record, a cache, JSON, a message or a traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import Envkit, Outcome, serve

from envkit.cli import app
from envkit.models.channel import has_credentials, parse_channel, redact
from envkit.settings import load_settings

TOKEN = "SECRETTOK"
PASSWORD = "PASS-77"


def hidden(*outcomes: Outcome) -> None:
    for outcome in outcomes:
        for secret in (TOKEN, PASSWORD):
            assert secret not in outcome.out + outcome.err


def nowhere(*roots: Path) -> None:
    for root in roots:
        for path in root.rglob("*"):
            for secret in (TOKEN, PASSWORD):
                assert secret not in path.name
                if path.is_file():
                    assert secret.encode() not in path.read_bytes(), path


def test_a_token_below_a_path(envkit: Envkit, tmp_path: Path) -> None:
    """Servers of Anaconda mount conda at /api/repo/t/TOKEN."""
    write_channel(tmp_path / "served/api/repo/t" / TOKEN / "ch", [Package("good", files={"lib/g": b"g"})])
    with serve(tmp_path / "served") as address:
        only = ("-c", f"{address}/api/repo/t/{TOKEN}/ch", "--override-channels")
        found = envkit("find", "good", *only, "--json")
        made = envkit("create", "good", *only, "--persist", tmp_path / "envs", "--json")
        aliased = envkit(
            *("find", "good", "-c", f"t/{TOKEN}/ch", "--override-channels", "--json"),
            env={"CONDA_CHANNEL_ALIAS": f"{address}/api/repo"},
        )
    assert [o.code for o in (found, made, aliased)] == [0, 0, 0], found.out + made.out + aliased.out
    hidden(found, made, aliased)
    nowhere(tmp_path / "envs", Path(os.environ["HOME"]))


@pytest.mark.parametrize(
    "spec",
    [
        f"http://user:{PASSWORD}@h/ch::alpha",
        f"http://h/t/{TOKEN}/ch::alpha",
        f"t/{TOKEN}/ch::alpha",
        f"alpha[channel='https://h/t/{TOKEN}']",
    ],
)
def test_a_spec_holds_no_credentials(envkit: Envkit, tmp_path: Path, spec: str) -> None:
    channel = write_channel(tmp_path / "channel", [Package("alpha", files={"lib/g": b"g"})])
    common = ("-c", channel, "--override-channels", "--persist", tmp_path / "envs", "--json")
    assert envkit("create", "alpha", "-n", "a", *common).code == 0
    (tmp_path / "environment.yml").write_text(f'dependencies: ["{spec}"]\n')
    outcomes = (
        envkit("find", spec, "--json"),
        envkit("find", spec),
        envkit("create", spec, "-n", "b", *common),
        envkit("create", "-f", "environment.yml", "-n", "c", *common),
        envkit("install", "-n", "a", spec, "-c", channel, "--persist", tmp_path / "envs", "--json"),
        envkit("upgrade", "-n", "a", spec, "-c", channel, "--persist", tmp_path / "envs", "--json"),
    )
    assert [o.code for o in outcomes] == [2] * 6, outcomes
    for outcome in outcomes[2:]:
        assert outcome.json["error"]["code"] == "bad-spec"
        assert "-c" in outcome.json["error"]["hint"]
    hidden(*outcomes)
    nowhere(tmp_path / "envs", Path(os.environ["HOME"]))


@pytest.mark.parametrize(
    "text",
    [
        f"token: '{PASSWORD}\nother: 1\n",
        f"a: {PASSWORD}\na: {PASSWORD}\n",
        f"a: *{PASSWORD}\n",
        f"a: !{PASSWORD} x\n",
        f"channels: [https://u:{PASSWORD}@h/x\nb: 1\n",
        f'a: "\\q{PASSWORD}"\n',
    ],
)
def test_a_broken_file_is_not_quoted(envkit: Envkit, tmp_path: Path, text: str) -> None:
    Path(os.environ["HOME"], ".condarc").write_text(text)
    (tmp_path / "environment.yml").write_text(text)
    settings = envkit("volume", "--json")
    Path(os.environ["HOME"], ".condarc").unlink()
    recipe = envkit("create", "--json")
    assert (settings.code, recipe.code) == (2, 2)
    assert "line " in settings.json["error"]["message"] or "no meaning" in settings.json["error"]["message"]
    hidden(settings, recipe)


def test_the_volume_report_is_redacted(envkit: Envkit) -> None:
    env = {
        "CONDA_CHANNELS": f"https://u:{PASSWORD}@h/ch,https://h/t/{TOKEN}",
        "CONDA_CHANNEL_ALIAS": f"https://u:{PASSWORD}@h",
    }
    plain, as_json = envkit("volume", env=env), envkit("volume", "--json", env=env)
    assert plain.code == as_json.code == 0
    assert "https://***@h/ch" in as_json.out
    hidden(plain, as_json)


def test_a_comma_in_a_password_splits_no_url(envkit: Envkit) -> None:
    urls = [f"http://u:{PASSWORD},{TOKEN},@127.0.0.1:9/ch", "file:///srv/other", f"http://u:{PASSWORD}"]
    env = {"CONDA_CHANNELS": f"{urls[0]}, {urls[1]},,"}
    assert load_settings(env=env).channels == (urls[0], urls[1])
    assert load_settings(env={"CONDA_CHANNELS": "https://h,https://u:p@b"}).channels == ("https://h", "https://u:p@b")
    refused, broken = envkit("find", "x", env=env), envkit("find", "x", env={"CONDA_CHANNELS": ",".join(urls[1:])})
    assert (refused.code, broken.code) == (5, 2)
    assert "127.0.0.1:9/ch" in refused.err or "/srv/other" in refused.err  # whichever was asked first
    hidden(refused, broken, envkit("volume", "--json", env=env))


@pytest.mark.parametrize(
    "text",
    [
        f"https://h/t/{TOKEN}",
        f"https://h/api/t/{TOKEN}/x",
        f"'https://h/t/{TOKEN}'",
        f"https://u:{PASSWORD}@h",
        f"https://u:p@{PASSWORD}@h/x",
    ],
)
def test_redaction(text: str) -> None:
    assert TOKEN not in redact(text)
    assert PASSWORD not in redact(text)
    assert has_credentials(text)


@pytest.mark.parametrize("text", ["pytorch>=2", "conda-forge::pytorch", "file:///srv/t/x::a", "/srv/t/x::a"])
def test_what_holds_none(text: str) -> None:
    assert not has_credentials(text)


@pytest.mark.parametrize(
    "text",
    [
        f"https://u:{PASSWORD} x@h/c",
        f"https://u:{PASSWORD}\u2100@h/c",
        f"ftp://u:{PASSWORD}@h",
        f"https://[u:{PASSWORD}@h",
        f"https://u:{PASSWORD}",
        f"https://u:{PASSWORD}/c",
    ],
)
def test_what_is_no_channel_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="not a channel") as caught:
        parse_channel(text)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_tokens_go_back_where_they_were() -> None:
    for url in (f"https://h/api/t/{TOKEN}/ch", f"https://h/t/{TOKEN}/ch", f"https://h/t/{TOKEN}"):
        assert parse_channel(url).secret_url == url
    assert parse_channel("file:///srv/t/ch").url == "file:///srv/t/ch"


def test_a_bug_is_told_without_secrets(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(_: object) -> None:
        raise RuntimeError(f"https://u:{PASSWORD}@h/t/{TOKEN}")

    monkeypatch.setattr(app, "_call", broken)
    assert app._run(["find", "x", "--json"]) == 70
    said = capfd.readouterr()
    hidden(Outcome(70, said.out, said.err))
    error = Outcome(70, said.out, said.err).json["error"]
    assert (error["code"], error["message"]) == ("bug", "RuntimeError: https://***@h/t/***")
    assert "Traceback" in said.err
