"""What a real solver makes of the tasks over the real indexes: the pick is what comes out, and it checks clean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from envkit.builds.classify import classify
from envkit.builds.record import record_from_repodata
from envkit.checks.solution import check_solution
from envkit.checks.verdict import judge, judge_all
from envkit.cuda.target import describe_target
from envkit.models.build import Build, Record
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request
from envkit.models.solve import SolveTask
from envkit.plan.rank import rank, solve_candidates
from envkit.plan.solve_task import framework_of, plan_solve

rattler = pytest.importorskip("rattler")
SolverError = pytest.importorskip("rattler.exceptions").SolverError

Builds = Callable[[str, str, str], list[Build]]
Records = Callable[[str, str], list[Record]]
Solve = Callable[[SolveTask], list[Record] | None]
BASE = "https://example.org/"
CHANNELS = (BASE + "conda-forge", BASE + "pytorch", BASE + "nvidia")


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, list[Record]], object]:
    folder = tmp_path_factory.mktemp("index")
    open_files: dict[tuple[str, str, int], object] = {}

    def load(channel: str, subdir: str, found: list[Record]) -> object:
        key = (channel, subdir, len(found))
        if key not in open_files:
            path = folder / f"{channel}-{subdir}-{len(found)}.json"
            packages: dict[str, dict[str, object]] = {"packages": {}, "packages.conda": {}}
            for record in found:
                kind = "packages.conda" if record.fn.endswith(".conda") else "packages"
                packages[kind][record.fn] = dict(record.raw)
            path.write_text(json.dumps({"info": {"subdir": subdir}, **packages}))
            sparse = rattler.SparseRepoData(rattler.Channel(BASE + channel), subdir, str(path))
            open_files[key] = sparse
        return open_files[key]

    return load


@pytest.fixture
def solve(records: Records, index: Callable[[str, str, list[Record]], object]) -> Solve:
    return _solver(records, index)


def _solver(records: Records, index: Callable[[str, str, list[Record]], object]) -> Solve:
    async def run(task: SolveTask) -> list[Record] | None:
        names = [channel.rsplit("/", 1)[-1] for channel in task.channels]
        sparse = [index(name, subdir, records(name, subdir)) for name in names for subdir in task.platforms]
        virtual = [
            rattler.GenericVirtualPackage(
                rattler.PackageName(v.name), rattler.Version(v.version), rattler.BuildString(v.build)
            )
            for v in task.virtual_packages
        ]
        try:
            found = await rattler.solve_with_sparse_repodata(
                specs=[rattler.MatchSpec(spec, strict=False) for spec in task.specs],
                sparse_repodata=sparse,
                virtual_packages=virtual,
                constraints=[rattler.MatchSpec(spec, strict=False) for spec in task.constraints],
                channel_priority=rattler.ChannelPriority.Strict,
            )
        except SolverError:
            return None
        return [
            record_from_repodata(
                {
                    "name": r.name.normalized,
                    "version": str(r.version),
                    "build": r.build,
                    "build_number": r.build_number,
                    "depends": list(r.depends),
                    "constrains": list(r.constrains),
                },
                r.file_name,
                r.channel or "",
                r.subdir,
            )
            for r in found
        ]

    return lambda task: asyncio.run(run(task))


def _create(
    builds: Builds, solve: Solve, specs: tuple[str, ...], target: Target, cuda: str = "auto"
) -> tuple[list[Record], Request]:
    request = Request(specs, CudaChoice.parse(cuda), channels=CHANNELS)
    name = framework_of(Request(specs).parsed)
    assert name is not None
    candidates = [b for channel in ("conda-forge", "pytorch") for b in builds(channel, target.subdir, name)]
    ranked = rank([judge(build, target, request=request) for build in candidates], request, target)
    for verdict in solve_candidates(ranked, limit=12):
        solved = solve(plan_solve(request, target, verdict, [b.record for b in candidates]))
        if solved is not None:
            return solved, request
    pytest.fail("no candidate solves")


def _target(driver: str | None, *gpus: str) -> Target:
    return describe_target(Target("linux-64", glibc="2.35", microarch="x86_64_v3"), driver=driver, gpus=gpus)


@pytest.mark.parametrize(
    "case",
    [
        (("pytorch",), "550.54.14", "a100", "auto", "pytorch 2.12.1 cuda129"),
        (("pytorch",), "580", "rtx 5090", "auto", "pytorch 2.12.1 cuda130"),
        (("pytorch",), "580", "v100", "auto", "pytorch 2.12.1 cuda129"),
        (("pytorch",), "470.256.02", "t4", "auto", "pytorch 2.4.0 cuda118"),
        (("pytorch",), "535", "t4", "12.1", "pytorch 2.5.1 py3.11_cuda12.1"),
        (("pytorch", "torchvision"), "550", "a100", "auto", "pytorch 2.10.0 cuda129"),
        (("pytorch", "torchvision", "torchaudio"), "535", "t4", "12.1", "pytorch 2.3.0 py3.10_cuda12.1"),
        (("pytorch", "jax"), "580", "h100", "auto", "jaxlib 0.10.2 cuda129"),
        (("jax",), "535", "t4", "auto", "jaxlib 0.10.2 cuda129"),
        (("tensorflow",), "535", "t4", "auto", "tensorflow 2.12.1 cuda112"),
        (("pytorch",), "580", "h100", "none", "pytorch 2.12.0 cpu_mkl"),
        (("pytorch",), None, None, "auto", "pytorch 2.12.0 cpu_mkl"),
    ],
    ids=lambda case: "-".join(str(part) for part in case[1:4]),
)
def test_the_solver_returns_the_pick_and_it_checks_clean(
    builds: Builds, solve: Solve, case: tuple[tuple[str, ...], str | None, str | None, str, str]
) -> None:
    specs, driver, gpu, cuda, expected = case
    target = _target(driver, *([gpu] if gpu else []))
    solved, request = _create(builds, solve, specs, target, cuda)
    assert any(f"{r.name} {r.version} {r.build}".startswith(expected) for r in solved)
    assert check_solution(solved, target, request) == []


def test_channel_pytorch_gets_an_mkl_that_it_can_load(builds: Builds, solve: Solve) -> None:
    solved, _ = _create(builds, solve, ("pytorch",), _target("535", "t4"), "12.1")
    [mkl] = [record for record in solved if record.name == "mkl"]
    assert mkl.version.startswith("202")
    assert mkl.version < "2024.1"


def test_gpus_before_turing_get_the_last_cudnn_with_their_code(builds: Builds, solve: Solve) -> None:
    solved, _ = _create(builds, solve, ("pytorch",), _target("580", "v100"))
    assert {record.version.rsplit(".", 2)[0] for record in solved if record.name == "libcudnn"} == {"9.10"}


def test_virtual_packages_alone_would_fall_back_to_cpu(solve: Solve) -> None:
    target = _target("470.256.02", "t4")
    plain = plan_solve(Request(("pytorch 2.7.*",), CudaChoice("none"), channels=CHANNELS[:1]), target, None)
    solved = solve(plain)
    assert solved is not None
    request = Request(("pytorch 2.7.*",), channels=CHANNELS[:1])
    assert "cpu-build" in {refusal.reason.code for refusal in check_solution(solved, target, request)}


def test_no_constraint_lets_a_cpu_build_in(solve: Solve) -> None:
    request = Request(("pytorch 2.7.*", "python 3.9.*"), channels=CHANNELS[:1])
    task = plan_solve(request, _target("470.256.02", "t4"), None)
    solved = solve(task)
    assert solved is None or all(not r.build.startswith("cpu") for r in solved if r.name == "pytorch")


def _tensorflow_29() -> list[Record]:
    """TensorFlow 2.9.1 for CUDA 11.2 as conda-forge's recipe makes it (feedstock bffd5d3); no index here has it."""
    python = ["python >=3.10,<3.11.0a0", "python_abi 3.10.* *_cp310"]
    base = ["__cuda", "__glibc >=2.17", "cudatoolkit >=11.2,<12", "cudnn >=8.4.1.50,<9.0a0", "numpy >=1.21.6,<2.0a0"]
    made = {
        "tensorflow": ("cuda112py310he87a039_0", ["__cuda", *python, "tensorflow-base 2.9.1 cuda112py310h666dfb6_0"]),
        "tensorflow-base": ("cuda112py310h666dfb6_0", [*base, *python]),
    }
    return [
        record_from_repodata(
            {
                "name": name,
                "version": "2.9.1",
                "build": build,
                "build_number": 0,
                "subdir": "linux-64",
                "depends": depends,
            },
            f"{name}-2.9.1-{build}.tar.bz2",
            BASE + "conda-forge",
            "linux-64",
        )
        for name, (build, depends) in made.items()
    ]


@pytest.mark.parametrize(("driver", "tier"), [("450.80.02", "minor"), ("470.256.02", "native"), ("580", "native")])
def test_tensorflow_2_9_with_jupyter_and_tensorboard(
    records: Records, index: Callable[[str, str, list[Record]], object], driver: str, tier: str
) -> None:
    made = _tensorflow_29()

    def both(channel: str, subdir: str) -> list[Record]:
        return records(channel, subdir) + (made if subdir == "linux-64" else [])

    target = _target(driver, "t4")
    request = Request(("tensorflow 2.9.*", "jupyter", "tensorboard"), channels=CHANNELS[:1])
    builds = [classify(record) for record in both("conda-forge", "linux-64") if record.name == "tensorflow"]
    [verdict] = rank(judge_all(builds, target, request=request), request, target)
    assert verdict.tier.value == tier
    solved = _solver(both, index)(plan_solve(request, target, verdict, [build.record for build in builds]))
    assert solved is not None
    have = {record.name: record for record in solved}
    assert have["tensorflow-base"].build.startswith("cuda112py310")
    assert {"jupyter", "tensorboard", "cudatoolkit", "cudnn"} <= have.keys()
    assert check_solution(solved, target, request) == []
