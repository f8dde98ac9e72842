"""The quick look: when its token changes, when it does not, and what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from envkit.host.cache import default_cache_dir
from envkit.host.fingerprint import fingerprint_now

if TYPE_CHECKING:
    from machines import Machine

H100 = "NVIDIA H100 80GB HBM3,9,0,85520809984,GPU-aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa,-1"
MODEL = "/proc/driver/nvidia/gpus/0000:01:00.0/information"
BOOT = "/proc/sys/kernel/random/boot_id"


def now(machine: Machine, cache: Path | None = None) -> tuple[str, str | None]:
    return fingerprint_now(machine.root, env=machine.variables(), cache_dir=cache)


def test_the_token_changes_with_driver_devices_models_and_variables(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.write(MODEL, "Model: \t\t NVIDIA A100\nIRQ:   35\n")
    tokens = [now(machine)[0]]
    for change in (
        lambda: machine.driver("570.86.10"),
        lambda: machine.write(MODEL, "Model: \t\t NVIDIA H100\nIRQ:   35\n"),
        lambda: machine.write("/dev/nvidia1"),
        lambda: machine.write("/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access"),
        lambda: machine.env.update(CUDA_VISIBLE_DEVICES="0"),
        lambda: machine.env.update(CONDA_OVERRIDE_CUDA="12.4"),
        lambda: machine.env.update(LD_LIBRARY_PATH="/usr/local/cuda/compat"),
        lambda: machine.write("/proc/cpuinfo", "processor : 0\nflags : fpu avx2\n\n"),
    ):
        change()
        tokens.append(now(machine)[0])
    assert len(set(tokens)) == len(tokens)


def test_the_token_is_the_same_after_a_reboot_and_on_a_machine_of_the_same_kind(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.write(MODEL, "Model: \t\t NVIDIA A100\nIRQ:   35\nGPU UUID: GPU-1\n")
    machine.write(BOOT, "first\n")
    before = now(machine)[0]
    machine.write(BOOT, "second\n")
    machine.write(MODEL, "Model: \t\t NVIDIA A100\nIRQ:   36\nGPU UUID: GPU-2\n")
    machine.env["LANG"] = "C"
    assert now(machine)[0] == before


def test_where_the_kernel_names_no_gpu_a_reboot_changes_the_token(machine: Machine) -> None:
    machine.driver("550.54.14")
    machine.write(BOOT, "first\n")
    before = now(machine)[0]
    machine.write(BOOT, "second\n")
    assert now(machine)[0] != before


def test_the_fingerprint_is_known_after_a_detection_and_goes_with_what_decides(
    machine: Machine, tmp_path: Path
) -> None:
    machine.driver("550.54.14")
    machine.env["STAND_IN_GPUS"] = H100
    cache = tmp_path / "cache"
    assert now(machine, cache)[1] is None
    host = machine.detect(cache_dir=cache)
    assert now(machine, cache)[1] == host.fingerprint
    machine.env["CUDA_VISIBLE_DEVICES"] = ""
    assert now(machine, cache)[1] is None
    hidden = machine.detect(cache_dir=cache)
    assert now(machine, cache)[1] == hidden.fingerprint != host.fingerprint
    del machine.env["CUDA_VISIBLE_DEVICES"]
    machine.driver("570.86.10")
    assert now(machine, cache)[1] is None


@pytest.mark.parametrize("text", ["", "{}", '{"fingerprint": 7}'])
def test_a_damaged_entry_is_unknown(machine: Machine, tmp_path: Path, text: str) -> None:
    cache = tmp_path / "cache"
    machine.env["STAND_IN_GPUS"] = H100
    machine.detect(cache_dir=cache)
    (entry,) = cache.glob("now-*.json")
    entry.write_text(text)
    assert now(machine, cache)[1] is None
    machine.detect(cache_dir=cache)
    assert now(machine, cache)[1] is not None


def test_it_takes_less_than_ten_milliseconds(tmp_path: Path) -> None:
    fingerprint_now(cache_dir=tmp_path)
    costs = []
    for _ in range(5):
        began = time.perf_counter()
        fingerprint_now(cache_dir=tmp_path)
        costs.append(time.perf_counter() - began)
    assert min(costs) < 0.01


def test_it_imports_little() -> None:
    code = "import sys; import envkit.host.fingerprint; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=_path())
    loaded = set(done.stdout.split())
    assert not loaded & {"dataclasses", "subprocess", "ctypes", "typing", "pathlib", "rattler", "pynvml"}


def _path() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parent.parent.parent)}


@pytest.mark.skipif(sys.platform != "linux", reason="platformdirs' rule for Linux")
@pytest.mark.parametrize("base", [None, "/somewhere", " "])
def test_the_cache_is_where_platformdirs_puts_it(base: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if base is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert default_cache_dir(os.environ) == platformdirs.user_cache_dir("envkit")
