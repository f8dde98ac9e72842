"""What conda does by its configuration at create and install: default packages, cutoffs, pins, copies."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from channels import Package
from harness import Shell

DAY_MS = 86_400_000


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    now = int(time.time() * 1000)
    shell.publish(
        *(
            Package("app", f"{major}.0", depends=["lib"], files={"lib/app.txt": b"%d" % major}, timestamp=when)
            for major, when in ((1, 1_700_000_000_000), (2, now - 20 * DAY_MS), (3, now - 2 * DAY_MS))
        ),
        *(Package("lib", f"{major}.0", files={"lib/lib.txt": b"%d" % major}) for major in (1, 2, 3)),
        Package("pip", "1.0", noarch="generic"),
    )
    return shell


def _condarc(shell: Shell, text: str) -> None:
    (shell.home / ".condarc").write_text(text)


def _words(shell: Shell, *more: str) -> tuple[str, ...]:
    return ("-c", str(shell.channel), "--override-channels", "--no-validate", "--json", *more)


def _planned(shell: Shell, *specs: str, more: tuple[str, ...] = (), **variables: str) -> dict[str, str]:
    planned = shell.ok("create", *specs, "-n", "new", *_words(shell, "--dry-run", *more), **variables).json
    return {package["name"]: package["version"] for package in planned["packages"]}


def test_default_packages(shell: Shell, tmp_path: Path) -> None:
    _condarc(shell, "create_default_packages: [pip, lib=1]\n")
    assert _planned(shell, "app") == {"app": "3.0", "lib": "1.0", "pip": "1.0"}
    assert _planned(shell, "app", more=("--no-default-packages",)) == {"app": "3.0", "lib": "3.0"}
    assert _planned(shell, "app", "lib=2") == {"app": "3.0", "lib": "2.0", "pip": "1.0"}
    (tmp_path / "environment.yml").write_text("name: filed\ndependencies: [app=2]\n")
    assert _planned(shell, "-f", str(tmp_path / "environment.yml")) == {"app": "2.0", "lib": "1.0", "pip": "1.0"}
    made = shell.ok("create", "app", "-n", "demo", *(word for word in _words(shell) if word != "--json"))
    assert "create_default_packages of" in made.err
    assert "adds pip, lib=1" in made.err
    assert shell.ok("create", "app", "-n", "demo", *_words(shell)).json["reused"] is True
    assert "pip" not in shell.ok("install", "lib=1", "-n", "demo", *_words(shell, "--no-default-packages")).err


@pytest.mark.parametrize(
    ("config", "flags", "version"),
    [
        ("", (), "3.0"),
        ("exclude_newer: 7d", (), "2.0"),
        ("cooldown: P1W", (), "2.0"),
        ("exclude_newer: 2024-01-01", (), "1.0"),
        ("exclude_newer: 7d", ("--exclude-newer", "0"), "3.0"),
        ("exclude_newer: 7d", ("--exclude-newer", "4w"), "1.0"),
        ("exclude_newer: 0", ("--exclude-newer", "864000"), "2.0"),
    ],
)
def test_cutoffs(shell: Shell, config: str, flags: tuple[str, ...], version: str) -> None:
    _condarc(shell, config)
    assert _planned(shell, "app", more=flags)["app"] == version
    found = shell.ok("find", "app", "-c", str(shell.channel), "--override-channels", "--json", *flags).json
    assert found["pick"] == f"app-{version}-0.conda"


def test_a_cutoff_moves_and_is_named(shell: Shell) -> None:
    """An environment that was made with an age is the same request tomorrow."""
    words = _words(shell, "--exclude-newer", "7d")
    shell.ok("create", "app", "-n", "demo", *words)
    assert shell.ok("create", "app", "-n", "demo", *words).json["reused"] is True
    assert shell.ok("upgrade", "-n", "demo", "--json").json["reused"] is True
    _condarc(shell, "exclude_newer: 1999-01-01\n")
    refused = shell.run("find", "app", "-c", str(shell.channel), "--override-channels")
    assert refused.code == 1
    assert f"exclude_newer of {shell.home}/.condarc" in refused.err
    _condarc(shell, "exclude_newer: soon\n")
    refused = shell.run("find", "app")
    assert (refused.code, "neither a date nor an age" in refused.err) == (2, True)


def test_pins_of_an_environment(shell: Shell) -> None:
    shell.ok("create", "app=1", "lib=1", "-n", "demo", *_words(shell))
    pinned = shell.prefix() / "conda-meta/pinned"
    pinned.write_text("# what our plugin needs\nlib <3  # not yet\n\nabsent 1.*\n")
    shell.ok("doctor", "demo")

    def there() -> dict[str, str]:
        return {p["name"]: p["version"] for p in shell.ok("show", "demo", "--json").json["packages"]}

    page = shell.home / "demo.html"
    shell.ok("show", "demo", "--html", str(page))
    assert ">2 packages</h2>" in page.read_text()
    assert "<td>app</td><td>1.0</td>" in page.read_text()
    upgraded = shell.ok("upgrade", "lib>=1", "app>=1", "-n", "demo", "--no-validate").out
    assert there() == {"app": "3.0", "lib": "2.0"}
    assert "lib 3.0 exists; `lib <3` of conda-meta/pinned holds it (--no-pin)" in upgraded
    assert (shell.prefix() / "conda-meta/pinned").read_text() == pinned.read_text()
    assert (shell.prefix() / "conda-meta/pinned") != pinned
    refused = shell.run("install", "lib=3", "-n", "demo")
    assert (refused.code, "Held by `lib <3` of conda-meta/pinned: --no-pin" in refused.err) == (1, True)
    shell.ok("install", "lib=3", "-n", "demo", "--no-validate", "--no-pin")
    assert there()["lib"] == "3.0"
    (shell.prefix() / "conda-meta/pinned").write_text("!!\n")
    refused = shell.run("install", "lib=2", "-n", "demo")
    assert (refused.code, "'!!' is no package specification" in refused.err) == (2, True)


@pytest.mark.parametrize("how", ["flag", "file"])
def test_copies_share_no_file(shell: Shell, how: str) -> None:
    if how == "file":
        _condarc(shell, "always_copy: true\n")
    shell.ok("create", "app", "-n", "demo", *_words(shell, *(("--copy",) if how == "flag" else ())))
    linked = [p for p in shell.prefix().rglob("*") if p.is_file() and not p.is_symlink() and p.stat().st_nlink > 1]
    assert linked == []
    assert (shell.prefix() / "lib/app.txt").read_bytes() == b"3"
    shell.ok("doctor", "demo")
    if how == "flag":
        shell.ok("create", "app", "-n", "linked", *_words(shell))
        assert (shell.prefix("linked") / "lib/app.txt").stat().st_nlink > 1
