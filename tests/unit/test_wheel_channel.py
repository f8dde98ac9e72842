"""The pure parts of scripts/wheel_channel.py: specs, markers, tags, schemes, packages and refusals."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import sys
import tarfile
import zipfile
from importlib.util import source_from_cache as cache_source
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.version import Version
from rattler import IndexJson, MatchSpec, PathsJson, VersionSpec
from rattler import Version as CondaVersion
from rattler.package_streaming import extract
from wheel_channel import main
from wheel_factory import write_wheel
from wheelchannel import specs
from wheelchannel.artifact import PLACEHOLDER, Entry, Package, read_record, write_package
from wheelchannel.channel import publish
from wheelchannel.cuda import toolkit_of, version_package
from wheelchannel.errors import ChannelError
from wheelchannel.interpreter import Interpreter, parse_interpreter
from wheelchannel.pip import explain_failure, parse_requirements
from wheelchannel.relocation import scrub
from wheelchannel.unpack import Layout, build_package
from wheelchannel.wheels import Kind, Wheel, check_cpu_only, classify_wheel, plan_package

from envkit.builds.classify import classify
from envkit.builds.dependency import spec_matches
from envkit.builds.record import record_from_repodata
from envkit.models.spec import parse_match_spec
from envkit.models.version import CudaVersion
from envkit.probes import bytecode

PY311 = Interpreter("3.11.7", Path("/somewhere"), "linux-64", 1_700_000_000)
ENVIRONMENT = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1",
    "platform_system": "Linux",
    "platform_version": "#1",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
}
FACTS: dict[str, object] = {
    "version": "3.11.7",
    "implementation": "cpython",
    "platform": "linux",
    "machine": "aarch64",
    "libc": "glibc",
    "base_prefix": "/somewhere",
    "build": "May 9 2026 07:35:25",
    "schemes": ["posix_prefix", "venv"],
    "free_threaded": False,
    "stdlib": "/somewhere/lib/python3.11",
    "release_level": "final",
}


# Versions and specifiers.

releases = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
long_releases = st.lists(st.integers(0, 3), min_size=2, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
clauses = st.one_of(
    st.builds(str.__add__, st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "==="]), releases),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), releases),
    st.builds("~={}".format, long_releases),
)
specifier_sets = st.lists(clauses, min_size=1, max_size=3).map(",".join).map(SpecifierSet)


@given(specifier_sets, releases)
def test_a_final_version_satisfies_the_conda_spec_exactly_when_it_satisfies_pep_440(
    specifiers: SpecifierSet, version: str
) -> None:
    arbitrary = {specifier.version for specifier in specifiers if specifier.operator == "==="}
    # PEP 440's === compares text: 1.0 is not 1. conda has no such comparison.
    assume(len({Version(text) for text in arbitrary}) == len(arbitrary))
    version = next((text for text in arbitrary if Version(text) == Version(version)), version)
    converted = specs.version_spec(specifiers)
    assert VersionSpec(converted).matches(CondaVersion(version)) == specifiers.contains(version)


@given(releases, st.sampled_from(["a1", "b2", "rc1", ".dev3"]))
def test_what_comes_before_a_release_is_not_less_than_it(release: str, suffix: str) -> None:
    converted = specs.version_spec(SpecifierSet(f"<{release}"))
    assert not VersionSpec(converted).matches(CondaVersion(release + suffix))


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("numpy", "numpy"),
        ("numpy>=1.21,<3", "numpy >=1.21,<3a0"),
        ("numpy!=2.0.*,>=1.21", "numpy >=1.21,!=2.0.*"),
        ("Typing.Extensions~=4.10", "typing_extensions >=4.10,4.*"),
        ("x~=1!2.2.post3", "x >=1!2.2.post3,1!2.*"),
        ("x==1.0rc1", "x ==1.0rc1"),
        ("x<2rc1", "x <2rc1"),
        ("torch==2.13.0+cpu", "pytorch ==2.13.0"),
        ("x===1.0+local", "x ==1.0"),
        ("jupyter-client[test]>=6", "jupyter_client >=6"),
        ("Foo_Bar", "foo-bar"),
    ],
)
def test_requirements_become_match_specs(requirement: str, expected: str) -> None:
    spec = specs.match_spec(Requirement(requirement))
    assert spec == expected
    assert MatchSpec(spec).name is not None


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.13.0+cpu", "2.13.0"), ("1.0-RC.1", "1.0rc1"), ("1!2.0.post3.dev4", "1!2.0.post3.dev4")],
)
def test_versions_are_canonical_and_lose_their_local_part(version: str, expected: str) -> None:
    assert specs.conda_version(version) == expected
    assert str(CondaVersion(expected)) == expected


# Markers and extras.


def test_markers_choose_requirements() -> None:
    lines = ["a; python_version<'3.11'", "b; python_version>='3.11'", "c; extra=='x'", "d; sys_platform=='win32'", "e"]
    names = [requirement.name for requirement in specs.active_requirements(lines, ENVIRONMENT, [])]
    assert names == ["b", "e"]
    names = [requirement.name for requirement in specs.active_requirements(lines, ENVIRONMENT, ["x"])]
    assert names == ["b", "c", "e"]


def test_extras_reach_through_other_projects() -> None:
    requires = {"app": ["lib[fast]"], "lib": ["lib[more]; extra=='fast'", "speed; extra=='fast'"], "speed": []}
    extras = specs.wanted_extras([Requirement("app[gui]")], requires, ENVIRONMENT)
    assert extras == {"app": {"gui"}, "lib": {"fast", "more"}, "speed": set()}


@pytest.mark.parametrize(
    ("requires", "accepted", "expected"),
    [
        (["a; sys_platform=='win32'", "b"], "", False),
        (["a; python_version<'3.11'"], ">=3.8", True),
        (["a; python_version<'3.8'"], ">=3.9", False),
        (["a; python_version<'3.11' and extra=='test'"], "", False),
        (["a; python_full_version<'3.11.3'"], ">=3.10", True),
    ],
)
def test_a_list_of_requirements_that_varies_with_python_is_known(
    requires: list[str], accepted: str, expected: object
) -> None:
    assert specs.depends_on_python(requires, ENVIRONMENT, [], accepted) is expected


# Tags.


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("py3-none-any", Kind(noarch=True, any_python=True)),
        ("py2.py3-none-any", Kind(noarch=True, any_python=True)),
        ("cp311-none-any", Kind(noarch=True, any_python=False)),
        ("cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64", Kind(noarch=False, any_python=False, glibc="2.27")),
        (
            "cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
            Kind(noarch=False, any_python=True, python="3.9", glibc="2.17"),
        ),
        ("cp311-cp311-manylinux1_x86_64", Kind(noarch=False, any_python=False, glibc="2.5")),
        ("py3-none-manylinux_2_17_x86_64.musllinux_1_1_x86_64", Kind(noarch=False, any_python=True, glibc="2.17")),
        ("cp311-cp311-linux_x86_64", Kind(noarch=False, any_python=False)),
        (
            "cp311-cp311-manylinux_2_17_aarch64.manylinux_2_28_x86_64",
            Kind(noarch=False, any_python=False, glibc="2.28"),
        ),
    ],
)
def test_tags_tell_the_kind_of_package(tag: str, expected: Kind) -> None:
    assert classify_wheel(parse_tag(tag), "x86_64") == expected


def wheel(file_name: str, requires: list[str] | None = None, requires_python: str = "", **extra: object) -> Wheel:
    name, version = file_name.split("-")[:2]
    metadata = {"name": name, "version": version, "requires_dist": requires or [], "requires_python": requires_python}
    return Wheel(file_name, hashlib.sha256(file_name.encode()).hexdigest(), {**metadata, **extra})


def plan(made: Wheel, extras: tuple[str, ...] = ()) -> dict[str, Any]:
    return dict(plan_package(made, PY311, ENVIRONMENT, extras).index)


@pytest.mark.parametrize(
    ("file_name", "build", "subdir", "noarch", "python"),
    [
        ("a-1-py3-none-any.whl", "pyh", "noarch", "python", "python >=3.9"),
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", "py311h", "linux-64", None, "python >=3.11,<3.12.0a0"),
        ("a-1-cp310-abi3-manylinux_2_28_x86_64.whl", "py310h", "linux-64", "python", "python >=3.10"),
        ("a-1-py3-none-manylinux_2_28_x86_64.whl", "py3h", "linux-64", "python", "python >=3.9"),
        ("torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", "cpu_generic_py311_h", "linux-64", None, None),
    ],
)
def test_records_follow_the_kind(
    file_name: str, build: str, subdir: str, noarch: str | None, python: str | None
) -> None:
    record = plan(wheel(file_name, requires_python=">=3.9"))
    assert record["build"].removeprefix(build).removesuffix("_0").isalnum()
    assert len(record["build"]) == len(build) + len("1234567_0")
    assert (record["subdir"], record.get("noarch")) == (subdir, noarch)
    assert python is None or python in record["depends"]


def test_torch_becomes_pytorch_in_its_name_and_in_what_needs_it() -> None:
    record = plan(wheel("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"))
    assert (record["name"], record["version"]) == ("pytorch", "2.13.0")
    assert "pytorch >=2.1" in plan(wheel("safetensors-1-py3-none-any.whl", ["torch>=2.1"]))["depends"]


def test_a_noarch_package_whose_needs_vary_with_python_is_for_this_python() -> None:
    record = plan(wheel("a-1-py3-none-any.whl", ["tomli; python_version<'3.11'"], ">=3.9"))
    assert record["depends"] == ["python >=3.11,<3.12.0a0"]


def test_the_build_string_changes_with_what_the_package_needs() -> None:
    made = wheel("a-1-py3-none-any.whl", ["b; extra=='x'"])
    assert plan(made)["build"] != plan(made, ("x",))["build"]
    assert plan(made)["build"] == plan(made)["build"]


@pytest.mark.parametrize("needed", ["nvidia-cublas-cu12==12.8", "triton>=3", "cuda-bindings", "pytorch-triton"])
def test_cuda_wheels_are_refused_by_name(needed: str) -> None:
    gpu = Requirement(needed).name
    brought = wheel(f"{gpu.replace('-', '_')}-1-py3-none-any.whl", ["nvidia-other"])
    wheels = [brought, wheel("torch-2.12-py3-none-any.whl", [needed])]
    with pytest.raises(ChannelError, match=rf"^torch 2\.12 is for NVIDIA GPUs: it needs {gpu}$"):
        check_cpu_only(wheels, ENVIRONMENT, {})


def test_nvidias_binding_to_the_driver_is_no_reason_to_refuse() -> None:
    check_cpu_only([wheel("x-1-py3-none-any.whl", ["nvidia-ml-py>=12"])], ENVIRONMENT, {})


def test_a_gpu_extra_that_nobody_asks_for_is_no_reason_to_refuse() -> None:
    made = wheel("x-1-py3-none-any.whl", ["nvidia-nvtx; extra=='gpu'"])
    check_cpu_only([made], ENVIRONMENT, {})
    with pytest.raises(ChannelError, match="nvidia-nvtx"):
        check_cpu_only([made], ENVIRONMENT, {"x": {"gpu"}})


TOOLKIT = [
    wheel("nvidia_cuda_runtime-13.0.96-py3-none-manylinux_2_17_x86_64.whl"),
    wheel("nvidia_nvjitlink-13.5.37-py3-none-manylinux_2_12_x86_64.whl"),
]


def test_a_cuda_wheel_becomes_a_package_that_says_its_cuda() -> None:
    needs = ["nvidia-nvjitlink<14", "triton==3.8.0", "numpy"]
    torch = wheel("torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl", needs)
    toolkit = toolkit_of([torch, *TOOLKIT])
    assert toolkit == "13.0"
    made = {
        one.name: plan_package(one, PY311, ENVIRONMENT, (), toolkit)
        for one in (torch, *TOOLKIT, wheel("numpy-2-cp311-cp311-manylinux_2_28_x86_64.whl"))
    }
    records = {name: record_from_repodata(p.index, p.file_name, "channel", p.subdir) for name, p in made.items()}
    assert records["torch"].build.startswith("cuda130_py311_h")
    builds = {name: classify(record) for name, record in records.items()}
    assert {name: (build.variant, build.build_cuda) for name, build in builds.items()} == {
        "torch": ("cuda", CudaVersion(13, 0)),
        "nvidia-cuda-runtime": ("cuda", CudaVersion(13, 0)),
        "nvidia-nvjitlink": ("cuda", CudaVersion(13, 0)),
        "numpy": ("generic", None),
    }
    assert builds["nvidia-nvjitlink"].cuda_major_only
    version = dict(version_package(toolkit).index)
    assert (version["name"], version["version"]) == ("cuda-version", "13.0")
    wanted = [spec for spec in map(parse_match_spec, records["torch"].depends) if spec.name == "cuda-version"]
    assert [spec_matches(spec, "cuda-version", version["version"], version["build"]) for spec in wanted] == [True]


# The files of a wheel.

NOARCH = Layout("site-packages", "python-scripts", "include/python3.11/x")


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ("x/__init__.py", "site-packages/x/__init__.py"),
        ("x.libs/libgfortran.so", "site-packages/x.libs/libgfortran.so"),
        ("other.data/purelib/a.py", "site-packages/other.data/purelib/a.py"),
        ("x-1.data/purelib/a.py", "site-packages/a.py"),
        ("x-1.data/platlib/a.so", "site-packages/a.so"),
        ("x-1.data/scripts/run", "python-scripts/run"),
        ("x-1.data/headers/x.h", "include/python3.11/x/x.h"),
        ("x-1.data/data/share/jupyter/k.json", "share/jupyter/k.json"),
    ],
)
def test_install_schemes_have_their_place(member: str, expected: str) -> None:
    assert NOARCH.place(member, "x-1.data") == expected


@pytest.mark.parametrize(
    "member", ["../x", "/etc/passwd", "x-1.data/data/../../x", "x-1.data/odd/x", "x-1.data/x", "a\\b"]
)
def test_a_place_outside_the_prefix_is_refused(member: str) -> None:
    with pytest.raises(ChannelError, match=r"outside the prefix|install scheme"):
        NOARCH.place(member, "x-1.data")


def contents(package: Path) -> dict[str, bytes]:
    """Every file of a package, `info/` included; a link as what it says."""
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(package) as archive:
        for part in ("pkg", "info"):
            stream = io.BytesIO(archive.read(f"{part}-{package.stem}.tar.zst"))
            with (
                zstandard.ZstdDecompressor().stream_reader(stream) as reader,
                tarfile.open(fileobj=reader, mode="r|") as tar,
            ):
                for entry in tar:
                    content = tar.extractfile(entry) if entry.isfile() else None
                    found[entry.name] = content.read() if content else entry.linkname.encode()
    return found


def build(folder: Path, wheel_path: Path, *, by: Interpreter | None = None, **metadata: object) -> Path:
    """The package of a wheel; with bytecode if there is an interpreter to make it."""
    planned = plan_package(wheel(wheel_path.name, **metadata), PY311, ENVIRONMENT, ())  # type: ignore[arg-type]
    target = folder / planned.file_name
    build_package(planned, wheel_path, by or PY311, target, bytecode=by is not None)
    return target


EVERYTHING = {
    "files": {"x/__init__.py": "def main():\n    return 0\n", "x/_vendor/y-2.dist-info/METADATA": "Name: y\n"},
    "data": {
        "scripts/run": "#!python -E\nprint(1)\n",
        "scripts/runw": "#!pythonw\n",
        "scripts/tool": "#!/bin/sh\nexit 0\n",
        "data/share/x.txt": "x",
    },
    "entry_points": "[console_scripts]\nX-go = x:main [fast]\n[gui_scripts]\nxw = x.sub:Class.main\n[other]\na = b\n",
}


def test_a_pure_wheel_leaves_its_entry_points_to_the_installer(tmp_path: Path) -> None:
    package = build(tmp_path, write_wheel(tmp_path, "x", **EVERYTHING))  # type: ignore[arg-type]
    files = contents(package)
    link = json.loads(files["info/link.json"])
    assert link["noarch"] == {"type": "python", "entry_points": ["X-go = x:main", "xw = x.sub:Class.main"]}
    assert files["python-scripts/run"] == f"#!{PLACEHOLDER}/bin/python -E\nprint(1)\n".encode()
    assert files["python-scripts/runw"] == f"#!{PLACEHOLDER}/bin/python\n".encode()
    assert files["python-scripts/tool"] == b"#!/bin/sh\nexit 0\n"
    assert files["site-packages/x-1.0.dist-info/INSTALLER"] == b"conda\n"
    assert "site-packages/x-1.0.dist-info/REQUESTED" not in files
    assert not any(name.startswith("bin/") for name in files)


def test_a_platform_wheel_brings_its_entry_points(tmp_path: Path) -> None:
    tag = "cp311-cp311-manylinux_2_28_x86_64"
    package = build(tmp_path, write_wheel(tmp_path, "x", tag=tag, **EVERYTHING))  # type: ignore[arg-type]
    files = contents(package)
    assert "info/link.json" not in files
    assert files["bin/X-go"].startswith(f"#!{PLACEHOLDER}/bin/python3.11\n".encode())
    assert b"from x.sub import Class\n" in files["bin/xw"]
    assert b"sys.exit(Class.main())" in files["bin/xw"]
    record = files["lib/python3.11/site-packages/x-1.0.dist-info/RECORD"].decode().splitlines()
    assert "../../../bin/X-go,," in record
    assert any(line.startswith("x/__init__.py,sha256=") for line in record)
    assert not any("REQUESTED" in line for line in record)


def test_a_platform_wheel_brings_bytecode_that_holds_where_it_is_extracted(tmp_path: Path) -> None:
    this = Interpreter(platform.python_version(), Path(sys.base_prefix), "linux-64", 1_700_000_000)
    files = {"x/__init__.py": "A = 1\n", "x/tests/y.py": "", "x/template.py": "{{ x }} =\n"}
    source = write_wheel(tmp_path, "x", tag="cp311-cp311-manylinux_2_28_x86_64", files=files)
    package = build(tmp_path, source, by=this)
    found = contents(package)
    site = this.site_packages
    names = [name for name in found if name.endswith(".pyc")]
    tag = sys.implementation.cache_tag
    assert names == [f"{site}/x/__pycache__/__init__.{tag}.pyc", f"{site}/x/tests/__pycache__/y.{tag}.pyc"]
    assert PLACEHOLDER.encode() in found[names[0]]
    assert not any(line.get("prefix_placeholder") for line in json.loads(found["info/paths.json"])["paths"])
    extract(package, tmp_path / "out")
    for name in names:
        module = tmp_path / "out" / cache_source(name)
        assert bytecode.fits(tmp_path / "out" / name, module, module.stat())  # type: ignore[no-untyped-call]
    pure = build(tmp_path, write_wheel(tmp_path, "pure", files=files), by=this)
    assert not any(name.endswith(".pyc") for name in contents(pure))


def test_a_script_that_is_an_entry_point_too_comes_once(tmp_path: Path) -> None:
    source = write_wheel(
        tmp_path,
        "x",
        tag="cp311-cp311-manylinux_2_28_x86_64",
        data={"scripts/go": "#!python\n"},
        entry_points="[console_scripts]\ngo = x:main\n",
    )
    paths = [path.relative_path for path in PathsJson.from_package_archive(build(tmp_path, source)).paths]
    assert sorted(map(str, paths)).count("bin/go") == 1


def test_paths_json_tells_every_file_as_it_is(tmp_path: Path) -> None:
    package = build(tmp_path, write_wheel(tmp_path, "x", **EVERYTHING))  # type: ignore[arg-type]
    files = contents(package)
    payload = {name: content for name, content in files.items() if not name.startswith("info/")}
    paths = json.loads(files["info/paths.json"])["paths"]
    assert [line["_path"] for line in paths] == sorted(payload)
    assert files["info/files"].decode().splitlines() == sorted(payload)
    for line in paths:
        content = payload[line["_path"]]
        assert line["sha256"] == hashlib.sha256(content).hexdigest()
        assert line["size_in_bytes"] == len(content)
        assert ("prefix_placeholder" in line) == (PLACEHOLDER.encode() in content)
    assert len(PathsJson.from_package_archive(package).paths) == len(paths)


def test_time_stamps_come_from_the_wheel_and_bytes_do_not_change(tmp_path: Path) -> None:
    source = write_wheel(tmp_path, "x", **EVERYTHING)  # type: ignore[arg-type]
    (tmp_path / "again").mkdir()
    first, second = build(tmp_path, source), build(tmp_path / "again", source)
    assert first.read_bytes() == second.read_bytes()
    index = json.loads(contents(first)["info/index.json"])
    assert index["timestamp"] == 1_714_979_290_000


def test_licences_come_along(tmp_path: Path) -> None:
    files = {"x-1.0.dist-info/licenses/sub/LICENSE": "free", "x-1.0.dist-info/COPYING": "too", "x/LICENSE": "not this"}
    found = contents(build(tmp_path, write_wheel(tmp_path, "x", files=files), license_expression="MIT"))
    assert {name for name in found if "licenses" in name and name.startswith("info")} == {
        "info/licenses/sub/LICENSE",
        "info/licenses/COPYING",
    }
    assert json.loads(found["info/index.json"])["license"] == "MIT"


@pytest.mark.parametrize("content", [b"", b"PK no zip", None])
def test_a_damaged_wheel_is_an_error_and_leaves_nothing(tmp_path: Path, content: bytes | None) -> None:
    source = write_wheel(tmp_path, "x")
    source.write_bytes(source.read_bytes()[:-40] if content is None else content)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ChannelError, match="not a sound wheel"):
        build(out, source)
    assert list(out.iterdir()) == []


# The package file and the index.


def small_package(folder: Path, name: str = "x", content: bytes = b"hello") -> Path:
    index = {"name": name, "version": "1", "build": "0", "build_number": 0, "subdir": "noarch", "timestamp": 10**12}
    package = Package({**index, "depends": []}, {"summary": "s"})
    entries = [
        Entry.holding("bin/tool", content, executable=True),
        Entry("bin/link", target="tool"),
        Entry("lib/link2", target="../bin/link"),
    ]
    target = folder / package.file_name
    write_package(package, entries, {"LICENSE": b"free"}, target)
    return target


def test_links_carry_the_digest_of_what_they_lead_to(tmp_path: Path) -> None:
    package = small_package(tmp_path)
    paths = {line["_path"]: line for line in json.loads(contents(package)["info/paths.json"])["paths"]}
    digest = hashlib.sha256(b"hello").hexdigest()
    assert {path: line["sha256"] for path, line in paths.items()} == dict.fromkeys(paths, digest)
    assert paths["bin/link"]["path_type"] == "softlink"
    assert IndexJson.from_package_archive(package).name.normalized == "x"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise OSError(28, "No space left on device")

    package = Package({"name": "x", "version": "1", "build": "0", "timestamp": 0}, {})
    with pytest.raises(OSError, match="No space left"):
        write_package(package, [Entry("a", fail)], {}, tmp_path / "x-1-0.conda")
    assert list(tmp_path.iterdir()) == []


def test_the_index_tells_digests_and_sizes_and_follows_a_changed_package(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    for content in (b"one", b"another"):
        package = small_package(source, content=content)
        publish([("noarch", package)], out, "linux-64")
        line = json.loads((out / "noarch/repodata.json").read_text())["packages.conda"][package.name]
        assert line["sha256"] == hashlib.sha256(package.read_bytes()).hexdigest()
        assert line["size"] == package.stat().st_size
        assert line["timestamp"] == 10**12
        assert "indexed_timestamp" not in line
        shard = next((out / "noarch/shards").glob("*"), None)
        assert shard is not None
        assert (out / "linux-64/repodata_shards.msgpack.zst").is_file()


def test_publishing_again_adds_and_touches_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish([("noarch", small_package(tmp_path))], out, "linux-64")

    def times() -> dict[Path, int]:  # but for the lock, which some versions of filelock touch
        return {path: path.stat().st_mtime_ns for path in out.rglob("[!.]*") if path.is_file()}

    before = times()
    assert before
    publish([("noarch", small_package(tmp_path))], out, "linux-64")
    assert times() == before
    publish([("noarch", small_package(tmp_path, "y"))], out, "linux-64")
    lines = json.loads((out / "noarch/repodata.json").read_text())["packages.conda"]
    assert sorted(lines) == ["x-1-0.conda", "y-1-0.conda"]


def test_a_broken_package_in_the_channel_is_named(tmp_path: Path) -> None:
    (tmp_path / "noarch").mkdir()
    broken = tmp_path / "noarch" / "z-1-0.conda"
    broken.write_bytes(b"half")
    with pytest.raises(ChannelError, match=r"z-1-0\.conda is not a sound package"):
        read_record(broken)


# Interpreters, requirements and what pip says.


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0/home/me/py/3.11.7\0", b"\0/nonexisten/3.11.7\0"),
        (b"\0/home/me/py/3.11.7/lib/python3.11\0", b"\0/nonexisten/3.11.7/lib/python3.11\0"),
        (b"\0/home/me/py/3.11.70\0", b"\0/home/me/py/3.11.70\0"),
        (b"\0/home/me/py/3.11.7-dev\0", b"\0/home/me/py/3.11.7-dev\0"),
    ],
)
def test_a_program_forgets_its_prefix_and_keeps_what_shares_its_end(content: bytes, expected: bytes) -> None:
    assert scrub(content, b"/home/me/py/3.11.7") == expected
    assert len(scrub(content, b"/usr/local")) == len(content)


def test_an_interpreter_is_known_by_what_it_tells() -> None:
    found = parse_interpreter(FACTS)
    assert found == Interpreter("3.11.7", Path("/somewhere"), "linux-aarch64", 1_778_312_125)
    assert (found.minor, found.tag, found.machine) == ("3.11", "py311", "aarch64")
    assert found.pin == "python >=3.11,<3.12.0a0"
    assert found.site_packages == "lib/python3.11/site-packages"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schemes": ["deb_system", "posix_local"]}, "dist-packages"),
        ({"base_prefix": "/usr", "stdlib": "/usr/lib64/python3.11"}, "distribution's own"),
        ({"implementation": "pypy"}, "pypy, not CPython"),
        ({"version": "3.9.18"}, "older than 3.10"),
        ({"release_level": "candidate"}, "not a final release"),
        ({"platform": "darwin"}, "darwin aarch64 is not covered"),
        ({"libc": ""}, "not glibc"),
        ({"free_threaded": True}, "free-threaded"),
        ({"stdlib": "/elsewhere/lib/python3.11"}, "/elsewhere"),
    ],
)
def test_an_interpreter_that_cannot_be_packaged_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ChannelError, match=reason) as caught:
        parse_interpreter({**FACTS, **change})
    assert caught.value.hint is not None
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["rich>>2", "", "x @ https://localhost/x.whl"])
def test_odd_requirements_are_errors_of_usage(text: str) -> None:
    with pytest.raises(ChannelError) as caught:
        parse_requirements([text])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("stderr", "exit_code", "message"),
    [
        ("WARNING: w\nERROR: Could not find x\nERROR: No matching\n", 1, "Could not find x; No matching"),
        (
            "WARNING: Retrying after NewConnectionError('...')\nERROR: No matching",
            5,
            "an index did not answer: No matching",
        ),
        ("ERROR: Could not install: [Errno 28] No space left on device", 7, "No space left"),
        ("/x/python: No module named pip", 2, "has no pip"),
        ("", 1, "without a word"),
    ],
)
def test_pips_failures_become_one_message(stderr: str, exit_code: int, message: str) -> None:
    error = explain_failure(stderr)
    assert message in str(error)
    assert error.exit_code == exit_code
    assert error.hint


def test_an_error_of_usage_is_one_message_and_a_hint(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([str(tmp_path / "out"), "rich>>2"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: 'rich>>2' is not a requirement")
    assert "hint: " in captured.err
    assert not (tmp_path / "out").exists()
