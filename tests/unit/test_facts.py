"""facts: what is known of GPU code by name, and the builds that are only inferred."""

from __future__ import annotations

import pytest

from envkit.builds.classify import classify_all
from envkit.builds.facts import code_facts, code_gaps, framework_called, wants
from envkit.builds.shipped import ShippedMeasurements, library_row, shipped_measurements
from envkit.cuda.architectures import supported_archs
from envkit.frameworks.table import wheel_row
from envkit.models.build import Record
from envkit.models.gpucode import Architecture, GpuLibrary, GpuPackage, PtxCode
from envkit.models.version import CudaVersion


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *(("pytorch", "pytorch"), ("torch", "pytorch"), ("PyTorch", "pytorch"), ("libtorch", "pytorch")),
        *(("jaxlib", "jax"), ("cupy-cuda12x", "cupy"), ("onnxruntime_gpu", "onnxruntime"), ("libcudf-cu12", "cudf")),
    ],
)
def test_a_framework_by_any_name(name: str, key: str) -> None:
    row = framework_called(name)
    assert row is not None
    assert row.key == key


def test_facts_are_of_what_was_asked() -> None:
    assert {wheel_row(fact.package).key for fact in code_facts(wants("jax"))} == {"jax"}  # type: ignore[union-attr]
    for spelling in ("cudnn", "libcudnn", "nvidia-cudnn-cu12"):
        assert {fact.package for fact in code_facts(wants(spelling))} == {
            *("nvidia-cudnn-cu11", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")
        }
    assert code_facts(wants("numpy")) == []
    assert len(code_facts(wants(None))) > 100


def test_what_was_measured_here_is_told_apart() -> None:
    library = GpuLibrary("lib/libtorch_cuda.so", 9, {Architecture.parse("9.0"): 40})
    package = GpuPackage(
        "libtorch", "2.99", "cuda130_h1", "libtorch-2.99-cuda130_h1.conda", "a" * 64, "2026-11-25", (library,)
    )
    here = [fact for fact in code_facts(wants("pytorch"), [package]) if fact.here]
    assert [(fact.package, fact.versions, fact.origin, fact.date) for fact in here] == [
        ("libtorch", "2.99", "measured", "2026-11-25")
    ]
    assert code_facts(wants("jax"), [package]) == code_facts(wants("jax"))


def test_gaps_are_builds_that_no_list_is_about() -> None:
    def build(name: str, version: str, cuda: str, number: int) -> Record:
        fn = f"cuda{cuda.replace('.', '')}_h{number}"
        depends = ("__cuda", f"cuda-version >={cuda},<14")
        return Record(name, version, fn, 200, "linux-64", channel="conda-forge", depends=depends)

    records = [
        *(build("jaxlib", "99.0", "12.9", number) for number in range(3)),
        build("jaxlib", "0.9.0", "12.9", 1),
        build("thing-gpu", "1.0", "13.0", 1),
        Record("jaxlib", "99.0", "cpu_h1", 0, "linux-64", channel="conda-forge"),
    ]
    gaps = code_gaps(classify_all(records))
    assert [(gap.package, gap.version, gap.cuda, gap.builds, gap.relative is not None) for gap in gaps] == [
        ("jaxlib", "99.0", "12.9", 3, True),
        ("thing-gpu", "1.0", "13.0", 1, False),
    ]


def test_a_library_is_the_same_after_a_row() -> None:
    sass = {Architecture.parse("9.0a"): 4, Architecture.parse("10.0f"): 59}
    library = GpuLibrary("lib/x.so", 9, sass, {Architecture.parse("12.0"): PtxCode(2, CudaVersion(9, 0))})
    about = {"name": "x", "version": "1", "build": "", "cuda": "13.0", "fn": "x.whl", "measured": "2026-11-25"}
    shipped = ShippedMeasurements([{**about, "sha256": "A" * 64, "libraries": [library_row(library)]}])
    package = shipped.get("A" * 64)
    assert package is None, "digests are written in small letters"
    assert next(iter(shipped.named("x", "1"))).libraries == (library,)


def test_shipped_rows_are_whole() -> None:
    shipped = shipped_measurements()
    for row in shipped.rows:
        assert len(row["sha256"]) == 64
        package = shipped.get(row["sha256"])
        assert package is not None
        assert (package.fn, package.version) == (row["fn"], row["version"])
        assert row["fn"].replace("_", "-").lower().startswith(row["name"])
        for library in package.libraries:
            assert library.sass or library.ptx
            if "." in row["cuda"] and wheel_row(row["name"]) is not None:
                known = supported_archs(CudaVersion.parse(row["cuda"]))
                assert {code.capability for code in library.sass} <= known | {code.capability for code in library.ptx}
