"""The notebook of formulas in frameworks that no channel of wheels has: JAX and TensorFlow, in virtual environments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Envkit, run_program


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("framework", "requirement", "layer"),
    [("jax", "jax", "the layer: dL/dwq"), ("tensorflow", "tensorflow-cpu", "keras MultiHeadAttention: dL/dwq")],
)
def test_the_notebook_runs(envkit: Envkit, tmp_path: Path, framework: str, requirement: str, layer: str) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    if subprocess.run([venv / "bin" / "pip", "install", "--quiet", requirement], check=False).returncode:
        pytest.skip(f"{requirement} cannot be installed for this Python")
    made = envkit("notebook", "new", "-p", venv, "--json").json["notebook"]
    assert (made["framework"], made["environment"], made["kernel"]) == (framework, None, "python3")
    cells = json.loads((tmp_path / made["path"]).read_text())["cells"]
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))
    done = run_program([venv / "bin" / "python", script], env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, timeout_s=300)
    assert done.code == 0, done.err
    assert f"pass  {layer}" in done.out
    assert "24 checks passed" in done.out
