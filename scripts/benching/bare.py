"""What envkit does, by py-rattler alone: the least that the same engine takes. Run as a script.

bare.py find CACHE SPEC CHANNEL...              records of a name
bare.py solve CACHE CUDA SPEC,SPEC... CHANNEL...  a solution, for a driver that supports this CUDA, or 0
bare.py create CACHE PREFIX SPEC,SPEC... CHANNEL...  the same, installed
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import rattler

_PLATFORM = rattler.Platform("linux-64")
_NOARCH = rattler.Platform("noarch")


def _gateway(cache: str) -> rattler.Gateway:
    return rattler.Gateway(cache_dir=Path(cache) / "index")


async def find(cache: str, spec: str, channels: list[str]) -> None:
    """Query a name."""
    found = await _gateway(cache).query(channels, [_PLATFORM, _NOARCH], [spec], recursive=False)
    if not any(found):
        sys.exit(f"nothing of {spec}")


async def solve(cache: str, cuda: str, specs: list[str], channels: list[str]) -> list[rattler.RepoDataRecord]:
    """Solve for linux with this CUDA."""
    known = [("__glibc", "2.36", "0"), ("__linux", "6.1", "0"), ("__unix", "0", "0"), ("__archspec", "1", "x86_64_v3")]
    if cuda != "0":
        known.append(("__cuda", cuda, "0"))
    return await rattler.solve(
        channels,
        [rattler.MatchSpec(spec, strict=False) for spec in specs],
        gateway=_gateway(cache),
        platforms=[_PLATFORM, _NOARCH],
        virtual_packages=[
            rattler.GenericVirtualPackage(rattler.PackageName(n), rattler.Version(v), rattler.BuildString(b))
            for n, v, b in known
        ],
    )


async def create(cache: str, prefix: str, specs: list[str], channels: list[str]) -> None:
    """Solve, and install what was found."""
    records = await solve(cache, "0", specs, channels)
    packages = Path(cache) / "pkgs"
    await rattler.install(records, prefix, cache_dir=packages, installed_packages=[], show_progress=False)


def main(words: list[str]) -> None:
    """Do what the command line says."""
    match words:
        case ["find", cache, spec, *channels]:
            asyncio.run(find(cache, spec, channels))
        case ["solve", cache, cuda, specs, *channels]:
            asyncio.run(solve(cache, cuda, specs.split(","), channels))
        case ["create", cache, prefix, specs, *channels]:
            asyncio.run(create(cache, prefix, specs.split(","), channels))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # py-rattler now and then crashes when the interpreter takes it down
