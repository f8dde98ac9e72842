"""Measure the GPU code of packages, for the table that ships with envkit.

Each PACKAGE is a wheel or a conda package on the disk, or a requirement such as torch==2.14.1, whose wheel for Linux
x86_64 is downloaded with pip and deleted again. What was measured before stays; a file that is measured again replaces
its row. GPU code does not depend on the Python of a wheel, so one wheel of a version is enough.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, Final

from envkit.builds.shipped import library_row
from envkit.cuda.ptx import cuda_of_isa
from envkit.errors import EnvkitError
from envkit.scan.archive import scan_archive
from envkit.scan.tree import Scan

TABLE: Final = Path(__file__).parent.parent / "envkit" / "builds" / "data" / "gpucode.json"
_PLATFORMS: Final = ("2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_18", "2_17", "2_12", "2_5")
_OLD_PLATFORMS: Final = ("manylinux2014", "manylinux2010", "manylinux1")
_TOOLKIT: Final = re.compile(r"(?:nvidia-cuda-runtime(?:-cu\d+)?|cuda-toolkit)\s*(?:\[[^]]*\])?\s*\(?==\s*(\d+\.\d+)")
_ABOUT: Final = re.compile(r"nvidia-cuda-runtime(?:-cu\d+)?\s*~=\s*(\d+)")  # of extras: no more than the major
_MAJOR: Final = re.compile(r"-cu(?:da)?(\d\d)\d?x?(?:-[a-z]+)?\Z")
_EXAMPLES: Final = """\
examples:
  scripts/measure_gpucode torch==2.14.1 nvidia-cudnn-cu13==9.24.0.43
  scripts/measure_gpucode --python 3.12 torch==2.15.0
  scripts/measure_gpucode wheels/*.whl pkgs/libtorch-2.12.1-cuda129_mkl_h1_302.conda
"""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; `--help` and errors of usage end the process."""
    parser = argparse.ArgumentParser(
        prog="measure_gpucode",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("packages", metavar="PACKAGE", nargs="+", help="a file, or a requirement (PEP 508)")
    parser.add_argument("--python", default="3.11", help="the Python whose wheels are downloaded [default: 3.11]")
    parser.add_argument("--table", type=Path, default=TABLE, help="where to write [default: the table of the checkout]")
    return parser.parse_args(arguments)


@contextmanager
def _file(package: str, python: str) -> Iterator[Path]:
    """Give a package as a file; what was downloaded is deleted afterwards.

    Raises:
        subprocess.CalledProcessError: pip finds no wheel.
    """
    if Path(package).is_file():
        yield Path(package)
        return
    names = [*(f"manylinux_{version}" for version in _PLATFORMS), *_OLD_PLATFORMS]
    tags = [word for name in names for word in ("--platform", f"{name}_x86_64")]
    abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        more = ["--python-version", python, "--implementation", "cp", *abis, *tags, "-d", folder, package]
        subprocess.run([*command, *more], check=True)
        yield next(Path(folder).iterdir())


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _of_wheel(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as wheel:
        name = next(n for n in wheel.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
        told = HeaderParser().parsestr(wheel.read(name).decode())
    needs = told.get_all("Requires-Dist") or ()
    found = next((m[1] for text in needs if (m := _TOOLKIT.search(text))), "")
    about = next((m[1] for text in needs if (m := _ABOUT.match(text))), "")
    return {
        "name": re.sub(r"[-_.]+", "-", told["Name"]).lower(),
        "version": told["Version"],
        "build": "",
        "cuda": found,
        "major": about,
    }


def _of_conda(path: Path) -> dict[str, str]:
    """Return name, version and build of a conda package by its file name, as CEP 26 has it."""
    stem = path.name.removesuffix(".conda").removesuffix(".tar.bz2")
    name, version, build = stem.rsplit("-", 2)
    return {"name": name, "version": version, "build": build, "cuda": "", "major": ""}


def _toolkit(name: str, about: str, scan: Scan) -> str:
    """Return the toolkit of a wheel that depends on none: by its PTX, which no older one writes, else the major.

    NVIDIA's own libraries serve every toolkit of their major.
    """
    major = m[1] if (m := _MAJOR.search(name)) else about
    isas = [code.isa for library in scan.libraries for code in library.ptx.values()]
    newest = cuda_of_isa(max(isas)) if isas else None
    if name.startswith("nvidia-"):
        return major or (str(newest.major) if newest is not None else "")
    return str(newest) if newest is not None and (not major or str(newest.major) == major) else major


def measure(path: Path, day: str) -> dict[str, Any]:
    """Return the row of one package."""
    told = _of_wheel(path) if path.suffix == ".whl" else _of_conda(path)
    about, scan = told.pop("major"), scan_archive(path)
    for file in scan.unreadable:
        print(f"{path.name}: {file.path}: {file.why}", file=sys.stderr)
    return {
        **told,
        "cuda": told["cuda"] or _toolkit(told["name"], about, scan),
        "fn": path.name,
        "sha256": _digest(path),
        "measured": day,
        "libraries": [library_row(library) for library in scan.libraries if library.sass or library.ptx],
    }


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows sorted by name and version, one a line."""
    ordered = sorted(rows, key=lambda row: (row["name"], row["version"], row["build"], row["fn"]))
    lines = ",\n    ".join(json.dumps(row, ensure_ascii=False) for row in ordered)
    newest = max(row["measured"] for row in ordered)
    path.write_text(f'{{\n  "as_of": "{newest}",\n  "packages": [\n    {lines}\n  ]\n}}\n', encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Measure what the command line names; each row is written at once."""
    options = parse_arguments(arguments)
    rows = (
        {row["sha256"]: row for row in json.loads(options.table.read_text())["packages"]}
        if options.table.exists()
        else {}
    )
    day = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    failed = False
    for package in options.packages:
        try:
            with _file(package, options.python) as path:
                row = measure(path, day)
        except (EnvkitError, OSError, subprocess.CalledProcessError, zipfile.BadZipFile, ValueError) as error:
            print(f"error: {package}: {error}", file=sys.stderr)
            failed = True
            continue
        rows[row["sha256"]] = row
        write_table(options.table, list(rows.values()))
        called = " ".join(filter(None, (row["name"], row["version"], row["build"])))
        print(f"{called} CUDA {row['cuda'] or '?'}: {len(row['libraries'])} libraries")
        for name, _, sass, ptx in row["libraries"]:
            print(f"  {name}: {sass}{' PTX ' + ptx if ptx else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
