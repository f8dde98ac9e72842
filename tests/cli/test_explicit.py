"""create -f with an @EXPLICIT file: what is refused, and what is judged all the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from channels import Package, archive
from harness import Envkit, serve

import envkit.api.locked
from envkit.api.create import CreateOptions
from envkit.api.session import Session
from envkit.inputs.explicit import parse_explicit
from envkit.layout import lease
from envkit.layout.gc import CACHE
from envkit.settings import load_settings

GOOD = Package("good", files={"lib/good.txt": b"good"})
NEEDS = Package("needs", files={"lib/x": b""}, depends=["__glibc >=99"])
CPU = Package("pytorch", "2.5.1", "cpu_generic_py312_0", files={"lib/x": b""})
IMPOSTOR = Package("impostor", files={"lib/x": b""}, record={"sha256": "../../x", "url": "file:///x", "fn": "../x"})
JUNK = Package("junk", files={"lib/x": b""}, record={"depends": 5, "timestamp": "x", "build_number": "x"})
POINTS = Package("points", noarch="python", link={"noarch": {"type": "python", "entry_points": 5}})
PATHS = Package("paths", files={"a": b""}, paths=[{"_path": "a", "path_type": "hardlink", "size_in_bytes": "x"}])


def put(folder: Path, package: Package, subdir: str | None = None, url: str | None = None) -> str:
    """Write the archive; return its line."""
    data = archive(package)[0]
    path = folder / (subdir or package.subdir) / f"{package.stem}.conda"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return f"{url or folder.as_uri()}/{path.parent.name}/{path.name}#sha256:{hashlib.sha256(data).hexdigest()}"


def explicit(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "explicit.txt"
    path.write_text("\n".join(["@EXPLICIT", *lines, ""]))
    return path


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--cuda", "12.4"], "--cuda"),
        (["--python", "3.11"], "--python"),
        (["--prefer", "native"], "--prefer"),
        (["--fix"], "--fix"),
        (["-c", "conda-forge", "numpy"], "SPEC, --channel"),
    ],
)
def test_flags_without_effect(envkit: Envkit, tmp_path: Path, flags: Sequence[str], named: str) -> None:
    file = explicit(tmp_path, put(tmp_path / "channel", GOOD))
    made = envkit("create", "-n", "x", "-f", file, "--persist", tmp_path / "envs", *flags)
    assert made.code == 2
    assert f"{named} would have no effect" in " ".join(made.err.split())
    assert not (tmp_path / "envs").exists()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("https://user:secretpw@h.invalid/t/secrettok/my ch/noarch/a-1.0-0.conda#" + "0" * 64, "URL cannot be read"),
        ("https://[bad/ch/noarch/a-1.0-0.conda#" + "0" * 64, "URL cannot be read"),
        ("file:///ch/noarch/a-1.0-x%2f..%2f..%2f..%2fevil.conda#" + "0" * 64, "is not one plain word"),
        ("file:///ch/../a-1.0-0.conda#" + "0" * 64, "subdir '..' is not one plain word"),
        ("file:///ch/noarch/a.conda#" + "0" * 64, "version '' is not one plain word"),
        ("file:///ch/noarch/a-1.0-0.conda#abc", "a hash that is none"),
        ("a-1.0-0.conda#" + "0" * 64, "not the URL"),
    ],
)
def test_bad_lines(envkit: Envkit, tmp_path: Path, line: str, word: str) -> None:
    made = envkit("create", "-n", "x", "-f", explicit(tmp_path, line), "--persist", tmp_path / "envs")
    assert made.code == 2
    shown = " ".join(made.err.split())
    assert word in shown
    assert "explicit.txt:2" in shown
    assert "secret" not in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "envs").exists()


def test_a_file_that_is_no_text(envkit: Envkit, tmp_path: Path) -> None:
    file = tmp_path / "explicit.txt"
    file.write_bytes(b"@EXPLICIT\n\xff\xfe\n")
    made = envkit("create", "-n", "x", "-f", file, "--persist", tmp_path / "envs")
    assert made.code == 2
    assert "not UTF-8" in made.err


@pytest.mark.parametrize("over", ["http", "file"])
def test_a_package_says_only_its_dependencies(envkit: Envkit, tmp_path: Path, over: str) -> None:
    channel = tmp_path / "channel"
    volume = tmp_path / "envs"
    with serve(channel) as address:
        lines = [put(channel, package, url=address if over == "http" else None) for package in (IMPOSTOR, GOOD)]
        made = envkit("create", "-n", "x", "-f", explicit(tmp_path, *lines), "--persist", volume, "--json")
    assert made.code == 0, made.out + made.err
    shown = {p["name"]: p for p in envkit("show", "x", "--persist", volume, "--json").json["packages"]}
    assert set(shown) == {"good", "impostor"}
    assert (volume / "x" / "lib" / "good.txt").read_bytes() == b"good"


@pytest.mark.parametrize(
    ("package", "word"),
    [
        (POINTS, "no list of entry points"),
        (JUNK, "info/index.json cannot be read"),
        (PATHS, "info/paths.json cannot be read"),
    ],
)
def test_packages_that_cannot_be_read(envkit: Envkit, tmp_path: Path, package: Package, word: str) -> None:
    file = explicit(tmp_path, put(tmp_path / "channel", package))
    made = envkit("create", "-n", "x", "-f", file, "--persist", tmp_path / "envs")
    assert made.code == 6, made.out + made.err
    assert word in " ".join(made.err.split())
    assert "Traceback" not in made.err


def test_what_would_not_run_is_refused(envkit: Envkit, tmp_path: Path) -> None:
    file = explicit(tmp_path, put(tmp_path / "channel", NEEDS))
    volume = tmp_path / "envs"
    made = envkit("create", "-n", "x", "-f", file, "--persist", volume, "--json")
    assert made.code == 4, made.out + made.err
    assert "glibc" in made.json["error"]["message"]
    assert not (volume / "x").exists()
    assert envkit("create", "-n", "x", "-f", file, "--persist", volume, "--no-validate").code == 0


def test_packages_of_another_platform_are_refused(envkit: Envkit, tmp_path: Path) -> None:
    file = explicit(tmp_path, put(tmp_path / "channel", GOOD, "osx-arm64"))
    made = envkit("create", "-n", "x", "-f", file, "--persist", tmp_path / "envs", "--json")
    assert made.code == 4, made.out + made.err
    assert "it is for osx-arm64" in made.json["error"]["message"]


def test_a_cpu_build_that_is_listed_is_wanted(tmp_path: Path, envkit: Envkit) -> None:
    file = explicit(tmp_path, put(tmp_path / "channel", CPU))
    made = envkit(
        "create", "-n", "x", "-f", file, "--persist", tmp_path / "envs", "--json", env={"CONDA_OVERRIDE_CUDA": "12.4"}
    )
    assert "CUDA was asked for" not in made.out + made.err
    assert made.code != 4, made.out + made.err


def test_a_required_gpu_is_required(envkit: Envkit, tmp_path: Path) -> None:
    file = explicit(tmp_path, put(tmp_path / "channel", GOOD))
    command = ("create", "-n", "x", "-f", file, "--persist", tmp_path / "envs", "--require-gpu")
    assert envkit(*command).code in {3, 4}
    assert not (tmp_path / "envs" / "x").exists()
    assert envkit(*command, "--no-validate").code == 2


def test_clean_takes_nothing_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []

    def fetched(volume: object, *_: object, **__: object) -> None:
        held.append(lease.is_held(volume, CACHE))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(envkit.api.locked, "fetch", fetched)
    file = explicit(tmp_path, put(tmp_path / "channel", GOOD))
    with pytest.raises(KeyboardInterrupt):
        envkit.api.locked.create_locked(
            Session(load_settings(persist=tmp_path / "envs")),
            "x",
            parse_explicit(file.read_bytes(), file).parts[0],
            CreateOptions(),
        )
    assert held == [True]
