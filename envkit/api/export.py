"""export: an environment as a file that makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envkit.errors import UnknownEnvironmentError
from envkit.layout.generation import active, read_manifest
from envkit.layout.lineage import generation_of
from envkit.layout.volume import Volume
from envkit.models.manifest import Manifest, PipPackage
from envkit.values import replace


def export_manifest(volume: Volume | None, reference: str, prefix: Path | None = None) -> Manifest:
    """Return the manifest of an environment or generation, or of its profile at `prefix`, under its present name."""
    manifest = read_manifest(prefix or generation_of(volume, reference))
    if manifest is None:
        raise UnknownEnvironmentError(
            f"{reference} was not made by envkit: there is no record of its request",
            hint="Export it with the tool that made it.",
        )
    name = reference.partition("@")[0]
    # A rename changes the link, not the manifest.
    present = volume is not None and "/" not in name and active(volume, name) is not None
    return replace(manifest, name=name) if present else manifest


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
        specs.append({"pip": [*lines, *map(pinned_requirement, wheels)] if pins else list(request.pip)})
    document: dict[str, Any] = {"name": manifest.name, "channels": list(manifest.channels), "dependencies": specs}
    if request.variables:
        document["variables"] = dict(request.variables)
    return document


def pinned_requirement(package: PipPackage) -> str:
    """Return a distribution as a requirement of exactly this version or commit."""
    inner = f"#subdirectory={package.subdirectory}" if package.subdirectory else ""
    if package.kind == "vcs":
        return f"{package.name} @ git+{package.url}@{package.commit}{inner}"
    if package.direct or package.kind == "directory":
        return f"{package.name} @ {package.url}{inner}"
    return f"{package.name}=={package.version}"
