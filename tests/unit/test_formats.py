"""Files as people have them: each format is recognised, and odd ones are read or refused with their place."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from harness import serve

from envkit.api.sources import read_source, read_sources
from envkit.checks.locks import misfit_of
from envkit.errors import ChannelError, EnvkitError, RecipeError, UsageError
from envkit.inputs.merge import merge_recipes
from envkit.inputs.selectors import comment_selector, select
from envkit.models.host import Target
from envkit.models.inputs import LockFile, Recipe
from envkit.models.network import NetworkPolicy
from envkit.models.version import CudaVersion

URL = "https://conda.anaconda.org/conda-forge/linux-64/zlib-1.3.1-h1_0.conda"
CONDA_LOCK = f"""\
    version: 1
    metadata:
      content_hash: {{linux-64: abc}}
      channels: [{{url: conda-forge, used_env_vars: []}}]
      platforms: [linux-64]
      sources: [environment.yml]
    package:
    - name: zlib
      version: 1.3.1
      manager: conda
      platform: linux-64
      dependencies: {{__glibc: '>=2.17', libzlib: 1.3.1}}
      url: {URL}
      hash: {{md5: {"b" * 32}, sha256: {"a" * 64}}}
      category: main
      optional: false
    - name: six
      version: 1.17.0
      manager: pip
      platform: linux-64
      dependencies: {{}}
      url: https://files.pythonhosted.org/packages/six-1.17.0-py2.py3-none-any.whl
      hash: {{sha256: {"c" * 64}}}
      category: main
      optional: false
"""


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    return path


def recipe(folder: Path, text: str | bytes, name: str = "file") -> Recipe:
    found = read_source(put(folder, name, text))
    assert isinstance(found, Recipe)
    return found


@pytest.mark.parametrize(
    ("text", "name", "kind", "dependencies", "pip"),
    [
        ("name: x\ndependencies: [numpy]\n", "a", "environment.yml", ["numpy"], []),
        ("dependencies:\n- a=1=b\n- c=2=d\n- python\n", "a", "conda env export", ["a=1=b", "c=2=d", "python"], []),
        ("# platform: linux-64\na=1=b\nc=1=pypi_0\n", "a", "output of `conda list --export`", ["a=1=b"], ["c==1"]),
        ("numpy >=1.26\npandas\n", "a", "file of conda specs (CEP 23)", ["numpy >=1.26", "pandas"], []),
        ("pytorch::pytorch\n", "requirements.txt", "file of conda specs (CEP 23)", ["pytorch::pytorch"], []),
        ("numpy\npandas\n", "specs.txt", "file of conda specs (CEP 23)", ["numpy", "pandas"], []),
        ("numpy\npandas\n", "requirements.txt", "requirements.txt", ["python"], ["numpy", "pandas"]),
        ("numpy==1.26\nsix==1\n", "freeze", "requirements.txt", ["python"], ["numpy==1.26", "six==1"]),
        (
            "torch>=2 ; python_version>'3.8'\n",
            "a",
            "requirements.txt",
            ["python"],
            ['torch>=2; python_version > "3.8"'],
        ),
        ("black[jupyter]\n-e .\n", "a", "requirements.txt", ["python"], None),
    ],
)
def test_recipes(
    tmp_path: Path, text: str, name: str, kind: str, dependencies: Sequence[str], pip: Sequence[str] | None
) -> None:
    found = recipe(tmp_path, text, name)
    assert found.format == kind
    assert list(found.dependencies) == dependencies
    assert pip is None or list(found.pip.lines) == pip
    assert found.exact == ("export" in kind)


def test_a_conda_lock(tmp_path: Path) -> None:
    lock = read_source(put(tmp_path, "x", CONDA_LOCK))
    assert isinstance(lock, LockFile)
    assert lock.format == "conda-lock.yml"
    (part,) = lock.parts
    (record,) = part.records
    assert (record.name, record.fn, record.sha256) == ("zlib", "zlib-1.3.1-h1_0.conda", "a" * 64)
    assert record.depends == ("__glibc >=2.17", "libzlib 1.3.1")
    assert part.platform == "linux-64"
    assert [(d.name, d.hashes) for d in part.distributions] == [("six", (("sha256", "c" * 64),))]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1\n", "version: 4\n", "a conda-lock.yml of version 4"),
        ("manager: conda", "manager: apt", r"package 1 \(zlib\): manager"),
        (
            URL,
            "https://user:secretpw@[h/x/linux-64/zlib-1.3.1-h1_0.conda",
            r"package 1 \(zlib\): its URL cannot be read",
        ),
        (URL, "https://h/x/linux-64/other-1.3.1-h1_0.conda", "its URL names other 1.3.1"),
        (URL, "https://h/x/../zlib-1.3.1-h1_0.conda", "subdir '..' is not one plain word"),
        ("  url: " + URL, "  link: x", "package 1: url is missing"),
        ("a" * 64, "zz", "sha256 'zz' is none"),
    ],
)
def test_broken_conda_locks(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        read_source(put(tmp_path, "x", CONDA_LOCK.replace(old, new)))
    assert "secretpw" not in str(caught.value)


PIXI_LOCK = f"""\
    version: 6
    environments:
      default:
        channels: [{{url: https://conda.anaconda.org/conda-forge/}}]
        packages:
          linux-64: [{{conda: {URL}}}]
      gpu:
        channels: [{{url: https://conda.anaconda.org/conda-forge/}}]
        packages:
          linux-64: [{{conda: {URL}}}]
    packages:
    - conda: {URL}
      sha256: {"a" * 64}
      depends: [__cuda >=12]
"""


def test_a_pixi_lock(tmp_path: Path) -> None:
    lock = read_source(put(tmp_path, "x", PIXI_LOCK))
    assert isinstance(lock, LockFile)
    assert [(part.environment, part.platform) for part in lock.parts] == [("default", "linux-64"), ("gpu", "linux-64")]
    assert lock.parts[0].records[0].depends == ("__cuda >=12",)
    assert lock.parts[0].records[0].sha256 == "a" * 64
    with pytest.raises(RecipeError, match=r"is a pixi.lock, and cannot be read"):
        read_source(put(tmp_path, "x", PIXI_LOCK.replace("version: 6", "version: 999")))


@pytest.mark.parametrize(
    ("target", "runs"),
    [
        (Target("linux-64", glibc="2.35", driver_cuda=CudaVersion(13, 0)), True),
        (Target("linux-64", glibc="2.35", driver_cuda=CudaVersion(12, 4)), False),
        (Target("linux-64", glibc="2.17", driver_cuda=CudaVersion(13, 0)), False),
        (Target("linux-64", glibc="2.35"), False),
        (Target("osx-arm64"), False),
    ],
)
def test_virtual_packages_of_a_lock(tmp_path: Path, target: Target, runs: bool) -> None:
    platform = "- name: gpu\n      subdir: linux-64\n      virtual-packages: [__cuda=12.9, __glibc=2.28]"
    text = PIXI_LOCK.replace("version: 6", f"version: 7\n    platforms:\n    {platform}").replace(
        "linux-64: [", "gpu: ["
    )
    lock = read_source(put(tmp_path, "x", text.replace("depends: [__cuda >=12]", "depends: []")))
    assert isinstance(lock, LockFile)
    assert (lock.parts[0].platform, lock.parts[0].needs) == ("linux-64", ("__cuda >=12.9", "__glibc >=2.28"))
    assert (misfit_of(lock.parts[0], target) is None) == runs


@pytest.mark.parametrize(
    ("name", "text", "kind", "cure"),
    [
        ("pixi.toml", "[workspace]\nchannels = []\n[dependencies]\n", "pixi.toml", "pixi.lock"),
        ("p", "[project]\nname='x'\n[tool.pixi.workspace]\n", "pyproject.toml of a pixi project", "pixi.lock"),
        ("p", "[project]\nname='x'\ndependencies=[]\n", "pyproject.toml", "uv export"),
        ("p", "version = 1\nrevision = 3\n[[package]]\nname='x'\n", "uv.lock", "uv export"),
        ("p", "[[package]]\nname='x'\n[metadata]\n", "poetry.lock", "poetry export"),
        ("Pipfile", "[packages]\nx='*'\n", "Pipfile", "pipenv requirements"),
    ],
)
def test_files_of_projects(tmp_path: Path, name: str, text: str, kind: str, cure: str) -> None:
    path = put(tmp_path, name, text)
    with pytest.raises(RecipeError, match=f"is a {kind}:") as caught:
        read_source(path)
    assert cure in str(caught.value.hint)
    if cure == "pixi.lock":
        beside = put(tmp_path, "pixi.lock", "x")
        with pytest.raises(RecipeError) as caught:
            read_source(path)
        assert str(beside) in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("dependencies:\n- python=>3.11\n", "python>3.11"),
        ("dependencies: ['black[jupyter]']\n", "black"),
        ("dependencies: ['numpy[version=\">=2\"]']\n", 'numpy[version=">=2"]'),
        ("name: é\r\ndependencies:\r\n- numpy\r\n".encode("utf-16"), "numpy"),
        ("dependencies: [numpy]\nprefix: /home/me/x\n", "numpy"),
        ("dependencies:\n- numpy\n- pip:\n", "numpy"),
        ("dependencies:\n- numpy\nfoo: {bar: 1}\n", "numpy"),
        ('{"dependencies": ["numpy"]}', "numpy"),
    ],
)
def test_what_conda_reads_is_read(tmp_path: Path, text: str | bytes, read: str) -> None:
    found = recipe(tmp_path, text)
    assert found.dependencies == (read,)
    odd = not isinstance(text, bytes) and ("=>" in text or "[j" in text or "pip:" in text or "foo" in text)
    assert bool(found.notes) == odd


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dependencies:\n\t- numpy\n", "a tab indents, where YAML takes spaces only in line 2, column 1"),
        ("name: a\nname: b\ndependencies: [x]\n", "line 2, column 1: name: is there a second time"),
        ("dependencies: numpy\n", "line 1, column 15: dependencies: is not a list"),
        ("dependencies:\n- npm: [x]\n", "line 2, column 3: dependencies: npm: is neither"),
        ("dependencies: [a]\nplatforms: [noarch]\n", "line 2, column 12: platforms: noarch"),
        ("dependencies: [a]\n# envkit: --cuda\n", "line 2: these flags cannot be read"),
        ("dependencies: [a]\nvariables: {A: [1]}\n", "line 2, column 16: variables:"),
        ("a: &a [x, x]\nb: &b [*a, *a]\ndependencies: [*b, *b]\n", "neither a package nor `pip:`"),
        ("dependencies: [" * 4000, "nested too deeply"),
        (b"dependencies: [a\0b]\n", "NUL"),
        (b"name: \xff\n", "not UTF-8"),
        ("@EXPLICIT\n" + URL + "#sha256:abc\n", "has a hash that is none"),
        ("name\n= = =\n", "is no package specification"),
    ],
)
def test_each_fault_has_its_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, text)
    assert message in caught.value.message


def test_selectors(tmp_path: Path) -> None:
    text = """\
    dependencies:
    - pywin32  # [win]
    - libfoo  # [linux and (x86_64 or aarch64)]
    - metal  # [osx and arm64]
    - sel(unix): readline
    - plain  # [see the docs]
    """
    found = recipe(tmp_path, text)
    assert found.dependencies == ("plain",)
    assert select(found, "linux-64").dependencies == ("plain", "libfoo", "readline")
    assert select(found, "osx-arm64").dependencies == ("plain", "metal", "readline")
    assert select(found, "win-64").dependencies == ("plain", "pywin32")
    assert [note.params["spec"] for note in select(found, "win-64").notes] == ["libfoo", "metal", "readline"]
    assert comment_selector("- a  # [not win]") == "not win"
    assert comment_selector(f"- a  # [{'(' * 500}win{')' * 500}]") is None


def test_flags_of_a_request(tmp_path: Path) -> None:
    found = recipe(tmp_path, "# envkit: --cuda 12.4 --python 3.11\ndependencies: [pytorch]\n")
    assert found.flags == {"cuda": "12.4", "python": "3.11"}


def test_files_are_merged(tmp_path: Path) -> None:
    one = recipe(tmp_path, "name: a\nchannels: [x, y]\ndependencies: [numpy=1.26, six]\n", "one")
    two = recipe(tmp_path, "name: b\nchannels: [y, z]\ndependencies: [numpy=1.26.4, {pip: [rich]}]\n", "two")
    found = merge_recipes([one, two])
    assert (found.name, found.channels) == ("a", ("x", "y", "z"))
    assert found.dependencies == ("numpy=1.26", "six", "numpy=1.26.4")
    assert found.pip.lines == ("rich",)
    other = recipe(tmp_path, "dependencies: [numpy=2.0]\n", "three")
    with pytest.raises(UsageError, match=r"one asks for numpy 1.26, .*three for numpy 2.0"):
        merge_recipes([one, other])
    lock = put(tmp_path, "lock", PIXI_LOCK)
    with pytest.raises(UsageError, match=r"is a pixi.lock, .* cannot be merged"):
        read_sources([str(tmp_path / "one"), str(lock)], NetworkPolicy())


def test_a_file_by_its_url(tmp_path: Path) -> None:
    put(tmp_path, "environment.yml", "dependencies: [numpy]\n")
    with serve(tmp_path) as url:
        secret = url.replace("//", "//user:secretpw@")
        found = read_source(f"{secret}/environment.yml?sig=secretsig")
        assert isinstance(found, Recipe)
        assert found.path == f"{url.partition('//')[2]}/environment.yml"
        for text, policy, expected in (
            (f"{secret}/none.yml", NetworkPolicy(), RecipeError),
            (f"{secret}/environment.yml", NetworkPolicy(offline=True), UsageError),
        ):
            with pytest.raises(expected) as caught:
                read_source(text, policy)
            assert "secretpw" not in str(caught.value)
    with pytest.raises(ChannelError) as failed:
        read_source(f"{secret}/environment.yml")
    assert "secretpw" not in str(failed.value)
    with pytest.raises(EnvkitError, match="URL"):
        read_source("https://user:secretpw@[x/environment.yml")
