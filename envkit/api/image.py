"""image: the definition of a container image with an environment at its own path."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from envkit.activation import HOOK, read_variables
from envkit.api.exported import export_environment
from envkit.api.session import Session
from envkit.errors import UnknownEnvironmentError, UsageError
from envkit.layout.contents import read_contents
from envkit.layout.generation import active_name, known_profiles, read_manifest, refuse_moved
from envkit.layout.lineage import generation_of
from envkit.layout.records import installed_packages
from envkit.models.progress import Reporter, working
from envkit.outputs.explicit import explicit_text
from envkit.outputs.image import ImageContent, ImageFormat, apptainer_text, dockerfile_text
from envkit.outputs.requirements import requirements_text
from envkit.packing.index import INDEX
from envkit.packing.source import open_pack
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """Options of an image, apart from what it holds."""

    form: ImageFormat = "dockerfile"
    base: str = "docker.io/library/debian:12-slim"  # the image to start from
    pack: Path | None = None  # the pack to take the environment from; None to install it from its lock


def image_files(session: Session, reference: str, options: ImageOptions) -> Mapping[str, str]:
    """Return the files that an image is built from, by name, the definition first; a pack is not among them.

    Raises:
        UnknownEnvironmentError: There is no such environment, or another tool made it.
        UsageError: The pack is of another generation, or the environment cannot be installed from a lock.
    """
    volume = session.find_volume()
    prefix = generation_of(volume, reference)
    if options.pack is not None:
        prefix = _packed_profile(options.pack, prefix)
    manifest = read_manifest(prefix)
    if manifest is None:
        raise UnknownEnvironmentError(f"{reference} was not made by envkit", hint="See the names with envkit list.")
    refuse_moved(manifest, prefix)
    name = active_name(prefix) or manifest.name
    pack, extras = _pack_of(options.pack, prefix, session.reporter) if options.pack is not None else (None, ())
    locks = _locks(session, reference, name) if pack is None else {}
    contents = read_contents(prefix, installed_packages(prefix)[0], manifest)
    scripts = sorted((prefix / "etc" / "conda" / "activate.d").glob("*.sh"))
    content = ImageContent(
        name=name,
        prefix=str(prefix),
        link=str(volume.link(name)),
        base=options.base,
        variables={"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": name, **read_variables(str(prefix))},
        scripts=[str(path) for path in scripts if not path.name.startswith(HOOK)],
        on_gpu=contents.for_gpu,
        pack=pack,
        extras=extras,
        locks=tuple(locks),
    )
    if options.form == "dockerfile":
        return {"Dockerfile": dockerfile_text(content), **locks}
    return {f"{name}.def": apptainer_text(content), **locks}


def _packed_profile(path: Path, prefix: Path) -> Path:
    """Return the profile of an environment that a pack is of; `prefix` if it is of none."""
    source = open_pack(path)
    source.close()
    profiles = [prefix.parent / profile.generation for profile in known_profiles(prefix)]
    return next((each for each in profiles if str(each) == source.index.prefix), prefix)


def _pack_of(path: Path, prefix: Path, reporter: Reporter) -> tuple[tuple[str, str], tuple[str, ...]]:
    """Return name and sha256 of a pack, and the paths in it that are not of the environment."""
    source = open_pack(path)
    source.close()
    if not path.name.endswith(".tar.zst"):
        raise UsageError(f"{path.name} is not a tar.zst", hint="Pack it with envkit pack --format tar.zst.")
    if source.index.prefix != str(prefix):
        raise UsageError(
            f"{path.name} is the pack of {source.index.manifest.generation}, not of {prefix.name}",
            hint=f"Pack it: envkit pack {prefix} -o {path.name}.",
        )
    size = path.stat().st_size
    with path.open("rb") as file, working(reporter, "read", path.name, total=size, unit="B"):
        digest = hashlib.sha256()
        while data := file.read(1 << 20):
            digest.update(data)
            reporter.advance("read", len(data))
    return (path.name, digest.hexdigest()), (*sorted(source.index.extras), INDEX)


def _locks(session: Session, reference: str, name: str) -> dict[str, str]:
    exported = export_environment(session.find_volume(), reference)
    local = [record.url for record in exported.part.records if record.url.startswith("file:")]
    if local:
        raise UsageError(
            f"{os.path.basename(local[0])} comes from a folder of this machine, which no image is built from",  # noqa: PTH119 - of a URL
            hint="Take the environment from a pack: envkit pack, then --pack FILE.",
        )
    unhashed = [item.name for item in exported.part.distributions if not item.hashes]
    if unhashed:
        raise UsageError(
            f"{', '.join(unhashed)} of pip has no digest in the lock", hint="Take it from a pack: --pack FILE."
        )
    part = exported.part
    locks = {f"{name}.explicit.txt": explicit_text(part)}
    if part.distributions:
        locks[f"{name}.requirements.txt"] = requirements_text(part)
    return locks
