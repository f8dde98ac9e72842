"""The published builds of the frameworks, for where no channel can be reached: a table of one day, with sources."""

from __future__ import annotations

from typing import Any

from envkit.builds.record import record_from_repodata
from envkit.cuda.tables import load_table
from envkit.frameworks.table import row_of
from envkit.models.build import Record
from envkit.models.version import CudaVersion
from envkit.values import replace

_BASES = {"pkgs/main": "https://repo.anaconda.com"}  # channels that are not below the alias
_ALIAS = "https://conda.anaconda.org"
# conda-forge's builds depend on cuda-version from here on, before on cudatoolkit.
_FIRST_CUDA_VERSION = CudaVersion(11, 8)


def table_date() -> str:
    """Return the day of the table: builds that were published later are not in it."""
    return str(load_table("published", "envkit.builds")["as_of"])


def published_rows() -> tuple[dict[str, Any], ...]:
    """Return the rows of ``envkit/builds/data/published.json``, as they are."""
    return tuple(load_table("published", "envkit.builds")["builds"])


def compiled_part(name: str) -> str:
    """Return the package whose builds differ by CUDA, for a package around it; else the name."""
    row = row_of(name)
    return row.compiled if row is not None and name in row.wrappers else name


def table_knows(name: str, subdir: str) -> bool:
    """Return whether the table has builds of a package, or of its compiled part, for a platform."""
    part = compiled_part(name)
    return any(row["name"] == part and subdir in row["subdirs"] for row in published_rows())


def published_channels(name: str) -> frozenset[str]:
    """Return the channels of which the table knows builds of a package."""
    return frozenset(row["channel"] for row in published_rows() if row["name"] == name)


def _depends(row: dict[str, Any], subdir: str) -> list[str]:
    depends: list[str] = []
    if row["python"]:
        first, _, last = row["python"].partition("-")
        major, minor = last.split(".")
        depends.append(f"python >={first},<{major}.{int(minor) + 1}")
    if row["glibc"] and subdir.startswith("linux"):
        depends.append(f"__glibc >={row['glibc']}")
    if row["channel"] == "pytorch":
        # Builds for macOS carry no mutex.
        if not subdir.startswith("osx"):
            depends.append(f"pytorch-mutex 1.0 {'cuda' if row['cuda'] else 'cpu'}")
        if row["cuda"]:
            depends.append(f"pytorch-cuda {row['cuda']}.*")
    elif row["channel"] == "pkgs/main":
        if row["cuda"]:
            depends.append(f"cudatoolkit {row['cuda']}.*")
    elif row["cuda"]:
        cuda = CudaVersion.parse(row["cuda"])
        toolkit = "cuda-version" if cuda >= _FIRST_CUDA_VERSION else "cudatoolkit"
        depends += ["__cuda", f"{toolkit} >={cuda},<{cuda.major + 1}"]
        if subdir == "linux-aarch64":
            depends.append("arm-variant * sbsa")
    return depends


def published_builds(name: str, subdir: str) -> tuple[Record, ...]:
    """Return records for the table's builds of a package: what is known of them, and no file, size or hash."""
    found: list[Record] = []
    for row in published_rows():
        if row["name"] != name or subdir not in row["subdirs"]:
            continue
        build, number, depends = row["build"], row["number"], _depends(row, subdir)
        channel = f"{_BASES.get(row['channel'], _ALIAS)}/{row['channel']}"
        for version in row["versions"]:
            raw = {"name": name, "version": version, "build": build, "build_number": number, "subdir": subdir}
            fn = f"{name}-{version}-{build}"
            record = record_from_repodata({**raw, "depends": list(depends)}, fn, channel, subdir)
            found.append(replace(record, url=""))
    return tuple(found)
