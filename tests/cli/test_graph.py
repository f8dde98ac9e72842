"""tree and why: who needs what."""

from __future__ import annotations

import pytest
from channels import Package
from harness import Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell.below(tmp_path_factory.mktemp("graph"))
    shell.publish(
        Package("app", depends=["lib >=1,<2", "zlib"], files={"a": b"1"}),
        Package("lib", "1.0", depends=["zlib >=1,<2", "core 1.*", "__unix"], files={"b": b"1"}),
        Package("lib", "2.0", depends=["core 1.*"], files={"b": b"2"}),
        Package("core", "1.5", depends=["zlib"], files={"c": b"1"}),
        Package("zlib", "1.5", files={"d": b"1"}),
        Package("round", depends=["robin"]),
        Package("robin", depends=["round"]),
    )
    shell.create("app", args=("--no-validate",))
    return shell


def test_tree_of_an_environment(shell: Shell) -> None:
    said = shell.ok("tree", "demo").out
    assert [line.strip("│├└─ ") for line in said.splitlines()] == [
        *("app 1.0", "lib 1.0", "core 1.5", "zlib 1.5", "zlib 1.5", "zlib 1.5")
    ]
    assert [line.strip("│├└─ ") for line in shell.ok("tree", "demo", "--depth", "1").out.splitlines()] == [
        *("app 1.0", "lib 1.0", "zlib 1.5")
    ]
    document = shell.ok("tree", "-n", "demo", "--json").json
    assert document["roots"] == ["app"]
    assert document["packages"]["lib"]["depends"] == [
        {"name": "core", "spec": "core 1.*"},
        {"name": "zlib", "spec": "zlib >=1,<2"},
    ]


def test_tree_of_a_channel_takes_the_newest(shell: Shell) -> None:
    assert "lib 2.0" in shell.ok("tree", "lib", "-c", str(shell.channel)).out
    assert "lib 1.0" in shell.ok("tree", "lib<2", "-c", str(shell.channel)).out
    circle = shell.ok("tree", "round", "-c", str(shell.channel)).out
    assert circle.count("robin") == 1
    assert "round 1.0 (*)" in circle


def test_why(shell: Shell) -> None:
    document = shell.ok("why", "core", "-n", "demo", "--json").json
    assert document["needed_by"] == [{"name": "lib", "spec": "core 1.*", "version": "1.0"}]
    assert document["chains"] == [["app", "lib", "core"]]
    assert "app > lib > core" in shell.ok("why", "core", "-n", "demo").out
    assert "was asked for" in shell.ok("why", "app", "-n", "demo").out
    users = shell.ok("why", "zlib", "-c", str(shell.channel), "--json").json["needed_by"]
    assert [user["name"] for user in users] == ["app", "core"]  # the newest lib does not need it


@pytest.mark.parametrize(
    ("args", "code", "cure"),
    [
        (("why", "cor", "-n", "demo"), 1, "Did you mean core?"),
        (("tree", "cor", "-c", "CHANNEL"), 1, "Did you mean core?"),
        (("tree",), 2, "-n NAME"),
        (("tree", "-c", "CHANNEL"), 2, "envkit tree pytorch -c conda-forge"),
    ],
)
def test_refusals(shell: Shell, args: tuple[str, ...], code: int, cure: str) -> None:
    said = shell.run(*(str(shell.channel) if word == "CHANNEL" else word for word in args))
    assert said.code == code
    assert cure in said.err
