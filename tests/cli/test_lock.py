"""lock and create: what is locked here is read by other tools, comes back to the same records, and is installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from channels import Package, archive, write_channel, write_index
from harness import Envkit, serve

from envkit.api.sources import read_source
from envkit.models.inputs import LockFile


def _torch(cuda: str, *, low: str) -> Package:
    build = f"cuda{cuda.replace('.', '')}_py312_h0000000_0"
    return Package("pytorch", "2.8.0", build, depends=[f"__cuda >={low}", f"cuda-version >={cuda},<13", "needed >=1"])


PACKAGES = (
    _torch("12.9", low="12.9"),
    _torch("12.4", low="12.4"),
    Package("pytorch", "2.8.0", "cpu_py312_h0000000_0", depends=["needed >=1", "__glibc >=2.17,<3.0.a0"]),
    *(Package("cuda-version", version, depends=[], constrains=["__cuda >=12"]) for version in ("12.4", "12.9")),
    Package("needed", "1.0", depends=["pure"], files={"lib/needed": b"1"}),
    Package("needed", "1.1", depends=["pure"], files={"lib/needed": b"1.1"}),
    Package("pure", "3.0", noarch="generic", files={"share/pure": b"3"}),
)
MAC = (Package("pytorch", "2.8.0", "cpu_generic_py312_h0000000_0"), Package("needed", "1.0"))
FILE = "name: train\nchannels: [{channel}]\ndependencies:\n- pytorch\n- needed  # [linux]\n"
MACHINES = ("--for", "a100/550", "--for", "h100/580", "--for", "cpu/osx-arm64", "--for", "cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    channel = tmp_path / "channel"
    write_channel(channel, PACKAGES)
    mac = {f"{package.stem}.conda": {**archive(package)[1], "subdir": "osx-arm64"} for package in MAC}
    write_index(channel, {"osx-arm64": mac})
    (tmp_path / "environment.yml").write_text(FILE.format(channel=channel.as_uri()))
    return tmp_path


def lock(envkit: Envkit, *words: str) -> None:
    done = envkit("lock", *words)
    assert done.code == 0, done.out + done.err


def test_one_pixi_lock_for_many_machines(envkit: Envkit, folder: Path) -> None:
    lock(envkit, *MACHINES, "-o", "pixi.lock")
    first = (folder / "pixi.lock").read_bytes()
    lock(envkit, *MACHINES, "-o", "pixi.lock")
    assert (folder / "pixi.lock").read_bytes() == first
    found = read_source(folder / "pixi.lock")
    assert isinstance(found, LockFile)
    parts = {(part.environment, part.platform): part for part in found.parts}
    assert set(parts) == {
        *(("default", "linux-64"), ("default", "osx-arm64"), ("h100-580", "linux-64"), ("cpu", "linux-64")),
    }
    index = json.loads((folder / "channel" / "linux-64" / "repodata.json").read_text())["packages.conda"]
    for record in parts["h100-580", "linux-64"].records:
        if record.subdir == "linux-64":
            listed = index[record.fn]
            assert {key: record.raw.get(key, []) for key in ("depends", "constrains")} == {
                "depends": listed["depends"],
                "constrains": listed["constrains"],
            }
            assert (record.sha256, record.raw["md5"], record.size) == (listed["sha256"], listed["md5"], listed["size"])
    for flags, build in (
        (("--driver", "550", "--gpu", "a100"), "cuda124"),
        (("--driver", "580", "--gpu", "h100"), "cuda129"),
        (("--no-gpu",), "cpu"),
    ):
        planned = envkit("create", "-f", "pixi.lock", "--dry-run", "--json", *flags)
        assert planned.code == 0, planned.out
        assert planned.json["environment"] == "train"
        (torch,) = [package for package in planned.json["packages"] if package["name"] == "pytorch"]
        assert torch["build"].startswith(build)
    said = envkit("create", "-f", "pixi.lock", "--dry-run", "--no-gpu")
    assert "is a pixi.lock: environment cpu for linux-64 is taken" in said.err
    none = envkit("create", "-f", "pixi.lock", "--dry-run", "--platform", "linux-aarch64")
    assert none.code == 4
    assert "is for linux-64, osx-arm64, the target is linux-aarch64" in none.err
    wrong = envkit("create", "-f", "pixi.lock", "--environment", "none", "--dry-run")
    assert wrong.code == 2
    assert "It has default, cpu, h100-580" in wrong.err


def test_a_pool_of_two_platforms_has_a_part_for_each(envkit: Envkit, folder: Path) -> None:
    facts = {"glibc": "2.31", "microarch": "x86_64_v3", "driver_version": None, "driver_cuda": None}
    machines = [
        {"name": name, "schema_version": 1, "facts": {**facts, "subdir": subdir, "gpus": []}}
        for name, subdir in (("a", "linux-64"), ("mac", "osx-arm64"))
    ]
    (folder / "hosts.json").write_text(json.dumps(machines))
    channel = (folder / "channel").as_uri()
    lock(envkit, "pytorch", "-c", channel, "--override-channels", "--hosts", "hosts.json", "-o", "pixi.lock")
    found = read_source(folder / "pixi.lock")
    assert isinstance(found, LockFile)
    assert {(part.environment, part.platform, len(part.records)) for part in found.parts} == {
        ("default", "linux-64", 3),
        ("default", "osx-arm64", 1),
    }


def test_a_file_whose_lines_differ_by_platform_is_refused_for_a_pool_of_both(envkit: Envkit, folder: Path) -> None:
    machines = [
        {"name": name, "schema_version": 1, "facts": {"glibc": "2.31", "subdir": subdir, "gpus": []}}
        for name, subdir in (("a", "linux-64"), ("mac", "osx-arm64"))
    ]
    (folder / "hosts.json").write_text(json.dumps(machines))
    for verb in (("lock", "-o", "pixi.lock"), ("create", "--dry-run")):
        refused = envkit(*verb, "-f", "environment.yml", "--hosts", "hosts.json")
        assert (refused.code, "hold for linux-64 and not for osx-arm64" in refused.err) == (2, True), refused.err
    (folder / "hosts.json").write_text(json.dumps(machines[:1]))
    assert envkit("lock", "-o", "pixi.lock", "-f", "environment.yml", "--hosts", "hosts.json").code == 0


def test_other_formats_hold_one_machine_of_a_platform(envkit: Envkit, folder: Path) -> None:
    lock(envkit, *MACHINES[:4], "-o", "conda-lock.yml")
    lock(envkit, *MACHINES[4:], "-o", "cpu.yml", "--format", "conda-lock")
    lock(envkit, *MACHINES[4:], "-o", "explicit.txt")
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names >= {
        *("conda-lock-a100-550.yml", "conda-lock-h100-580.yml", "cpu.yml"),
        *("explicit-cpu.txt", "explicit-cpu-osx-arm64.txt"),
    }
    for name, platforms in (("conda-lock-a100-550.yml", ["linux-64"]), ("cpu.yml", ["linux-64", "osx-arm64"])):
        found = read_source(folder / name)
        assert isinstance(found, LockFile)
        assert sorted(str(part.platform) for part in found.parts) == platforms
    for name in ("cpu.yml", "explicit-cpu.txt"):
        made = envkit("create", "-f", name, "-n", name.partition(".")[0], "--persist", "envs", "--no-gpu", "--json")
        assert made.code in {0, 3}, made.out + made.err  # these packages hold no Python to validate
        planned = envkit("create", "-f", name, "-n", "x", "--dry-run", "--no-gpu", "--json")
        assert [(p["name"], p["version"]) for p in planned.json["packages"]] == [
            *(("needed", "1.1"), ("pure", "3.0"), ("pytorch", "2.8.0")),
        ]


@pytest.mark.usefixtures("folder")
def test_a_lock_for_other_machines_tells_each_reason_once(envkit: Envkit) -> None:
    lock(envkit, "--for", "a100/550", "--for", "h100/580", "-o", "pixi.lock")
    words = ("create", "--frozen", "-f", "environment.yml", "--no-gpu", "--dry-run")
    refused = envkit(*words, "--json")
    assert refused.code == 4
    message = refused.json["error"]["message"]
    assert "run: pytorch 2.8.0 in environments default, h100-580: " in message
    assert message.count("no usable NVIDIA GPU") == 1
    assert "another --for" in refused.json["error"]["hint"]
    assert envkit(*words, "--no-validate").code == 0


def test_without_a_file_there_is_nothing_to_lock(envkit: Envkit) -> None:
    refused = envkit("lock", "--for", "cpu", "-o", "pixi.lock")
    assert (refused.code, "there is no environment.yml here" in refused.err) == (2, True)


def test_a_lock_has_to_fit_its_file(envkit: Envkit, folder: Path) -> None:
    lock(envkit, "--for", "cpu", "-o", "pixi.lock")
    fits = ("create", "--locked", "--dry-run", "--no-gpu")
    assert envkit("lock", "--check", "-o", "pixi.lock").code == 0
    assert envkit(*fits).code == 0  # ./environment.yml, and the lock beside it
    path = folder / "environment.yml"
    path.write_text("# a remark\n" + path.read_text().replace("name: train", "name: other"))
    assert envkit("lock", "--check", "-o", "pixi.lock").code == 0
    path.write_text(path.read_text() + "- more\n")
    for words in (("lock", "--check", "-o", "pixi.lock"), fits, (*fits, "-f", "pixi.lock")):
        refused = envkit(*words)
        assert refused.code == 2
        assert "new in the file: dependencies: more" in refused.err
    assert envkit("create", "--frozen", "--dry-run", "--no-gpu").code == 0
    other = envkit("lock", "--check", "--for", "a100/550", "-o", "pixi.lock")
    assert other.code == 2


def test_a_lock_of_another_tool_has_to_meet_each_spec(envkit: Envkit, folder: Path) -> None:
    lock(envkit, "--for", "cpu", "-o", "pixi.lock")
    path = folder / "pixi.lock"
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("# envkit"))
    path.write_text(text)
    words = ("create", "--locked", "-f", "environment.yml", "-f", "pixi.lock", "--dry-run", "--no-gpu", "-n", "x")
    assert envkit(*words).code == 0
    (folder / "environment.yml").write_text("dependencies: [needed<1.1]\n")
    refused = envkit(*words)
    assert refused.code == 2
    assert "not met by the lock: needed<1.1 (linux-64)" in refused.err
    kept = envkit("lock", "--for", "cpu", "-o", "pixi.lock")
    assert kept.code == 2
    assert "envkit did not write it" in kept.err
    assert path.read_text() == text


def test_a_lock_is_installed_and_made_once(envkit: Envkit, folder: Path) -> None:
    (folder / "environment.yml").write_text(
        f"name: t\nchannels: ['{(folder / 'channel').as_uri()}']\ndependencies: [needed]\n"
    )
    lock(envkit, "--for", "cpu", "-o", "pixi.lock")
    words = ("create", "-f", "pixi.lock", "--persist", "envs", "--json")
    made = envkit(*words)
    assert made.code == 0, made.out + made.err
    assert (folder / "envs" / "t" / "share" / "pure").read_bytes() == b"3"
    assert made.json["reused"] is False
    assert envkit(*words).json["reused"] is True
    record = json.loads(next((folder / "envs" / "t" / "conda-meta").glob("needed-*.json")).read_text())
    assert record["depends"] == ["pure"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--for", "a100", "-o", "pixi.lock"), "names a GPU and no driver"),
        (("--for", "cpu/550", "-o", "pixi.lock"), "is no machine"),
        (("--for", "a100/550", "--for", "a100/550", "-o", "pixi.lock"), "is given twice"),
        (("--for", "a100/linux-64/osx-64/550", "-o", "pixi.lock"), "is no machine"),
        (("--for", "nonsense/550", "-o", "pixi.lock"), "--for 'nonsense/550': no GPU named"),
        (("-o", "file"), "names no format"),
        (("-o", "file", "--format", "x"), "is not known"),
        (("-f", "none.yml", "-o", "pixi.lock"), "none.yml cannot be read"),
    ],
)
def test_wrong_words(envkit: Envkit, folder: Path, words: tuple[str, ...], said: str) -> None:
    refused = envkit("lock", *words)
    assert refused.code == 2
    assert said in refused.err
    assert {path.name for path in folder.iterdir()} == {"channel", "environment.yml"}


def test_a_lock_holds_no_secret_and_keeps_variables(envkit: Envkit, folder: Path) -> None:
    channel = folder / "channel"
    with serve(channel) as url:
        secret = url.replace("//", "//user:secretpw@")
        (folder / "environment.yml").write_text(
            f"name: t\nchannels: ['{secret}/t/secrettok']\ndependencies: [needed]\nvariables: {{GREETING: hello}}\n"
        )
        shutil.copytree(channel, channel / "t" / "secrettok")
        words = ("lock", "--for", "cpu", "-c", secret, "-o")
        for name in ("pixi.lock", "conda-lock.yml", "explicit.txt"):
            lock(envkit, *words[1:], name)
            assert "secret" not in (folder / name).read_text()
            assert envkit(*words, name, "--check").code == 0
            assert envkit("lock", "--for", "cpu", "-o", name, "--check").code == 2
        made = envkit("create", "-f", "pixi.lock", "-n", "v", "--persist", "envs", "--json")
    assert made.code == 0, made.out + made.err
    assert envkit("show", "v", "--persist", "envs", "--json").json["request"]["variables"] == {"GREETING": "hello"}
