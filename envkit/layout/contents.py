"""Contents: modules and frameworks of an environment, read from its files and records without running anything."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from envkit.frameworks.row import FrameworkRow
from envkit.frameworks.table import ROWS, row_of
from envkit.models.installed import InstalledPackage, project_name
from envkit.models.manifest import Manifest
from envkit.values import dataclass

# CUDA's own packages, which conda installs with builds for GPUs (conda-forge, defaults), and its wheel.
_CUDA_PACKAGES = ("cuda-cudart", "cudatoolkit", "libcublas")
_CUDA_FILES = ("nvidia/*/lib/libcudart.so.*",)
_MODULES = {"pillow": "PIL", "pyyaml": "yaml"}


@dataclass(frozen=True, slots=True)
class Contents:
    """The parts of an environment that a validation can try."""

    python: Path | None  # the interpreter; None if there is none
    modules: tuple[str, ...]  # names to import: those of the requested packages
    frameworks: tuple[FrameworkRow, ...]  # installed frameworks that have a probe
    for_gpu: bool  # whether it holds builds for NVIDIA GPUs


def read_contents(prefix: Path, packages: Sequence[InstalledPackage], manifest: Manifest | None) -> Contents:
    """Read the contents of a prefix: conda, pixi, or venv, which has no packages."""
    python = prefix / "bin" / "python"
    frameworks = tuple(row for row in ROWS.values() if row.probe and _has(prefix, f"{row.module}/__init__.py"))
    if manifest is None:
        modules = tuple(["numpy"] if _has(prefix, "numpy/__init__.py") else [])
    else:
        modules = _requested_modules([*packages, *read_wheels(prefix, manifest)], manifest)
    chosen = manifest is not None and manifest.choice.get("variant") == "cuda"
    files = (*_CUDA_FILES, *(name for row in ROWS.values() for name in row.cuda_files))
    for_gpu = chosen or any(_is_cuda(p.name) for p in packages) or any(_has(prefix, name) for name in files)
    return Contents(python if python.exists() else None, modules, frameworks, for_gpu)


def read_wheels(prefix: Path, manifest: Manifest) -> list[InstalledPackage]:
    """Read the distributions of the pip section from their RECORD files (PEP 376); the build of each is ``pip``."""
    names = {package.name for package in (manifest.pip.packages if manifest.pip else ())}
    found = []
    for info in sorted(prefix.glob("lib/python3*/site-packages/*.dist-info")) if names else ():
        stem, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        name = project_name(stem)
        if name in names:
            rows = _read_rows(info / "RECORD")
            site = str(info.parent.relative_to(prefix))
            paths = tuple((f"{site}/{row[0]}", None, False) for row in rows if row)
            found.append(InstalledPackage(name, version, "pip", (), None, paths))
    return found


def _read_rows(record: Path) -> list[list[str]]:
    try:
        return list(csv.reader(record.read_text(encoding="utf-8", errors="replace").splitlines()))
    except OSError:
        return []


def _is_cuda(package: str) -> bool:
    row = row_of(package)
    return package in _CUDA_PACKAGES or (row is not None and package in (*row.cuda_packages, *row.always_cuda))


def owners(packages: Sequence[InstalledPackage], module: str) -> frozenset[str]:
    """Return the packages that install a module."""
    ends = (f"site-packages/{module}/__init__.py", f"site-packages/{module}.py")
    return frozenset(p.name for p in packages if any(path.endswith(ends) for path, _, _ in p.paths))


def _has(prefix: Path, pattern: str) -> bool:
    return any(prefix.glob(f"lib/python3*/site-packages/{pattern}"))


def _requested_modules(packages: Sequence[InstalledPackage], manifest: Manifest) -> tuple[str, ...]:
    requested = {_spec_name(spec) for spec in (*manifest.request.specs, *manifest.request.pip)}
    modules: list[str] = []
    for package in packages:
        if package.name in requested:
            modules += [m for m in _modules_of(package) if m not in modules]
    return tuple(modules)


def _spec_name(spec: str) -> str:
    text = spec.rsplit("::", 1)[-1].strip()
    for index, char in enumerate(text):
        if not (char.isalnum() or char in "._-"):
            return text[:index].lower()
    return text.lower()


def _modules_of(package: InstalledPackage) -> list[str]:
    """Return the module named like the package, else the first three public ones that it installs."""
    found: list[str] = []
    for path, _, _ in package.paths:
        _, marker, rest = path.partition("site-packages/")
        if not marker:
            continue
        parts = rest.split("/")
        module = parts[0] if len(parts) == 2 and parts[1] == "__init__.py" else None
        if len(parts) == 1 and parts[0].endswith((".py", ".so")):
            module = parts[0].split(".", 1)[0]
        if module and module.isidentifier() and not module.startswith("_") and module not in found:
            found.append(module)
    row = row_of(package.name)
    wanted = {_MODULES.get(package.name, package.name.replace("-", "_").lower()), row.module if row else None}
    exact = [module for module in found if module in wanted or module.lower() in wanted]
    return exact or found[:3]
