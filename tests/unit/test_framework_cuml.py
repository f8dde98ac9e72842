"""cuML: its records as channel rapidsai has them, and what its probe says."""

from __future__ import annotations

import pytest

from envkit.builds.classify import classify
from envkit.checks.framework import Gpus
from envkit.checks.frameworks import judge_framework
from envkit.frameworks.table import ROWS
from envkit.models.build import Record
from envkit.models.probe import ProbeOutcome
from envkit.models.request import CudaChoice, Request
from envkit.plan.implied import imply_cuda
from envkit.plan.solve_task import framework_of
from envkit.words.say import say


@pytest.mark.parametrize(
    ("name", "build", "depends", "variant"),
    [
        ("cuml", "cuda12_py312_250604_1a2b3c4d", ("cuda-version >=12,<13.0a0", "libcuml 25.06.00"), "cuda"),
        ("libcuml", "cuda12_250604_1a2b3c4d", ("cuda-version >=12,<13.0a0",), "cuda"),
        ("cuml-cpu", "py311_241211_1a2b3c4d_0", ("numpy >=1.23,<3.0a0",), "cpu"),
    ],
)
def test_its_records(name: str, build: str, depends: tuple[str, ...], variant: str) -> None:
    found = classify(Record(name, "25.06.00", build, 0, "linux-64", channel="rapidsai", depends=depends))
    assert (found.framework, found.variant) == ("cuml", variant)


def test_what_is_chosen_for_it() -> None:
    assert framework_of(Request(("libcuml",)).parsed) == "cuml"
    assert imply_cuda(Request(("cuml-cpu",))).cuda == CudaChoice("none")


@pytest.mark.parametrize(("error", "code"), [(1e-16, None), (1e-9, "wrong-result")])
def test_a_regression_is_judged_by_the_bound_of_its_sums(error: float, code: str | None) -> None:
    detail = {"relative_error": error, "terms": 128, "arithmetic": "float64", "worst": {}}
    check = {"check": "linear-regression", "device": "cuda:0", "outcome": "ok", "detail": detail}
    gpu = {"id": "cuda:0", "kind": "gpu", "name": "NVIDIA H100"}
    document = {"version": "25.06.00", "build": {"cuda": "12.9"}, "devices": [gpu], "checks": [check]}
    outcome = ProbeOutcome("done", ("python",), document=document)
    findings = judge_framework(ROWS["cuml"], outcome, Gpus("ok", 1))
    assert say(findings[0]) == "cuML 25.06.00: CUDA 12.9"
    assert findings[1].code == code
