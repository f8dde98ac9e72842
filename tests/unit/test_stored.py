"""Files of envkit are read member by member, and written back as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from envkit.models.manifest import LockedPackage, Manifest, PipPackage, PipPart, RecordedRequest, ValidationRecord
from envkit.models.stored import StoredError

PACKAGE = LockedPackage(
    name="a", version="1", build="0", subdir="noarch", fn="a.conda", url="u", channel="c", record={"depends": ["b"]}
)
MANIFEST = Manifest(
    envkit_version="1",
    name="train",
    generation="train-1",
    prefix="/data/train-1",
    created="2026-01-01",
    request=RecordedRequest(specs=("pytorch", "é"), channels=None, variables={"A": "1"}),
    channels=("conda-forge",),
    virtual_packages=(("__cuda", "12", "0"),),
    digest="d",
    packages=(PACKAGE,),
    pip=PipPart(packages=(PipPackage(name="x", url="u", hashes={"sha256": "0"}),)),
    passed_over=({"fn": "b"},),
)


def test_what_is_written_is_read() -> None:
    assert Manifest.parse(MANIFEST.to_text()) == MANIFEST
    assert Manifest.parse(MANIFEST.to_text().encode()) == MANIFEST
    newer = {**MANIFEST.to_json(), "of_a_later_version": 1}
    assert Manifest.from_json(newer) == MANIFEST
    record = ValidationRecord(generation="g", fingerprint="f", verdict="pass", created="c", seconds=2.0)
    assert ValidationRecord.parse(record.to_text().replace("2.0", "2")) == record


def changed(path: str, value: Any) -> str:
    document = json.loads(MANIFEST.to_text())
    *folders, last = path.split(".")
    place: Any = document
    for name in folders:
        place = place[int(name) if name.isdigit() else name]
    if value is KeyError:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", KeyError),
        ("name", 1),
        ("name", None),
        ("number", "1"),
        ("number", True),
        ("number", 1.5),
        ("schema_version", 2),
        ("schema_version", True),
        ("schema_version", [1]),
        ("parent", 1),
        ("channels", "conda-forge"),
        ("channels", {"a": "b"}),
        ("channels.0", None),
        ("virtual_packages.0", ["__cuda", "12"]),
        ("request", None),
        ("request", ["specs"]),
        ("request.variables.A", 1),
        ("request.pip_local", 1),
        ("packages.0.size", -1.0),
        ("packages.0.url", KeyError),
        ("packages.0.record", []),
        ("packages.0.fn", ["a"]),
        ("pip.packages.0.kind", "exe"),
        ("pip.packages.0.hashes", [["sha256", "0"]]),
        ("passed_over.0", "b"),
    ],
)
def test_a_member_of_another_type_is_named(path: str, value: Any) -> None:
    with pytest.raises(StoredError) as caught:
        Manifest.parse(changed(path, value))
    assert caught.value.place == path
    assert str(caught.value).startswith(f"{path}: it is ")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"{",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        MANIFEST.to_text().replace('"train"', '"\\ud800"').encode(),
        MANIFEST.to_text().replace('"number": 1', '"number": NaN').encode(),
        MANIFEST.to_text().replace('"number": 1', f'"number": {"9" * 5000}').encode(),
        json.dumps({"verdict": "pass", "generation": "g", "fingerprint": "f", "created": "c"})[:-1].encode()
        + b', "seconds": 1e999}',
    ],
)
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(StoredError):
        Manifest.parse(text)
    with pytest.raises(StoredError):
        ValidationRecord.parse(text)


def test_the_file_of_a_request_does_not_make_it_another() -> None:
    assert replace(MANIFEST.request, source_sha256="0") == MANIFEST.request
    assert replace(MANIFEST.request, python="3.11") != MANIFEST.request
    assert len({MANIFEST.request, replace(MANIFEST.request, source_sha256="0")}) == 1
