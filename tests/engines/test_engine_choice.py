"""Which engine a command uses: the flag, the variable, the configuration, else the embedded one."""

from __future__ import annotations

from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import Envkit

from envkit.settings import load_settings


def test_flag_over_variable_over_file(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text("engine: conda\n")
    env = {"HOME": str(tmp_path), "ENVKIT_CONFIG": str(config)}
    assert load_settings(env={"HOME": str(tmp_path)}).engine == "rattler"
    from_file = load_settings(env=env)
    assert (from_file.engine, from_file.origins["engine"]) == ("conda", str(config))
    from_variable = load_settings(env={**env, "ENVKIT_ENGINE": "libmamba"})
    assert (from_variable.engine, from_variable.origins["engine"]) == ("libmamba", "ENVKIT_ENGINE")
    from_flag = load_settings(engine="rattler", env={**env, "ENVKIT_ENGINE": "libmamba"})
    assert (from_flag.engine, from_flag.origins["engine"]) == ("rattler", "--engine")


@pytest.mark.usefixtures("no_conda")
@pytest.mark.parametrize("verb", [("find", "lib"), ("create", "lib", "--dry-run")])
def test_an_engine_that_is_not_here_is_a_clear_error(envkit: Envkit, tmp_path: Path, verb: tuple[str, ...]) -> None:
    channel = write_channel(tmp_path / "channel", [Package("lib")])
    words = (*verb, "-c", channel, "--override-channels", "--json")
    env = {"PATH": str(tmp_path)}
    missing = envkit(*words, "--engine", "conda", env=env)
    assert missing.code == 2
    assert missing.json["error"]["code"] == "bad-setting"
    assert "CONDA_EXE" in missing.json["error"]["hint"]
    assert envkit(*words, env={**env, "ENVKIT_ENGINE": "nonsense"}).code == 2
    assert envkit(*words, "--engine", "rattler", env={**env, "ENVKIT_ENGINE": "nonsense"}).code == 0


@pytest.mark.usefixtures("no_conda")
@pytest.mark.parametrize("verb", [("install", "more"), ("uninstall", "lib"), ("upgrade",)])
def test_a_change_takes_an_engine_too(envkit: Envkit, tmp_path: Path, verb: tuple[str, ...]) -> None:
    packages = [Package(name, files={f"lib/{name}": b"1"}) for name in ("app", "lib", "more")]
    channel = write_channel(tmp_path / "channel", packages)
    where = ("--persist", tmp_path / "envs", "--json")
    only = ("-c", channel, "--override-channels")
    assert envkit("create", "app", "lib", "-n", "e", *only, "--no-validate", *where).code == 0
    words = (*verb, "-n", "e", *where)
    missing = envkit(*words, "--engine", "conda", env={"PATH": str(tmp_path)})
    assert (missing.code, missing.json["error"]["code"]) == (2, "bad-setting")
    config = tmp_path / "config.yml"
    config.write_text("engine: nonsense\n")
    env = {"ENVKIT_CONFIG": str(config)}
    assert "nonsense" in envkit(*words, env=env).json["error"]["message"]
    assert "odd" in envkit(*words, env={**env, "ENVKIT_ENGINE": "odd"}).json["error"]["message"]
    assert envkit(*words, "--no-validate", "--engine", "rattler", env={**env, "ENVKIT_ENGINE": "odd"}).code == 0


@pytest.mark.usefixtures("no_conda")
def test_detect_lists_the_engines(envkit: Envkit, tmp_path: Path) -> None:
    engines = envkit("detect", "--json", env={"PATH": str(tmp_path)}).json["engines"]
    assert [engine["name"] for engine in engines] == ["rattler", "libmamba", "conda"]
    assert set(engines[0]) == {"name", "version", "available", "where", "hint"}
    assert engines[0]["available"] is True
    assert engines[2] == {
        "name": "conda",
        "version": None,
        "available": False,
        "where": None,
        "hint": engines[2]["hint"],
    }
    assert "engine rattler" in envkit("detect").out
