"""Make a channel of packages without content, or an index of such wheels. Run as a module: packages|wheels OUT.

`tiny` needs four others of twenty files each; `files-N` has N files in folders of fifty, as Python packages have. Each
wheel has a hundred modules.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import zipfile
from pathlib import Path

from rattler.index import index_fs
from wheelchannel.artifact import Entry, Package, read_record, write_package

from benching.contents import FILES, WHEELS

_MODULES = 100
_SUBDIR = "linux-64"


def _package(name: str, depends: list[str]) -> Package:
    index = {
        "name": name,
        "version": "1.0",
        "build": "0",
        "build_number": 0,
        "depends": depends,
        "subdir": _SUBDIR,
        "timestamp": 1_700_000_000_000,
        "license": "BSD-3-Clause",
    }
    return Package(index=index, about={})


def _files(name: str, count: int) -> list[Entry]:
    return [
        Entry.holding(f"share/{name}/{number // 50}/{number}.txt", f"{name} {number}\n".encode() * (1 + number % 40))
        for number in range(count)
    ]


def write_payloads(out: Path) -> None:
    """Write the packages and both indexes."""
    parts = [f"part-{number}" for number in range(4)]
    made = [(_package("tiny", parts), 20), *((_package(part, []), 20) for part in parts)]
    made += [(_package(f"files-{count}", []), count) for count in FILES]
    records = {}
    for package, count in made:
        path = out / _SUBDIR / package.file_name
        write_package(package, _files(package.index["name"], count), {}, path)
        records[package.file_name] = read_record(path)
    for subdir, found in ((_SUBDIR, records), ("noarch", {})):
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": found, "repodata_version": 1}
        (out / subdir).mkdir(exist_ok=True)
        (out / subdir / "repodata.json").write_text(json.dumps(index))
    asyncio.run(index_fs(out, write_zst=True, write_shards=True))


def write_wheels(out: Path) -> None:
    """Write the wheels and an index of them (PEP 503)."""
    for name in WHEELS:
        files = {
            f"{name}/{place or '__init__'}.py": f'"""Module {place}."""\n\n'
            + "".join(f"def f{n}(a, b=None):\n    return [a, b, {n}, {place!r}]\n\n\n" for n in range(20))
            for place in ("", *(f"m{number}" for number in range(_MODULES - 1)))
        }
        info = f"{name}-1.0.dist-info"
        files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        rows = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
        page = out / "simple" / name / "index.html"
        page.parent.mkdir(parents=True)
        wheel = page.with_name(f"{name}-1.0-py3-none-any.whl")
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        whole = hashlib.sha256(wheel.read_bytes()).hexdigest()
        page.write_text(
            f'<!DOCTYPE html><html><body><a href="{wheel.name}#sha256={whole}">{wheel.name}</a></body></html>'
        )


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


if __name__ == "__main__":
    {"packages": write_payloads, "wheels": write_wheels}[sys.argv[1]](Path(sys.argv[2]))
