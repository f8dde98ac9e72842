"""The other frameworks, as wheels in a venv: what is not conda can be validated, too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from harness import Envkit

pytestmark = pytest.mark.full


def venv_of(folder: Path, *requirements: str) -> Path:
    """A venv with packages from pip's index; skipped where there are no wheels for this Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip"]
    command: list[str | Path] = [*pip, "install", "--quiet", "--only-binary=:all:", *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no wheels here of {', '.join(requirements)}: {done.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.mark.timeout(900)
def test_jax_onnxruntime_and_numba_compute_on_the_cpu(envkit: Envkit, tmp_path: Path) -> None:
    venv = venv_of(tmp_path / "venv", "jax", "jaxlib", "onnxruntime", "numba")
    done = envkit("validate", venv, "--json", timeout_s=300)
    assert done.code == 0, done.out
    passed = {f["check"] for f in done.json["findings"] if f["status"] == "pass"}
    assert passed >= {
        *("jax", "jax.matmul cpu", "jax.bf16 cpu", "jax.conv cpu", "jax.regression-gradient cpu"),
        *("jax.attention-gradient cpu", "onnxruntime", "onnxruntime.matmul cpu", "onnxruntime.conv cpu"),
        *("numba", "numba.kernel cpu"),
    }

    # A library that is gone: the finding names what does not import.
    next(venv.glob("lib/python3*/site-packages/jaxlib/libjax_common.so")).unlink()
    broken = envkit("validate", venv, "--json", timeout_s=300)
    assert broken.code == 3
    failed = {f["check"]: f["code"] for f in broken.json["findings"] if f["status"] == "fail"}
    assert failed == {"import jax": "import-failed"}


@pytest.mark.timeout(900)
def test_tensorflow_computes_on_the_cpu(envkit: Envkit, tmp_path: Path) -> None:
    venv = venv_of(tmp_path / "venv", "tensorflow-cpu")
    done = envkit("validate", venv, "--json", timeout_s=300)
    assert done.code == 0, done.out
    passed = {f["check"] for f in done.json["findings"] if f["status"] == "pass"}
    checks = ("matmul", "bf16", "conv", "regression-gradient", "attention-gradient")
    assert passed >= {"tensorflow", *(f"tensorflow.{check} cpu" for check in checks)}


@pytest.mark.timeout(900)
def test_what_learns_and_searches_computes_on_the_cpu(envkit: Envkit, tmp_path: Path) -> None:
    venv = venv_of(tmp_path / "venv", "xgboost-cpu", "lightgbm", "faiss-cpu", "paddlepaddle")
    done = envkit("validate", venv, "--json", timeout_s=300)
    assert done.code == 0, done.out
    passed = {f["check"] for f in done.json["findings"] if f["status"] == "pass"}
    assert passed >= {
        *("xgboost", "xgboost.trees cpu", "lightgbm", "lightgbm.trees cpu", "faiss", "faiss.nearest-neighbours cpu"),
        *("paddlepaddle", "paddlepaddle.matmul cpu", "paddlepaddle.conv cpu"),
        *("paddlepaddle.regression-gradient cpu", "paddlepaddle.attention-gradient cpu"),
    }
