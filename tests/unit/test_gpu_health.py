"""The state of GPUs: asked of a real NVML that was compiled here, judged, and said."""

from __future__ import annotations

import pytest
from machines import Machine, gpu

from envkit.checks.fleet_health import sick_gpus
from envkit.host.health import detect_health
from envkit.models.gpu_health import GpuHealth
from envkit.words.gpu_health import health_words
from envkit.words.say import say


@pytest.mark.parametrize(
    ("variables", "words", "codes"),
    [
        ({}, ["no fault", "no fault"], []),
        ({"STAND_IN_ECC": "1,2"}, ["no fault", "2 uncorrected memory errors"], ["fail gpu-memory-bad"]),
        (
            {"STAND_IN_REMAP": "0,1,0", "STAND_IN_SLOWED": "1,0x80"},
            ["a bad row of memory to be replaced at the next reset", "slowed down by its power supply"],
            ["warn gpu-memory-mended", "warn gpu-slowed"],
        ),
        (
            {"STAND_IN_REMAP": "0,1,1", "STAND_IN_SLOWED": "0,0x8"},
            ["a bad row of memory without replacement; slowed down by the hardware's protection", "no fault"],
            ["fail gpu-memory-bad", "warn gpu-slowed"],
        ),
        ({"STAND_IN_SLOWED": "0,0x68"}, ["slowed down by heat", "no fault"], ["warn gpu-slowed"]),
        ({"STAND_IN_SLOWED": "0,0x5"}, ["no fault", "no fault"], []),  # idle, and a power cap that somebody set
        ({"STAND_IN_NVML_INIT": "9"}, [], []),
        ({"STAND_IN_NVML_MODE": "crash"}, [], []),
        ({"STAND_IN_NVML_LOST": "0"}, ["no fault"], []),
    ],
)
def test_the_state_of_gpus(machine: Machine, variables: dict[str, str], words: list[str], codes: list[str]) -> None:
    gpus = ";".join(gpu("NVIDIA H100", "9.0", index=index) for index in range(2))
    found = detect_health(env={**machine.variables(), "STAND_IN_GPUS": gpus, **variables}, timeout_s=20)
    assert [health_words(state) for state in found] == words
    judged = sick_gpus("n1", found)
    assert [f"{one.finding.status} {one.finding.code}" for one in judged] == codes
    assert all(one.node == "n1" and say(one.finding).startswith("GPU ") for one in judged)


def test_an_old_gpu_tells_less(machine: Machine) -> None:
    (state,) = detect_health(env={**machine.variables(), "STAND_IN_GPUS": gpu("Tesla M40", "5.2")}, timeout_s=20)
    assert state == GpuHealth(index=0, name="Tesla M40", uuid=state.uuid)
