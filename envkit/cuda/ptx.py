"""PTX ISA versions: which CUDA a driver has to support to compile them."""

from __future__ import annotations

from functools import lru_cache

from envkit.cuda.tables import load_table
from envkit.models.version import CudaVersion

_ISA_TO_CUDA = 4  # since PTX ISA 7.0 of CUDA 11.0 the major is four lower, and since 13.0 the minor is the same


@lru_cache(maxsize=64)
def cuda_of_isa(isa: CudaVersion) -> CudaVersion:
    """Return the first CUDA whose compiler takes a PTX ISA version: 13.0 for 9.0.

    A version newer than the tables is taken to follow the numbers of the known ones.
    """
    rows = load_table("ptx")["ptx"]
    known = [CudaVersion.parse(row["toolkit"]) for row in rows if CudaVersion.parse(row["isa"]) >= isa]
    return min(known) if known else CudaVersion(isa.major + _ISA_TO_CUDA, isa.minor)
