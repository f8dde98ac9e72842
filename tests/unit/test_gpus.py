from __future__ import annotations

import pytest

from envkit.cuda.gpus import gpu_kind, parse_gpu


@pytest.mark.parametrize(
    ("text", "name", "capability"),
    [
        ("v100", "V100", "7.0"),
        ("a100-80gb", "A100", "8.0"),
        ("NVIDIA A100-SXM4-80GB", "A100", "8.0"),
        ("rtx 4090", "GeForce RTX 4090", "8.9"),
        ("RTX5090", "GeForce RTX 5090", "12.0"),
        ("4090", "GeForce RTX 4090", "8.9"),
        ("l4", "L4", "8.9"),
        ("gb10", "GB10", "12.1"),
        ("h100", "H100", "9.0"),
        ("NVIDIA H100 80GB HBM3", "H100", "9.0"),
        ("Tesla T4", "T4", "7.5"),
        ("Tesla P100-PCIE-16GB", "P100", "6.0"),
        ("orin", "Orin", "8.7"),
        ("Orin (nvgpu)", "Orin", "8.7"),
        ("NVIDIA Thor", "Thor", "11.0"),
        ("NVIDIA A10G", "A10G", "8.6"),
        ("a6000", "RTX A6000", "8.6"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", "8.9"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000", "12.0"),
        ("NVIDIA GeForce GTX 1080 Ti", "GeForce GTX 1080", "6.1"),
        ("NVIDIA GeForce RTX 4060 Laptop GPU", "GeForce RTX 4060", "8.9"),
        ("quadro rtx 6000", "Quadro RTX 6000", "7.5"),
    ],
)
def test_names_as_people_write_them(text: str, name: str, capability: str) -> None:
    gpu = parse_gpu(text)
    assert (gpu.name, str(gpu.compute_capability)) == (name, capability)


def test_memory_and_mig_are_read_from_the_name() -> None:
    assert parse_gpu("a100-80gb").memory_bytes == 80 * 1024**3
    assert parse_gpu("NVIDIA A100-SXM4-40GB MIG 1g.5gb").mig
    assert parse_gpu("orin").tegra


@pytest.mark.parametrize("text", ["8.6", "sm_86", "compute_86"])
def test_an_architecture_is_a_gpu_without_a_name(text: str) -> None:
    gpu = parse_gpu(text)
    assert gpu.name is None
    assert str(gpu.compute_capability) == "8.6"


def test_unknown_names_list_near_ones() -> None:
    with pytest.raises(ValueError, match="near names are H100"):
        parse_gpu("h1000")


def test_a_name_of_several_gpus_asks_which() -> None:
    with pytest.raises(ValueError, match=r"RTX 6000 Ada \(8.9\)"):
        parse_gpu("rtx 6000")


def test_kinds_decide_on_forward_compatibility() -> None:
    assert gpu_kind("NVIDIA A100-SXM4-80GB") == "datacenter"
    assert gpu_kind("rtx 4090") == "geforce"
    assert gpu_kind(None) is None
    assert gpu_kind("no such") is None
