"""What holds for every record, driver and GPU."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envkit.builds.buildstring import parse_build_string
from envkit.builds.classify import classify
from envkit.builds.record import record_from_repodata
from envkit.builds.version import version_key, version_matches
from envkit.checks.solution import check_solution
from envkit.checks.verdict import judge
from envkit.cuda.drivers import driver_ceiling
from envkit.cuda.gpus import known_gpus, parse_gpu
from envkit.cuda.tables import load_table
from envkit.models.build import Build, Record, Tier
from envkit.models.host import Gpu, Target
from envkit.models.request import CudaChoice, Request
from envkit.models.spec import parse_match_spec
from envkit.models.version import CudaVersion, DriverVersion
from envkit.plan.rank import nearest, pick, rank
from envkit.words.say import say

_BRANCHES = sorted(row["branch"] for row in load_table("drivers")["branches"])
_TOOLKITS = ("10.2", "11.1", "11.2", "11.7", "11.8", "12.0", "12.1", "12.4", "12.6", "12.8", "12.9", "13.0", "13.3")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["pytorch", "libtorch", "jaxlib", "tensorflow", "torchvision", "cudnn", "numpy", "cuda-version"]
)
_DEPENDENCIES = st.sampled_from(
    [
        "__cuda",
        "__cuda >=12",
        "__cuda_arch >=8.0",
        "cuda-version >=12.9,<13",
        "cuda-version >=12,<13.0a0",
        "cudatoolkit 11.1|11.1.*",
        "pytorch-cuda >=12.1,<12.2",
        "pytorch-mutex 1.0 cpu",
        "python >=3.11,<3.12.0a0",
        "python_abi 3.12.* *_cp312",
        "pytorch 2.4.* cuda118*",
        "__glibc >=2.28,<3.0.a0",
        "_x86_64-microarch-level >=3",
        "arm-variant * sbsa",
        "cpuonly",
        "libcublas",
    ]
)
_BUILD_STRINGS = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"\A(cuda1[0-3][0-9]|cpu)_(mkl|generic)_py3[0-9]{1,2}_h[0-9a-f]{7}_[0-9]{1,3}\Z"),
    st.from_regex(r"\Apy3\.[0-9]{1,2}_(cuda1[0-3]\.[0-9]_cudnn[89]\.[0-9]|cpu)_[0-9]\Z"),
)


@st.composite
def _records(draw: st.DrawFn) -> Record:
    return Record(
        name=draw(_NAMES),
        version=draw(st.sampled_from(["2.5.1", "2.7.1", "2.10.0", "2.12.1", "0.9.2", "1.0a", "", "?!"])),
        build=draw(_BUILD_STRINGS),
        build_number=draw(st.integers(0, 310)),
        subdir=draw(st.sampled_from(["linux-64", "noarch", "linux-aarch64", "osx-arm64", ""])),
        channel=draw(st.sampled_from(["conda-forge", "pytorch", "https://example.org/pkgs/main", ""])),
        depends=tuple(draw(st.lists(_DEPENDENCIES | st.text(max_size=20), max_size=5))),
        constrains=tuple(draw(st.lists(_DEPENDENCIES | st.text(max_size=20), max_size=3))),
        timestamp=draw(st.none() | st.integers(0, 10**13)),
    )


@st.composite
def _cuda_builds(draw: st.DrawFn) -> Build:
    toolkit = draw(st.sampled_from(_TOOLKITS))
    version = draw(st.sampled_from(["2.0.0", "2.5.1", "2.7.1", "2.10.0", "2.12.1"]))
    channel = draw(st.sampled_from(["conda-forge", "pytorch"]))
    short = toolkit.replace(".", "")
    depends = (f"cuda-version =={toolkit}", f"python {draw(st.sampled_from(['3.11', '3.12']))}.*")
    number = draw(st.sampled_from([300, 301, 302]))
    build = f"cuda{short}_mkl_py311_h0000000_{number}"
    return classify(Record("pytorch", version, build, number, "linux-64", channel=channel, depends=depends))


def _gpu(name: str) -> Gpu:
    return parse_gpu(name)


def _target(branch: int, gpus: Sequence[Gpu] = ()) -> Target:
    driver = DriverVersion((branch, 999, 99))
    return Target("linux-64", glibc="2.35", driver_version=driver, driver_cuda=driver_ceiling(driver), gpus=tuple(gpus))


@given(raw=st.dictionaries(st.text(max_size=10), _JSON, max_size=6), fn=st.text(max_size=30))
def test_any_entry_of_an_index_gives_a_build(raw: dict[str, object], fn: str) -> None:
    build = classify(record_from_repodata(raw, fn, "https://example.org/c", "linux-64"))
    assert build.record.fn == fn


@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "name": _JSON,
            "version": _JSON,
            "build": _JSON,
            "build_number": _JSON,
            "depends": _JSON,
            "constrains": _JSON,
            "timestamp": _JSON,
            "flags": _JSON,
            "features": _JSON,
            "subdir": _JSON,
            "size": _JSON,
            "sha256": _JSON,
            "url": _JSON,
        },
    )
)
def test_broken_values_never_crash(values: dict[str, object]) -> None:
    record = record_from_repodata(values, "pytorch-2.5.1-cuda126_0.conda", "c", "linux-64")
    verdict = judge(classify(record), _target(580))
    assert verdict.reasons


@given(text=st.text(max_size=60))
def test_any_text_can_be_read_as_build_string_version_and_spec(text: str) -> None:
    parse_build_string(text)
    parse_match_spec(text)
    version_matches(text, "1.0")
    assert version_key(text) == version_key(text)


@given(record=_records(), branch=st.sampled_from(_BRANCHES), names=st.lists(st.sampled_from(known_gpus()), max_size=2))
def test_every_verdict_has_a_reason(record: Record, branch: int, names: list[str]) -> None:
    verdict = judge(classify(record), _target(branch, [_gpu(name) for name in names]))
    assert verdict.reasons
    assert all(reason.code and say(reason) for reason in verdict.reasons)


@given(
    build=_cuda_builds(),
    name=st.none() | st.sampled_from(known_gpus()),
    branches=st.tuples(*[st.sampled_from(_BRANCHES)] * 2),
)
def test_a_newer_driver_loses_no_build_but_by_the_end_of_an_architecture(
    build: Build, name: str | None, branches: tuple[int, int]
) -> None:
    gpus = [_gpu(name)] if name else []
    older, newer = sorted(branches)
    before = judge(build, _target(older, gpus))
    after = judge(build, _target(newer, gpus))
    if before.tier.runs and not after.tier.runs:
        assert after.reasons[0].code == "gpu-dropped-by-driver"
    elif after.tier.runs:
        assert after.tier.rank <= before.tier.rank


@given(
    build=_cuda_builds(),
    branch=st.sampled_from(_BRANCHES),
    names=st.lists(st.sampled_from(known_gpus()), min_size=1, max_size=3),
    more=st.sampled_from(known_gpus()),
)
def test_more_gpus_never_widen_the_choice(build: Build, branch: int, names: list[str], more: str) -> None:
    gpus = [_gpu(name) for name in names]
    fewer = judge(build, _target(branch, gpus))
    wider = judge(build, _target(branch, [*gpus, _gpu(more)]))
    assert wider.tier.rank >= fewer.tier.rank


@given(builds=st.lists(_cuda_builds(), max_size=12), branch=st.sampled_from(_BRANCHES))
def test_a_named_gpu_never_widens_the_choice(builds: list[Build], branch: int) -> None:
    for build in builds:
        alone = judge(build, _target(branch))
        named = judge(build, _target(branch, [_gpu("A100")]))
        assert named.tier.rank >= alone.tier.rank


@settings(max_examples=60)
@given(
    records=st.lists(_records(), max_size=12),
    seed=st.integers(0, 2**16),
    cuda=st.sampled_from(["auto", "none", "12", "12.9"]),
)
def test_the_ranking_is_total_and_deterministic(records: list[Record], seed: int, cuda: str) -> None:
    target = _target(550, [_gpu("A100")])
    request = Request(("pytorch",), CudaChoice.parse(cuda), channels=("conda-forge", "pytorch"))
    verdicts = [judge(classify(record), target, request=request) for record in records]
    shuffled = verdicts.copy()
    random.Random(seed).shuffle(shuffled)
    assert rank(verdicts, request, target) == rank(shuffled, request, target)
    assert nearest(verdicts, request, target) == nearest(shuffled, request, target)
    both = rank(verdicts, request, target) + nearest(verdicts, request, target)
    assert len(both) == len(verdicts)


@given(records=st.lists(_records(), max_size=8))
def test_auto_with_a_gpu_never_picks_a_cpu_build(records: list[Record]) -> None:
    target = _target(580, [_gpu("H100")])
    request = Request(("pytorch",))
    chosen = pick(rank([judge(classify(record), target) for record in records], request, target))
    assert chosen is None or chosen.tier not in {Tier.CPU, Tier.NO}
    assert chosen is None or chosen.build.variant != "cpu"


@given(records=st.lists(_records(), max_size=8), cuda=st.sampled_from(["auto", "none", "12.9"]))
def test_a_solution_of_anything_can_be_checked(records: list[Record], cuda: str) -> None:
    request = Request(("pytorch",), CudaChoice.parse(cuda))
    for refusal in check_solution(records, _target(550, [_gpu("V100")]), request):
        assert say(refusal.reason)


@given(text=st.text(max_size=12))
def test_a_cuda_choice_is_read_or_refused_with_a_message(text: str) -> None:
    try:
        choice = CudaChoice.parse(text)
    except ValueError:
        with pytest.raises(ValueError, match="write auto"):
            CudaChoice.parse(text)
    else:
        assert CudaChoice.parse(str(choice)) == choice


@given(major=st.integers(8, 20), minor=st.integers(0, 9))
def test_exact_choices_round_trip(major: int, minor: int) -> None:
    choice = CudaChoice.parse(f"{major}.{minor}")
    assert choice == CudaChoice("exact", CudaVersion(major, minor))
    assert str(choice) == f"{major}.{minor}"
