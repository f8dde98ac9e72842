"""export: an environment as a file that makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.errors import IntegrityError, UnknownEnvironmentError
from envkit.layout.generation import active, read_manifest
from envkit.layout.lineage import generation_of
from envkit.layout.volume import Volume
from envkit.models.manifest import LockedPackage, Manifest, PipPackage


def export_manifest(volume: Volume, reference: str) -> Manifest:
    """Return the manifest of an environment or generation, under its present name."""
    manifest = read_manifest(generation_of(volume, reference))
    if manifest is None:
        raise UnknownEnvironmentError(
            f"{reference} was not made by envkit: there is no record of its request",
            hint="Export it with the tool that made it.",
        )
    name = reference.partition("@")[0]
    # A rename changes the link, not the manifest.
    return manifest.model_copy(update={"name": name}) if "/" not in name and active(volume, name) else manifest


def explicit_text(manifest: Manifest) -> str:
    """Return an ``@EXPLICIT`` file (CEP 23): the URL and sha256 of each package, dependencies first."""
    lines = ["# Made by envkit; make it again with: envkit create -n NAME --file FILE"]
    lines += [f"# platform: {manifest.request.platform}"] if manifest.request.platform else []
    lines += ["# The pip section is not in this file; see the form without --explicit."] if manifest.pip else []
    lines.append("@EXPLICIT")
    for package in _in_order(manifest.packages):
        if not package.sha256:
            raise IntegrityError(
                f"the index gave no sha256 for {package.fn}", hint="Export the environment.yml form instead."
            )
        lines.append(f"{package.url}#sha256:{package.sha256}")
    return "\n".join(lines) + "\n"


def yaml_document(manifest: Manifest, *, pins: bool = False) -> Mapping[str, Any]:
    """Return the content of an environment.yml (CEP 24): the request, or with `pins` every package exactly."""
    request = manifest.request
    if pins:
        specs: list[Any] = [f"{p.name}={p.version}={p.build}" for p in manifest.packages]
    else:
        specs = list(request.specs)
        if request.python and not any(spec.split("=")[0].strip() == "python" for spec in specs):
            specs.append(f"python={request.python}")
    if request.pip:
        wheels = manifest.pip.packages if manifest.pip else ()
        lines = [line for line in request.pip if line.startswith("--")]
        specs.append({"pip": [*lines, *map(_pinned, wheels)] if pins else list(request.pip)})
    document: dict[str, Any] = {"name": manifest.name, "channels": list(manifest.channels), "dependencies": specs}
    if request.variables:
        document["variables"] = dict(request.variables)
    return document


def _pinned(package: PipPackage) -> str:
    """Return a distribution as a requirement of exactly this version or commit."""
    inner = f"#subdirectory={package.subdirectory}" if package.subdirectory else ""
    if package.kind == "vcs":
        return f"{package.name} @ git+{package.url}@{package.commit}{inner}"
    if package.direct or package.kind == "directory":
        return f"{package.name} @ {package.url}{inner}"
    return f"{package.name}=={package.version}"


def _in_order(packages: tuple[LockedPackage, ...]) -> list[LockedPackage]:
    """Sort dependencies before their dependents, else by name, for tools that link one by one."""
    by_name = {package.name: package for package in packages}
    done: dict[str, LockedPackage] = {}

    def visit(package: LockedPackage, above: frozenset[str]) -> None:
        if package.name in done or package.name in above:  # a cycle (python and pip) has no right order
            return
        for text in sorted(map(str, package.record.get("depends", ()))):
            needed = by_name.get(text.split(" ", 1)[0].lower())
            if needed is not None:
                visit(needed, above | {package.name})
        done[package.name] = package

    for package in sorted(packages, key=lambda p: p.name):
        visit(package, frozenset())
    return list(done.values())
