"""The framework level with the real PyTorch on the CPU: it passes, and tampering is found and named."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, check_page
from formulas import cell_from
from harness import ROOT, Envkit, Outcome, run_program
from namespaces import Network, NetworkFleet, network

from envkit.api.fleet_groups import Groups
from envkit.layout.volume import Volume as EnvkitVolume
from envkit.models.fleet import NodeFinding
from envkit.models.fleet_group import FleetGroup
from envkit.models.node_record import NodeRecord
from envkit.models.progress import Reporter
from envkit.words.say import say


@dataclass(frozen=True)
class Volume:
    """A volume with an environment ``t`` that holds PyTorch and numpy, not validated."""

    root: Path
    prefix: Path

    @property
    def site(self) -> Path:
        return next(self.prefix.glob("lib/python3*/site-packages"))

    def file(self, pattern: str) -> Path:
        return next(self.site.glob(pattern))

    @contextlib.contextmanager
    def changed(self, path: Path, content: bytes | None) -> Iterator[None]:
        """A file with other content, or gone; as it was afterwards. The cache, hard-linked, is not touched."""
        kept = path.with_name(f"{path.name}.kept")
        if path.exists():
            path.rename(kept)
        if content is not None:
            path.write_bytes(content)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if kept.exists():
                kept.rename(path)


@pytest.fixture(scope="session")
def torch_volume(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """Made once, by the command line, out of the wheel channel."""
    folder = tmp_path_factory.mktemp("torch")
    channel = folder / "channel"
    script = ROOT / "scripts" / "wheel_channel.py"
    done = subprocess.run(
        [sys.executable, script, channel, "--with-torch", "numpy"], capture_output=True, text=True, check=False
    )
    if done.returncode in {1, 2, 5}:
        pytest.skip(f"no CPU wheel of PyTorch for this Python: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    root = folder / "envs"
    made = subprocess.run(
        [
            *(sys.executable, "-m", "envkit", "create", "pytorch", "numpy", "-n", "t", "--no-validate"),
            *("--persist", root, "-c", channel, "--override-channels"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    shutil.rmtree(channel)
    return Volume(root, (root / "t").resolve())


def validate(envkit: Envkit, volume: Volume, *args: str, env: Mapping[str, str] | None = None) -> Outcome:
    return envkit("validate", "t", "--persist", volume.root, "--json", *args, timeout_s=280, env=env)


def findings(outcome: Outcome, status: str) -> dict[str, Any]:
    return {f["check"]: f for f in outcome.json["findings"] if f["status"] == status}


def test_pytorch_computes_on_the_cpu(envkit: Envkit, torch_volume: Volume, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = validate(envkit, torch_volume, "--html", str(page))
    assert done.code == 0, done.out
    assert done.json["verdict"] == "pass"
    assert set(findings(done, "pass")) == {
        "files",
        "python",
        "import numpy",
        "pytorch",
        *(
            f"pytorch.{check} cpu"
            for check in ("matmul", "bf16", "conv", "regression-gradient", "attention-gradient", "throughput")
        ),
    }
    for check, finding in findings(done, "pass").items():
        if "relative_error" in finding["data"]:
            assert 0 < finding["data"]["relative_error"] <= finding["data"]["tolerance"], check
    assert done.json["figures"][0]["name"] == "matmul_float32_flop_per_s"
    assert "gradients of attention" in page.read_text()


@pytest.mark.full
def test_the_notebook_of_formulas_has_pytorch_s_code_and_autograd_agrees(
    envkit: Envkit, torch_volume: Volume, tmp_path: Path
) -> None:
    made = envkit("notebook", "new", "-n", "t", "--persist", torch_volume.root, "--json").json["notebook"]
    assert (made["framework"], made["environment"]) == ("pytorch", "t")
    assert made["notes"][0] == "ipykernel is not in it yet: envkit install -n t ipykernel"
    cells = json.loads((tmp_path / made["path"]).read_text())["cells"]
    texts = {kind: ["".join(c["source"]) for c in cells if c["cell_type"] == kind] for kind in ("code", "markdown")}
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join([*texts["code"], cell_from("\n".join(texts["markdown"]), "pytorch")]))
    done = run_program([torch_volume.prefix / "bin" / "python", script], env=os.environ)
    assert done.code == 0, done.err
    assert done.out.count("pass  ") == 33
    assert "pass  regression: dL/db by autograd" in done.out
    assert "pass  torch.nn.MultiheadAttention: dL/dwv" in done.out


@pytest.mark.full
def test_processes_compute_together_and_functions_compile(envkit: Envkit, torch_volume: Volume) -> None:
    done = validate(envkit, torch_volume, "--level", "collective")
    assert done.code == 0, done.out
    passed = findings(done, "pass")
    assert passed["pytorch.all-reduce gloo:2"]["text"].startswith("all-reduce on 2 processes by gloo")
    assert passed["pytorch.ddp-gradient gloo:2"]["data"]["relative_error"] > 0
    assert "pytorch.compile cpu" in passed | findings(done, "skip")


HOOK = """
import importlib.abc, importlib.machinery, sys

class Tamper(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), [tamper(module) for tamper in tampers])
        return spec

tampers = []
sys.meta_path.insert(0, Tamper())
"""
MATMUL = """
@tampers.append
def tamper(torch):
    right = torch.matmul
    torch.matmul = lambda a, b: right(a, b) * (1 + 1e-4)
"""
BF16 = """
@tampers.append
def tamper(torch):
    right = torch.matmul
    torch.matmul = lambda a, b: right(a, b) * float("nan") if a.dtype == torch.bfloat16 else right(a, b)
"""
CONV = """
@tampers.append
def tamper(torch):
    right = torch.nn.functional.conv2d
    def conv2d(*args, **options):
        out = right(*args, **options)
        out[-1, -1, -1, -1] += 0.01
        return out
    torch.nn.functional.conv2d = conv2d
"""
REGRESSION = """
@tampers.append
def tamper(torch):
    mean = torch.Tensor.mean
    torch.Tensor.mean = lambda self: mean(self) * 1.0001
"""
ATTENTION = """
@tampers.append
def tamper(torch):
    right = torch.nn.functional.scaled_dot_product_attention
    torch.nn.functional.scaled_dot_product_attention = lambda q, k, v: right(q * 1.001, k, v)
"""
CRASH = """
@tampers.append
def tamper(torch):
    import os, signal
    torch.nn.functional.conv2d = lambda *args, **options: os.kill(os.getpid(), signal.SIGSEGV)
"""
HANG = """
@tampers.append
def tamper(torch):
    import time
    torch.nn.functional.conv2d = lambda *args, **options: time.sleep(600)
"""


def tampered(volume: Volume, *parts: str) -> contextlib.AbstractContextManager[None]:
    """A sitecustomize that changes functions of PyTorch once it was imported."""
    return volume.changed(volume.site / "sitecustomize.py", (HOOK + "".join(parts)).encode())


LYING_NODE = """
@tampers.append
def tamper(torch):
    import os, torch.distributed
    right = torch.distributed.all_reduce
    def all_reduce(tensor, *args, **options):
        if "LIES" in os.environ:
            tensor[5] += 1
        return right(tensor, *args, **options)
    torch.distributed.all_reduce = all_reduce
"""


def ask_groups(volume: Volume, net: Network, *nodes: str) -> tuple[list[FleetGroup], list[NodeFinding]]:
    """Have nodes compute together, as if each had passed."""
    passed = ({"check": "pytorch", "status": "pass", "data": {}},)
    records = [
        NodeRecord(
            node=node,
            via="local",
            level="collective",
            verdict="pass",
            created="",
            generation=volume.prefix.name,
            findings=passed,
        )
        for node in nodes
    ]
    groups = Groups(NetworkFleet(net), EnvkitVolume(volume.root), Reporter(), time.monotonic() + 200)
    return groups.compute(records)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_nodes_with_addresses_of_their_own_compute_together(torch_volume: Volume) -> None:
    with network("a", "b", "c") as net:
        ([group], findings) = ask_groups(torch_volume, net, "a", "b")
        assert (group.backend, group.whole.state, group.pairs, findings) == ("gloo", "right", (), [])
        assert group.whole.said in {f"over eth0 ({net.addresses[node]})" for node in "ab"}
        assert (group.whole.bytes_per_s or 0) > 0

        net.variables["b"] = {"LIES": "1"}
        with tampered(torch_volume, LYING_NODE):
            ([group], findings) = ask_groups(torch_volume, net, "a", "b", "c")
        states = {frozenset(pair.nodes): pair.state for pair in group.pairs}
        assert states == {frozenset("ab"): "wrong", frozenset("bc"): "wrong", frozenset("ac"): "right"}
        (lying,) = findings
        assert (lying.node, lying.finding.code) == ("b", "nodes-wrong")
        assert "comes out wrong: 1 of 1048576 sums are wrong, the first at 5: 19.0 instead of 18.0" in say(
            lying.finding
        )

        net.variables.clear()
        net.run("b", "route", "add", "blackhole", net.addresses["c"])  # what b sends to c is lost
        ([group], findings) = ask_groups(torch_volume, net, "b", "c")
        ((node, finding),) = findings
        assert (node, finding.code) == ("b", "nodes-apart")
        assert f"b cannot be reached at {net.addresses['b']}" in say(finding)
    assert not list(torch_volume.root.glob(".envkit/validations/*/meetings/*"))


def test_wrong_mathematics_is_found(envkit: Envkit, torch_volume: Volume) -> None:
    """All five at once: each has a finding of its own, whatever the others do."""
    with tampered(torch_volume, MATMUL, BF16, CONV, REGRESSION, ATTENTION):
        done = validate(envkit, torch_volume)
    assert done.code == 3, done.out
    failed = findings(done, "fail")
    wrong = ("matmul", "bf16", "conv", "regression-gradient", "attention-gradient")
    assert {check: failed[check]["code"] for check in failed} == {f"pytorch.{c} cpu": "wrong-result" for c in wrong}
    assert all(finding["blames"] == "environment" for finding in failed.values())
    assert failed["pytorch.bf16 cpu"]["data"]["relative_error"] == "nan"


def test_a_crash_is_placed(envkit: Envkit, torch_volume: Volume) -> None:
    with tampered(torch_volume, CRASH):
        done = validate(envkit, torch_volume)
    assert done.code == 3
    failed = findings(done, "fail")
    assert failed["pytorch.conv"]["code"] == "pytorch-crashed"
    assert "SIGSEGV" in failed["pytorch.conv"]["text"]
    assert "pytorch.matmul cpu" in findings(done, "pass")  # what was known before it crashed


@pytest.mark.full
def test_a_hang_ends_at_the_limit(envkit: Envkit, torch_volume: Volume) -> None:
    with tampered(torch_volume, HANG):
        done = validate(envkit, torch_volume, "--timeout", "20")
    assert done.code == 3
    assert findings(done, "fail")["pytorch.conv"]["code"] == "pytorch-hung"


def test_a_library_that_is_gone_or_another_is_named(envkit: Envkit, torch_volume: Volume) -> None:
    library = torch_volume.file("torch/lib/libtorch_python.so")
    with torch_volume.changed(library, None):
        done = validate(envkit, torch_volume)
    assert done.code == 3
    failed = findings(done, "fail")
    assert {f["code"] for f in failed.values()} == {"files-damaged", "import-failed"}
    assert "libtorch_python.so" in failed["files"]["text"]
    assert "libtorch_python.so" in failed["import torch"]["text"]

    # Another version, of the same size and with an old time: only what it does gives it away.
    other = torch_volume.file("torch/lib/libshm.so")
    state = other.stat()
    with torch_volume.changed(other, b"\x7fELF" + bytes(state.st_size - 4)):
        os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
        done = validate(envkit, torch_volume)
    assert done.code == 3, done.out
    failed = findings(done, "fail")
    assert failed["import torch"]["code"] == "import-failed"
    assert "libshm.so (pytorch" in failed["files"]["text"]
    assert "sha256" in failed["files"]["text"]


def test_a_broken_numpy_is_named(envkit: Envkit, torch_volume: Volume) -> None:
    source = torch_volume.file("numpy/__init__.py")
    with torch_volume.changed(source, source.read_bytes().replace(b"from .", b"from,.", 1)):
        done = validate(envkit, torch_volume)
    assert done.code == 3
    failed = findings(done, "fail")
    assert "numpy/__init__.py (numpy" in failed["files"]["text"]
    assert failed["import numpy"]["code"] == "import-failed"


@pytest.mark.full
def test_the_page_opens_in_a_browser_without_errors(
    envkit: Envkit, torch_volume: Volume, browser: Browser, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    assert validate(envkit, torch_volume, "--html", str(page)).code == 0
    check_page(browser, page)
    assert browser.visit(page, lambda visit: visit.page.get_by_text("gradients of attention").count())
