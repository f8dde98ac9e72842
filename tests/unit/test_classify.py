from __future__ import annotations

from typing import Any

import pytest

from envkit.builds.classify import classify
from envkit.builds.record import record_from_repodata
from envkit.models.build import Build, Needs
from envkit.models.gpucode import Architecture


def _build(name: str, version: str, build: str, depends: list[str], **more: Any) -> Build:
    raw = {"name": name, "version": version, "build": build, "depends": depends, **more}
    channel = f"https://example.org/{raw.pop('channel', 'conda-forge')}"
    subdir = str(raw.pop("subdir", "linux-64"))
    return classify(record_from_repodata(raw, f"{name}-{version}-{build}.conda", channel, subdir))


def test_dependencies_speak_before_the_build_string() -> None:
    build = _build("pytorch", "2.4.0", "cuda118_py311_h0000000_300", ["cuda-version >=12.6,<12.7", "python 3.12.*"])
    assert (str(build.build_cuda), build.python) == ("12.6", "3.12")
    assert len(build.conflicts) == 2


def test_a_build_string_inside_the_bounds_makes_them_exact() -> None:
    build = _build("pytorch", "2.8.0", "cuda129_mkl_py312_h0000000_300", ["cuda-version >=12,<13.0a0"])
    assert (str(build.build_cuda), build.cuda_major_only, build.conflicts) == ("12.9", False, ())


def test_a_major_alone_is_told() -> None:
    build = _build("nccl", "2.30.7.1", "h4d09622_0", ["cuda-version >=12,<13.0a0"])
    assert (build.variant, build.build_cuda, build.cuda_major_only) == ("cuda", (12, 0), True)


@pytest.mark.parametrize(
    ("depends", "variant", "cuda"),
    [
        (["__cuda", "cuda-version >=12.9,<13"], "cuda", "12.9"),
        (["cudatoolkit >=11.2,<12"], "cuda", "11.2"),
        (["cuda-cudart >=12.6.77,<13.0a0"], "cuda", "12.6"),
        (["libcublas >=12.6.4.1,<13.0a0"], "cuda", None),
        (["pytorch 2.4.* cuda118*"], "cuda", "11.8"),
        (["pytorch * cpu*"], "cpu", None),
        (["__cuda >=12"], "cuda", None),
        (["numpy", "python >=3.9"], "generic", None),
    ],
)
def test_unlisted_packages_are_read_from_their_dependencies(depends: list[str], variant: str, cuda: str | None) -> None:
    build = _build("someones-kernels", "1.0", "h0000000_0", depends)
    assert (build.variant, str(build.build_cuda) if build.build_cuda else None) == (variant, cuda)


def test_a_limit_on_cuda_version_alone_is_no_cuda_build() -> None:
    build = _build("numba", "0.67.0", "py313h901f96d_1", ["python"], constrains=["cuda-version >=11.2"])
    assert build.variant == "generic"


def test_a_constraint_on_the_driver_is_one() -> None:
    constrains = ["cuda-version >=12,<13.0a0", "__cuda >=12.0"]
    build = _build("cupy-core", "14.1.1", "py311he30c881_0", ["python >=3.11,<3.12.0a0"], constrains=constrains)
    assert (build.variant, str(build.min_cuda)) == ("cuda", "12.0")


@pytest.mark.parametrize(
    ("flags", "variant", "cuda"),
    [
        (["cuda", "blas:mkl"], "cuda", None),
        (["gpu:cuda"], "cuda", None),
        (["cuda:12_9"], "cuda", "12.9"),
        (["cuda:129"], "cuda", "12.9"),
        (["cpu", "release"], "cpu", None),
        (["blas:mkl"], "generic", None),
        ("broken", "generic", None),
        ([None, 3, {}], "generic", None),
    ],
)
def test_flags_are_read(flags: object, variant: str, cuda: str | None) -> None:
    build = _build("foobar", "1.2.3", "h0000000_0", [], flags=flags)
    assert (build.variant, str(build.build_cuda) if build.build_cuda else None) == (variant, cuda)


@pytest.mark.parametrize(
    ("name", "version", "build", "depends", "variant"),
    [
        ("pytorch-mutex", "1.0", "cpu", [], "cpu"),
        ("pytorch-mutex", "1.0", "cuda", [], "cuda"),
        ("cpuonly", "2.0", "0", ["pytorch-mutex 1.0 cpu"], "cpu"),
        ("pytorch-cuda", "12.1", "ha16c6d3_6", [], "cuda"),
        ("_tflow_select", "2.1.0", "gpu", [], "cuda"),
        ("tensorflow", "2.2.0", "mkl_py38h6d3daf0_0", ["_tflow_select 2.3.0 mkl"], "cpu"),
        ("tensorflow-base", "2.2.0", "eigen_py36haef3446_0", [], "cpu"),
        ("pytorch-gpu", "1.3.1", "0", ["_pytorch_select 0.2.*"], "cuda"),
        ("jax", "0.10.2", "pyhd8ed1ab_0", ["jaxlib >=0.10.1,<=0.10.2"], "generic"),
        ("faiss-cpu", "1.2.1", "py36_cuda9.0.176_1", [], "cpu"),
    ],
)
def test_selectors_and_metapackages(name: str, version: str, build: str, *, depends: list[str], variant: str) -> None:
    subdir = "noarch" if build.startswith("pyh") else "linux-64"
    assert _build(name, version, build, depends, subdir=subdir).variant == variant


def test_pytorch_on_apple_silicon_has_metal_since_1_12() -> None:
    made = [_build("pytorch", v, "py3.9_0", ["python 3.9.*"], subdir="osx-arm64") for v in ("1.11.0", "1.12.0")]
    assert [build.variant for build in made] == ["cpu", "mps"]
    assert _build("pytorch", "2.3.1", "py3.9_0", [], subdir="osx-64").variant == "cpu"


def test_what_else_a_record_asks_of_the_machine() -> None:
    depends = [
        "__glibc >=2.28,<3.0.a0",
        "__glibc >=2.17",
        "_x86_64-microarch-level >=3",
        "python >=3.9",
        "__cuda_arch >=8.0",
        "arm-variant * sbsa",
    ]
    assert _build("x", "1", "0", depends).needs == Needs(
        glibc="2.28", microarch_level=3, arm_variant="sbsa", python=(">=3.9",), cuda_arch=">=8.0"
    )


def test_arch_lists_are_found_by_channel_version_number_and_toolkit() -> None:
    listed = _build("pytorch", "2.7.1", "cuda129_mkl_py312_h0000000_301", [], build_number=301)
    assert listed.arch is not None
    assert Architecture.parse("12.0") in listed.arch.sass
    assert _build("pytorch", "2.7.1", "cuda129_mkl_py312_h0000000_301", [], channel="somewhere").arch is None
    tegra = ["arm-variant * tegra", "cuda-version >=12.9,<13"]
    jetson = _build("pytorch", "2.11.0", "cuda129_generic_py312_h0_200", tegra, subdir="linux-aarch64")
    assert jetson.arch is not None
    assert jetson.arch.sass == {Architecture.parse("8.7")}
