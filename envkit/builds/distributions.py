"""Python distributions of conda packages, as far as records tell: most have the same name and version on PyPI.

After linking, the metadata in the environment says it for certain; this is for plans before the download.
"""

from __future__ import annotations

from collections.abc import Iterable

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from envkit.builds.dependency import dependency_names
from envkit.models.build import Record
from envkit.models.pip import Provided

# Names that differ, by their recipes on conda-forge and defaults.
_NAMES = {
    "astroid-base": "astroid",
    "brotli-python": "brotli",
    "cupy-core": "cupy",
    "dask-core": "dask",
    "gitpython": "gitpython",
    "importlib_metadata": "importlib-metadata",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "numpy-base": "numpy",
    "py-lightgbm": "lightgbm",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pyarrow-core": "pyarrow",
    "pytables": "tables",
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-snappy": "python-snappy",
    "python-tzdata": "tzdata",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "scikit-learn-intelex": "scikit-learn-intelex",
    "seaborn-base": "seaborn",
    "streamlit-base": "streamlit",
    "tensorflow-base": "tensorflow",
    "pyqt": "pyqt5",
}
# Packages that need Python and bring no distribution of their own.
_NONE = {
    "anaconda", "cuda-python-split", "cudnn", "jupyter_client_core", "matplotlib", "opencv", "pytorch-cpu",
    "pytorch-cuda", "pytorch-gpu", "pytorch-mutex", "python-gil", "python_abi", "seaborn", "tensorflow-cpu",
    "tensorflow-gpu", "xgboost",
}  # fmt: skip
_PYTHON = {"python", "python_abi", "python-gil"}


def provided_by(records: Iterable[Record]) -> tuple[Provided, ...]:
    """Return the distributions that records of conda packages bring, by name."""
    found: dict[str, Provided] = {}
    for record in records:
        if not _brings_one(record):
            continue
        name = distribution_name(record.name)
        try:
            version = str(Version(record.version))
        except InvalidVersion:
            continue
        found.setdefault(name, Provided(name, version, record.name))
    return tuple(found[name] for name in sorted(found))


def _brings_one(record: Record) -> bool:
    # A name that begins with `_` is no project's (PEP 508): `_python_abi3_support` brings no distribution.
    if record.name in _NONE or record.name.startswith("_"):
        return False
    return bool(_PYTHON.intersection(dependency_names(record.raw.get("depends", ()))))


def distribution_name(package: str) -> NormalizedName:
    """Return the name on PyPI of a conda package's distribution."""
    return canonicalize_name(_NAMES.get(package, package))
