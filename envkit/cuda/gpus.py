"""GPU names as people and ``nvidia-smi`` write them."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from envkit.cuda.architectures import is_tegra, parse_arch
from envkit.cuda.tables import load_table
from envkit.models.host import Gpu
from envkit.models.version import ComputeCapability
from envkit.patterns import regex
from envkit.tuples import NamedTuple

GpuKind = Literal["datacenter", "workstation", "geforce", "tegra"]

_TOKEN = regex(r"[a-z]+|\d+")
_MEMORY = regex(r"(?<![a-z0-9])(\d{1,4})\s*(?:gb|gib|g)(?![a-z.])", re.IGNORECASE)
_MIG = regex(r"\bmig\b.*", re.IGNORECASE)
_BRANDS = frozenset({"quadro", "jetson"})


@cache
def _noise() -> frozenset[str]:
    """Return the parts of a product name beside the model: form factor, memory, brand, edition."""
    return frozenset(load_table("gpus")["noise"])


class _Model(NamedTuple):
    name: str
    compute_capability: ComputeCapability
    kind: GpuKind


def _key(text: str, *, brands: bool = True) -> str:
    tokens: list[str] = []
    previous = ""
    for token in _TOKEN.findall(text.lower()):
        form_factor_number = token.isdigit() and previous in {"sxm", "hbm", "pcie"}
        if token not in _noise() and not form_factor_number and (brands or token not in _BRANDS):
            tokens.append(token)
        previous = token
    return "".join(tokens)


@cache
def _models() -> dict[str, _Model]:
    models: dict[str, _Model] = {}
    loose: dict[str, _Model] = {}
    for row in load_table("gpus")["gpus"]:
        for name in row["names"]:
            model = _Model(name, ComputeCapability.parse(row["compute_capability"]), row["kind"])
            models[_key(name)] = model
            loose.setdefault(_key(name, brands=False), model)
    for row in load_table("gpus")["ambiguous"]:
        loose.pop(_key(row["name"]), None)
        models.pop(_key(row["name"]), None)
    return {**loose, **models}


@cache
def _ambiguous() -> dict[str, tuple[str, ...]]:
    return {_key(row["name"]): tuple(row["write"]) for row in load_table("gpus")["ambiguous"]}


def known_gpus() -> tuple[str, ...]:
    """Return every GPU name of the table, newest architecture first."""
    return tuple(name for row in load_table("gpus")["gpus"] for name in row["names"])


def capabilities() -> tuple[ComputeCapability, ...]:
    """Return the architectures of the table, without those of Jetson boards."""
    rows = [row for row in load_table("gpus")["gpus"] if row["kind"] != "tegra"]
    return tuple(dict.fromkeys(ComputeCapability.parse(row["compute_capability"]) for row in rows))


@cache
def gpus_of(capability: ComputeCapability) -> tuple[str, ...]:
    """Return the first name of each row of the table with an architecture: the data centre's, then others."""
    rows = [row for row in load_table("gpus")["gpus"] if row["compute_capability"] == str(capability)]
    return tuple(row["names"][0] for row in rows)


def _bare(text: str) -> str:
    """Return a name without its memory and its MIG profile."""
    return _MEMORY.sub(" ", _MIG.sub(" ", text))


def _find(bare: str) -> _Model | None:
    key = _key(bare)
    if key in _ambiguous():
        return None
    models = _models()
    brandless = _key(bare, brands=False)
    return models.get(key) or models.get(brandless) or models.get(f"rtx{brandless}") or models.get(f"gtx{brandless}")


def gpu_kind(name: str | None) -> GpuKind | None:
    """Return the market a GPU is made for, which decides on forward compatibility; None for an unknown name."""
    model = _find(_bare(name)) if name else None
    return model.kind if model else None


def parse_gpu(text: str) -> Gpu:
    """Read a GPU's name or architecture: ``v100``, ``a100-80gb``, ``RTX5090``, ``Tesla T4``, ``sm_90``, ``8.6``.

    Return it with the table's name, its compute capability, and the memory where the name tells it.

    Raises:
        ValueError: No GPU has that name, or several do; the message lists near ones.
    """
    stripped = text.strip()
    try:
        capability = parse_arch(stripped).capability
    except ValueError:
        pass
    else:
        return Gpu(name=None, compute_capability=capability, tegra=is_tegra(capability))
    memory = _MEMORY.search(stripped)
    bare = _bare(stripped)
    several = _ambiguous().get(_key(bare))
    if several is not None:
        options = ", ".join(f"{name} ({_models()[_key(name)].compute_capability})" for name in several)
        raise ValueError(f"{text!r} is the name of several GPUs: write {options}")
    model = _find(bare)
    if model is None:
        from difflib import get_close_matches

        near = get_close_matches(_key(bare), list(_models()), n=4, cutoff=0.5)
        names = list(dict.fromkeys(_models()[key].name for key in near)) or ["H100", "A100", "RTX 4090", "T4"]
        raise ValueError(
            f"no GPU named {text!r} is known: near names are {', '.join(names)}; or give the architecture (8.6)"
        )
    return Gpu(
        name=model.name,
        compute_capability=model.compute_capability,
        memory_bytes=int(memory[1]) * 1024**3 if memory else None,
        mig=_MIG.search(stripped) is not None,
        tegra=model.kind == "tegra",
    )
