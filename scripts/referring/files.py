"""The page of files: the volume from the names in `envkit.layout.volume`, fields from the models."""

from __future__ import annotations

from pathlib import Path

from referring.markdown import code, described, first_sentence, page, table
from referring.members import annotations_of, json_type, members_of

from envkit.layout.volume import Volume, VolumePath
from envkit.models.manifest import (
    LockedPackage,
    Manifest,
    PastValidation,
    RecordedRequest,
    ValidationRecord,
    VolumeFile,
)
from envkit.models.stored import Stored
from envkit.paths import JUPYTER

__all__ = ["files_page"]

_OWN = {"record": "object", "request": "*request*", "packages": "array of *package*", "history": "array of *earlier*"}
_MODELS = (Manifest, RecordedRequest, LockedPackage, ValidationRecord, PastValidation, VolumeFile)


def files_page() -> str:
    """Return the page of files."""
    fields = {model.__name__: f"{first_sentence(model)}\n\n{_fields(model)}" for model in _MODELS}
    return page("files", layout=table(("path", "what it is"), _layout()), **fields)


def _layout() -> list[tuple[str, str]]:
    volume = Volume(Path())
    rows = [("`NAME`", "An environment: a link to its active generation. Replacing it is the only commit.")]
    for name, item in vars(Volume).items():
        if isinstance(item, VolumePath):
            text = first_sentence(item).replace("entry_script", volume.entry_script.name)
            rows.append((code(str(getattr(volume, name))), text))
    rows.append((code(f"{volume.generations}/NAME-ID"), "A generation: an installed prefix, never moved or changed."))
    rows.append((code(f"{volume.private}/{JUPYTER}/kernels"), "Jupyter kernels for all users of the volume."))
    return sorted(rows, key=lambda row: row[0].strip("`"))


def _fields(model: type[Stored]) -> str:
    texts, annotations = members_of(model), annotations_of(model)
    rows = []
    for name, annotation in annotations.items():
        text = texts.get(name) or described("Version of the file's form." if name == "schema_version" else "")
        rows.append((code(name), _OWN.get(name) or json_type(annotation), text))
    return table(("member", "type", "meaning"), rows)
