"""validate and create on a host whose driver library was built here: findings, exit codes, what is published."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harness import Envkit, Outcome


def create(envkit: Envkit, channel: Path, volume: Path, *args: str, env: Mapping[str, str] | None = None) -> Outcome:
    only = ("-c", str(channel), "--override-channels", "--persist", str(volume), "--json")
    return envkit("create", "cuda-cudart", "-n", "train", *only, *args, env=env)


def failures(document: Any) -> list[tuple[str, str]]:
    return [(f["code"], f["blames"]) for f in document["findings"] if f["status"] == "fail"]


def test_a_gpu_that_computes_passes(
    envkit: Envkit, gpu_host: Mapping[str, str], cuda_channel: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "envs"
    made = create(envkit, cuda_channel, volume, "--require-gpu", env=gpu_host)
    assert made.code == 0, made.out
    report = made.json["validation"]
    assert report["verdict"] == "pass"
    assert report["on_gpu"] is True
    assert {figure["name"] for figure in report["figures"]} >= {
        "matmul_flop_per_s",
        "host_to_device_bytes_per_s",
        "device_to_host_bytes_per_s",
    }
    assert (volume / "train").is_symlink()

    shown = envkit("show", "train", "--persist", volume, "--json", env=gpu_host)
    assert shown.json["validated"]["here"] is True
    assert shown.json["last_passed"]["gpus"] == ["NVIDIA H100"]
    elsewhere = envkit("list", "--persist", volume)
    assert "not on a host like this one" in " ".join(elsewhere.out.split())
    assert "NVIDIA H100" in elsewhere.out

    # The same request on a host without GPU validates again: skipped, and no failure.
    again = create(envkit, cuda_channel, volume)
    assert again.code == 0, again.out
    assert again.json["validation"]["verdict"] == "skip"


def test_doctor_validates_again_after_the_driver_changed(
    envkit: Envkit, gpu_host: Mapping[str, str], cuda_channel: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "envs"
    assert create(envkit, cuda_channel, volume, env=gpu_host).code == 0
    # What the driver said is kept for a day as long as the kernel's module is the same; here there is none.
    newer = {**gpu_host, "STAND_IN_DRIVER": "580.65.06", "XDG_CACHE_HOME": str(tmp_path / "newer")}
    doctor = ("doctor", "--persist", volume)
    told = " ".join(envkit(*doctor, env=newer).out.split())
    assert "validated on another kind of host (driver 570.86.10, NVIDIA H100 (9.0))" in told
    assert "here driver 580.65.06" in told
    mended = envkit(*doctor, "--fix", "--json", env=newer)
    assert mended.code == 0, mended.out
    assert mended.json["mended"] == ["validated train on this kind of host: pass"]
    [train] = [subject for subject in mended.json["subjects"] if subject["name"] == "train"]
    assert {finding["status"] for finding in train["findings"]} == {"pass"}
    records = {path.stem for path in volume.glob(".envkit/validations/*/*.json")}
    assert len(records) == 2  # one for each kind of host; the first is still known there
    assert envkit("show", "train", "--persist", volume, "--json", env=gpu_host).json["validated"]["here"] is True

    # What the newer driver cannot do is the outcome, and no reason to make the environment anew.
    newest = {**gpu_host, "STAND_IN_DRIVER": "590.44.01", "XDG_CACHE_HOME": str(tmp_path / "newest")}
    assert envkit("detect", env=newest).code == 0
    failed = envkit(*doctor, "--fix", "--json", env={**newest, "FAKECUDA_FAIL": "cuDevicePrimaryCtxRetain=2"})
    assert failed.json["mended"] == ["validated train on this kind of host: fail"]
    assert len(list(volume.glob(".envkit/g/*"))) == 1


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        pytest.param("FAKECUDA_FAIL=cuInit=802", "fabric-manager", marks=pytest.mark.full),
        ("FAKECUDA_FAIL=cuInit=803", "driver-mismatch"),
        ("FAKECUDA_FAIL=cuDevicePrimaryCtxRetain=2", "out-of-memory"),
        pytest.param("FAKECUDA_FAIL=cuModuleLoadDataEx=222", "ptx-too-new", marks=pytest.mark.full),
        pytest.param("FAKECUDA_CRASH=cuInit", "crash", marks=pytest.mark.full),
        ("FAKECUDA_WRONG=vadd=flip", "wrong-result"),
    ],
)
def test_a_fault_of_the_host_publishes_as_not_validated(
    envkit: Envkit, gpu_host: Mapping[str, str], cuda_channel: Path, tmp_path: Path, asked: str, code: str
) -> None:
    name, _, value = asked.partition("=")
    small = {"FAKECUDA_DEVICES": "NVIDIA H100,9.0,81920,0,1,0"}
    # Detection asks libcuda too: what it said while all was well is kept, as on a host whose driver falters later.
    assert envkit("detect", env=gpu_host).code == 0
    made = create(envkit, cuda_channel, tmp_path / "envs", env={**gpu_host, **small, name: value})
    assert made.code == 4, made.out
    assert failures(made.json["validation"])[0] == (code, "host")
    assert (tmp_path / "envs" / "train").is_symlink()
    validated = envkit("list", "--persist", tmp_path / "envs", "--json").json["environments"][0]["validated"]
    assert validated["verdict"] == "fail"


def test_require_gpu_publishes_nothing_that_no_gpu_computed(
    envkit: Envkit, gpu_host: Mapping[str, str], cuda_channel: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "envs"
    without = create(envkit, cuda_channel, volume, "--require-gpu")
    assert (without.code, without.json["error"]["code"]) == (4, "not-on-gpu")
    faulty = create(envkit, cuda_channel, volume, "--require-gpu", env={**gpu_host, "FAKECUDA_FAIL": "cuInit=803"})
    assert (faulty.code, faulty.json["error"]["code"]) == (4, "not-on-gpu")
    assert "different versions" in faulty.json["error"]["message"]
    assert not (volume / "train").exists()
    assert not list((volume / ".envkit" / "g").iterdir())
    both = create(envkit, cuda_channel, volume, "--require-gpu", "--no-validate")
    assert (both.code, both.json["error"]["code"]) == (2, "usage")


def test_without_gpu_it_is_skipped(envkit: Envkit, cuda_channel: Path, tmp_path: Path) -> None:
    made = create(envkit, cuda_channel, tmp_path / "envs")
    assert made.code == 0, made.out
    report = made.json["validation"]
    assert report["verdict"] == "skip"
    assert ("driver.library", "no-gpu") in [(f["check"], f["code"]) for f in report["findings"]]
    unchecked = create(envkit, cuda_channel, tmp_path / "other", "--no-validate")
    assert unchecked.code == 0
    assert unchecked.json["validation"] is None


def test_a_hang_ends_at_the_limit(
    envkit: Envkit, gpu_host: Mapping[str, str], cuda_channel: Path, tmp_path: Path
) -> None:
    assert create(envkit, cuda_channel, tmp_path / "envs", "--no-validate").code == 0
    hung = envkit(
        *("validate", "train", "--persist", tmp_path / "envs", "--timeout", "2", "--json"),
        env={**gpu_host, "FAKECUDA_HANG": "cuDevicePrimaryCtxRetain"},
    )
    assert hung.code == 4, hung.out
    assert failures(hung.json) == [("hang", "host")]
    assert hung.json["seconds"] < 10


def test_a_health_check_has_its_answer_by_the_deadline(
    envkit: Envkit, gpu_host: Mapping[str, str], cuda_channel: Path, tmp_path: Path
) -> None:
    assert create(envkit, cuda_channel, tmp_path / "envs", "--no-validate").code == 0
    check = ("validate", "train", "--persist", tmp_path / "envs", "--level", "driver", "--deadline")
    late = envkit(*check, "3", "--json", env={**gpu_host, "FAKECUDA_HANG": "cuInit"})
    assert late.code == 4, late.out
    assert failures(late.json) == [("hang", "host")]
    assert late.json["seconds"] < 3
    assert envkit(*check, "30", "--json", env=gpu_host).code == 0


def test_devices(envkit: Envkit, gpu_host: Mapping[str, str], cuda_channel: Path, tmp_path: Path) -> None:
    assert create(envkit, cuda_channel, tmp_path / "envs", "--no-validate").code == 0
    validate = ("validate", "train", "--persist", tmp_path / "envs", "--json")
    missing = envkit(*validate, "--device", "7", env=gpu_host)
    assert missing.code == 4
    assert ("device-not-found", "host") in failures(missing.json)
    cpu = envkit(*validate, "--device", "cpu", env=gpu_host)
    assert cpu.code == 0
    assert not any(f["check"].startswith("driver") for f in cpu.json["findings"])
    hidden = envkit(*validate, env={**gpu_host, "FAKECUDA_DEVICES": "", "CUDA_VISIBLE_DEVICES": "-1"})
    assert [code for code, _ in failures(hidden.json)] == ["devices-hidden"]
    unknown = envkit(*validate, "--level", "everything")
    assert (unknown.code, unknown.json["error"]["code"]) == (2, "usage")


def test_report_of_a_read_only_volume_goes_to_the_cache(
    envkit: Envkit, cuda_channel: Path, tmp_path: Path, isolation: Path
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    volume = tmp_path / "envs"
    assert create(envkit, cuda_channel, volume, "--no-validate").code == 0
    private = volume / ".envkit"
    private.chmod(0o555)
    try:
        assert envkit("validate", "train", "--persist", volume).code == 0
        assert not list(private.glob("validations/*/*.json"))
        assert list(isolation.glob(".cache/envkit/validations/*/*/*.json"))
        shown = envkit("show", "train", "--persist", volume, "--json")
        assert shown.json["validated"]["verdict"] == "skip"
    finally:
        private.chmod(0o755)
