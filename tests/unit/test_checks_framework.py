"""What frameworks' probes report, as findings: every way to pass, to be wrong, to fail, to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envkit.checks.driver_probe import check_driver
from envkit.checks.framework import Gpus
from envkit.checks.frameworks import judge_collective, judge_framework
from envkit.checks.gpu_errors import classify_error
from envkit.checks.interpreter import python_findings
from envkit.checks.tolerance import ALLOWANCES, tolerance
from envkit.frameworks.table import ROWS
from envkit.models.probe import ProbeOutcome, ProbeState, TraceStep
from envkit.models.report import Finding, Report
from envkit.words.cures import cure
from envkit.words.say import say

collective_findings = partial(judge_collective, ROWS["pytorch"])
cupy_findings, jax_findings, numba_findings, onnxruntime_findings, pytorch_findings, tensorflow_findings = (
    partial(judge_framework, ROWS[key]) for key in ("cupy", "jax", "numba", "onnxruntime", "pytorch", "tensorflow")
)
OK = Gpus("ok", 1)
NONE = Gpus("none")
CPU = {"id": "cpu", "kind": "cpu", "name": None}
H100 = {"id": "cuda:0", "kind": "gpu", "name": "NVIDIA H100", "compute_capability": "9.0"}
RIGHT = {"relative_error": 1e-7, "terms": 112, "arithmetic": "float32", "worst": {}}


def check(name: str, device: str | None = "cpu", **more: object) -> dict[str, object]:
    return {"check": name, "device": device, "outcome": "ok", "detail": RIGHT, "elapsed_s": 0.1, **more}


def error(name: str, device: str | None, text: str) -> dict[str, object]:
    return {"check": name, "device": device, "outcome": "error", "error_type": "RuntimeError", "error": text}


def ran(
    checks: Sequence[Mapping[str, object]],
    build: Mapping[str, object] | None = None,
    devices: Sequence[Mapping[str, object]] = (CPU,),
    state: ProbeState = "done",
    **more: Any,
) -> ProbeOutcome:
    document = {"version": "2.13.0", "build": build or {}, "devices": list(devices), "checks": list(checks)}
    return ProbeOutcome(state, ("python",), document=document if state == "done" else None, partial=document, **more)


def only(findings: Sequence[Finding], *statuses: str) -> list[tuple[str, str | None, str | None]]:
    return [(f.check, f.code, f.blames) for f in findings if f.status in (statuses or ("fail", "warn"))]


def test_a_right_answer_passes_with_its_tolerance() -> None:
    findings = pytorch_findings(ran([check("matmul")], {"cuda": None}), NONE)
    assert [say(f) for f in findings] == [
        "PyTorch 2.13.0: a CPU build",
        "matrix product on the CPU: relative error 1.0e-07, at most 2.5e-06",
    ]
    assert findings[1].data["tolerance"] == tolerance("matmul", "float32", 112)


@pytest.mark.parametrize("error_size", [1.0, 2.6e-6, "nan", "inf", "shape", None])
def test_a_wrong_answer_fails(error_size: object) -> None:
    detail = {**RIGHT, "relative_error": error_size, "worst": {"index": 3, "found": 1.0, "expected": 2.0}}
    findings = pytorch_findings(ran([check("matmul", detail=detail)]), NONE)
    assert only(findings) == [("pytorch.matmul cpu", "wrong-result", "environment")]
    assert "entry 3 is 1.0 instead of 2.0" in say(findings[-1])


def test_exact_means_exact() -> None:
    right = {"relative_error": 0.0, "terms": 0, "arithmetic": "exact"}
    assert only(pytorch_findings(ran([check("compile", detail=right)]), NONE)) == []
    wrong = {**right, "relative_error": 1e-12}
    assert only(pytorch_findings(ran([check("compile", detail=wrong)]), NONE)) == [
        ("pytorch.compile cpu", "wrong-result", "environment")
    ]


@pytest.mark.parametrize(
    ("text", "code", "blames"),
    [
        ("CUDA error: no kernel image is available for execution on the device", "no-kernel-image", "environment"),
        ("The NVIDIA driver on your system is too old (found version 12040)", "driver-too-old", "environment"),
        ("the provided PTX was compiled with an unsupported toolchain.", "driver-too-old", "environment"),
        ("CUDA out of memory. Tried to allocate 20.00 MiB", "out-of-memory", "host"),
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate", "out-of-memory", "host"),
        ("CUDA-capable device(s) is/are busy or unavailable", "device-unavailable", "host"),
        ("uncorrectable ECC error encountered", "ecc-error", "host"),
        ("system not yet initialized", "fabric-manager", "host"),
        ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "cudnn-failed", "environment"),
        ("CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "cuda-library-failed", "environment"),
        ("NCCL error: unhandled cuda error", "nccl-failed", "environment"),
        ("No space left on device (28) while creating shared memory segment", "shared-memory", "host"),
        ("something else", "compute-failed", "environment"),
    ],
)
def test_errors_on_a_gpu_are_told_apart(text: str, code: str, blames: str) -> None:
    assert classify_error(text) == (code, blames)
    outcome = ran([error("matmul", "cuda:0", text)], {"cuda": "12.4"}, [CPU, H100])
    assert only(pytorch_findings(outcome, OK)) == [("pytorch.matmul cuda:0", code, blames)]
    assert "NVIDIA H100 (cuda:0)" in say(pytorch_findings(outcome, OK)[-1])


def test_what_is_optional_warns() -> None:
    findings = pytorch_findings(ran([error("compile", "cpu", "gcc: boom"), error("throughput", "cpu", "boom")]), NONE)
    assert [(f.status, f.code) for f in findings[1:]] == [("warn", "compile-failed"), ("warn", "throughput-failed")]


def test_skipped_says_why() -> None:
    record = {"check": "compile", "device": "cpu", "outcome": "skipped", "reason": "there is no C++ compiler"}
    finding = pytorch_findings(ran([record]), NONE)[-1]
    assert (finding.status, finding.code) == ("skip", "not-applicable")
    assert say(finding) == "compiled function on the CPU: there is no C++ compiler"


def test_figures_are_read_by_people_and_kept() -> None:
    figures = {"matmul_float32_flop_per_s": 51.2e12, "matmul_bfloat16_flop_per_s": 760e12}
    outcome = ran([check("throughput", "cuda:0", detail={"figures": figures})], {"cuda": "12.8"}, [CPU, H100])
    findings = pytorch_findings(outcome, OK)
    assert say(findings[-1]) == "throughput on NVIDIA H100 (cuda:0): 51.2 TFLOP/s float32, 760 TFLOP/s bfloat16"
    report = Report("/p", "f", needs_gpu=True, findings=tuple(findings))
    assert report.figures == tuple(("pytorch.throughput cuda:0", name, value) for name, value in figures.items())
    assert report.on_gpu


@pytest.mark.parametrize(
    ("gpus", "status", "code", "verdict"),
    [
        (NONE, "skip", "no-gpu", "skip"),
        (Gpus("failed"), "skip", "driver-failed", "pass"),  # the failure itself is the driver's finding
        (Gpus("unasked"), "skip", "gpu-not-asked", "skip"),
        (OK, "fail", "pytorch-sees-no-gpu", "fail"),
    ],
)
def test_a_cuda_build_that_ran_on_the_cpu_says_so(gpus: Gpus, status: str, code: str, verdict: str) -> None:
    findings = pytorch_findings(ran([check("matmul")], {"cuda": "12.8"}), gpus)
    assert (findings[-1].status, findings[-1].code) == (status, code)
    assert Report("/p", "f", needs_gpu=True, findings=tuple(findings)).verdict == verdict


def test_gpus_that_are_not_seen() -> None:
    text = "Found no NVIDIA driver on your system"
    findings = pytorch_findings(ran([check("matmul"), error("devices", None, text)], {"cuda": "12.8"}), OK)
    assert only(findings) == [("pytorch.devices", "pytorch-sees-no-gpu", "environment")]
    assert text in say(findings[-1])
    some = pytorch_findings(ran([check("matmul", "cuda:0")], {"cuda": "12.8"}, [CPU, H100]), Gpus("ok", 8))
    assert only(some) == [("pytorch.devices", "gpus-missing", "environment")]


@pytest.mark.parametrize(
    ("arch_list", "computes", "status"),
    [
        (["sm_80", "sm_90"], True, "pass"),
        (["sm_80", "compute_80"], True, "pass"),
        (["sm_50", "sm_86"], True, "warn"),
        (["sm_50", "sm_86", "sm_future"], False, "fail"),
    ],
)
def test_code_for_the_gpu(arch_list: list[str], computes: bool, status: str) -> None:
    matmul = check("matmul", "cuda:0") if computes else error("matmul", "cuda:0", "no kernel image is available")
    outcome = ran([matmul], {"cuda": "12.4", "arch_list": arch_list}, [CPU, H100])
    arch = next(f for f in pytorch_findings(outcome, OK) if f.check == "pytorch.arch cuda:0")
    assert arch.status == status
    assert (arch.code == "arch-not-covered") is (status != "pass")


@pytest.mark.parametrize(
    ("state", "step", "expected"),
    [
        ("crashed", TraceStep("conv", "conv on cuda:0"), ("pytorch.conv", "pytorch-crashed", "environment")),
        ("timed-out", TraceStep("conv", "conv on cuda:0"), ("pytorch.conv", "pytorch-hung", "environment")),
        ("failed", TraceStep("conv", "conv on cuda:0"), ("pytorch.conv", "pytorch-failed", "environment")),
        ("garbled", TraceStep("conv", "conv on cuda:0"), ("pytorch.conv", "pytorch-failed", "environment")),
        ("failed", TraceStep("import", "import torch"), ("import torch", "import-failed", "environment")),
        ("crashed", TraceStep("import", "import torch"), ("import torch", "import-crashed", "environment")),
        ("timed-out", TraceStep("import", "import torch"), ("import torch", "import-hung", "environment")),
        ("failed", None, ("import torch", "import-failed", "environment")),
    ],
)
def test_a_probe_that_did_not_end_well(state: ProbeState, step: TraceStep | None, expected: tuple[str, ...]) -> None:
    outcome = ran(
        [check("matmul")], {"cuda": "12.8"}, state=state, last_step=step, stderr_tail="x\nImportError: libfoo.so"
    )
    findings = pytorch_findings(outcome, OK)
    assert only(findings) == [expected]
    assert "pytorch.matmul cpu" in [f.check for f in findings]  # what is known is kept
    assert "ImportError: libfoo.so" in f"{say(findings[-1])} {cure(findings[-1])}"


def test_processes_together() -> None:
    group = {"id": "nccl:8", "kind": "gpu", "name": "8 processes by nccl"}
    exact = {"relative_error": 0.0, "terms": 0, "arithmetic": "exact", "figures": {"all_reduce_bytes_per_s": 4.2e11}}
    outcome = ran([check("all-reduce", "nccl:8", detail=exact)], devices=[group])
    finding = collective_findings(outcome, Gpus("ok", 8))[-1]
    assert say(finding) == "all-reduce on 8 processes by nccl (nccl:8): exact, 420 GB/s all reduce"
    broken = ran([error("all-reduce", "nccl:8", "process 3 ended with 1: NCCL error")], devices=[group])
    assert only(collective_findings(broken, Gpus("ok", 8))) == [
        ("pytorch.all-reduce nccl:8", "nccl-failed", "environment")
    ]


def test_other_frameworks_say_what_they_are() -> None:
    cuda = {
        "is_cuda_build": True,
        "cuda_version": "12.5.1",
        "cudnn_version": "9",
        "cuda_compute_capabilities": ["sm_60"],
    }
    assert say(tensorflow_findings(ran([], cuda), NONE)[0]) == "TensorFlow 2.13.0: CUDA 12.5.1, cuDNN 9, code for sm_60"
    assert tensorflow_findings(ran([], cuda), NONE)[-1].code == "no-gpu"
    assert say(tensorflow_findings(ran([]), NONE)[-1]) == "TensorFlow 2.13.0: a CPU build"
    assert jax_findings(ran([], {"jaxlib": "0.4", "plugins": ["jax_cuda12_plugin"]}), NONE)[-1].code == "no-gpu"
    assert cupy_findings(ran([], {"cuda": "12.8"}, []), NONE)[-1].code == "no-gpu"
    providers = {"providers": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
    assert say(onnxruntime_findings(ran([], providers), NONE)[0]).endswith("providers CUDA, CPU")
    assert onnxruntime_findings(ran([], providers), OK)[-1].code == "onnxruntime-sees-no-gpu"


def test_a_probe_that_did_nothing_is_no_pass() -> None:
    nothing = ProbeOutcome("done", ("python",), document={"checks": [], "devices": []})
    assert only(pytorch_findings(nothing, NONE)) == [("pytorch", "nothing-computed", "environment")]
    assert only(collective_findings(nothing, NONE)) == [("pytorch", "nothing-computed", "environment")]
    [python, module] = python_findings(ProbeOutcome("done", ("python",), document={"modules": []}), ["numpy"])
    assert (python.status, module.status, module.code, module.check) == (
        "pass",
        "fail",
        "import-failed",
        "import numpy",
    )


def test_an_answer_of_somebody_else_is_a_failure() -> None:
    outcome = ProbeOutcome("foreign", ("/x/bin/python",), answered_by=("/x/lib/python3.11/site-packages/a.pth",))
    for findings in (pytorch_findings(outcome, OK), python_findings(outcome, []), check_driver([outcome])):
        assert [(f.status, f.code, f.blames) for f in findings] == [("fail", "python-foreign", "environment")]
        assert "a.pth" in say(findings[0])


def test_a_cpu_build_among_cuda_builds_is_said_aloud() -> None:
    assert only(jax_findings(ran([check("matmul")], {"jaxlib": "0.4", "plugins": []}), OK)) == [
        ("jax.gpu", "cpu-build", "environment")
    ]
    group = ProbeOutcome("done", ("python",), document={"devices": [CPU], "checks": [check("all-reduce")]})
    assert only(collective_findings(group, OK)) == []
    assert only(numba_findings(ran([check("kernel")]), OK)) == []
    unseen = numba_findings(ran([error("devices", None, "libnvvm.so not found")]), OK)
    assert [(f.status, f.code) for f in unseen[1:]] == [("warn", "numba-sees-no-gpu")]


def test_every_judge_copes_with_a_probe_that_said_nothing() -> None:
    for row in ROWS.values():
        findings = judge_framework(row, ProbeOutcome("not-started", ("python",), reason="no such file"), NONE)
        assert only(findings) == [(f"import {row.module}", "import-failed", "environment")]


@pytest.mark.parametrize(
    ("state", "step", "expected"),
    [
        ("crashed", TraceStep("import", "numpy"), ("import numpy", "import-crashed")),
        ("timed-out", TraceStep("import", "numpy"), ("import numpy", "import-hung")),
        ("not-started", None, ("python", "python-broken")),
        ("failed", None, ("python", "python-broken")),
    ],
)
def test_an_interpreter_that_does_not_work(
    state: ProbeState, step: TraceStep | None, expected: tuple[str, str]
) -> None:
    findings = python_findings(ProbeOutcome(state, ("python",), last_step=step, signal="SIGSEGV", elapsed_s=3))
    assert [(f.check, f.code) for f in findings] == [expected]


def test_modules_that_import_and_that_do_not() -> None:
    modules = [
        {"name": "numpy", "ok": True, "version": "2.0", "seconds": 0.1},
        {"name": "rich", "ok": True, "version": None},
        {"name": "torch", "ok": False, "error": "ImportError: libfoo.so.1"},
    ]
    findings = python_findings(
        ProbeOutcome("done", ("python",), document={"python": {"version": "3.11.7"}, "modules": modules})
    )
    assert [(f.status, say(f)) for f in findings] == [
        ("pass", "Python 3.11.7 starts"),
        ("pass", "numpy 2.0 imports"),
        ("pass", "rich imports"),
        ("fail", "torch does not import: ImportError: libfoo.so.1"),
    ]


# --- tolerances -----------------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(ALLOWANCES)), st.integers(1, 10_000), st.sampled_from(["float32", "float64", "bfloat16"]))
def test_more_terms_never_allow_less(name: str, terms: int, arithmetic: str) -> None:
    """The bound grows with the number of roundings."""
    assert 0 < tolerance(name, arithmetic, terms) < tolerance(name, arithmetic, terms + 1)


def test_tolerances_keep_out_what_is_less_exact() -> None:
    """One TF32 product has 11 bits; over 112 random terms such errors add up to about 2^-12 / sqrt(112)."""
    assert tolerance("matmul", "float32", 112) < 0.2 * 2**-12 / 112**0.5
    assert tolerance("bf16", "bfloat16", 112) < 0.05
    assert tolerance("compile", "exact", 0) == 0
    with pytest.raises(ValueError, match="unknown arithmetic"):
        tolerance("matmul", "float8", 3)
    with pytest.raises(ValueError, match="no bound"):
        tolerance("matmul", "float32", 2**49)
