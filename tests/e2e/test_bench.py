"""The bench's quick run: no row costs more than its multiple of bare Python's or bare py-rattler's processor time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from harness import ROOT, run_program


@pytest.mark.timeout(900)  # half a minute of processor time, on whatever else the machine does
def test_no_row_passes_its_limit(tmp_path: Path) -> None:
    words: list[str | Path] = [sys.executable, ROOT / "scripts" / "benchmark.py", "--quick"]
    done = run_program([*words, "--work", tmp_path / "bench"], env=os.environ, timeout_s=890)
    assert done.code == 0, done.err
    assert done.err.count("(limit ") >= 10
