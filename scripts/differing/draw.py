"""Requests at random, the same ones for the same seed: packages, versions and builds of an index, on some machine."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from envkit.models.build import Record
from envkit.models.solve import SolveTask, VirtualPackage

__all__ = ["FAVOURITES", "draw", "host"]

FAVOURITES = (
    *("pytorch", "torchvision", "torchaudio", "pytorch-cuda", "tensorflow", "jax", "jaxlib", "cupy", "python"),
    *("numpy", "scipy", "numba", "cudnn", "cuda-version", "cudatoolkit", "mkl", "nccl", "xgboost", "scikit-learn"),
)
"""Names that are drawn more often than others: where GPU builds meet."""

_CUDA = (None, "11.2", "11.8", "12.1", "12.4", "12.9", "13.0")
_ARCH = ("7.0", "7.5", "8.0", "8.6", "9.0", "12.0")
_GLIBC = ("2.17", "2.28", "2.31", "2.35", "2.39")
_MICROARCH = ("x86_64", "x86_64_v3", "x86_64_v4", "zen3")


def host(rng: random.Random) -> tuple[VirtualPackage, ...]:
    """A linux-64 machine."""
    packages = [
        VirtualPackage("__unix", "0"),
        VirtualPackage("__linux", "0"),
        VirtualPackage("__glibc", rng.choice(_GLIBC)),
        VirtualPackage("__archspec", "1", rng.choice(_MICROARCH)),
    ]
    cuda = rng.choice(_CUDA)
    if cuda is not None:
        packages.append(VirtualPackage("__cuda", cuda))
        if rng.random() < 0.8:
            packages.append(VirtualPackage("__cuda_arch", rng.choice(_ARCH)))
    return tuple(packages)


def _spec(rng: random.Random, records: Sequence[Record]) -> str:
    record = rng.choice(records)
    name, short = record.name, ".".join(record.version.split(".")[:2])
    stem = record.build.split("_")[0]
    return rng.choice(
        [
            name,
            name,
            f"{name} >={record.version}",
            f"{name} <={record.version}",
            f"{name} {short}.*",
            f"{name} =={record.version}",
            f"{name} * {stem}*",
            f"{name} =={record.version} {record.build}",
        ]
    )


def draw(
    rng: random.Random, by_name: Mapping[str, Sequence[Record]], channels: Sequence[Sequence[str]], platform: str
) -> SolveTask:
    """One request.

    Args:
        rng: The source of chance.
        by_name: The records of all channels.
        channels: Sets of channels in the order of priority, one of which is taken.
        platform: The subdir.
    """
    used = rng.choice(channels)
    names = sorted(name for name, records in by_name.items() if any(r.channel in used for r in records))
    favourites = [name for name in FAVOURITES if name in names]
    chosen = [rng.choice(favourites if favourites and rng.random() < 0.6 else names) for _ in range(rng.randint(1, 3))]
    specs = tuple(dict.fromkeys(_spec(rng, by_name[name]) for name in dict.fromkeys(chosen)))
    constraints = [_spec(rng, by_name[rng.choice(favourites or names)]) for _ in range(rng.choice((0, 0, 1, 2)))]
    return SolveTask(
        specs,
        tuple(c for c in dict.fromkeys(constraints) if " " in c),
        channels=tuple(used),
        platforms=(platform, "noarch"),
        virtual_packages=host(rng),
        channel_priority="strict" if rng.random() < 0.8 else "flexible",
    )
