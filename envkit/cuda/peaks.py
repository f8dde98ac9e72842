"""Peaks: what a GPU's maker promises at most, for figures to stand beside."""

from __future__ import annotations

from typing import Any

from envkit.cuda.tables import load_table

_KINDS = (
    ("device_copy_bytes_per_s", "memory"),
    ("matmul_float32_flop_per_s", "float32"),
    ("matmul_float16_flop_per_s", "float16"),
    ("matmul_bfloat16_flop_per_s", "float16"),
)
"""Names of figures, and what of a GPU bounds them; not those of the driver level's plain kernels."""


def peak_of(gpu: str | None, figure: str) -> float | None:
    """Return the bound of a figure in its unit, by the name that the driver gives the GPU; None where none is known."""
    kind = dict(_KINDS).get(figure)
    if gpu is None or kind is None:
        return None
    name = gpu.removeprefix("NVIDIA ")
    rows: list[dict[str, Any]] = load_table("peaks")["peaks"]
    row = next((row for row in rows if name == row["gpu"] or name.startswith(f"{row['gpu']} ")), {})
    value = row.get(kind)
    return None if value is None else float(value) * 1e12
