"""Which machines can run an environment, in a scheduler's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from envkit.models.fleet import Node
from envkit.outputs.constraint import htcondor_constraint, kubernetes_constraint, slurm_constraint
from envkit.profiles import Facts, Profile, choose_profile
from envkit.words.constraint import constraint_notes

CUDA12 = Profile(
    "cuda12",
    "t-00000000",
    "linux-64",
    gpu=True,
    glibc="2.28",
    driver="525.60.13",
    cuda="12.6",
    capabilities=("7.0", "7.5", "8.0", "8.6", "8.9", "9.0"),
)
CUDA13 = CUDA12._replace(name="cuda13", driver="580.65.06", cuda="13.0", capabilities=("7.5", "8.0", "9.0", "10.0"))
CPU = Profile("cpu", "t-00000001", "linux-64", gpu=False, glibc="2.28")
ANY = Profile("any", "t-00000002", "linux-64")

H100 = Node("h1", gpus=8, features=("h100", "ib"), gpu_types=("h100",))
K80 = Node("k1", gpus=4, features=("k80", "ib"), gpu_types=("tesla_k80",))
BARE = Node("c1", features=("ib",))
UNTOLD = Node("u1", gpus=2)
SKU = Node("s1", gpus=4, features=("GPU_SKU:A100_SXM4", "GPU_CC:8.0"))
NAMELESS = Node("k2", gpus=4, gpu_types=("nvidia_a100-sxm4-40gb",))


@pytest.mark.parametrize(
    ("rows", "nodes", "options", "unsaid", "unknown"),
    [
        ([CUDA12], [], "--gres=gpu:1", "subdir glibc driver capabilities", ""),
        ([CUDA12], [H100, BARE], "--gres=gpu:1", "subdir glibc driver", ""),
        ([CUDA12], [H100, K80, BARE], "--gres=gpu:1 --constraint=h100", "subdir glibc driver", ""),
        (
            [CUDA12],
            [H100, SKU, K80],
            "--gres=gpu:1 --constraint=GPU_CC:8.0|GPU_SKU:A100_SXM4|h100",
            "subdir glibc driver",
            "",
        ),
        (
            [CUDA12],
            [H100, NAMELESS, K80],
            "--gres=gpu:1 --exclude=k1",
            "subdir glibc driver",
            "",
        ),  # a feature is missing
        ([CUDA12], [H100, UNTOLD], "--gres=gpu:1", "subdir glibc driver", "u1"),
        ([CUDA12, CPU], [H100, K80, BARE], "--exclude=k1", "subdir glibc driver", ""),
        ([CPU], [H100, BARE], "--exclude=h1", "subdir glibc", ""),
        ([ANY], [H100, BARE], "", "subdir", ""),
    ],
)
def test_slurm(rows: list[Profile], nodes: list[Node], options: str, unsaid: str, unknown: str) -> None:
    found = slurm_constraint(rows, nodes)
    assert (" ".join(found.lines), " ".join(found.unsaid), " ".join(found.unknown)) == (options, unsaid, unknown)
    assert constraint_notes("train", rows, found)


def test_slurm_excludes_what_was_seen_to_be_too_old() -> None:
    def facts(driver: str) -> Facts:
        return Facts("linux-64", "2.36", driver, None, gpu=True, capabilities=("9.0",))

    nodes = [H100, Node("h2", gpus=8, features=("h100",))]
    seen = {"h1": facts("580.65.06"), "h2": facts("470.57.02")}
    found = slurm_constraint([CUDA12], nodes, seen)
    assert found.lines == ("--gres=gpu:1", "--exclude=h2")
    assert found.unsaid == ()


EITHER = ("((Capability == 7.0) && MaxSupportedVersion >= 12000)", "(MaxSupportedVersion >= 13000)")


# Labels of nodes as GPU feature discovery writes them, and whether each runs CUDA12 and CUDA13.
def labels(driver: str, capability: str) -> dict[str, str]:
    version = dict(zip(("major", "minor", "revision"), driver.split("."), strict=False))
    major, _, minor = capability.partition(".")
    return {
        **{f"nvidia.com/cuda.driver-version.{part}": number for part, number in version.items()},
        "nvidia.com/gpu.compute.major": major,
        "nvidia.com/gpu.compute.minor": minor,
        "nvidia.com/gpu.present": "true",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
    }


def schedules(affinity: Mapping[str, Any], node: Mapping[str, str]) -> bool:
    """Whether kube-scheduler would: terms are alternatives, expressions of a term must all hold."""

    def holds(expression: Mapping[str, Any]) -> bool:
        value, values = node.get(expression["key"]), expression.get("values", [])
        match expression["operator"]:
            case "In":
                return value in values
            case "Gt":
                return value is not None and int(value) > int(values[0])
            case "DoesNotExist":
                return value is None
        raise AssertionError(expression)

    required = affinity["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return any(all(map(holds, term["matchExpressions"])) for term in required["nodeSelectorTerms"])


@pytest.mark.parametrize(
    "driver", ["470.57.02", "525.60.12", "525.60.13", "525.85.12", "580.65.05", "580.65.06", "610.1"]
)
@pytest.mark.parametrize("capability", ["3.7", "7.0", "7.5", "8.0", "8.7", "8.9", "9.0", "10.0"])
def test_kubernetes_takes_the_machines_that_the_rule_takes(driver: str, capability: str) -> None:
    machine = Facts("linux-64", "2.36", driver, None, gpu=True, capabilities=(capability,))
    for rows in ((CUDA12,), (CUDA13,), (CUDA12, CUDA13), (CUDA13, CPU), (CPU,), (ANY,)):
        found = kubernetes_constraint(rows).document
        runs = choose_profile(rows, machine) is not None
        assert schedules(found, labels(driver, capability)) == runs
        without = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
        assert schedules(found, without) == (choose_profile(rows, Facts("linux-64", "2.36")) is not None)
        assert not schedules(found, {**labels(driver, capability), "kubernetes.io/arch": "arm64"})


def test_kubernetes_asks_for_a_gpu_where_none_can_do_without() -> None:
    assert kubernetes_constraint([CUDA12]).document["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert "resources" not in kubernetes_constraint([CUDA12, CPU]).document


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (
            [CUDA12._replace(capabilities=("8.0", "8.6", "8.9", "9.0", "10.0", "10.3", "12.0", "12.1"))],
            ["request_gpus = 1", "gpus_minimum_capability = 8.0", "gpus_minimum_runtime = 12.0"],
        ),
        (
            [CUDA12],
            [
                *("request_gpus = 1", "gpus_minimum_capability = 7.0", "gpus_maximum_capability = 9.0"),
                "gpus_minimum_runtime = 12.0",
            ],
        ),
        (
            [CUDA12._replace(capabilities=("7.0", "9.0"), driver=None)],
            [
                "request_gpus = 1",
                "require_gpus = Capability == 7.0 || Capability == 9.0",
                "gpus_minimum_runtime = 12.6",
            ],
        ),
        (
            [CUDA12._replace(capabilities=("7.0",)), CUDA13._replace(capabilities=None)],
            [
                "request_gpus = 1",
                f"require_gpus = {' || '.join(EITHER)}",
            ],
        ),
        ([CUDA12, CPU], []),
        ([ANY], []),
    ],
)
def test_htcondor(rows: list[Profile], lines: list[str]) -> None:
    first, *others = htcondor_constraint(rows).lines
    assert first == 'requirements = ((Arch == "x86_64")) && (OpSys == "LINUX")'
    assert others == lines
