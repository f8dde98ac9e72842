"""Libraries of CUDA that a folder holds more than once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from envkit.patterns import regex

# libcublas.so.12.4.5.8 and, of a wheel's bundled copies, libcublas-f6acd947.so.12.
_LIBRARY = regex(
    r"(lib(?:cublas|cublasLt|cudart|cudnn\w*|cufft|cufftw|curand|cusolver|cusolverMg|cusparse|cusparseLt|nccl"
    r"|nvJitLink|nvrtc|nvrtc-builtins|nvshmem_host|nvToolsExt))(?:-[0-9a-f]{8})?\.so\.(\d+)[\d.]*\Z"
)
_SKIPPED = frozenset({"__pycache__", "conda-meta", ".git"})


def find_copies(root: Path) -> dict[str, list[tuple[str, int]]]:
    """Return the libraries of CUDA that are below a folder more than once, each with the places and sizes in bytes.

    Copies of one library have its name and major version; links, symbolic and hard, are no copies.
    """
    found: dict[str, dict[tuple[int, int], tuple[str, int]]] = {}
    for entry, path in _files(str(root)):
        match = _LIBRARY.match(entry.name)
        if match is None:
            continue
        try:
            state = entry.stat(follow_symlinks=False)
        except OSError:  # removed meanwhile
            continue
        places = found.setdefault(f"{match[1]}.so.{match[2]}", {})
        places.setdefault((state.st_dev, state.st_ino), (path, state.st_size))
    return {library: sorted(places.values()) for library, places in found.items() if len(places) > 1}


def _files(root: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    stack = [(root, "")]
    while stack:
        folder, prefix = stack.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in _SKIPPED:
                            stack.append((entry.path, f"{prefix}{entry.name}/"))
                    elif ".so." in entry.name and entry.is_file(follow_symlinks=False):
                        yield entry, prefix + entry.name
        except OSError:  # closed to this user
            continue
