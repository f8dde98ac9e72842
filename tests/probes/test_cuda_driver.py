"""The driver level, whole: the probe in a child, a driver library that was built here, the findings."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import fake_driver
import pytest
from fake_driver import FakeDriver, read_counters
from harness import find_python, skip_without_python

from envkit.checks.driver_codes import MEANINGS
from envkit.checks.driver_probe import check_driver
from envkit.models.probe import ProbeOutcome, TraceStep
from envkit.models.report import Finding
from envkit.probe import PROBES_DIR, run_driver_probe, run_probe
from envkit.words.cures import cure
from envkit.words.say import say

SCRIPT = PROBES_DIR / "cuda_driver.py"
SMALL = [
    *("--vadd-elements", "1000", "--matmul-size", "40", "--reduce-elements", "1000"),
    *("--copy-bytes", "100000", "--repeats", "1"),
]
KERNELS = ("vadd", "matmul", "reduce", "bandwidth")
H100 = "NVIDIA H100,9.0,81920,0,1,0"
A100 = "NVIDIA A100,8.0,40960,0,2,0"
UUID_1 = "GPU-01111111-1111-1111-1111-111111111111"
UUID_2 = "GPU-02111111-1111-1111-1111-111111111111"
MIG_1 = "NVIDIA A100 MIG 1g.5gb,8.0,4864,0,1,1"
MIG_2 = "NVIDIA A100 MIG 2g.10gb,8.0,9856,0,2,1"
MIG_UUIDS = ["MIG-a1111111-1111-1111-1111-111111111111", "MIG-a2111111-1111-1111-1111-111111111111"]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    return fake_driver.build(tmp_path_factory.mktemp("fakecuda"))


@dataclass
class Bench:
    """A machine with a driver: device nodes and modules are files in a folder."""

    driver: FakeDriver
    folder: Path
    report: Path
    outcomes: list[ProbeOutcome]

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def add_files(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            file = self.root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def be_gpu_host(self) -> None:
        """Everything that a working driver leaves in /dev, /proc and /sys."""
        self.add_files({f"/dev/{name}": "" for name in ("nvidiactl", "nvidia0", "nvidia-uvm")})
        self.add_files({"/sys/module/nvidia/version": "570.86.10\n", "/sys/module/nvidia_uvm/refcnt": "1"})
        self.add_files(
            {
                "/sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
                "/sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
            }
        )

    def run(
        self,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        *,
        python: str = sys.executable,
        libcuda: Path | None = None,
        search: bool = False,
        timeout_s: float = 60.0,
        devices: Sequence[str] = (),
        mig_uuids: Sequence[str] = (),
    ) -> list[Finding]:
        self.report.unlink(missing_ok=True)
        chosen = [] if search else ["--libcuda", str(libcuda or self.driver.path)]
        variables = {"PATH": os.environ["PATH"], "FAKECUDA_REPORT": str(self.report), **(env or {})}
        self.outcomes = run_driver_probe(
            Path(python),
            env=variables,
            timeout_s=timeout_s,
            devices=devices,
            mig_uuids=mig_uuids,
            args=[*SMALL, *chosen, "--root", str(self.root), *args],
        )
        return check_driver(self.outcomes)

    @property
    def counters(self) -> dict[str, int]:
        return read_counters(self.report)

    def assert_nothing_leaks(self, *, misuses: int = 0) -> None:
        alive = {key: value for key, value in self.counters.items() if key not in ("calls", "launches")}
        assert alive == {**dict.fromkeys(alive, 0), "misuses": misuses}


@pytest.fixture
def bench(driver: FakeDriver, tmp_path: Path) -> Bench:
    made = Bench(driver, tmp_path, tmp_path / "report", [])
    made.be_gpu_host()
    return made


def failures(findings: Sequence[Finding]) -> list[tuple[str, str | None, str | None]]:
    return [(f.check, f.code, f.blames) for f in findings if f.status in ("fail", "warn")]


def passed(findings: Iterable[Finding]) -> set[str]:
    return {finding.check.removeprefix("driver.") for finding in findings if finding.status == "pass"}


def only_failure(findings: Sequence[Finding]) -> Finding:
    found = [finding for finding in findings if finding.status in ("fail", "warn")]
    assert len(found) == 1, failures(findings)
    return found[0]


# --- what works -----------------------------------------------------------------------------------------------------


def test_everything_passes(bench: Bench) -> None:
    findings = bench.run()
    assert failures(findings) == []
    assert passed(findings) == {
        *("library", "version", "init", "devices", "device", "context", "ptx", *KERNELS, "release")
    }
    bench.assert_nothing_leaks()
    assert bench.counters["launches"] == 6


def test_the_document(bench: Bench) -> None:
    bench.run(env={"FAKECUDA_VERSION": "13010", "SECRET": "hush"})
    (outcome,) = bench.outcomes
    document = dict(outcome.facts)
    assert outcome.state == "done"
    assert document["schema_version"] == 1
    assert document["driver"] == {"driver_cuda": "13.1", "driver_cuda_number": 13010}
    assert document["devices_count"] == 1
    devices = document["devices"]
    assert isinstance(devices, list)
    (device,) = devices
    assert device["compute_capability"] == "9.0"
    assert device["uuid"] == UUID_1
    assert device["memory_total_bytes"] == device["memory_free_bytes"] == 80 << 30
    assert {"libcuda", "host", "python", "variables", "checks", "figures"} <= set(document)
    figures = document["figures"]["0"]  # type: ignore[index]
    assert {key for key, value in figures.items() if value and value > 0} == {
        *("context_s", "module_load_s", "vadd_bytes_per_s", "matmul_flop_per_s"),
        *("host_to_device_bytes_per_s", "device_to_host_bytes_per_s", "device_copy_bytes_per_s"),
    }
    assert "hush" not in str(document)
    assert "SECRET" not in str(document)
    ptx = next(check for check in document["checks"] if check["check"] == "ptx")  # type: ignore[attr-defined]
    assert ptx["detail"]["jit_info_log"] == "compiled, says the fake compiler"


def test_the_trace_tells_all_that_the_document_does(bench: Bench) -> None:
    bench.run()
    (outcome,) = bench.outcomes
    assert outcome.document is not None
    partial, document = dict(outcome.partial), dict(outcome.document)
    assert document.pop("schema_version") == 1
    assert document.pop("probe") == "cuda_driver"
    assert partial == document


def test_the_default_sizes(bench: Bench) -> None:
    args = ["--libcuda", str(bench.driver.path), "--root", str(bench.root)]
    env = {"FAKECUDA_REPORT": str(bench.report)}
    outcome = run_probe(Path(sys.executable), SCRIPT, args, env=env, timeout_s=60)
    findings = check_driver([outcome])
    assert failures(findings) == []
    assert "1000 x 1000, exact" in next(say(f) for f in findings if f.check == "driver.matmul")
    bench.assert_nothing_leaks()


@pytest.mark.parametrize("size", [1, 15, 16, 17, 33, 40])
def test_sizes_around_the_tiles(bench: Bench, size: int) -> None:
    counts = ["--vadd-elements", str(size), "--reduce-elements", str(size), "--matmul-size", str(size)]
    assert failures(bench.run(counts)) == []


def test_every_device_is_checked(bench: Bench) -> None:
    findings = bench.run(env={"FAKECUDA_DEVICES": f"{H100};{A100}"})
    assert failures(findings) == []
    checked = [(f.data.get("uuid"), f.check) for f in findings if f.check == "driver.matmul"]
    assert checked == [(UUID_1, "driver.matmul"), (UUID_2, "driver.matmul")]
    bench.assert_nothing_leaks()


@pytest.mark.parametrize("name", ["1", UUID_2, UUID_2[4:]])
def test_one_device_is_chosen(bench: Bench, name: str) -> None:
    findings = bench.run(env={"FAKECUDA_DEVICES": f"{H100};{A100}"}, devices=[name])
    assert failures(findings) == []
    assert [f.data["uuid"] for f in findings if f.check == "driver.vadd"] == [UUID_2]


def test_a_device_that_is_not_there(bench: Bench) -> None:
    finding = only_failure(bench.run(devices=["3"]))
    assert (finding.code, finding.blames) == ("device-not-found", "host")
    assert UUID_1 in say(finding)


def test_a_device_that_was_not_asked_for_only_warns(bench: Bench) -> None:
    env = {"FAKECUDA_DEVICES": f"{H100};{A100}", "FAKECUDA_FAIL": "cuDeviceGetName=999@2"}
    findings = bench.run(env=env, devices=["0"])
    assert [(f.status, f.code) for f in findings if f.status != "pass"] == [("warn", "driver-unknown-error")]
    assert only_failure(bench.run(env=env)).status == "fail"


def test_a_failure_on_one_device_leaves_the_other_checked(bench: Bench) -> None:
    env = {"FAKECUDA_DEVICES": f"{H100};{A100}", "FAKECUDA_FAIL": "cuModuleLoadDataEx=209"}
    findings = bench.run(env=env)
    assert failures(findings) == [
        ("driver.ptx", "no-kernel-for-device", "host"),
        ("driver.ptx", "no-kernel-for-device", "host"),
    ]
    assert [f.status for f in findings if f.check == "driver.bandwidth"] == ["pass", "pass"]


def test_one_child_for_each_mig_instance(bench: Bench) -> None:
    for index in (1, 2):
        bench.add_files({f"/proc/driver/nvidia/capabilities/gpu0/mig/gi{index}/ci0/access": ""})
    env = {"FAKECUDA_DEVICES": f"{MIG_1};{MIG_2}"}
    findings = bench.run(env=env, mig_uuids=MIG_UUIDS)
    assert len(bench.outcomes) == 2
    assert failures(findings) == []
    assert [f.data["uuid"] for f in findings if f.check == "driver.matmul"] == MIG_UUIDS
    finding = only_failure(bench.run(env=env, devices=[MIG_UUIDS[0]]))
    assert (finding.code, finding.status) == ("mig-unchecked", "warn")


# --- every way to fail ----------------------------------------------------------------------------------------------

ROWS = [  # call, result, code of the finding, check that carries it
    ("cuInit", 2, "out-of-memory", "init"),
    ("cuInit", 3, "driver-not-initialized", "init"),
    ("cuInit", 34, "stub-library", "init"),
    ("cuInit", 36, "driver-too-old", "init"),
    ("cuInit", 100, "no-device", "init"),
    ("cuInit", 101, "invalid-device", "init"),
    ("cuInit", 303, "driver-library-incomplete", "init"),
    ("cuInit", 304, "operating-system-error", "init"),
    ("cuInit", 802, "fabric-manager", "init"),
    ("cuInit", 803, "driver-mismatch", "init"),
    ("cuInit", 804, "compat-not-supported", "init"),
    ("cuInit", 999, "driver-unknown-error", "init"),
    ("cuInit", 4242, "call-failed", "init"),
    ("cuDriverGetVersion", 34, "stub-library", "version"),
    ("cuDeviceGetCount", 3, "driver-not-initialized", "devices"),
    ("cuDeviceGetName", 101, "invalid-device", "device"),
    ("cuDevicePrimaryCtxRetain", 2, "out-of-memory", "context"),
    ("cuDevicePrimaryCtxRetain", 46, "device-unavailable", "context"),
    ("cuDevicePrimaryCtxRetain", 102, "device-not-licensed", "context"),
    ("cuDevicePrimaryCtxRetain", 214, "ecc-error", "context"),
    ("cuDevicePrimaryCtxRetain", 800, "not-permitted", "context"),
    ("cuDevicePrimaryCtxRetain", 801, "not-supported", "context"),
    ("cuDevicePrimaryCtxRetain", 802, "fabric-manager", "context"),
    ("cuDevicePrimaryCtxRetain", 805, "mps-connection-failed", "context"),
    ("cuDevicePrimaryCtxRetain", 806, "mps-rpc-failure", "context"),
    ("cuDevicePrimaryCtxRetain", 807, "mps-server-not-ready", "context"),
    ("cuDevicePrimaryCtxRetain", 808, "mps-max-clients", "context"),
    ("cuDevicePrimaryCtxRetain", 809, "mps-max-connections", "context"),
    ("cuLaunchKernel", 810, "mps-client-terminated", "vadd"),
    ("cuModuleLoadDataEx", 200, "invalid-image", "ptx"),
    ("cuModuleLoadDataEx", 209, "no-kernel-for-device", "ptx"),
    ("cuModuleLoadDataEx", 218, "ptx-invalid", "ptx"),
    ("cuModuleLoadDataEx", 221, "jit-compiler-missing", "ptx"),
    ("cuModuleLoadDataEx", 222, "ptx-too-new", "ptx"),
    ("cuModuleLoadDataEx", 223, "jit-disabled", "ptx"),
    ("cuMemAlloc_v2", 2, "out-of-memory", "vadd"),
    ("cuMemcpyHtoD_v2", 214, "ecc-error", "vadd"),
    ("cuEventSynchronize", 220, "nvlink-error", "vadd"),
    ("cuEventSynchronize", 226, "contained-error", "vadd"),
    ("cuEventSynchronize", 700, "illegal-address", "vadd"),
    ("cuLaunchKernel", 701, "launch-out-of-resources", "vadd"),
    ("cuEventSynchronize", 702, "launch-timeout", "vadd"),
    ("cuEventSynchronize", 716, "misaligned-address", "vadd"),
    ("cuEventSynchronize", 719, "launch-failed", "vadd"),
]


def test_every_known_result_has_its_test() -> None:
    assert {result for _, result, _, _ in ROWS} >= set(MEANINGS)
    codes = list(MEANINGS.values())
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize(("call", "result", "code", "check"), ROWS)
def test_each_result_ends_in_its_finding(bench: Bench, call: str, result: int, code: str, check: str) -> None:
    findings = bench.run(env={"FAKECUDA_FAIL": f"{call}={result}"})
    finding = only_failure([f for f in findings if f.status != "warn"])
    assert (finding.check, finding.code, finding.blames) == (f"driver.{check}", code, "host")
    assert cure(finding)
    assert str(result) in say(finding)
    assert finding.data["result"] == result
    assert finding.data["call"] == call


@pytest.mark.parametrize("result", [214, 700, 719])
def test_a_lost_context_ends_the_device_and_only_it(bench: Bench, result: int) -> None:
    env = {"FAKECUDA_FAIL": f"cuLaunchKernel={result}", "FAKECUDA_STICKY": "1", "FAKECUDA_DEVICES": f"{H100};{A100}"}
    findings = bench.run(env=env)
    assert failures(findings) == [("driver.vadd", MEANINGS[result], "host")] * 2
    assert next(f for f in findings if f.status == "fail").data["call"] == "cuLaunchKernel"
    skipped = [f.check.removeprefix("driver.") for f in findings if f.status == "skip"]
    assert skipped == ["matmul", "reduce", "bandwidth"] * 2
    assert {f.code for f in findings if f.status == "skip"} == {"not-reached"}


def test_the_compilers_log_is_kept(bench: Bench) -> None:
    finding = only_failure(bench.run(env={"FAKECUDA_FAIL": "cuModuleLoadDataEx=218"}))
    assert finding.data["jit_error_log"] == "error 218, says the fake compiler"


def test_ptx_that_the_driver_refuses(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other.ptx").write_text(".version 9.9\n")
    finding = only_failure(bench.run(["--ptx", str(tmp_path / "other.ptx")]))
    assert (finding.check, finding.data["result"]) == ("driver.ptx", 200)


def test_memory_that_is_really_used_up(bench: Bench) -> None:
    findings = bench.run(["--matmul-size", "300"], {"FAKECUDA_DEVICES": "Tiny,7.5,1,0,1,0"})
    finding = only_failure(findings)
    assert (finding.check, finding.code) == ("driver.matmul", "out-of-memory")
    assert "1 MiB were free of 1" in say(finding)
    assert {"vadd", "reduce", "bandwidth"} <= passed(findings)
    bench.assert_nothing_leaks()


@pytest.mark.parametrize(
    ("mode", "code"), [(0, "device-unavailable"), (2, "device-prohibited"), (3, "device-exclusive")]
)
def test_compute_modes(bench: Bench, mode: int, code: str) -> None:
    env = {"FAKECUDA_DEVICES": f"H100,9.0,81920,{mode},1,0", "FAKECUDA_FAIL": "cuDevicePrimaryCtxRetain=46"}
    finding = only_failure(bench.run(env=env))
    assert (finding.check, finding.code, finding.blames) == ("driver.context", code, "host")


def test_a_library_that_lacks_a_function(bench: Bench, tmp_path: Path) -> None:
    source, library = tmp_path / "old.c", tmp_path / "libold.so"
    source.write_text("int cuInit(unsigned flags) { return (int)flags; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    findings = bench.run(libcuda=library)
    assert {code for _, code, _ in failures(findings)} == {"driver-too-old"}
    assert "no such function" in next(say(f) for f in findings if f.status == "fail")


def test_memory_that_cannot_be_pinned(bench: Bench) -> None:
    finding = only_failure(bench.run(env={"FAKECUDA_FAIL": "cuMemAllocHost_v2=2"}))
    assert (finding.check, finding.code, finding.blames) == ("driver.bandwidth", "pinned-memory", "host")


@pytest.mark.parametrize(
    "line",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.216.03  Thu Oct 10 21:47:51 UTC 2024",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.216.03  Release Build  (dvs-builder@U22)",
        "NVRM version: NVIDIA UNIX Kernel Module for aarch64  535.216.03  Release Build  (buildbrain@mobile)",
    ],
)
def test_the_version_of_the_kernel_module(bench: Bench, line: str) -> None:
    shutil.rmtree(bench.root / "sys")
    bench.add_files({"/proc/driver/nvidia/version": f"{line}\nGCC version:  gcc version 12.2.0\n"})
    assert bench.run()[0].data["kernel_driver_version"] == "535.216.03"


@pytest.mark.parametrize("call", ["cuInit", "cuDevicePrimaryCtxRetain"])
def test_uvm_is_missing(bench: Bench, call: str) -> None:
    (bench.root / "dev/nvidia-uvm").unlink()
    finding = only_failure(bench.run(env={"FAKECUDA_FAIL": f"{call}=999"}))
    assert (finding.code, finding.blames) == ("uvm-missing", "host")
    assert "nvidia-modprobe -u" in str(cure(finding))


def test_driver_and_kernel_module_of_two_versions(bench: Bench) -> None:
    library = bench.driver.copy_to(bench.root / "usr/lib64", "libcuda.so.575.57.08")
    finding = only_failure(bench.run(libcuda=library, env={"FAKECUDA_FAIL": "cuInit=803"}))
    assert (finding.code, finding.blames) == ("driver-mismatch", "host")
    assert "library 575.57.08, kernel module 570.86.10" in say(finding)


# --- no device, hidden devices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles", "7", "GPU-beef", "-1,0"])
def test_hidden_devices(bench: Bench, visible: str) -> None:
    finding = only_failure(bench.run(env={"CUDA_VISIBLE_DEVICES": visible}))
    assert (finding.check, finding.code, finding.blames) == ("driver.init", "devices-hidden", "host")
    assert f"CUDA_VISIBLE_DEVICES={visible}" in say(finding)


def test_an_unknown_uuid_as_older_drivers_answer_it(bench: Bench) -> None:
    env = {"CUDA_VISIBLE_DEVICES": "GPU-beef", "FAKECUDA_FAIL": "cuInit=101"}
    assert only_failure(bench.run(env=env)).code == "devices-hidden"


def test_partly_hidden_devices(bench: Bench) -> None:
    finding = only_failure(bench.run(env={"CUDA_VISIBLE_DEVICES": "0,7"}))
    assert (finding.code, finding.status) == ("devices-partly-hidden", "warn")


def test_a_container_without_its_gpus(bench: Bench) -> None:
    env = {"NVIDIA_VISIBLE_DEVICES": "void", "FAKECUDA_FAIL": "cuInit=100"}
    finding = only_failure(bench.run(env=env))
    assert (finding.code, finding.blames) == ("devices-hidden", "host")
    assert "--gpus all" in str(cure(finding))


def test_a_count_of_zero_is_no_device(bench: Bench, tmp_path: Path) -> None:
    source, library = tmp_path / "zero.c", tmp_path / "libzero.so"
    source.write_text(
        "int cuInit(unsigned f) { return (int)f; } int cuDeviceGetCount(int *n) { *n = 0; return 0; }\n"
        "int cuDriverGetVersion(int *n) { *n = 12040; return 0; }\n"
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    finding = only_failure(bench.run(libcuda=library))
    assert (finding.check, finding.code) == ("driver.devices", "no-device")


def test_no_libcuda_and_no_trace_of_nvidia(bench: Bench) -> None:
    shutil.rmtree(bench.root)
    (finding,) = bench.run(search=True)
    assert (finding.check, finding.status, finding.code, finding.blames) == ("driver.library", "skip", "no-gpu", None)


def test_libcuda_and_no_trace_of_nvidia(bench: Bench) -> None:
    shutil.rmtree(bench.root)
    findings = bench.run(env={"FAKECUDA_FAIL": "cuInit=100"})
    assert failures(findings) == []
    assert [f.code for f in findings if f.status == "skip"] == ["no-gpu"]


def test_no_libcuda_where_nvidia_is(bench: Bench) -> None:
    (finding,) = bench.run(search=True)
    assert (finding.status, finding.code, finding.blames) == ("fail", "no-libcuda", "host")
    assert "the nvidia kernel module is loaded" in say(finding)


def test_a_libcuda_that_does_not_load(bench: Bench) -> None:
    bench.add_files({"/usr/lib64/libcuda.so.1": "not a library" * 100})
    (finding,) = bench.run(search=True)
    assert (finding.status, finding.code, finding.blames) == ("fail", "libcuda-unloadable", "host")
    assert "invalid ELF header" in say(finding)


# --- which libcuda --------------------------------------------------------------------------------------------------


def test_libcuda_where_the_loader_does_not_look(bench: Bench) -> None:
    path = bench.driver.copy_to(bench.root / "usr/local/nvidia/lib64")
    findings = bench.run(search=True)
    finding = only_failure(findings)
    assert (finding.code, finding.status, finding.blames) == ("libcuda-off-path", "warn", "host")
    assert finding.data["path"] == str(path)
    assert set(KERNELS) <= passed(findings)


def test_libcuda_of_windows(bench: Bench) -> None:
    shutil.rmtree(bench.root)
    bench.driver.copy_to(bench.root / "usr/lib/wsl/lib")
    bench.add_files({"/dev/dxg": ""})
    findings = bench.run(search=True)
    assert set(KERNELS) <= passed(findings)
    findings = bench.run(search=True, env={"FAKECUDA_FAIL": "cuInit=100"})
    assert ("driver.init", "no-device", "host") in failures(findings)


def test_the_real_driver_through_a_variable_hides_nothing(bench: Bench) -> None:
    folder = bench.driver.copy_to(bench.root / "usr/local/nvidia/lib64").parent
    findings = bench.run(search=True, env={"LD_LIBRARY_PATH": str(folder)})
    assert failures(findings) == []
    assert findings[0].data["through"] == "LD_LIBRARY_PATH"


def test_a_stub_through_a_variable(bench: Bench, tmp_path: Path) -> None:
    bench.driver.copy_to(bench.root / "usr/lib64")
    folder = bench.driver.copy_to(tmp_path / "cuda/lib64/stubs").parent
    env = {"LD_LIBRARY_PATH": str(folder), "FAKECUDA_FAIL": "cuInit=34"}
    finding = only_failure(bench.run(search=True, env=env))
    assert (finding.check, finding.code, finding.blames) == ("driver.init", "stub-library", "host")
    assert finding.data["kind"] == "stub"
    assert "Unset the variable" in str(cure(finding))


@pytest.mark.parametrize("variable", ["LD_LIBRARY_PATH", "LD_PRELOAD"])
@pytest.mark.parametrize("result", [803, 804, 100, 999])
def test_a_variable_that_hides_the_driver(bench: Bench, tmp_path: Path, variable: str, result: int) -> None:
    bench.driver.copy_to(bench.root / "usr/lib64")
    path = bench.driver.copy_to(tmp_path / "elsewhere")
    env = {variable: str(path if variable == "LD_PRELOAD" else path.parent), "FAKECUDA_FAIL": f"cuInit={result}"}
    finding = only_failure(bench.run(search=True, env=env))
    assert (finding.code, finding.blames) == ("libcuda-shadowed", "host")
    assert variable in say(finding)
    assert finding.data["result"] == result


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment: a prefix of its own."""
    prefix = tmp_path_factory.mktemp("environment") / "env"
    venv.create(prefix, symlinks=True, with_pip=False)
    return prefix


@pytest.mark.parametrize(
    ("folder", "result", "code"),
    [
        ("lib", 803, "libcuda-shadowed"),
        ("lib", 999, "libcuda-shadowed"),
        ("lib/stubs", 34, "stub-library"),
        ("lib", 34, "stub-library"),
        ("cuda-compat", 804, "libcuda-shadowed"),
        ("cuda-compat", 803, "libcuda-shadowed"),
    ],
)
def test_the_environment_hides_the_driver(bench: Bench, environment: Path, folder: str, result: int, code: str) -> None:
    path = bench.driver.copy_to(environment / folder)
    try:
        env = {"LD_LIBRARY_PATH": str(path.parent), "FAKECUDA_FAIL": f"cuInit={result}"}
        finding = only_failure(bench.run(search=True, env=env, python=str(environment / "bin/python")))
    finally:
        path.unlink()
    assert (finding.check, finding.code, finding.blames) == ("driver.init", code, "environment")
    assert finding.data["path"] == str(path)
    assert "from the environment" in str(cure(finding))


def test_the_environment_hides_the_driver_and_it_works(bench: Bench, environment: Path) -> None:
    path = bench.driver.copy_to(environment / "lib")
    try:
        env = {"LD_LIBRARY_PATH": str(path.parent)}
        findings = bench.run(search=True, env=env, python=str(environment / "bin/python"))
        finding = only_failure(findings)
        assert (finding.code, finding.status, finding.blames) == ("libcuda-shadowed", "warn", "environment")
        assert set(KERNELS) <= passed(findings)
        # Not loaded by Python, and other programs of the environment may.
        finding = only_failure(bench.run(python=str(environment / "bin/python")))
        assert (finding.code, finding.status) == ("libcuda-shadowed", "warn")
        assert finding.data == {"path": str(path)}
        # What it breaks besides is still seen.
        env["FAKECUDA_CRASH"] = "cuInit"
        finding = only_failure(bench.run(search=True, env=env, python=str(environment / "bin/python")))
        assert (finding.check, finding.code, finding.blames) == ("driver.init", "crash", "environment")
    finally:
        path.unlink()


def test_the_environment_hides_the_drivers_compiler(bench: Bench, environment: Path) -> None:
    compiler = bench.driver.copy_to(environment / "lib", "libnvidia-ptxjitcompiler.so.1")
    try:
        env = {"FAKECUDA_COMPILER": str(compiler), "FAKECUDA_FAIL": "cuModuleLoadDataEx=218"}
        finding = only_failure(bench.run(env=env, python=str(environment / "bin/python")))
        assert (finding.check, finding.code, finding.blames) == ("driver.ptx", "libcuda-shadowed", "environment")
        assert str(compiler) in say(finding)
        assert only_failure(bench.run(env=env)).code == "ptx-invalid"  # another environment's: not this one's fault
    finally:
        compiler.unlink()
    assert only_failure(bench.run(env=env)).code == "jit-compiler-missing"


def test_forward_compatibility_is_no_fault(bench: Bench, environment: Path) -> None:
    path = bench.driver.copy_to(environment / "cuda-compat")
    try:
        env = {"LD_LIBRARY_PATH": str(path.parent)}
        findings = bench.run(search=True, env=env, python=str(environment / "bin/python"))
    finally:
        path.unlink()
    assert failures(findings) == []
    assert "forward compatibility" in say(findings[0])


# --- wrong results --------------------------------------------------------------------------------------------------


WORDS = {
    "flip": "results are wrong",
    "unwritten": "results were not written",
    "zeros": "results are zero",
    "overrun": "memory beside the results was overwritten",
}


@pytest.mark.parametrize(
    ("kernel", "how"),
    [
        *((kernel, how) for kernel in ("vadd", "matmul", "reduce") for how in WORDS),
        *(("copy", how) for how in WORDS if how != "overrun"),  # the driver itself copies: nothing can run over
    ],
)
def test_wrong_results_are_caught(bench: Bench, kernel: str, how: str) -> None:
    finding = only_failure(bench.run(env={"FAKECUDA_WRONG": f"{kernel}={how}"}))
    check = "bandwidth" if kernel == "copy" else kernel
    assert (finding.check, finding.code, finding.blames) == (f"driver.{check}", "wrong-result", "host")
    assert WORDS[how] in say(finding)
    assert "Do not trust" in str(cure(finding))
    bench.assert_nothing_leaks()


def test_a_single_flipped_bit_is_located(bench: Bench) -> None:
    finding = only_failure(bench.run(env={"FAKECUDA_WRONG": "matmul=flip"}))
    assert (finding.data["wrong_count"], finding.data["elements_count"]) == (1, 1600)
    assert finding.data["first_wrong"] == 800


def test_millions_of_wrong_bytes_do_not_take_the_time(bench: Bench) -> None:
    started = time.monotonic()
    finding = only_failure(bench.run(["--copy-bytes", "40000000"], {"FAKECUDA_WRONG": "copy=unwritten"}))
    assert time.monotonic() - started < 10
    assert "at least 262144 of 40000000" in say(finding)
    assert "results were not written" in say(finding)


# --- hang, crash, and nothing left behind ---------------------------------------------------------------------------

CALLS = [
    *("cuDriverGetVersion", "cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetUuid"),
    *("cuDeviceGetUuid_v2", "cuDeviceGetAttribute", "cuDeviceGetPCIBusId", "cuDeviceTotalMem_v2"),
    *("cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuCtxSynchronize", "cuMemGetInfo_v2", "cuModuleLoadDataEx"),
    *("cuModuleGetFunction", "cuMemAlloc_v2", "cuMemAllocHost_v2", "cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2"),
    *("cuMemcpyDtoD_v2", "cuMemsetD8_v2", "cuEventCreate", "cuEventRecord", "cuEventSynchronize"),
    *("cuEventElapsedTime", "cuLaunchKernel"),
]
RELEASES = ["cuMemFree_v2", "cuMemFreeHost", "cuEventDestroy_v2", "cuModuleUnload", "cuDevicePrimaryCtxRelease_v2"]
OPTIONAL = {"cuDeviceGetUuid", "cuDeviceGetUuid_v2", "cuDeviceGetPCIBusId"}


def test_the_lists_of_calls_are_complete(bench: Bench) -> None:
    text = SCRIPT.read_text()
    names = {n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    used = {name for name in names if name.startswith("cu") and name[2:3].isupper()}
    assert used - {"cuGetErrorName", "cuGetErrorString", "cuDevicePrimaryCtxRelease"} == {*CALLS, *RELEASES}
    symbols = subprocess.run(["nm", "-D", str(bench.driver.path)], check=True, capture_output=True, text=True).stdout
    assert {*CALLS, *RELEASES} <= set(symbols.split())


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("call", CALLS)
def test_nothing_leaks_whatever_fails(bench: Bench, call: str, nth: int) -> None:
    findings = bench.run(env={"FAKECUDA_FAIL": f"{call}=701@{nth}"})
    assert bench.outcomes[0].state == "done"
    bench.assert_nothing_leaks()
    calls = [f.data.get("call") for f in findings if f.status == "fail"]
    assert calls in ([call], [])
    if nth == 1 and call not in OPTIONAL and call != "cuDeviceGetAttribute":
        assert calls == [call]


@pytest.mark.parametrize("call", RELEASES)
def test_what_cannot_be_given_back_is_said(bench: Bench, call: str) -> None:
    finding = only_failure(bench.run(env={"FAKECUDA_FAIL": f"{call}=700"}))
    assert (finding.check, finding.status, finding.code) == ("driver.release", "warn", "release-failed")
    assert finding.data["call"] == call


@pytest.mark.parametrize("call", ["cuInit", "cuDevicePrimaryCtxRetain", "cuModuleLoadDataEx", "cuEventSynchronize"])
def test_a_hang_is_ended_and_named(bench: Bench, call: str) -> None:
    started = time.monotonic()
    findings = bench.run(env={"FAKECUDA_HANG": call}, timeout_s=3)
    assert time.monotonic() - started < 15
    finding = only_failure(findings)
    assert (finding.code, finding.blames) == ("hang", "host")
    assert call in say(finding)
    (outcome,) = bench.outcomes
    assert (outcome.state, outcome.reaped) == ("timed-out", True)
    assert "library" in passed(findings)  # what was known before is kept


@pytest.mark.parametrize("call", CALLS)
def test_a_crash_is_named(bench: Bench, call: str) -> None:
    findings = bench.run(env={"FAKECUDA_CRASH": call})
    finding = only_failure(findings)
    assert (finding.code, finding.blames) == ("crash", "host")
    assert call in say(finding)
    assert "SIGSEGV" in say(finding)
    step = bench.outcomes[0].last_step
    assert step is not None
    assert step.call == call
    assert finding.check == f"driver.{step.check}"


def test_a_crash_on_the_second_device_keeps_the_first(bench: Bench) -> None:
    env = {"FAKECUDA_DEVICES": f"{H100};{A100}", "FAKECUDA_CRASH": "cuDevicePrimaryCtxRetain@2"}
    findings = bench.run(env=env)
    finding = only_failure(findings)
    assert bench.outcomes[0].last_step == TraceStep("context", "cuDevicePrimaryCtxRetain", 1)
    assert finding.data["device"] == 1
    assert {f.check for f in findings if f.data.get("uuid") == UUID_1} >= {f"driver.{name}" for name in KERNELS}


def test_a_library_that_ends_the_process(bench: Bench) -> None:
    finding = only_failure(bench.run(env={"FAKECUDA_EXIT": "cuInit"}))
    assert (finding.check, finding.code, finding.blames) == ("driver.init", "probe-failed", None)
    assert finding.data["exit_code"] == 7


def test_a_child_that_is_killed(bench: Bench) -> None:
    finding = only_failure(bench.run(env={"FAKECUDA_KILL": "cuMemAllocHost_v2"}))
    assert (finding.check, finding.code, finding.blames) == ("driver.bandwidth", "killed", "host")
    assert "OOM" in str(cure(finding))
    assert {"vadd", "matmul", "reduce"} <= passed(finding for finding in check_driver(bench.outcomes))


def test_a_library_that_prints(bench: Bench) -> None:
    assert failures(bench.run(env={"FAKECUDA_SHOUT": "1"})) == []
    assert "says hello" in bench.outcomes[0].stderr_tail


def test_the_time_of_the_probe_itself(bench: Bench) -> None:
    findings = bench.run(["--timeout", "0.000001"])
    finding = only_failure(findings)
    assert (finding.check, finding.code) == ("driver.context", "out-of-time")
    findings = bench.run(["--timeout", "2", "--copy-bytes", "20000000", "--repeats", "100000"])
    finding = only_failure(findings)
    assert (finding.check, finding.code) == ("driver.bandwidth", "out-of-time")
    assert {"vadd", "matmul", "reduce"} <= passed(findings)
    bench.assert_nothing_leaks()


# --- the environment's Python ---------------------------------------------------------------------------------------


def test_a_python_that_does_not_start(bench: Bench, tmp_path: Path) -> None:
    finding = only_failure(bench.run(python=str(tmp_path / "python")))
    assert (finding.check, finding.code, finding.blames) == ("driver.probe", "python-unusable", "environment")


@pytest.mark.parametrize("body", ["exit 3", "kill -SEGV $$", "echo hello", "echo 'no module encodings' >&2; exit 1"])
def test_a_python_that_is_broken(bench: Bench, tmp_path: Path, body: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{body}\n")
    python.chmod(0o755)
    finding = only_failure(bench.run(python=str(python)))
    assert (finding.code, finding.blames) == ("python-unusable", "environment")


@pytest.fixture(scope="session")
def pythons() -> dict[str, str]:
    """Other Pythons that run here; a session's, so that it looks before a test's own HOME hides what pyenv keeps."""
    found = {version: find_python(version, "-c") for version in ("2.7", "3.6")}
    found |= {version: find_python(version, "-I", "-c") for version in ("3.7", "3.8", "3.13", "3.14")}
    return {version: python for version, python in found.items() if python}


@pytest.mark.parametrize("version", ["2.7", "3.6"])
def test_a_python_that_is_too_old(bench: Bench, version: str, pythons: dict[str, str]) -> None:
    python = pythons.get(version)
    if python is None:
        skip_without_python(version)
    finding = only_failure(bench.run(python=python))
    assert (finding.code, finding.blames) == ("python-too-old", "environment")
    assert "3.7" in say(finding)


def test_the_syntax_is_of_python_3_7() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("version", ["3.7", "3.8", "3.13", "3.14"])
def test_other_pythons(bench: Bench, version: str, pythons: dict[str, str]) -> None:
    python = pythons.get(version)
    if python is None:
        skip_without_python(version)
    findings = bench.run(python=python)
    assert failures(findings) == []
    assert str(bench.outcomes[0].facts["python"]).startswith(f"{{'version': '{version}.")
    bench.assert_nothing_leaks()
    assert only_failure(bench.run(python=python, env={"FAKECUDA_FAIL": "cuInit=803"})).code == "driver-mismatch"
    assert only_failure(bench.run(python=python, env={"FAKECUDA_WRONG": "matmul=flip"})).code == "wrong-result"
