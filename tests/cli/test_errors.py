"""Every way it goes wrong: a clear message, a hint, its documented exit code, no traceback, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels import Package, archive, write_channel, write_index
from harness import Envkit, Outcome, serve
from mounts import mounted

PACKAGES = [
    Package("good", files={"lib/good.txt": b"good"}),
    Package("parent", files={"lib/x": b""}, paths=[{"_path": "../evil", "path_type": "hardlink"}]),
    Package("absolute", files={"lib/x": b""}, paths=[{"_path": "/evil", "path_type": "hardlink"}]),
    Package("records", files={"conda-meta/x.json": b"{}"}),
    Package("linkout", files={"lib/x": "../../outside"}),
    Package("linkabs", files={"lib/x": "/etc/passwd"}),
    Package(
        "command",
        noarch="python",
        files={"site-packages/c.py": b""},
        link={"noarch": {"type": "python", "entry_points": ["../evil = c:main"]}, "package_metadata_version": 1},
    ),
    Package("points", noarch="python", link={"noarch": {"type": "python", "entry_points": 5}}),
    Package("hook", files={"etc/conda/activate.d/~~envkit.sh": b"true"}),
    Package("file", files={"etc": b""}),
    Package("needs", depends=["absent >=3"]),
]
OUT = "x/../../../evil"  # within the directory of the test, should it ever be followed


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    folder = write_channel(tmp_path / "channel", PACKAGES)
    damaged = folder / "linux-64" / "damaged-1.0-0.conda"
    data, record = archive(Package("damaged", files={"lib/d": b"d" * 500}))
    damaged.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    records: dict[str, dict[str, Any]] = {p.subdir: {} for p in PACKAGES}
    for package in PACKAGES:
        records[package.subdir][f"{package.stem}.conda"] = archive(package)[1]
    records["linux-64"]["damaged-1.0-0.conda"] = record
    records["linux-64"]["gone-1.0-0.conda"] = {**record, "name": "gone"}
    unhashed = {k: v for k, v in record.items() if k not in {"sha256", "md5"}}
    records["linux-64"]["unhashed-1.0-0.conda"] = {**unhashed, "name": "unhashed"}
    data, record = archive(Package("out", files={"lib/x": b""}, record={"build": OUT}))
    (folder / "linux-64" / "out-1.0-x").mkdir()
    records["linux-64"][f"out-1.0-{OUT}.conda"] = record
    site = Package("site", record={"python_site_packages_path": "../../evil"})
    (folder / "linux-64" / f"{site.stem}.conda").write_bytes(archive(site)[0])
    records["linux-64"][f"{site.stem}.conda"] = archive(site)[1]
    write_index(folder, records)
    target = folder / "linux-64" / f"out-1.0-{OUT}.conda"
    target.resolve().write_bytes(data)
    return folder


@pytest.fixture(params=["http", "file"])
def url(request: pytest.FixtureRequest, channel: Path) -> Iterator[str]:
    if request.param == "file":
        yield channel.as_uri()
        return
    with serve(channel) as address:
        yield address


def refused(outcome: Outcome, code: int, kind: str, *words: str) -> None:
    assert outcome.code == code, outcome.out + outcome.err
    assert "Traceback" not in outcome.err
    if outcome.out:
        error = outcome.json["error"]
        assert error["code"] == kind
        assert error["hint"]
        text = error["message"]
    else:
        text = outcome.err
        assert f"error ({kind})" in text
        assert " hint " in text
    for word in words:
        assert word in text


def nothing_left(volume: Path) -> None:
    """A volume without environments, generations, leases and downloads; it may not even be there."""
    assert not volume.exists() or {p.name for p in volume.iterdir()} <= {".envkit", "env.sh"}
    for folder in ("g", "leases", "trash", "pkgs/.incoming"):
        assert not list((volume / ".envkit" / folder).glob("*"))


@pytest.mark.parametrize(
    ("package", "code", "kind", "word"),
    [
        ("damaged", 6, "integrity", "sha256"),
        ("unhashed", 6, "integrity", "no sha256"),
        ("parent", 6, "integrity", "'../evil' leads out of the prefix"),
        ("absolute", 6, "integrity", "'/evil' is an absolute path"),
        ("records", 6, "integrity", "records of the environment"),
        ("linkout", 6, "integrity", "links out of the prefix"),
        ("linkabs", 6, "integrity", "absolute path"),
        ("command", 6, "integrity", "entry point"),
        ("points", 6, "integrity", "no list of entry points"),
        ("hook", 6, "integrity", "records of the environment"),
        ("file", 6, "integrity", "needs a directory"),
        ("out", 6, "integrity", "evil' is not one plain word"),
        ("site", 6, "integrity", "python_site_packages_path '../../evil'"),
        ("gone", 5, "channel", "gone-1.0-0.conda"),
        ("needs", 1, "unsatisfiable", "absent >=3"),
        ("absent", 1, "unsatisfiable", "absent"),
    ],
)
def test_package(envkit: Envkit, url: str, tmp_path: Path, package: str, code: int, kind: str, word: str) -> None:
    volume = tmp_path / "envs"
    made = envkit("create", package, "--persist", volume, "-c", url, "--override-channels", "--json")
    refused(made, code, kind, word)
    nothing_left(volume)
    assert not (tmp_path / "evil").exists()
    assert not Path("/evil").exists()


def test_hostile_text_in_an_index_is_shown_as_it_is(envkit: Envkit, tmp_path: Path) -> None:
    package = Package("odd", files={"lib/a": b""})
    depends = ["python [red]", "__glibc >=[link=x]", "cuda-version [bold]"]
    record = {**archive(package)[1], "build": "[red]0[bold]", "depends": depends, "license": "\u001b[31m"}
    # The engine takes the build from the file's name where the two differ.
    write_index(tmp_path / "channel", {"linux-64": {"odd-1.0-[red]0[bold].conda": record}, "noarch": {}})
    found = envkit("find", "odd", "-c", tmp_path / "channel", "--override-channels", "--all", "--why")
    assert "Traceback" not in found.err
    assert "\u001b" not in found.out + found.err
    assert "[red]0[bold]" in found.out, found.out + found.err


def test_unreachable_channel(envkit: Envkit, tmp_path: Path) -> None:
    refused(
        envkit(
            "create", "good", "-c", "http://127.0.0.1:9/none", "--override-channels", "--persist", tmp_path / "envs"
        ),
        *(5, "channel", "127.0.0.1:9", "--offline"),
    )
    assert not (tmp_path / "envs").exists()


def test_no_such_channel(envkit: Envkit, tmp_path: Path) -> None:
    refused(envkit("find", "good", "-c", tmp_path / "none", "--override-channels", "--json"), 5, "channel", "none")


@pytest.mark.parametrize("index", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"packages": 3}'])
def test_broken_index(envkit: Envkit, tmp_path: Path, index: bytes) -> None:
    for subdir in ("linux-64", "noarch"):
        (tmp_path / "channel" / subdir).mkdir(parents=True)
        (tmp_path / "channel" / subdir / "repodata.json").write_bytes(index)
    found = envkit("find", "good", "-c", tmp_path / "channel", "--override-channels", "--json")
    assert found.code in {1, 5}, found.out
    assert found.json["error"]["hint"]


def test_unknown_package(envkit: Envkit, url: str) -> None:
    refused(envkit("find", "nothing", "-c", url, "--override-channels"), 1, "package-not-found", "nothing")


@pytest.mark.parametrize("spec", ["good>>=1", "", "=", "good[version"])
def test_bad_spec(envkit: Envkit, channel: Path, spec: str) -> None:
    refused(envkit("find", spec, "-c", channel, "--override-channels", "--json"), 2, "bad-spec")


def test_volume_whose_mount_is_missing(envkit: Envkit, channel: Path, tmp_path: Path) -> None:
    made = envkit("create", "good", "-c", channel, "--override-channels", "--persist", tmp_path / "mnt" / "envs")
    refused(made, 7, "volume", "mnt")
    assert not (tmp_path / "mnt").exists()


def test_volume_that_is_a_file(envkit: Envkit, channel: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    refused(envkit("create", "good", "-c", channel, "--override-channels", "--persist", tmp_path / "file"), 7, "volume")
    assert (tmp_path / "file").read_text() == "precious"


def test_unwritable_volume(envkit: Envkit, channel: Path) -> None:
    refused(envkit("create", "good", "-c", channel, "--override-channels", "--persist", "/proc/envs"), 7, "volume")


def test_full_volume(envkit: Envkit, tmp_path: Path) -> None:
    """A tmpfs of 2 MB: too little for the package, seen before the download."""
    write_channel(tmp_path / "channel", [Package("big", files={"lib/big": os.urandom(3_000_000)})])
    with mounted(tmp_path / "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs") as mount:
        made = envkit("create", "big", "-c", tmp_path / "channel", "--override-channels", "--persist", mount / "envs")
        refused(made, 7, "no-space", "MB free")
        nothing_left(mount / "envs")


@pytest.mark.parametrize("command", [("show", "none"), ("validate", "none"), ("run", "none", "--", "true")])
def test_unknown_environment(envkit: Envkit, channel: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    volume = tmp_path / "envs"
    assert envkit("create", "good", "-c", channel, "--override-channels", "--persist", volume).code == 0
    name, *rest = command
    refused(envkit(name, "--persist", volume, *rest), 1, "unknown-environment", "none", "good")


def test_prefix_that_is_no_environment(envkit: Envkit, tmp_path: Path) -> None:
    refused(envkit("validate", tmp_path, "--json"), 1, "unknown-environment", "bin/python")


def test_foreign_environment_is_not_touched(envkit: Envkit, channel: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "envs" / "train" / "conda-meta"
    theirs.mkdir(parents=True)
    made = envkit(
        *("create", "good", "-n", "train", "-c", channel, "--override-channels", "--persist", tmp_path / "envs"),
        *("--replace", "--json"),
    )
    refused(made, 2, "environment-exists", "train")
    assert theirs.is_dir()


def test_another_request_of_the_same_name(envkit: Envkit, channel: Path, tmp_path: Path) -> None:
    common = ("-n", "train", "-c", channel, "--override-channels", "--persist", tmp_path / "envs", "--json")
    first = envkit("create", "good", *common)
    assert first.code == 0, first.out
    second = envkit("create", "good=1.0", *common)
    refused(second, 2, "environment-exists", "good", "good=1.0")
    third = envkit("create", "good=1.0", "--replace", *common)
    assert third.code == 0
    assert third.json["prefix"] != first.json["prefix"]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("frobnicate",), "usage"),
        (("create", "--frobnicate"), "usage"),
        (("find",), "usage"),
        (("find", "good", "--cuda", "banana"), "usage"),
        (("find", "good", "--python", "three"), "usage"),
        (("find", "good", "--gpu", "banana"), "usage"),
        (("find", "good", "--driver", "banana"), "usage"),
        (("find", "good", "--platform", "banana"), "usage"),
        (("find", "good", "--limit", "0"), "usage"),
        (("find", "good", "--override-channels"), "bad-setting"),
        (("find", "good", "-c", "ht tp://x"), "bad-setting"),
        (("create", "good", "-n", "base"), "usage"),
        (("create", "good", "-n", "../up"), "usage"),
        (("create", "-f", "none.yml"), "bad-recipe"),
        (("create", "--recipe", "none"), "bad-recipe"),
    ],
)
def test_usage(envkit: Envkit, arguments: tuple[str, ...], kind: str) -> None:
    refused(envkit(*arguments), 2, kind)
    as_json = envkit(*arguments, "--json")
    refused(as_json, 2, kind)
    assert json.loads(as_json.out)["schema_version"] == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b"dependencies: 3",
        b"dependencies: []",
        b"dependencies: [{conda: x}]",
        b"dependencies: [python]\nchannels: x",
        b"a: &a [*a]",
        b"dependencies: [" + b"x," * 600_000 + b"]",
        b"name: [",
    ],
)
def test_broken_environment_file(envkit: Envkit, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "environment.yml").write_bytes(text)
    refused(envkit("create", "--json"), 2, "bad-recipe", "environment.yml")


def test_contradicting_variables(envkit: Envkit) -> None:
    refused(
        envkit("list", env={"CONDA_ENVS_DIRS": "/a", "CONDA_ENVS_PATH": "/b"}),
        *(2, "bad-setting", "CONDA_ENVS_DIRS", "CONDA_ENVS_PATH"),
    )


def test_a_closed_pipe_is_no_error(envkit: Envkit, channel: Path) -> None:
    assert envkit("find", "good", "-c", channel, "--override-channels").code == 0
    shell = f"{sys.executable} -m envkit find good -c {channel} --override-channels | true"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_secrets_stay_secret(envkit: Envkit, tmp_path: Path) -> None:
    """A token in a channel URL is in no output, no manifest, no record and no cache."""
    write_channel(tmp_path / "served" / "t" / "TOKEN-1234" / "private", [Package("good", files={"lib/g": b"g"})])
    with serve(tmp_path / "served") as address:
        channel = f"{address}/t/TOKEN-1234/private"
        only = ("-c", channel, "--override-channels")
        found = envkit("find", "good", *only, "--json")
        made = envkit("create", "good", *only, "--persist", tmp_path / "envs", "--json")
        wrong = envkit("find", "good", "-c", f"{address}/t/TOKEN-1234/none", "--override-channels")
    assert found.code == made.code == 0, made.out
    outputs = "".join(o.out + o.err for o in (found, made, wrong))
    assert "TOKEN-1234" not in outputs
    home = Path(os.environ["HOME"])
    for root in (tmp_path / "envs", home):
        for path in root.rglob("*"):
            assert "TOKEN-1234" not in path.name
            if path.is_file():
                assert b"TOKEN-1234" not in path.read_bytes(), path
