"""The files of a wheel, as the files of a package (PEP 427, and what conda's installers expect)."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import re
import zipfile
from calendar import timegm
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from wheelchannel.artifact import PLACEHOLDER, Entry, Package, write_package
from wheelchannel.errors import INTEGRITY, ChannelError
from wheelchannel.interpreter import Interpreter
from wheelchannel.shipped import with_bytecode

# Another installer writes its own: these say how pip installed, or sign what has changed.
_DROPPED: Final = {"RECORD", "RECORD.jws", "RECORD.p7s", "REQUESTED", "INSTALLER", "direct_url.json"}
_LICENSE: Final = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)", re.IGNORECASE)
_SHEBANG: Final = re.compile(rb"#!pythonw?(?=[\s])")

_SCRIPT: Final = """\
#!{prefix}/bin/python{minor}
import re
import sys

from {module} import {attribute}

if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw?|\\.exe)?$", "", sys.argv[0])
    sys.exit({call}())
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the install schemes of a wheel lie in a package.

    Attributes:
        site_packages: For purelib and platlib; `site-packages` where the installer finds the real one.
        scripts: For scripts; `python-scripts` there.
        headers: For C headers; those of the interpreter at hand, even there.
    """

    site_packages: str
    scripts: str
    headers: str

    def place(self, member: str, data_folder: str) -> str:
        """Where a member of the wheel goes, relative to the prefix.

        Raises:
            ChannelError: The wheel names a scheme that does not exist, or a place outside the prefix.
        """
        parts = PurePosixPath(member).parts
        if ".." in parts or member.startswith("/") or "\\" in member:
            raise ChannelError(f"the wheel holds {member!r}, a place outside the prefix", exit_code=INTEGRITY)
        if parts[0] != data_folder:
            return f"{self.site_packages}/{member}"
        roots = {
            "purelib": self.site_packages,
            "platlib": self.site_packages,
            "scripts": self.scripts,
            "headers": self.headers,
            "data": "",
        }
        if len(parts) < 3 or parts[1] not in roots:
            raise ChannelError(f"the wheel holds {member!r}, of no known install scheme", exit_code=INTEGRITY)
        return "/".join(filter(None, [roots[parts[1]], *parts[2:]]))


def layout_for(package: Package, interpreter: Interpreter) -> Layout:
    """The layout of a package: fixed, or one that the installer completes (`noarch: python`)."""
    headers = f"include/python{interpreter.minor}/{package.index['name']}"
    if package.index.get("noarch") == "python":
        return Layout("site-packages", "python-scripts", headers)
    return Layout(interpreter.site_packages, "bin", headers)


def build_package(
    package: Package, wheel: Path, interpreter: Interpreter, target: Path, *, bytecode: bool = False
) -> None:
    """Write the package of a wheel.

    Args:
        package: The plan, which lacks what lies inside the wheel: time stamp, entry points, licences.
        wheel: The wheel file.
        interpreter: The interpreter that it is for.
        target: Where the package goes.
        bytecode: Whether one that is for one platform brings its bytecode.

    Raises:
        ChannelError: The wheel is damaged, or asks for a place outside the prefix.
    """
    layout = layout_for(package, interpreter)
    by_installer = package.index.get("noarch") == "python"
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            dist_info = _dist_info(members)
            points = _entry_points(archive, dist_info)
            digests = _recorded_digests(archive, dist_info)
            made = [Entry.holding(f"{layout.site_packages}/{dist_info}/INSTALLER", b"conda\n")]
            if not by_installer:
                made += [entry_script(point, interpreter) for point in points]
            # By path: a script that is an entry point too comes once, as pip has it.
            entries: dict[str, Entry] = {}
            record: dict[str, tuple[str, str]] = {}
            for member in members:
                folder, _, name = member.filename.partition("/")
                if folder != dist_info or name not in _DROPPED:
                    entry = _entry(archive, member, layout, dist_info)
                    entries[entry.path] = entry
                    record[entry.path] = _digest(entry, digests.get(member.filename))
            for entry in made:
                entries[entry.path] = entry
                record[entry.path] = _digest(entry, None)
            listing = _record(record, f"{layout.site_packages}/{dist_info}/RECORD", layout)
            entries[listing.path] = listing
            timestamp_ms = _timestamp_ms(members)
            complete = replace(
                package,
                index={**package.index, "timestamp": timestamp_ms},
                entry_points=tuple(points) if by_installer else (),
            )
            files: Iterable[Entry] = entries.values()
            if bytecode and not by_installer:
                files = with_bytecode(files, interpreter, timestamp_ms // 1000)
            write_package(complete, files, _licenses(archive, members, dist_info), target)
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError, configparser.Error) as error:
        raise ChannelError(f"{wheel.name} is not a sound wheel: {error}", exit_code=INTEGRITY) from error


def _dist_info(members: list[zipfile.ZipInfo]) -> str:
    """The name of the wheel's one `.dist-info` folder."""
    # Only at the top: some wheels carry others' in a folder of vendored code.
    tops = [member.filename.partition("/") for member in members]
    found = {folder for folder, _, rest in tops if folder.endswith(".dist-info") and rest == "METADATA"}
    if len(found) != 1:
        raise zipfile.BadZipFile("it holds no .dist-info folder, or several")
    return found.pop()


def _timestamp_ms(members: list[zipfile.ZipInfo]) -> int:
    """When the newest member was made: the same on every machine, and never before 1980."""
    # Some builders write the month 0 and the day 0.
    dates = ((year, max(month, 1), max(day, 1), *time) for year, month, day, *time in (m.date_time for m in members))
    return max(map(timegm, dates)) * 1000


def _entry_points(archive: zipfile.ZipFile, dist_info: str) -> list[str]:
    """The scripts that the wheel asks for, as conda's installers read them: `name = module:function`."""
    name = f"{dist_info}/entry_points.txt"
    if name not in archive.NameToInfo:
        return []
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(archive.read(name).decode())
    points = [
        f"{script} = {target.partition('[')[0].strip()}"
        for section in ("console_scripts", "gui_scripts")
        if parser.has_section(section)
        for script, target in parser.items(section)
    ]
    return sorted(set(points))


def entry_script(point: str, interpreter: Interpreter) -> Entry:
    """The script of an entry point, as an installer would write it for a `noarch: python` package."""
    name, _, target = (part.strip() for part in point.partition("="))
    module, _, call = target.partition(":")
    text = _SCRIPT.format(
        prefix=PLACEHOLDER, minor=interpreter.minor, module=module, attribute=call.partition(".")[0], call=call
    )
    return Entry.holding(f"bin/{name}", text.encode(), executable=True)


def _entry(archive: zipfile.ZipFile, member: zipfile.ZipInfo, layout: Layout, dist_info: str) -> Entry:
    data_folder = dist_info.removesuffix(".dist-info") + ".data"
    path = layout.place(member.filename, data_folder)
    executable = bool(member.external_attr >> 16 & 0o111)
    if member.filename.startswith(f"{data_folder}/scripts/"):
        content = archive.read(member)
        shebang = f"#!{PLACEHOLDER}/bin/python".encode()
        return Entry.holding(
            path, _SHEBANG.sub(shebang, content, count=1) if content.startswith(b"#!") else content, executable=True
        )
    return Entry(path, partial(archive.read, member), executable)


def _recorded_digests(archive: zipfile.ZipFile, dist_info: str) -> dict[str, tuple[str, str]]:
    """The digest and size that the wheel's own RECORD gives each member: reading all of them again is spared."""
    rows = csv.reader(io.StringIO(archive.read(f"{dist_info}/RECORD").decode()))
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}


def _digest(entry: Entry, recorded: tuple[str, str] | None) -> tuple[str, str]:
    """Digest and size for RECORD; empty for a file that the installer will change."""
    if entry.has_prefix:
        return "", ""
    if recorded and recorded[0].startswith("sha256="):
        return recorded
    content = entry.read()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"sha256={digest}", str(len(content))


def _record(rows: Mapping[str, tuple[str, str]], path: str, layout: Layout) -> Entry:
    """RECORD anew, with paths relative to site-packages once everything is installed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for place, (digest, size) in sorted({**rows, path: ("", "")}.items()):
        if place.startswith(f"{layout.site_packages}/"):
            relative = place.removeprefix(f"{layout.site_packages}/")
        else:
            relative = "../../../" + place.replace("python-scripts/", "bin/", 1)
        writer.writerow([relative, digest, size])
    return Entry.holding(path, text.getvalue().encode())


def _licenses(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], dist_info: str) -> Mapping[str, bytes]:
    return dict(_license_texts(archive, members, dist_info))


def _license_texts(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], dist_info: str
) -> Iterator[tuple[str, bytes]]:
    for member in members:
        name = member.filename.removeprefix(f"{dist_info}/")
        if name == member.filename:
            continue
        if name.startswith(("licenses/", "license_files/")):
            yield name.partition("/")[2], archive.read(member)
        elif "/" not in name and _LICENSE.match(name):
            yield name, archive.read(member)
