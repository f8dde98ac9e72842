from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from envkit.builds.classify import classify
from envkit.checks.verdict import judge, judge_all
from envkit.cuda.target import describe_target
from envkit.models.build import Build, Record
from envkit.models.host import Target
from envkit.models.request import Request

Builds = Callable[[str, str, str], list[Build]]
Records = Callable[[str, str], list[Record]]
INDEXES = [
    ("pytorch", "linux-64"),
    ("pytorch", "noarch"),
    ("pytorch", "osx-arm64"),
    ("pytorch", "win-64"),
    ("conda-forge", "linux-64"),
    ("conda-forge", "noarch"),
    ("conda-forge", "linux-aarch64"),
    ("conda-forge", "osx-arm64"),
    ("conda-forge", "win-64"),
    ("nvidia", "linux-64"),
    ("nvidia", "noarch"),
    ("pkgs/main", "linux-64"),
    ("pkgs/main", "noarch"),
]


def _known(build: Build) -> bool:
    cuda = build.variant != "cuda" or (build.build_cuda is not None and not build.cuda_major_only)
    return cuda and build.variant != "generic" and build.python is not None


def test_every_pytorch_build_of_channel_pytorch_is_known(builds: Builds) -> None:
    found = builds("pytorch", "linux-64", "pytorch")
    assert Counter(build.variant for build in found) == {"cuda": 220, "cpu": 77}
    assert [build.record.fn for build in found if not _known(build)] == []
    assert [build.conflicts for build in found if build.conflicts] == []


def test_every_pytorch_build_of_conda_forge_is_known(builds: Builds) -> None:
    found = builds("conda-forge", "linux-64", "pytorch")
    assert Counter(str(build.build_cuda) for build in found if build.variant == "cuda") == {
        "11.1": 1,
        "11.2": 1,
        "11.8": 2,
        "12.0": 2,
        "12.6": 29,
        "12.9": 29,
        "13.0": 4,
    }
    assert Counter(build.variant for build in found) == {"cuda": 68, "cpu": 71}
    assert [build.record.fn for build in found if not _known(build)] == []
    assert [build.record.fn for build in found if build.variant == "cuda" and build.arch is None] == []


def test_every_pytorch_build_of_defaults_is_known(builds: Builds) -> None:
    found = builds("pkgs/main", "linux-64", "pytorch")
    assert Counter(build.variant for build in found) == {"cuda": 24, "cpu": 6}
    assert [build.record.fn for build in found if not _known(build)] == []


def test_pytorch_for_apple_silicon_has_metal(builds: Builds) -> None:
    for channel in ("pytorch", "conda-forge"):
        assert {build.variant for build in builds(channel, "osx-arm64", "pytorch")} == {"mps"}


def test_companions_follow_the_toolkit_of_their_build_string(builds: Builds) -> None:
    for channel, name in (("pytorch", "torchvision"), ("pytorch", "torchaudio"), ("conda-forge", "jaxlib")):
        cuda = [build for build in builds(channel, "linux-64", name) if build.variant == "cuda"]
        assert cuda
        assert all(build.build_cuda is not None and not build.cuda_major_only for build in cuda)


def test_packages_without_cuda_have_no_variant(builds: Builds) -> None:
    for name in ("numpy", "numba", "python", "libcurl"):
        assert {build.variant for build in builds("conda-forge", "linux-64", name)} <= {"generic"}


def test_classification_is_total_and_its_conflicts_are_few(records: Records) -> None:
    conflicts = [
        build.record.fn
        for channel, subdir in INDEXES
        for record in records(channel, subdir)
        if (build := classify(record)).conflicts
    ]
    # Six faiss-cpu builds of 2018 carry a CUDA in their build string; one torchaudio "cpu" depends on cudatoolkit.
    assert len(conflicts) < 20
    assert "torchaudio-2.5.1-cpu_py312h254f4b0_1.conda" in conflicts


def test_many_are_judged_as_each_alone(records: Records) -> None:
    """Builds that are alike in what counts share their reasons: nothing else of a build may count."""
    targets = [
        describe_target(Target("linux-64", glibc="2.17", microarch="x86_64_v2"), driver="535", gpus=["v100", "h100"]),
        describe_target(Target("linux-64", glibc="2.35"), driver="580"),
        describe_target(Target("linux-aarch64", glibc="2.35"), gpus=["Jetson AGX Orin"]),
        Target("osx-arm64", osx="12.0", mps=True),
    ]
    found = [classify(record) for channel, subdir in INDEXES for record in records(channel, subdir)]
    telling = [build for build in found if build.variant != "generic"]
    assert len(telling) > 4000
    request = Request(python="3.11")
    for target in targets:
        each = [judge(build, target, request=request) for build in telling]
        assert judge_all(telling, target, request=request) == each
