from __future__ import annotations

import pytest

from envkit.builds.classify import classify
from envkit.checks.verdict import judge
from envkit.cuda.target import describe_target
from envkit.models.build import Record, Verdict
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request
from envkit.models.solve import SolveTask
from envkit.plan.corrections import find_corrections
from envkit.plan.limits import limits
from envkit.plan.pythons import other_pythons
from envkit.plan.rank import conservative, nearest, pick, rank, solve_candidates
from envkit.plan.solve_task import framework_of, plan_solve, virtual_packages
from envkit.values import replace
from envkit.words.say import say

BASE = Target("linux-64", glibc="2.35", microarch="x86_64_v3")
CF = "https://example.org/conda-forge"
PT = "https://example.org/pytorch"


def _record(version: str, build: str, channel: str = CF, timestamp: int = 0, name: str = "pytorch") -> Record:
    number = int(build.rsplit("_", 1)[1])
    fn = f"{name}-{version}-{build}.conda"
    return Record(name, version, build, number, "linux-64", fn=fn, channel=channel, timestamp=timestamp)


RECORDS = [
    _record("2.12.1", "cuda130_mkl_py312_h0000000_300"),
    _record("2.12.1", "cuda129_mkl_py312_h0000000_300"),
    _record("2.12.1", "cuda129_mkl_py311_h0000000_300"),
    _record("2.12.1", "cpu_mkl_py312_h0000000_100"),
    _record("2.5.1", "py3.11_cuda12.1_cudnn9.1.0_0", PT),
    _record("2.5.1", "py3.11_cuda12.4_cudnn9.1.0_0", PT),
    _record("2.5.1", "cuda126_mkl_py312_h0000000_310"),
]


def _target(driver: str | None, *gpus: str) -> Target:
    return describe_target(BASE, driver=driver, gpus=gpus)


def _verdicts(request: Request, target: Target, records: list[Record] | None = None) -> list[Verdict]:
    return [judge(classify(record), target, request=request) for record in records or RECORDS]


def _best(target: Target, cuda: str = "auto", **more: str) -> str | None:
    request = Request(("pytorch",), CudaChoice.parse(cuda), channels=(CF, PT), **more)  # type: ignore[arg-type]
    chosen = pick(rank(_verdicts(request, target), request, target))
    return f"{chosen.build.record.version} {chosen.build.record.build}" if chosen else None


@pytest.mark.parametrize(
    ("driver", "cuda", "best"),
    [
        ("580", "auto", "2.12.1 cuda130_mkl_py312"),
        ("580", "12", "2.12.1 cuda129_mkl_py312"),
        ("550", "auto", "2.12.1 cuda129_mkl_py312"),
        ("550", "12.1", "2.5.1 py3.11_cuda12.1"),
        ("550", "none", "2.12.1 cpu"),
        (None, "auto", "2.12.1 cpu"),
    ],
)
def test_the_order_of_choice(driver: str | None, cuda: str, best: str) -> None:
    assert (_best(_target(driver, *(["a100"] if driver else [])), cuda) or "").startswith(best)


def test_nothing_is_picked_that_does_not_run() -> None:
    assert _best(_target("470", "a100")) is None
    assert _best(_target(None), "12.1") is None


def test_prefer_native_and_the_conservative_alternative_agree() -> None:
    target = _target("550", "a100")
    assert (_best(target, prefer="native") or "").startswith("2.5.1 py3.11_cuda12.4")
    request = Request(("pytorch",), channels=(CF, PT))
    ranked = rank(_verdicts(request, target), request, target)
    safe = conservative(ranked, pick(ranked))
    assert safe is not None
    assert safe.build.record.build == "py3.11_cuda12.4_cudnn9.1.0_0"
    assert conservative(ranked, None) is None


def test_specs_with_versions_builds_and_channels_filter() -> None:
    target = _target("580", "a100")
    for spec, count in (
        ("pytorch 2.5.*", 3),
        ("pytorch=2.5.1=*cuda12.1*", 1),
        ("pytorch::pytorch", 2),
        ("pytorch>3", 0),
    ):
        request = Request((spec,))
        assert len(rank(_verdicts(request, target), request, target)) == count, spec


def test_nearest_is_what_the_ranking_left_out() -> None:
    target = _target("580", "a100")
    request = Request(("pytorch",), CudaChoice.parse("12.1"), channels=(CF, PT))
    verdicts = _verdicts(request, target)
    left = nearest(verdicts, request, target)
    assert len(left) == len(RECORDS) - 1
    assert str(left[0].build.build_cuda) == "12.4"
    assert left[-1].build.variant == "cpu"
    assert not any(v in left for v in rank(verdicts, request, target))


def test_solve_candidates_are_one_for_each_version_and_toolkit() -> None:
    target = _target("580", "a100")
    request = Request(("pytorch",), channels=(CF, PT))
    found = solve_candidates(rank(_verdicts(request, target), request, target))
    assert [(v.build.record.version, str(v.build.build_cuda)) for v in found] == [
        ("2.12.1", "13.0"),
        ("2.12.1", "12.9"),
        ("2.5.1", "12.6"),
        ("2.5.1", "12.4"),
        ("2.5.1", "12.1"),
    ]


def test_packages_that_hand_ptx_to_the_driver_take_native_first() -> None:
    records = [
        Record("numba-cuda", "0.30", "py312h0000000_0", 0, "linux-64", depends=("cuda-version >=12.9,<13",)),
        Record("numba-cuda", "0.20", "py312h0000000_0", 0, "linux-64", depends=("cuda-version >=12.2,<12.3",)),
    ]
    target, request = _target("550"), Request(("numba-cuda",))
    ranked = rank(_verdicts(request, target, records), request, target)
    assert [v.build.record.version for v in ranked] == ["0.20", "0.30"]
    task = plan_solve(Request(("numba",)), target, None)
    assert "cuda-version <=12.4" in task.constraints


def test_limits_say_what_to_drop() -> None:
    target = _target("580", "a100")
    request = Request(("pytorch",), CudaChoice.parse("12.1"), channels=(CF, PT))
    [text] = map(say, limits(_verdicts(request, target), request, target))
    assert text == (
        "--cuda 12.1 limits you to 2.5.1; this target runs pytorch 2.12.1 for CUDA 13.0 of conda-forge, native: "
        "drop --cuda 12.1"
    )


def test_limits_name_the_pythons_that_exist() -> None:
    target = _target("580", "a100")
    request = Request(("pytorch",), python="3.8", channels=(CF, PT))
    texts = list(map(say, limits(_verdicts(request, target), request, target)))
    assert "--python 3.8: the builds are for Python 3.11, 3.12" in texts


@pytest.mark.parametrize(
    ("specs", "name"),
    [
        (("numpy", "pytorch=2.5"), "pytorch"),
        (("pytorch-gpu",), "pytorch"),
        (("torchvision",), "pytorch"),
        (("jax",), "jaxlib"),
        (("tensorflow-gpu",), "tensorflow"),
        (("cpuonly", "python"), None),
        (("numpy",), None),
    ],
)
def test_the_framework_among_the_specs(specs: tuple[str, ...], name: str | None) -> None:
    assert framework_of(Request(specs).parsed) == name


def test_virtual_packages_follow_the_standards() -> None:
    found = {p.name: (p.version, p.build) for p in virtual_packages(_target("550", "h100", "a100"))}
    assert found == {
        "__unix": ("0", "0"),
        "__linux": ("0", "0"),
        "__glibc": ("2.35", "0"),
        "__archspec": ("1", "x86_64_v3"),
        "__cuda": ("12.4", "0"),
        "__cuda_arch": ("8.0", "0"),
    }
    assert "__cuda_arch" not in {p.name for p in virtual_packages(_target("550"))}
    assert {p.name for p in virtual_packages(Target("osx-arm64", osx="14.0"))} == {"__unix", "__osx"}
    assert {p.name for p in virtual_packages(Target("win-64"))} == {"__win", "__archspec"}


def _task(cuda: str, target: Target, *specs: str, python: str | None = None) -> SolveTask:
    request = Request(
        specs or ("pytorch",), CudaChoice.parse(cuda), python, channels=(CF, PT, "https://example.org/nvidia")
    )
    chosen = pick(rank(_verdicts(request, target), request, target))
    return plan_solve(request, target, chosen, RECORDS)


def test_conda_forge_stands_alone_and_the_pin_leaves_the_python_open() -> None:
    task = _task("auto", _target("550", "a100"))
    assert task.channels == (CF,)
    assert task.specs == ("pytorch", "pytorch ==2.12.1 cuda129_mkl_py*_*_300")
    assert {"libtorch * cuda*", "torchvision * cuda*", "cuda-version >=12.9,<13", "pytorch-cpu <0"} <= set(
        task.constraints
    )
    assert task.platforms == ("linux-64", "noarch")
    assert task.channel_priority == "strict"
    assert dict(task.reasons).keys() == set(task.constraints)


def test_a_named_python_pins_the_record() -> None:
    task = _task("auto", _target("550", "a100"), "pytorch", python="3.11")
    assert task.specs == ("pytorch", "pytorch ==2.12.1 cuda129_mkl_py311_h0000000_300", "python 3.11.*")


@pytest.mark.parametrize(
    ("asked", "depends", "known"),
    [
        (
            "python=3.12",
            [["python >=3.11,<3.12.0a0"], ["python >=3.14,<3.15.0a0"]],
            "Python 3.11, 3.14, asked for 3.12",
        ),
        ("python 3.12.*", [["python >=3.9,<3.10.0a0 *_cpython"]], "Python 3.9, asked for 3.12"),
        ("python==3.12.4", [["python >=3.14.0rc2,<3.15"]], "Python 3.14, asked for 3.12"),
        ("python>=3.12,<3.13", [["python 3.11.*", "python_abi 3.11.* *_cp311"]], "Python 3.11, asked for 3.12"),
        ("python=3.12", [["python >=3.11,<3.12.0a0"], ["python >=3.12,<3.13.0a0"]], None),
        ("python=3.12", [["python >=3.11,<3.12.0a0"], ["python >=3.10"]], None),
        ("python=3.12", [["python >=3.11,<3.13"]], None),
        ("python=3.12", [["python >=3.11,<3.12.0a0|>=3.12"]], None),
        ("python=3.12", [["numpy"]], None),  # for any
        ("python=3.12", [], None),  # none that is known
        ("python>=3.12", [["python >=3.11,<3.12.0a0"]], None),
        ("python=3.12|3.11", [["python >=3.11,<3.12.0a0"]], None),
        ("python!=3.11.*", [["python >=3.11,<3.12.0a0"]], None),
        ("python=3", [["python >=3.11,<3.12.0a0"]], None),
        ("numpy=3.12", [["python >=3.11,<3.12.0a0"]], None),
    ],
)
def test_builds_for_other_pythons_than_the_request_names_are_known(
    asked: str, depends: list[list[str]], known: str | None
) -> None:
    request = Request(("pytorch", asked), channels=(CF, PT))
    [chosen, *_] = rank(_verdicts(request, _target("550", "a100")), request, _target("550", "a100"))
    task = plan_solve(request, _target("550", "a100"), chosen, RECORDS)
    record = replace(chosen.build.record, build=chosen.build.record.build.upper())
    reason = other_pythons(task, request, [replace(record, depends=tuple(one)) for one in depends])
    assert (reason and say(reason)) == (known and f"its builds are for {known}")


def test_a_loose_pin_leaves_open_what_rebuilds_differ_in() -> None:
    request = Request(("pytorch",), channels=(CF, PT))
    [chosen, *_] = rank(_verdicts(request, _target("550", "a100")), request, _target("550", "a100"))
    number = replace(chosen.build.record, build="cuda129_generic_py310_h1234567_7", build_number=7)
    for records, pin in (
        ([*RECORDS, number], "pytorch ==2.12.1 cuda129_*_py*_*_*"),
        (RECORDS, plan_solve(request, BASE, chosen, RECORDS).specs[1]),  # there are no others
        ([*RECORDS, replace(number, channel=PT)], "pytorch ==2.12.1 cuda129_mkl_py*_*_300"),
    ):
        assert plan_solve(request, BASE, chosen, records, loose=True).specs[1] == pin


def test_channel_pytorch_brings_nvidia_and_conda_forge() -> None:
    task = _task("12.1", _target("550", "a100"), "pytorch", "torchvision")
    assert task.channels == (PT, "https://example.org/nvidia", CF)
    assert {"mkl <2024.1", "pytorch-cuda 12.1.*", "torchvision * *cu121", "cpuonly <0"} <= set(task.constraints)


def test_old_gpus_hold_cudnn_back_and_new_ones_lift_cuda() -> None:
    assert "libcudnn <9.11" in _task("auto", _target("580", "v100")).constraints
    assert "cuda-version >=12.8,<13" in _task("12", _target("580", "b200")).constraints


def test_a_request_without_a_framework_still_excludes_cpu_builds() -> None:
    task = plan_solve(Request(("transformers",)), _target("580", "a100"), None)
    assert {"pytorch * *cuda*", "jaxlib * *cuda*"} <= set(task.constraints)
    assert plan_solve(Request(("transformers",)), BASE, None).constraints == ()


def test_no_cuda_keeps_cuda_out() -> None:
    task = _task("none", _target("580", "a100"))
    assert task.specs[1].startswith("pytorch ==2.12.1 cpu_mkl")
    assert {"pytorch-gpu <0", "pytorch-cuda <0"} <= set(task.constraints)


def test_cudatoolkit_12_becomes_cuda_version_or_the_flag() -> None:
    [found] = find_corrections(Request(("magma", "cudatoolkit=12.1")), _target("550"))
    assert (found.code, found.specs, found.cuda) == ("cudatoolkit-12", ("magma", "cuda-version=12.1"), None)
    [found] = find_corrections(Request(("pytorch", "cudatoolkit=12.1")), _target("550"))
    assert (found.code, found.specs, found.cuda) == ("cudatoolkit-12", ("pytorch",), "12.1")
    assert find_corrections(Request(("cudatoolkit=11.8",)), _target("550")) == []


def test_a_driver_too_old_for_every_pytorch_cuda_means_cpu() -> None:
    request = Request(("pytorch", "pytorch-cuda=12.1"), channels=("pytorch", "nvidia"))
    [found] = find_corrections(request, _target("440.100"))
    assert (found.code, found.cuda) == ("pytorch-cuda-driver-too-old", "none")


@pytest.mark.parametrize(
    ("machine", "cuda"),
    [
        (("470", "a100"), "11.8"),
        (("570", "rtx 5090"), "auto"),
        (("440.100",), "none"),
    ],
)
def test_a_correction_takes_the_place_of_the_cuda_beside_the_package(machine: tuple[str, ...], cuda: str) -> None:
    request = Request(("pytorch", "pytorch-cuda=12.1"), CudaChoice.parse("12.1"), channels=("pytorch", "nvidia"))
    [found] = find_corrections(request, _target(*machine))
    assert found.cuda == cuda
