"""What the nodes of a fleet leave on a volume when they validate an environment, written without a cluster."""

from __future__ import annotations

from typing import Any

from envkit.models.node_record import NodeRecord, NodeVerdict


def machine(gpu: str, capability: str, driver: str, ceiling: str = "12.8") -> dict[str, Any]:
    """The facts of a node, as ``detect --json`` tells them."""
    return {
        "subdir": "linux-64",
        "glibc": "2.36",
        "microarch": "x86_64_v3",
        "driver_version": driver,
        "driver_cuda": ceiling,
        "gpus": [{"name": gpu, "compute_capability": capability}],
    }


def finding(status: str, text: str, **data: object) -> dict[str, Any]:
    """A finding, as ``validate --json`` tells it."""
    return {
        "check": "driver.matmul",
        "status": status,
        "blames": None,
        "code": None,
        "text": text,
        "hint": None,
        "data": data,
    }


def outcome(generation: str, node: str, host: dict[str, Any], rate: float, verdict: NodeVerdict = "pass") -> NodeRecord:
    """What a node left that multiplies matrices at that rate; ``none`` is a node that did not answer."""
    findings = (
        finding("pass", "computed", figures={"matmul_flop_per_s": rate, "matmul_s": 1.0}, gpu=True),
        *((finding("fail", f"{node} computed wrong"),) if verdict == "fail" else ()),
    )
    return NodeRecord(
        node=node,
        via="slurm",
        level="driver",
        verdict=verdict,
        created="2026-11-20T10:00:00+00:00",
        seconds=4.2,
        generation=generation,
        fingerprint=str(host["gpus"][0]["compute_capability"]),
        host=host if verdict != "none" else {},
        findings=findings if verdict != "none" else (finding("fail", "no answer in 60 s"),),
    )
