"""Generated flat indexes of any size, and channels of packages with any number of files.

The records are shaped like conda-forge's: twenty builds a name, two digests, four dependencies. One name is `pytorch`,
with builds for CUDA and the CPU, so that `find pytorch` has something to judge. The same size is the same bytes.

Run as a script: OUT RECORDS. The texts of a million records are 500 MB, which the process that measures shall not hold.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import zstandard

_BUILDS = 20
_PYTHONS = ("3.10", "3.11", "3.12", "3.13")
_CUDAS = ("118", "120", "126", "129", "130", "")


def index_records(count: int) -> Iterator[str]:
    """Yield the members of "packages.conda", as JSON text."""
    draw = random.Random(count)
    torch = list(_torch_builds())[: max(1, count // 4)]
    for number, (name, version, build, depends) in enumerate(torch):
        yield _record(draw, name, version, build, depends, number)
    for number in range(len(torch), count):
        name = f"package-{number // _BUILDS}"
        version = f"{number % _BUILDS // 4}.{number % 7}.{number % 4}"
        python = _PYTHONS[number % 4]
        neighbours = [f"package-{draw.randrange(1 + number // _BUILDS)} >={draw.randrange(3)}.0" for _ in range(3)]
        build = f"py{python.replace('.', '')}h{number:07x}_0"
        yield _record(draw, name, version, build, [f"python >={python},<4", *neighbours], number)


def _torch_builds() -> Iterator[tuple[str, str, str, list[str]]]:
    for minor in range(14):
        for cuda in _CUDAS:
            for python in _PYTHONS:
                tag = f"cuda{cuda}" if cuda else "cpu_generic"
                needs = [f"cuda-version >={cuda[:2]}.{cuda[2:]},<{int(cuda[:2]) + 1}", "__cuda"] if cuda else []
                build = f"{tag}_py{python.replace('.', '')}_h{minor:06x}_{200 if cuda else 0}"
                yield "pytorch", f"2.{minor}.0", build, [f"python >={python},<4", *needs]


def _record(draw: random.Random, name: str, version: str, build: str, depends: list[str], number: int) -> str:
    digest = draw.randbytes(48).hex()
    head = f'"{name}-{version}-{build}.conda":{{"build":"{build}","build_number":0,"depends":{json.dumps(depends)},'
    return (
        f'{head}"license":"BSD-3-Clause","md5":"{digest[:32]}","name":"{name}","sha256":"{digest[32:]}",'
        f'"size":{1000 + number % 9_000_000},"subdir":"linux-64","timestamp":{1_600_000_000_000 + number * 1000},'
        f'"version":"{version}"}}'
    )


def write_flat_index(out: Path, count: int) -> None:
    """Write repodata.json.zst of linux-64 with so many records, and an empty noarch."""
    for subdir, records in (("linux-64", index_records(count)), ("noarch", iter(()))):
        folder = out / subdir
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "repodata.part"
        with part.open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as stream:
            stream.write(f'{{"info":{{"subdir":"{subdir}"}},"packages":{{}},"packages.conda":{{'.encode())
            for number, record in enumerate(records):
                stream.write(((",\n" if number else "\n") + record).encode())
            stream.write(b'},"removed":[],"repodata_version":1}')
        part.rename(folder / "repodata.json.zst")


if __name__ == "__main__":
    write_flat_index(Path(sys.argv[1]), int(sys.argv[2]))
