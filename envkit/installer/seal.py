"""Check an extracted package before it enters the cache, and seal it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envkit.checks.package import check_entry_points, check_link_target, check_paths
from envkit.errors import IntegrityError
from envkit.installer import cache
from envkit.models.build import Record
from envkit.plain import LARGEST_RECORD_BYTES, read_json, read_plain
from envkit.words.values import size_words

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_and_seal(record: Record, target: Path) -> None:
    """Check the files of an extracted package and make them read-only.

    An edit in place would reach the cache, and every other environment, through the hard link of the file.

    Raises:
        IntegrityError: It would write outside its prefix, or is another package.
    """
    _refuse(record, _odd_info(target / "info"))  # before anything in it is read
    present: dict[str, bool] = {}
    wrong: list[str] = []
    for name, entry in cache.walk(target):
        present[name] = entry.is_symlink()
        if present[name]:
            fault = check_link_target(name, os.readlink(entry.path))
            if fault:
                wrong.append(fault)
        else:
            state = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(state.st_mode):
                wrong.append(f"{name!r} is neither a file nor a link")
                continue
            mode = 0o555 if state.st_mode & 0o111 else 0o444
            if stat.S_IMODE(state.st_mode) != mode:
                os.chmod(entry.path, mode)
    paths = _read_json(target / "info" / "paths.json")
    if paths is None:  # packages from before 2017 have info/files only
        paths = {"paths": _listed(target / "info" / "files", present)}
    wrong += check_paths(paths.get("paths") if isinstance(paths, dict) else None, present)
    wrong += check_entry_points(_read_json(target / "info" / "link.json"))
    index = _read_json(target / "info" / "index.json")
    if not isinstance(index, dict) or (index.get("name"), index.get("version"), index.get("build")) != (
        record.name,
        record.version,
        record.build,
    ):
        wrong.append("its info/index.json names another package")
    wrong += _unreadable(target)
    _refuse(record, wrong)


def close_to_others(target: Path) -> None:
    """Take from group and others the right to write in an extracted package, its folders and its description."""
    stack = [str(target)]
    while stack:
        place = stack.pop()
        mode = os.lstat(place).st_mode
        if mode & _OTHERS_WRITE:
            os.chmod(place, stat.S_IMODE(mode) & ~_OTHERS_WRITE)
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    state = entry.stat(follow_symlinks=False)
                    if state.st_mode & _OTHERS_WRITE:
                        os.chmod(entry.path, stat.S_IMODE(state.st_mode) & ~_OTHERS_WRITE)


def _refuse(record: Record, wrong: list[str]) -> None:
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise IntegrityError(
            f"{record.fn} from {record.channel} is refused: {'; '.join(wrong[:3])}{more}",
            hint="The package would write where it must not, or is not what it says. Nothing of it was installed; "
            "tell the channel's maintainers, or choose another build.",
        )


def _odd_info(info: Path) -> list[str]:
    """List what does not belong in the folder of a package's description: it is read by us and by the native engine."""
    try:
        if not stat.S_ISDIR(info.lstat().st_mode):
            return ["its info is no folder"]
    except FileNotFoundError:
        return ["it has no info"]
    wrong = []
    for folder, folders, names in os.walk(info):
        for name in (*folders, *names):
            path = Path(folder, name)
            shown, state = path.relative_to(info.parent), path.lstat()
            if stat.S_ISREG(state.st_mode) and state.st_size > LARGEST_RECORD_BYTES:
                wrong.append(f"its {shown} has {size_words(state.st_size)}")
            elif stat.S_ISLNK(state.st_mode) and path.parent == info:
                wrong.append(f"its {shown} is a link")
            elif not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode) or stat.S_ISLNK(state.st_mode)):
                wrong.append(f"its {shown} is neither a file nor a folder")
    return wrong


def _read_json(path: Path) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}


def _unreadable(target: Path) -> list[str]:
    """List files that the native installer could not read when it links the package."""
    from rattler import IndexJson, PathsJson
    from rattler.exceptions import IoError

    wrong = []
    for name, reader in (("index.json", IndexJson.from_path), ("paths.json", PathsJson.from_path)):
        path = target / "info" / name
        try:
            if path.exists():
                reader(path)
        except (IoError, OSError, ValueError) as error:
            wrong.append(f"its info/{name} cannot be read: {' '.join(str(error).split())}")
    return wrong


def _listed(path: Path, present: Mapping[str, bool]) -> list[dict[str, str]] | None:
    try:
        names = read_plain(path, LARGEST_RECORD_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    return [{"_path": name, "path_type": "softlink" if present.get(name) else "hardlink"} for name in names]
