"""The priority of channels: what find shows, what create takes, and what it says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    write_channel(
        tmp_path / "hub/first",
        [Package("lib", "1.0"), Package("num", "1.0"), Package("pytorch", "1.0", "cpu_0")],
    )
    write_channel(
        tmp_path / "hub/second",
        [
            Package("lib", "2.0"),
            Package("num", "3.0"),
            Package("app", depends=["lib >=1.5"]),
            Package("pytorch", "2.0", "cpu_0"),
        ],
    )
    write_channel(tmp_path / "hub/third", [Package("lib", "3.0"), Package("only")])
    (shell.home / ".condarc").write_text(
        f"channel_alias: file://{tmp_path}/hub\nchannels: [first, second]\n"
        f"custom_channels: {{renamed: file://{tmp_path}/hub/third/..}}\ndefault_channels: [first, third]\n"
    )
    return shell


def _planned(shell: Shell, *words: str, **env: str) -> dict[str, str]:
    document = shell.ok("create", *words, "-n", "demo", "--dry-run", "--json", **env).json
    return {p["name"]: f"{p['url'].rsplit('/', 3)[-3]} {p['version']}" for p in document["packages"]}


@pytest.mark.parametrize(
    ("priority", "specs", "expected"),
    [
        ("", ["lib"], {"lib": "first 1.0"}),
        ("flexible", ["app", "num"], {"app": "second 1.0", "lib": "second 2.0", "num": "first 1.0"}),
        ("flexible", ["lib>=2"], {"lib": "second 2.0"}),
        ("strict", ["lib"], {"lib": "first 1.0"}),
        ("strict", ["app"], None),
        ("disabled", ["lib", "num"], {"lib": "second 2.0", "num": "second 3.0"}),
        ("flexible", ["pytorch"], {"pytorch": "first 1.0"}),
        ("flexible", ["pytorch>=2"], {"pytorch": "second 2.0"}),
        ("strict", ["pytorch>=2"], None),
        ("disabled", ["pytorch"], {"pytorch": "second 2.0"}),
        # A channel in a spec is never hidden, and is read where no other option names it.
        ("strict", ["second::lib", "app"], {"lib": "second 2.0", "app": "second 1.0"}),
        ("strict", ["second::pytorch"], {"pytorch": "second 2.0"}),
        ("strict", ["third::lib", "app"], {"lib": "third 3.0", "app": "second 1.0"}),
        ("flexible", ["third::only", "lib"], {"only": "third 1.0", "lib": "first 1.0"}),
        ("flexible", ["lib[channel=third]"], {"lib": "third 3.0"}),
        ("flexible", ["third/linux-64::lib"], {"lib": "third 3.0"}),
        ("flexible", ["defaults::lib>=3"], {"lib": "third 3.0"}),
        ("flexible", ["defaults::lib"], {"lib": "first 1.0"}),
    ],
)
def test_where_packages_come_from(
    shell: Shell, priority: str, specs: list[str], expected: dict[str, str] | None
) -> None:
    env = {"CONDA_CHANNEL_PRIORITY": priority} if priority else {}
    if expected is None:
        assert shell.run("create", *specs, "-n", "demo", "--dry-run", **env).code == 1
    else:
        assert _planned(shell, *specs, **env) == expected


def test_a_channel_in_a_spec_by_url(shell: Shell) -> None:
    hub = shell.home.parent / "hub"
    assert _planned(shell, f"file://{hub}/third::lib") == {"lib": "third 3.0"}


def test_the_plan_says_what_comes_from_a_later_channel_and_why(shell: Shell) -> None:
    document = shell.ok("create", "app", "num", "-n", "demo", "--dry-run", "--json").json
    (said,) = [text for text in document["advice"] if "comes from" in text]
    assert said == "lib 2.0 comes from second, not from first: first has it up to 1.0, and app demands lib >=1.5"
    assert said in " ".join(shell.ok("create", "app", "-n", "demo", "--dry-run").out.split())
    assert not any("comes from" in text for text in shell.ok("create", "num", "-n", "demo", "--json").json["advice"])


@pytest.mark.parametrize(
    ("priority", "pick", "hidden"),
    [
        ("flexible", "pytorch-1.0-cpu_0.conda", ["2.0"]),
        ("strict", "pytorch-1.0-cpu_0.conda", ["2.0"]),
        ("disabled", "pytorch-2.0-cpu_0.conda", []),
    ],
)
def test_find_marks_what_priority_leaves_out(shell: Shell, priority: str, pick: str, hidden: list[str]) -> None:
    env = {"CONDA_CHANNEL_PRIORITY": priority}
    document = shell.ok("find", "pytorch", "--json", **env).json
    assert document["pick"] == pick
    assert {build["version"] for build in document["builds"]} == {"1.0", "2.0"}
    marked = {b["version"]: b["envkit"]["hidden_by"] for b in document["builds"] if "hidden_by" in b["envkit"]}
    assert marked == dict.fromkeys(hidden, "first")
    assert ("another channel comes first" in shell.ok("find", "pytorch", **env).out) is bool(hidden)


def test_a_priority_that_is_none(shell: Shell) -> None:
    refused = shell.run("find", "lib", CONDA_CHANNEL_PRIORITY="loose")
    assert refused.code == 2
    assert "flexible, strict or disabled" in refused.err


@pytest.mark.parametrize(
    ("key", "value", "specs", "expected"),
    [
        ("PINNED_PACKAGES", "lib <2&unused >1", ["third::lib>=1", "app"], None),
        ("PINNED_PACKAGES", "num >=3&unused >1", ["num"], {"num": "second 3.0"}),
        ("DISALLOWED_PACKAGES", "lib", ["app"], None),
        ("DISALLOWED_PACKAGES", "lib", ["num"], {"num": "first 1.0"}),
        ("DISALLOWED_PACKAGES", "num<2&other", ["num"], {"num": "second 3.0"}),
        ("DISALLOWED_PACKAGES", "num=1.0=0", ["num"], None),
    ],
)
def test_pinned_and_disallowed_packages(
    shell: Shell, key: str, value: str, specs: list[str], expected: dict[str, str] | None
) -> None:
    env = {f"CONDA_{key}": value}
    if expected is None:
        refused = shell.run("create", *specs, "-n", "demo", "--dry-run", **env)
        assert refused.code == 1, refused.err
    else:
        assert _planned(shell, *specs, **env) == expected
    assert _planned(shell, "lib", CONDA_PINNED_PACKAGES="lib >5", CONDA_IGNORE_PINNED="true") == {"lib": "first 1.0"}
