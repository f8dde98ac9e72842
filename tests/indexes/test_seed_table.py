"""The seed requests by driver: every cell of the table of known answers, and the GPU cases, over the real indexes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envkit.checks.verdict import judge
from envkit.cuda.target import describe_target
from envkit.models.build import Build, Tier, Verdict
from envkit.models.gpucode import Architecture
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request
from envkit.models.version import CudaVersion
from envkit.plan.corrections import find_corrections
from envkit.plan.limits import limits
from envkit.plan.rank import conservative, nearest, pick, rank
from envkit.words.say import say

Builds = Callable[[str, str, str], list[Build]]
CHANNELS = ("conda-forge", "pytorch", "nvidia")
DRIVERS = {"470": "470.256.02", "535": "535.216.03", "550": "550.144.03", "570": "570.195.03", "580": "580.95.05"}


def _target(driver: str | None, *gpus: str, subdir: str = "linux-64") -> Target:
    base = Target(subdir, glibc="2.35" if subdir.startswith("linux") else None, microarch="x86_64_v3")
    if subdir == "osx-arm64":
        return Target(subdir, osx="14.0", mps=True)
    return describe_target(base, driver=DRIVERS.get(driver, driver) if driver else None, gpus=gpus)


def _verdicts(builds: Builds, names: tuple[str, ...], request: Request, target: Target) -> list[Verdict]:
    return [
        judge(build, target, request=request)
        for name in names
        for channel in request.channels
        for subdir in (target.subdir, "noarch")
        for build in builds(channel, subdir, name)
    ]


def _find(
    builds: Builds, spec: str, target: Target, cuda: str = "auto", python: str | None = None
) -> tuple[Verdict | None, list[Verdict], list[str]]:
    request = Request((spec,), CudaChoice.parse(cuda), python, channels=CHANNELS)
    verdicts = _verdicts(builds, (spec.split(maxsplit=1)[0],), request, target)
    ranked = rank(verdicts, request, target)
    return pick(ranked), ranked, [say(advice) for advice in limits(verdicts, request, target)]


def _is(verdict: Verdict | None, version: str, build: str, tier: Tier) -> bool:
    if verdict is None:
        return False
    record = verdict.build.record
    return record.version == version and record.build.startswith(build) and verdict.tier is tier


class TestPytorch27Cuda12:
    def test_470_refuses_and_offers_what_runs(self, builds: Builds) -> None:
        chosen, ranked, texts = _find(builds, "pytorch 2.7.*", _target("470"), "12")
        assert chosen is None
        assert {v.reasons[0].code for v in ranked} == {"driver-too-old"}
        assert "525.60.13" in say(ranked[0].reasons[0])
        assert "470.256.02" in say(ranked[0].reasons[0])
        assert any("2.7.1" in text and "--cuda none" in text for text in texts)
        assert any("for CUDA 11.8" in text and "drop --cuda 12 and the version" in text for text in texts)

    @pytest.mark.parametrize("driver", ["535", "550", "570"])
    def test_535_to_570_run_it_by_minor_compatibility(self, builds: Builds, driver: str) -> None:
        chosen, _, _ = _find(builds, "pytorch 2.7.*", _target(driver), "12")
        assert _is(chosen, "2.7.1", "cuda129", Tier.MINOR)

    def test_580_runs_it_native(self, builds: Builds) -> None:
        chosen, _, _ = _find(builds, "pytorch 2.7.*", _target("580"), "12")
        assert _is(chosen, "2.7.1", "cuda129", Tier.NATIVE)

    def test_the_newest_that_535_covers_wholly_is_2_5_1(self, builds: Builds) -> None:
        for driver, cuda in (("535", "12.1"), ("550", "12.4")):
            chosen, ranked, _ = _find(builds, "pytorch", _target(driver))
            safe = conservative(ranked, chosen)
            assert safe is not None
            assert (safe.build.record.version, str(safe.build.build_cuda)) == ("2.5.1", cuda)

    def test_blackwell_on_570_never_gets_cuda_12_6(self, builds: Builds) -> None:
        for gpu in ("rtx 5090", "b200"):
            chosen, ranked, _ = _find(builds, "pytorch 2.7.*", _target("570", gpu), "12")
            assert _is(chosen, "2.7.1", "cuda129", Tier.MINOR)
            old = [v for v in ranked if v.build.build_cuda == CudaVersion(12, 6)]
            assert old
            assert {(v.tier, v.reasons[0].code) for v in old} == {(Tier.NO, "library-lacks-gpu")}

    def test_no_gpu_is_the_cpu_build(self, builds: Builds) -> None:
        chosen, _, _ = _find(builds, "pytorch 2.7.*", _target(None))
        assert _is(chosen, "2.7.1", "cpu_mkl", Tier.CPU)
        refused, ranked, _ = _find(builds, "pytorch 2.7.*", _target(None), "12")
        assert refused is None
        assert {v.reasons[0].code for v in ranked} == {"no-gpu"}

    def test_macos_has_metal(self, builds: Builds) -> None:
        chosen, _, _ = _find(builds, "pytorch 2.7.*", _target(None, subdir="osx-arm64"))
        assert _is(chosen, "2.7.1", "cpu_generic", Tier.NATIVE)
        assert chosen is not None
        assert chosen.build.variant == "mps"


class TestPytorchCuda121Python39:
    SPECS = ("pytorch", "torchvision", "torchaudio", "pytorch-cuda=12.1", "python=3.9")

    def _corrections(self, target: Target) -> list[tuple[str, tuple[str, ...]]]:
        request = Request(self.SPECS, python="3.9", channels=("pytorch", "nvidia"))
        return [(c.code, c.specs) for c in find_corrections(request, target)]

    def test_470_is_rewritten_to_11_8(self, builds: Builds) -> None:
        rewritten = ("pytorch", "torchvision", "torchaudio", "pytorch-cuda=11.8", "python=3.9")
        assert self._corrections(_target("470")) == [("pytorch-cuda-too-new", rewritten)]
        chosen, _, texts = _find(builds, "pytorch", _target("470"), "12.1")
        assert chosen is None
        assert any("525.60.13" in text for text in texts)

    @pytest.mark.parametrize("driver", ["535", "550", "570", "580"])
    def test_535_to_580_run_12_1(self, builds: Builds, driver: str) -> None:
        assert self._corrections(_target(driver)) == []
        chosen, ranked, texts = _find(builds, "pytorch", _target(driver, "a100"), "12.1")
        assert _is(chosen, "2.5.1", "py3.11_cuda12.1_cudnn9.1.0_0", Tier.NATIVE)
        assert {v.build.build_cuda for v in ranked} == {CudaVersion(12, 1)}
        assert any(t.startswith("--cuda 12.1 limits you to 2.5.1; this target runs pytorch 2.12") for t in texts)
        on_39, _, _ = _find(builds, "pytorch", _target(driver, "a100"), "12.1", python="3.9")
        assert on_39 is not None
        assert on_39.build.python == "3.9"

    @pytest.mark.parametrize(("driver", "gpu"), [("570", "rtx 5090"), ("580", "b200"), ("580", "gb10")])
    def test_blackwell_is_sent_to_conda_forge(self, builds: Builds, driver: str, gpu: str) -> None:
        target = _target(driver, gpu)
        assert [code for code, _ in self._corrections(target)] == ["pytorch-channel-lacks-gpu"]
        chosen, ranked, texts = _find(builds, "pytorch", target, "12.1")
        assert chosen is None
        assert {v.reasons[0].code for v in ranked} == {"no-kernel-image"}
        assert any("drop --cuda 12.1" in text for text in texts)

    def test_no_gpu_becomes_cpuonly(self) -> None:
        [(code, specs)] = self._corrections(_target(None))
        assert code == "pytorch-cuda-without-gpu"
        assert "cpuonly" in specs

    def test_macos_drops_it(self) -> None:
        [(code, specs)] = self._corrections(_target(None, subdir="osx-arm64"))
        assert code == "pytorch-cuda-on-macos"
        assert "pytorch-cuda=12.1" not in specs


class TestCpuonly:
    @pytest.mark.parametrize("driver", [*DRIVERS, None])
    def test_it_is_for_channel_pytorch(self, builds: Builds, driver: str | None) -> None:
        target = _target(driver)
        assert find_corrections(Request(("pytorch", "cpuonly"), channels=("pytorch",)), target) == []
        [found] = find_corrections(Request(("pytorch", "cpuonly"), channels=("conda-forge",)), target)
        assert (found.code, found.specs, found.cuda) == (
            "cpuonly-with-conda-forge",
            ("pytorch", "pytorch-cpu"),
            "none",
        )
        chosen, _, _ = _find(builds, "pytorch", target, "none")
        assert chosen is not None
        assert (chosen.build.variant, chosen.tier) == ("cpu", Tier.CPU)

    def test_macos_ignores_it(self) -> None:
        request = Request(("pytorch", "cpuonly"), channels=("pytorch",))
        [found] = find_corrections(request, _target(None, subdir="osx-arm64"))
        assert found.specs == ("pytorch",)


class TestTensorflow:
    @pytest.mark.parametrize("driver", DRIVERS)
    def test_cuda_11_2_runs_everywhere(self, builds: Builds, driver: str) -> None:
        chosen, _, _ = _find(builds, "tensorflow", _target(driver))
        assert _is(chosen, "2.12.1", "cuda112py310", Tier.NATIVE)

    @pytest.mark.parametrize("driver", ["570", "580"])
    def test_cuda_11_has_nothing_for_blackwell(self, builds: Builds, driver: str) -> None:
        chosen, ranked, _ = _find(builds, "tensorflow", _target(driver, "rtx 5090"))
        assert chosen is None
        cuda = [v for v in ranked if v.build.variant == "cuda" and v.build.record.version == "2.12.1"]
        assert {v.reasons[0].code for v in cuda} == {"library-lacks-gpu"}

    def test_tensorflow_gpu_is_corrected(self) -> None:
        [found] = find_corrections(Request(("tensorflow-gpu=2.9", "jupyter")), _target("550"))
        assert (found.code, found.specs) == ("tensorflow-gpu", ("tensorflow =2.9", "jupyter"))


class TestJax:
    def test_470_gets_cuda_11_8(self, builds: Builds) -> None:
        chosen, _, _ = _find(builds, "jaxlib", _target("470"))
        assert _is(chosen, "0.4.23", "cuda118", Tier.MINOR)

    @pytest.mark.parametrize("driver", ["535", "550", "570"])
    def test_535_to_570_run_cuda_12_9_with_a_note(self, builds: Builds, driver: str) -> None:
        chosen, _, _ = _find(builds, "jaxlib", _target(driver))
        assert _is(chosen, "0.10.2", "cuda129", Tier.MINOR)
        assert chosen is not None
        assert "runtime-compiler" in {reason.code for reason in chosen.reasons}

    def test_580_is_native(self, builds: Builds) -> None:
        chosen, _, _ = _find(builds, "jaxlib", _target("580"))
        assert _is(chosen, "0.10.2", "cuda129", Tier.NATIVE)

    def test_without_gpu_and_on_macos_it_is_cpu(self, builds: Builds) -> None:
        for target in (_target(None), _target(None, subdir="osx-arm64")):
            chosen, _, _ = _find(builds, "jaxlib", target)
            assert chosen is not None
            assert (chosen.build.variant, chosen.tier) == ("cpu", Tier.CPU)


class TestMxnet:
    @pytest.mark.parametrize("driver", DRIVERS)
    def test_no_gpu_build_exists(self, builds: Builds, driver: str) -> None:
        request = Request(("mxnet",), channels=("pkgs/main",))
        target = _target(driver)
        verdicts = _verdicts(builds, ("mxnet",), request, target)
        assert pick(rank(verdicts, request, target)) is None
        assert {v.tier for v in nearest(verdicts, request, target)} == {Tier.CPU}
        assert any("--cuda none" in text for text in map(say, limits(verdicts, request, target)))

    def test_without_gpu_it_is_cpu(self, builds: Builds) -> None:
        request = Request(("mxnet",), channels=("pkgs/main",))
        target = _target(None)
        chosen = pick(rank(_verdicts(builds, ("mxnet",), request, target), request, target))
        assert chosen is not None
        assert chosen.tier is Tier.CPU


@pytest.mark.parametrize("gpu", ["v100", "p100", "gtx 1080", "m60"])
def test_gpus_before_turing_on_580_never_get_cuda_13(builds: Builds, gpu: str) -> None:
    chosen, ranked, _ = _find(builds, "pytorch", _target("580", gpu))
    assert _is(chosen, "2.12.1", "cuda129", Tier.NATIVE)
    newer = [v for v in ranked if v.build.build_cuda is not None and v.build.build_cuda.major >= 13]
    assert newer
    assert {(v.tier, v.reasons[0].code) for v in newer} == {(Tier.NO, "gpu-dropped-by-toolkit")}


def test_gpus_before_turing_are_gone_from_590_on(builds: Builds) -> None:
    chosen, ranked, _ = _find(builds, "pytorch", _target("590.48.01", "v100"))
    assert chosen is None
    assert "gpu-dropped-by-driver" in {v.reasons[0].code for v in ranked}


@pytest.mark.parametrize("gpu", ["rtx 5090", "b200", "gb10"])
def test_blackwell_never_gets_channel_pytorch(builds: Builds, gpu: str) -> None:
    _, ranked, _ = _find(builds, "pytorch", _target("580", gpu))
    theirs = [v for v in ranked if v.build.record.channel.endswith("/pytorch")]
    assert theirs
    # Builds from before 1.9, whose arch lists no table knows, are older than the GPU: unknown, never a pick.
    assert {v.tier for v in theirs if v.build.arch is not None} == {Tier.NO}
    chosen = pick(ranked)
    assert chosen is not None
    assert chosen.build.record.channel.endswith("/conda-forge")


@pytest.mark.parametrize("driver", ["470", "535", "550", "570", "580"])
def test_h100_never_gets_a_build_without_its_code(builds: Builds, driver: str) -> None:
    _, ranked, _ = _find(builds, "pytorch", _target(driver, "h100"))
    for verdict in ranked:
        arch = verdict.build.arch
        if verdict.tier in {Tier.NATIVE, Tier.MINOR}:
            assert arch is not None
            assert Architecture.parse("9.0") in arch.sass
        elif verdict.tier is Tier.JIT:
            assert arch is not None
            assert verdict.build.library_cuda is not None
            assert verdict.build.library_cuda >= (11, 8)


def test_t4_on_535_gets_the_newest_and_names_the_newest_native(builds: Builds) -> None:
    target = _target("535", "t4")
    chosen, ranked, texts = _find(builds, "pytorch", target)
    assert _is(chosen, "2.12.1", "cuda129", Tier.MINOR)
    safe = conservative(ranked, chosen)
    assert _is(safe, "2.5.1", "py3.11_cuda12.1", Tier.NATIVE)
    assert any("--prefer native" in text and "2.5.1" in text for text in texts)


def test_prefer_native_turns_it_round(builds: Builds) -> None:
    target = _target("535", "t4")
    request = Request(("pytorch",), prefer="native", channels=CHANNELS)
    chosen = pick(rank(_verdicts(builds, ("pytorch",), request, target), request, target))
    assert _is(chosen, "2.5.1", "py3.11_cuda12.1", Tier.NATIVE)


def test_two_different_gpus_need_code_for_both(builds: Builds) -> None:
    chosen, ranked, _ = _find(builds, "pytorch", _target("580", "v100", "rtx 5090"))
    assert _is(chosen, "2.12.1", "cuda129", Tier.NATIVE)
    cuda13 = [v for v in ranked if v.build.build_cuda == CudaVersion(13, 0)]
    assert {v.tier for v in cuda13} == {Tier.NO}


def test_gb10_runs_the_code_of_its_family(builds: Builds) -> None:
    target = _target("580", "gb10", subdir="linux-aarch64")
    chosen, _, _ = _find(builds, "pytorch", target)
    assert chosen is not None
    assert chosen.tier is Tier.NATIVE
    assert chosen.build.arch is not None
    assert Architecture.parse("12.0") in chosen.build.arch.sass


def test_jetson_takes_no_desktop_code(builds: Builds) -> None:
    target = describe_target(Target("linux-aarch64", glibc="2.35"), gpus=["orin"], override_cuda="12.6")
    chosen, ranked, _ = _find(builds, "pytorch", target)
    assert chosen is None
    assert {v.reasons[0].code for v in ranked if v.build.build_cuda == CudaVersion(12, 6)} <= {
        "no-kernel-image",
        "wrong-platform",
    }
