"""The real indexes with records beside them that they lack: written from facts, each marked so.

What each record has is what the named source says; pins that only a build knows are left out. Nothing of this can be
downloaded: it is for solving.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zstandard

_PY310 = ("python >=3.10,<3.11.0a0", "python_abi 3.10.* *_cp310")
_PY312 = ("python >=3.12,<3.13.0a0", "python_abi 3.12.* *_cp312")
_RAPIDS = "cuda12_py312_250604_1a2b3c4d"
_WRITTEN = "written from facts"


def _record(name: str, version: str, build: str, depends: Sequence[str], number: int = 0, **more: Any) -> Any:
    record = {"name": name, "version": version, "build": build, "build_number": number, "subdir": "linux-64"}
    return f"{name}-{version}-{build}.conda", {**record, "depends": list(depends), "license": _WRITTEN, **more}


CONDA_FORGE: Mapping[str, Any] = dict(
    [
        # conda-forge/openssh-feedstock d548535, recipe/meta.yaml: what it is linked with
        _record("openssh", "9.3p1", "h0000001_3", ("libedit", "krb5", "openssl >=3", "libzlib"), 3),
        # conda-forge/tensorflow-feedstock bffd5d3; facts: cuda112py310 and cpu_py310, cudnn 8.4
        _record("tensorflow", "2.9.1", "cuda112py310he87a039_0", ("__cuda", *_PY310, "tensorflow-base 2.9.1 cuda*")),
        _record(
            *("tensorflow-base", "2.9.1", "cuda112py310h666dfb6_0"),
            (*("__cuda", "__glibc >=2.17", "cudatoolkit >=11.2,<12", "cudnn >=8.4.1.50,<9.0a0"), "numpy <2", *_PY310),
        ),
        _record(
            *("tensorflow", "2.9.1", "cpu_py310hd1aba9c_0", (*_PY310, "tensorflow-base 2.9.1 cpu*")),
            track_features="tensorflow-cpu",
        ),
        _record("tensorflow-base", "2.9.1", "cpu_py310h1234567_0", ("__glibc >=2.17", "numpy <2", *_PY310)),
        # facts: 2.19.1 for CUDA 12.8, Python 3.10 to 3.12, build numbers from 200 on
        _record(
            *("tensorflow", "2.19.1", "cuda128py312h1234567_200"),
            ("__cuda", *_PY312, "tensorflow-base 2.19.1 cuda128py312h1234567_200"), 200,
        ),
        _record(
            *("tensorflow-base", "2.19.1", "cuda128py312h1234567_200"),
            ("__cuda", "__glibc >=2.17", "cuda-version >=12.8,<13", "cudnn >=9.10,<10.0a0", "nccl", *_PY312), 200,
        ),
    ]
)  # fmt: skip
"""Records of conda-forge/linux-64."""

RAPIDSAI: Mapping[str, Any] = dict(
    [
        # rapidsai/cudf 25479ef, conda/recipes: names and bounds of the run requirements
        _record(
            *("cudf", "25.06.00", _RAPIDS),
            (
                *_PY312, "cuda-version >=12,<13.0a0", "libcudf =25.06.00", "pylibcudf =25.06.00", "pandas >=2.0,<2.4",
                "numpy >=1.23,<3.0a0", "numba >=0.59.1,<0.62.0a0", "fsspec >=0.6.0", "packaging", "rich",
            ),
        ),
        _record("pylibcudf", "25.06.00", _RAPIDS, (*_PY312, "cuda-version >=12,<13.0a0", "libcudf =25.06.00")),
        _record("libcudf", "25.06.00", "cuda12_250604_1a2b3c4d", ("cuda-version >=12,<13.0a0",)),
        # rapidsai/cuml 025700e, conda/recipes
        _record(
            *("cuml", "25.06.00", _RAPIDS), (*_PY312, "cuda-version >=12,<13.0a0", "libcuml =25.06.00", "cudf =25.06"),
        ),
        _record("libcuml", "25.06.00", "cuda12_250604_1a2b3c4d", ("cuda-version >=12,<13.0a0",)),
    ]
)  # fmt: skip
"""Records of rapidsai/linux-64."""


def write_supplemented(real: Path, folder: Path) -> Path:
    """Make a folder of channels: the real indexes, with the records from facts beside theirs."""
    for place in sorted(real.glob("**/repodata.json.zst")):
        copy = folder / place.relative_to(real)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if place.parent.relative_to(real).as_posix() == "conda-forge/linux-64":
            with place.open("rb") as stream:
                index = json.loads(zstandard.ZstdDecompressor().stream_reader(stream).read())
            index["packages.conda"] |= CONDA_FORGE
            _write(copy, index)
        else:
            copy.symlink_to(place)
    for subdir, packages in (("linux-64", RAPIDSAI), ("noarch", {})):
        place = folder / "rapidsai" / subdir / "repodata.json.zst"
        place.parent.mkdir(parents=True)
        _write(place, {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages})
    return folder


def _write(place: Path, index: Mapping[str, Any]) -> None:
    place.write_bytes(zstandard.ZstdCompressor(level=1).compress(json.dumps(index).encode()))
