"""What an H200 answered is judged again, by the same checks that judge a live host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from real_gpu import CASES, GPU, RECORDED, host_of, judged, recorded, report_of

from envkit.checks.tolerance import tolerance
from envkit.cuda.peaks import peak_of
from envkit.models.report import Finding
from envkit.models.results import ValidateResult
from envkit.pages.validation import validation_page
from envkit.words.cures import cure
from envkit.words.say import say


@pytest.mark.parametrize("name", CASES)
def test_the_same_answers_are_judged_as_on_that_machine(name: str) -> None:
    case = recorded(name)
    assert [[f.check, f.status, f.code and str(f.code), f.blames] for f in judged(case)] == case["findings"]


def only(name: str, check: str) -> Finding:
    (found,) = [finding for finding in judged(recorded(name)) if finding.check == check]
    return found


def test_the_drivers_own_library_hides_nothing_wherever_a_variable_found_it() -> None:
    """Container engines of Kubernetes bring the driver to a folder of its own, and name that in LD_LIBRARY_PATH."""
    case = json.loads(json.dumps(recorded("full")))
    libcuda, host = (case["outcomes"][1]["document"][key] for key in ("libcuda", "host"))
    assert (libcuda["through"], libcuda["system_copies"]) == ("LD_LIBRARY_PATH", ["/usr/lib/libcuda.so.1"])
    host["kernel_driver_version"] = "570.86.15"
    (finding,) = [f for f in judged(case) if f.check == "driver.library"]
    assert str(finding.code) == "libcuda-shadowed", "one of another version still hides it"


def test_a_library_that_the_machine_lends_is_named() -> None:
    for check in ("pytorch.libraries", "jax.libraries"):
        finding = only("cublas", check)
        assert (finding.status, finding.blames) == ("warn", "environment")
        assert "/usr/local/cuda-13.0/targets/x86_64-linux/lib/libcublasLt.so.13" in say(finding)
    assert not [f for f in judged(recorded("collective")) if f.check.endswith(".libraries")]


def test_what_is_missing_and_what_does_not_fit_is_in_the_cure() -> None:
    assert "libcudnn_engines_runtime_compiled.so.9 is missing" in str(cure(only("engines", "pytorch.conv cuda:0")))
    assert "libcudnn_engines_runtime_compiled.so.9" in str(cure(only("engines", "jax.conv")))
    assert "an older numpy, or a newer numba" in str(cure(only("collective", "numba.kernel cuda:0")))
    assert "who uses the GPU" in str(cure(only("full", "driver.context")))


@pytest.mark.parametrize("name", ["collective", "h100"])
def test_bounds_are_neither_loose_nor_tight(name: str) -> None:
    """A bound of more than 100 times the error would miss a lost bit; one that is half full would fail elsewhere."""
    errors = [f for f in judged(recorded(name)) if f.data.get("relative_error")]
    assert len(errors) >= 20
    for finding in errors:
        error, limit = finding.data["relative_error"], finding.data["tolerance"]
        assert isinstance(error, float)
        assert isinstance(limit, float)
        assert 2 * error < limit < 100 * error, (finding.check, error, limit)
        check, terms = finding.check.partition(".")[2].partition(" ")[0], int(str(finding.data["terms"]))
        assert limit == tolerance(check, str(finding.data["arithmetic"]), terms)


@pytest.mark.parametrize(("name", "gpu"), [("collective", GPU), ("h100", "NVIDIA H100 80GB HBM3")])
def test_figures_are_those_that_pytorch_measures_itself_and_below_the_data_sheet(name: str, gpu: str) -> None:
    own = json.loads((RECORDED / "host.json").read_text())["own_figures"][name]
    told = {(check, figure): value for check, figure, value in report_of(name).figures}
    for key, right in {
        ("driver.bandwidth", "device_copy_bytes_per_s"): own["copy_1"],
        ("pytorch.throughput cuda:0", "matmul_bfloat16_flop_per_s"): own["matmul_4096_bfloat16"],
        ("pytorch.throughput cuda:0", "matmul_float32_flop_per_s"): own["matmul_4096_float32"],
        ("jax.throughput cuda:0", "matmul_bfloat16_flop_per_s"): own["matmul_4096_bfloat16"],
        ("jax.throughput cuda:0", "matmul_float32_flop_per_s"): own["matmul_4096_float32"],
        ("cupy.throughput cuda:0", "matmul_float32_flop_per_s"): own["matmul_4096_float32"],
    }.items():
        assert told[key] == pytest.approx(right, rel=0.1), key
        assert told[key] < (peak_of(gpu, key[1]) or 0), key


def test_the_machine_is_detected(tmp_path: Path) -> None:
    host = host_of(tmp_path, "normal")
    assert (str(host.driver_version), str(host.driver_cuda), host.nvidia_traces) == ("580.159.04", "13.0", ())
    assert [(gpu.name, str(gpu.compute_capability), gpu.memory_bytes) for gpu in host.gpus] == [
        (GPU, "9.0", 150754820096)  # 143771 MiB, as nvidia-smi says
    ]


def test_a_machine_whose_gpu_is_hidden_says_by_what(tmp_path: Path) -> None:
    stub = host_of(tmp_path / "stub", "stub", {"LD_LIBRARY_PATH": "/opt/toolkit/stubs"})
    assert stub.gpus == ()
    assert stub.nvidia_traces[0] == f"{GPU}: /opt/toolkit/stubs/libcuda.so.1 hides the driver's libcuda"
    hidden = host_of(tmp_path / "hidden", "normal", {"CUDA_VISIBLE_DEVICES": ""})
    assert (hidden.gpus, hidden.nvidia_traces[0]) == ((), f"CUDA_VISIBLE_DEVICES hides {GPU}")


def test_its_page_sets_figures_of_the_gpu_beside_its_peaks(tmp_path: Path) -> None:
    page = validation_page(ValidateResult(report_of("collective"), host_of(tmp_path, "normal")))
    assert "84 % of 4.8 TB/s" in page
    assert "84 % of 989 TFLOP/s" in page
    assert page.count('class="bar"') == 6, "not those of the CPU"
    first, _, rest = page.partition(">Figures<")
    assert "packages-disagree" in first, "what failed comes first"
    assert ">Findings<" in rest
