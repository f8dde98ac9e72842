"""``envkit inspect``: whatever holds GPU code is read, and judged for a machine."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels import Package, write_channel
from gpu_files import Entry, elf, fatbin, library
from harness import Envkit, serve

AMPERE = library(Entry("8.0"), Entry("8.6"))
HOPPER = library(Entry("9.0"), Entry("9.0a"), Entry("9.0", "8.4"))
CPU = elf({".text": b"code"})


def wheel(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


WHEEL = wheel({"mine/_ext.so": AMPERE, "mine/__init__.py": b"", "mine/cpu.so": CPU})
WHEEL_NAME = "mine-1.2-cp311-cp311-linux_x86_64.whl"


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    packages = [
        Package("mine", "1.0", "cuda", files={"lib/libmine.so": AMPERE, "lib/libcpu.so": CPU}),
        Package("mine", "2.0", "cuda", files={"lib/libmine.so": HOPPER}),
        Package("mine", "2.0", "cpu", files={"lib/libmine.so": CPU}),
    ]
    return write_channel(tmp_path / "channel", packages)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / WHEEL_NAME).write_bytes(WHEEL)
    with serve(folder) as url:
        yield url


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_library_by_itself(envkit: Envkit, tmp_path: Path) -> None:
    path = put(tmp_path / "libx.so", HOPPER)
    shown = envkit("inspect", path, "--json")
    assert shown.code == 0
    assert shown.json == {
        "schema_version": 1,
        "what": str(path),
        "kind": "file",
        "place": str(path),
        "libraries": [
            {
                "path": str(path),
                "size": len(HOPPER),
                "sass": {"9.0": 1, "9.0a": 1},
                "ptx": {"9.0": {"count": 1, "isa": "8.4", "driver_cuda": "12.4"}},
                "other": {},
                "package": "",
                "version": "",
                "tier": None,
            }
        ],
        "unreadable": [],
        "verdict": None,
    }


@pytest.mark.parametrize(
    ("flags", "code", "tier"),
    [
        (("--gpu", "h100"), 0, "native"),
        (("--cuda-arch", "9.0", "--cuda-arch", "8.0"), 4, "no"),
        (("--gpu", "a100"), 4, "no"),
        (("--gpu", "b200"), 0, "jit"),
        (("--gpu", "b200", "--driver", "550"), 0, "jit"),
        (("--gpu", "b200", "--driver", "535"), 4, "no"),
    ],
)
def test_the_exit_code_is_the_verdict(
    flags: tuple[str, ...], code: int, tier: str, envkit: Envkit, tmp_path: Path
) -> None:
    path = put(tmp_path / "libx.so", HOPPER)
    shown = envkit("inspect", path, *flags, "--json")
    assert shown.code == code
    verdict = shown.json["verdict"]
    assert (verdict["tier"], verdict["runs"]) == (tier, code == 0)
    assert [found["tier"] for found in shown.json["libraries"]] == [tier]
    assert verdict["packages"][0]["reasons"][0]["text"]


def test_a_wheel_that_dies_with_no_kernel_image_says_so(envkit: Envkit, tmp_path: Path) -> None:
    path = put(tmp_path / WHEEL_NAME, WHEEL)
    shown = envkit("inspect", path, "--gpu", "h100")
    assert shown.code == 4
    assert "_ext.so of mine 1.2 holds 8.0, 8.6: nothing for H100 (9.0)" in shown.out.replace("8.0 8.6", "8.0, 8.6")
    assert "no kernel image is available for execution on the device" in shown.out
    assert "cpu.so" not in shown.out
    assert envkit("inspect", path, "--gpu", "rtx 3090").code == 0


def test_a_url_is_downloaded_once_and_said(envkit: Envkit, server: str) -> None:
    url = f"{server}/{WHEEL_NAME}"
    first = envkit("inspect", url, "--json", "--progress", "lines")
    assert first.code == 0
    assert [found["path"] for found in first.json["libraries"]] == ["mine/_ext.so"]
    assert "kept there for a week" in first.err
    again = envkit("inspect", url, "--offline", "--json", "--progress", "lines")
    assert again.json == first.json
    assert "was downloaded before" in again.err


def test_a_url_with_a_digest_is_verified(envkit: Envkit, server: str) -> None:
    url = f"{server}/{WHEEL_NAME}#sha256="
    assert envkit("inspect", url + hashlib.sha256(WHEEL).hexdigest()).code == 0
    wrong = envkit("inspect", url + "0" * 64)
    assert (wrong.code, "is not what the URL says" in wrong.err) == (6, True)


def test_urls_that_lead_nowhere(envkit: Envkit, server: str) -> None:
    missing = envkit("inspect", f"{server}/other.whl")
    assert (missing.code, "Traceback" in missing.err) == (5, False)
    assert envkit("inspect", f"{server}/{WHEEL_NAME}", "--offline").code == 5
    secret = envkit("inspect", "http://user:hunter2@127.0.0.1:1/x.whl", "--offline")
    assert secret.code == 5
    assert "hunter2" not in secret.out + secret.err


def test_a_package_of_a_channel_is_read_from_its_archive_and_then_known(envkit: Envkit, channel: Path) -> None:
    words = ("inspect", "mine=2.0=cuda", "-c", str(channel), "--gpu", "a100", "--json", "--progress", "lines")
    first = envkit(*words)
    assert first.code == 4
    assert [found["path"] for found in first.json["libraries"]] == ["lib/libmine.so"]
    assert first.json["libraries"][0]["version"] == "2.0"
    again = envkit(*words)
    assert again.json["verdict"] == first.json["verdict"]
    assert "nothing is downloaded" in again.err
    assert envkit("inspect", "mine=2.0=cpu", "-c", str(channel), "--gpu", "a100").code == 0


def test_packages_that_are_several_or_none(envkit: Envkit, channel: Path) -> None:
    several = envkit("inspect", "mine=2.0", "-c", str(channel))
    assert (several.code, "mine=2.0=cuda" in several.err, "mine=2.0=cpu" in several.err) == (2, True, True)
    none = envkit("inspect", "mine=3.0", "-c", str(channel))
    assert (none.code, "envkit find" in none.err and "mine --all" in none.err) == (1, True)


def conda_prefix(root: Path) -> Path:
    put(root / "lib/libmine.so", AMPERE)
    put(root / "lib/stray.so", HOPPER)
    record = {"name": "mine", "version": "1.0", "build": "cuda", "files": ["lib/libmine.so"]}
    put(root / "conda-meta/mine-1.0-cuda.json", json.dumps(record).encode())
    put(root / "conda-meta/broken.json", b"{")
    site = root / "lib/python3.11/site-packages"
    put(site / "theirs/_ext.so", HOPPER)
    put(site / "theirs-2.1.dist-info/RECORD", b"theirs/_ext.so,,\ntheirs/__init__.py,,\n../../../bin/theirs,,\n")
    put(root / "bin/theirs", HOPPER + bytes(8))
    return root


def test_a_prefix_of_anybody_is_told_by_package(envkit: Envkit, tmp_path: Path) -> None:
    prefix = conda_prefix(tmp_path / "env")
    shown = envkit("inspect", prefix, "--json", "--gpu", "h100")
    assert shown.code == 4
    assert {(found["path"], found["package"], found["version"]) for found in shown.json["libraries"]} == {
        ("lib/libmine.so", "mine", "1.0"),
        ("lib/stray.so", "", ""),
        ("lib/python3.11/site-packages/theirs/_ext.so", "theirs", "2.1"),
        ("bin/theirs", "theirs", "2.1"),
    }
    assert {each["package"]: each["tier"] for each in shown.json["verdict"]["packages"]} == {
        "mine 1.0": "no",
        "theirs 2.1": "native",
        "": "native",
    }
    told = envkit("inspect", prefix).out
    assert "mine 1.0" in told
    assert "libmine.so" not in told
    assert "libmine.so" in envkit("inspect", prefix, "--all").out


def test_a_project_of_pixi_and_an_installation_of_conda(envkit: Envkit, tmp_path: Path) -> None:
    for name in ("default", "other"):
        conda_prefix(tmp_path / "project/.pixi/envs" / name)
    found = envkit("inspect", tmp_path / "project", "--json").json["libraries"]
    assert {library["package"] for library in found if library["path"].endswith("libmine.so")} == {"mine"}
    assert len(found) == 8
    conda_prefix(tmp_path / "conda")
    conda_prefix(tmp_path / "conda/envs/other")
    put(tmp_path / "conda/pkgs/mine-1.0-cuda/lib/libmine.so", AMPERE)
    found = envkit("inspect", tmp_path / "conda", "--json").json["libraries"]
    assert [library["path"] for library in found if library["package"] == "mine"] == ["lib/libmine.so"]
    assert {library["path"].partition("/")[0] for library in found} == {"lib", "bin"}


def test_a_venv_and_a_link_to_it(envkit: Envkit, tmp_path: Path) -> None:
    prefix = conda_prefix(tmp_path / "venv")
    (tmp_path / "link").symlink_to(prefix)
    for path in (prefix, tmp_path / "link", prefix / "lib/python3.11/site-packages"):
        found = envkit("inspect", path, "--json").json["libraries"]
        assert "theirs" in {library["package"] for library in found}


def test_an_environment_of_the_volume_by_name(envkit: Envkit, channel: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    made = envkit(
        *("create", "mine=1.0", "-n", "train", "--persist", volume, "-c", channel),
        *("--override-channels", "--no-validate", "--cuda", "none"),
    )
    assert made.code == 0, made.err
    shown = envkit("inspect", "train", "--persist", volume, "--gpu", "h100", "--json")
    assert shown.code == 4
    assert [(found["path"], found["package"]) for found in shown.json["libraries"]] == [("lib/libmine.so", "mine")]
    unknown = envkit("inspect", "tarin", "--persist", volume)
    assert (unknown.code, "train" in unknown.err) == (2, True)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_table_fits_the_terminal(columns: int, envkit: Envkit, tmp_path: Path) -> None:
    entries = [Entry(f"{sm}") for sm in ("7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "10.3", "12.0", "12.1")]
    path = put(tmp_path / "lib.so", library(*entries, Entry("12.0", "9.0")))
    shown = envkit("inspect", path, env={"COLUMNS": str(columns)}).out.splitlines()
    assert max(map(len, shown)) <= columns
    assert all(str(entry.arch) in "\n".join(shown[1:-1]) for entry in entries)


def test_what_holds_no_gpu_code_is_an_answer(envkit: Envkit, tmp_path: Path) -> None:
    for path in (put(tmp_path / "cpu.so", CPU), put(tmp_path / "x-1-py3-none-any.whl", wheel({"x.py": b""})), tmp_path):
        shown = envkit("inspect", path, "--gpu", "h100", "--json")
        assert (shown.code, shown.json["libraries"], shown.json["verdict"]["tier"]) == (0, [], None)
        assert "no GPU code" in envkit("inspect", path).out


def test_what_is_no_library_or_damaged(envkit: Envkit, tmp_path: Path) -> None:
    text = envkit("inspect", put(tmp_path / "x.py", b"print(1)"))
    assert (text.code, "neither a library nor a package" in text.err) == (2, True)
    assert envkit("inspect", "").code == 2
    missing = envkit("inspect", tmp_path / "missing.so")
    assert (missing.code, "nothing to inspect" in missing.err) == (2, True)
    cut = envkit("inspect", put(tmp_path / "cut.so", HOPPER[:-100]))
    assert (cut.code, "damaged or incomplete" in cut.err) == (6, True)
    assert envkit("inspect", put(tmp_path / "cut.whl", WHEEL[:-100])).code == 6
    folder = envkit("inspect", put(tmp_path / "env/cut.so", HOPPER[:-100]).parent, "--json")
    assert (folder.code, [each["path"] for each in folder.json["unreadable"]]) == (6, ["cut.so"])
    driver = envkit("inspect", tmp_path, "--driver", "550")
    assert (driver.code, "--gpu h100" in driver.err) == (2, True)


def test_the_page_is_one_file_that_loads_nothing(envkit: Envkit, tmp_path: Path) -> None:
    name = "<script>alert(1)<script>.so"
    put(tmp_path / "env" / name, HOPPER)
    page = tmp_path / "page.html"
    written = envkit("inspect", tmp_path / "env", "--gpu", "a100", "--html", page)
    assert (written.code, "page.html, to open in a browser" in written.err) == (4, True)
    text = page.read_text()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert "9.0a" in text
    unwritable = envkit("inspect", tmp_path / "env", "--html", tmp_path / "no" / "page.html")
    assert (unwritable.code, "--html" in unwritable.err) == (2, True)


def test_hostile_names_are_shown_without_effect(envkit: Envkit, tmp_path: Path) -> None:
    put(tmp_path / "env" / "lib\x1b[31m[bold]x.so", HOPPER)
    shown = envkit("inspect", tmp_path / "env")
    assert "\x1b" not in shown.out
    assert "[bold]x.so" in shown.out


def test_a_bare_fatbin_in_the_working_directory(envkit: Envkit, tmp_path: Path) -> None:
    put(tmp_path / "k.fatbin", fatbin(Entry("10.0f")))
    assert envkit("inspect", "k.fatbin", "--gpu", "b300", cwd=tmp_path).code == 0
    assert envkit("inspect", "k.fatbin", "--gpu", "rtx 5090", cwd=tmp_path).code == 4
