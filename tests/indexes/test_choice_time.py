"""Classifying and ranking 2,000 records of the real indexes, the first time and again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from harness import REAL_CHANNELS

COLD = """
import gc, json, sys, time, zstandard
from envkit.builds.record import record_from_repodata
records = []
for channel in ("conda-forge", "pytorch", "pkgs/main"):
    with open(f"{sys.argv[1]}/{channel}/linux-64/repodata.json.zst", "rb") as stream:
        index = json.loads(zstandard.ZstdDecompressor().stream_reader(stream).read())
    for kind in ("packages", "packages.conda"):
        for fn, raw in index.get(kind, {}).items():
            if "torch" in fn or "tensorflow" in fn or fn.startswith(("jax", "cu", "xgboost", "onnx")):
                records.append(record_from_repodata(raw, fn, f"https://example.org/{channel}", "linux-64"))
from envkit.builds.classify import classify
from envkit.checks.verdict import judge_all
from envkit.cuda.target import describe_target
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.plan.rank import rank
target = describe_target(Target("linux-64", glibc="2.35"), driver="550", gpus=["a100"])
request = Request(("pytorch",), channels=("conda-forge", "pytorch"))
assert len(records) > 2000, len(records)
del index, raw
gc.collect()  # what reading the indexes has left behind is not the choice's
times = []
for _ in range(3):
    start = time.process_time()
    rank(judge_all([classify(record) for record in records[:2000]], target, request=request), request, target)
    times.append(time.process_time() - start)
print(json.dumps([times[0], min(times)]))
"""


def test_two_thousand_records() -> None:
    """Processor time, the best of five processes: a shared machine is slow now and then, the code is not."""
    folder = REAL_CHANNELS
    if folder is None:
        pytest.skip("the real channel indexes are not here")
    command = [sys.executable, "-c", COLD, str(folder)]
    env = {k: v for k, v in os.environ.items() if not k.startswith("COV")}  # to measure lines costs as much again
    runs = [subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout for _ in range(5)]
    cold, warm = (min(float(run.strip("[]\n").split(", ")[which]) for run in runs) for which in (0, 1))
    assert cold < 0.100, (cold, warm)
    assert warm < 0.080, (cold, warm)
