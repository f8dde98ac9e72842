"""tree and why: who needs what."""

from __future__ import annotations

from pathlib import Path

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


def test_upgrade_says_what_holds_back(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    names = ("asked", "needed", "needing", "free")
    old = [Package(name, "1.0", files={name: b"1"}) for name in names]
    user = Package("user", "1.0", depends=["needed <2"], files={"user": b"1"})
    base = Package("base", "1.0", files={"base": b"1"})
    shell.publish(*old, user, base)
    shell.create("asked<2", *names[1:], "user", "base=1.0", args=("--no-validate",))
    newer = [Package(name, "2.0", files={name: b"2"}) for name in ("asked", "needed", "free")]
    needing = Package("needing", "2.0", depends=["base >=3"], files={"needing": b"2"})
    shell.publish(*old, user, base, *newer, needing, Package("base", "3.0", files={"base": b"3"}))
    for how in (("--dry-run",), ("--no-validate",), ()):  # planned, made, and nothing left to do
        document = shell.ok("upgrade", "-n", "demo", "--json", *how).json
        assert [(held["code"], held["text"]) for held in document["held"]] == [
            ("held-by-request", "asked 2.0 exists; `asked<2` of the request holds it"),
            ("held-by-request", "base 3.0 exists; `base=1.0` of the request holds it"),
            ("held-by-package", "needed 2.0 exists; user 1.0 needs needed <2"),
            ("held-by-need", "needing 2.0 exists; it needs base >=3, and base 1.0 is there"),
        ]
    assert "`asked<2` of the request holds it" in shell.ok("upgrade", "-n", "demo").out
    assert "held" not in shell.ok("upgrade", "-n", "demo", "free").out


def test_exclude_newer(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    old, new = 1_700_000_000_000, 1_750_000_000_000  # 2023-11-14, 2025-06-15
    shell.publish(
        Package("app", "1.0", depends=["lib"], files={"a": b"1"}, timestamp=old),
        Package("app", "2.0", depends=["lib"], files={"a": b"2"}, timestamp=new),
        Package("lib", "1.0", files={"b": b"1"}, timestamp=old),
        Package("lib", "2.0", files={"b": b"2"}, timestamp=new),
    )
    here = ("-c", str(shell.channel), "--override-channels")
    for when, version in (("2024-01-01", "1.0"), ("2023-11-14", "1.0"), ("2025-07-01T00:00:00Z", "2.0")):
        found = shell.ok("find", "app", *here, "--exclude-newer", when, "--json").json
        assert found["pick"] == f"app-{version}-0.conda"
        planned = shell.ok("create", "app", *here, "--exclude-newer", when, "--dry-run", "--json").json
        assert {package["name"]: package["version"] for package in planned["packages"]} == {
            "app": version,
            "lib": version,
        }
    none = shell.run("find", "app", *here, "--exclude-newer", "2020-01-01")
    assert (none.code, "nothing of app was published until 2020-01-01" in none.err) == (1, True)
    assert shell.run("find", "app", *here, "--exclude-newer", "yesterday").code == 2
    # An environment keeps it: an upgrade stays on that day.
    shell.create("app", args=("--exclude-newer", "2024-01-01", "--no-validate"))
    assert shell.ok("upgrade", "-n", "demo", "--json").json["reused"] is True
    clone = shell.ok("create", "--clone", "demo", "-n", "other", "--no-validate", "--json").json
    assert clone["environment"] == "other"
    refused = shell.run("create", "app", "--clone", "demo", "-n", "third")
    assert (refused.code, "SPEC would have no effect" in refused.err) == (2, True)
