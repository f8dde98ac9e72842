"""Install a lock into a prefix that is not published yet, with every hash required, over conda's packages."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from envkit.errors import IntegrityError, UnsatisfiableError
from envkit.layout.atomic import write_atomic
from envkit.layout.records import installed_packages
from envkit.models.manifest import PipPackage
from envkit.wheels.failure import failure_of
from envkit.wheels.provided import dist_infos
from envkit.wheels.pylock import LOCK_NAME, pylock_text, sizes_of
from envkit.wheels.uv import Uv

_DOING = "the pip section cannot be installed"


def install_wheels(
    uv: Uv,
    packages: Sequence[PipPackage],
    prefix: Path,
    *,
    python: str,
    hard_links: bool,
) -> tuple[tuple[str, str], ...]:
    """Install locked distributions, and keep the lock in the prefix.

    Args:
        uv: uv, with the volume's cache.
        packages: What to install, nothing else.
        prefix: The prefix, with conda's packages linked.
        python: The Python of the prefix, such as ``3.11``.
        hard_links: Whether the volume has hard links.

    Returns:
        The modules to compile: the digest of the wheel that brought each, and its path in the prefix.

    Raises:
        IntegrityError: A file is not what the lock says.
        UnsatisfiableError: A distribution would replace a file of a conda package.
        ChannelError: A file cannot be fetched.
        NoSpaceError: The volume is full.
    """
    lock = prefix / LOCK_NAME
    write_atomic(lock, pylock_text(packages, python=python), durable=False)
    if not packages:
        return ()
    before = {path: package.name for package in installed_packages(prefix)[0] for path, _, _ in package.paths}
    sizes = sizes_of(packages)
    uv.reporter.start("wheels", f"{len(packages)} packages", total=sum(sizes.values()), unit="B")
    words: list[str | Path] = ["pip", "install", "--python", prefix / "bin" / "python", "--requirements", lock]
    words += ["--no-deps", "--break-system-packages"]
    words += ["--link-mode", "hardlink" if hard_links else "copy"]
    if all(package.kind in {"wheel", "sdist"} for package in packages):
        words.append("--require-hashes")
    if all(package.kind == "wheel" for package in packages):
        words += ["--no-build", "--no-index"]
    ended = uv.run(words, sizes=sizes)
    if ended.state != "done":
        raise failure_of(ended, _DOING)
    files = list(distribution_files(prefix, packages))
    replaced = next(((path, before[path]) for path, _ in files if path in before), None)
    if replaced is not None:
        raise UnsatisfiableError(
            f"{_DOING}: it would replace {replaced[0]} of the conda package {replaced[1]}",
            hint="Take one of the two out of the request.",
        )
    _seal(prefix, [path for path, _ in files])
    uv.reporter.finish("wheels", f"{len(packages)} packages")
    return tuple((package.hashes["sha256"], path) for path, package in files if _is_module(path, package))


def distribution_files(prefix: Path, packages: Sequence[PipPackage]) -> Iterator[tuple[str, PipPackage]]:
    """List the files of distributions as their RECORD does (PEP 376), relative to the prefix, with their package.

    Raises:
        IntegrityError: A RECORD cannot be read.
    """
    from packaging.utils import canonicalize_name

    wanted = {package.name: package for package in packages}
    for info in dist_infos(prefix):
        package = wanted.get(canonicalize_name(info.name.partition("-")[0]))
        if package is None:
            continue
        try:
            rows = csv.reader((info / "RECORD").read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise IntegrityError(
                f"{info.name} has no RECORD that can be read: {error}", hint="Report it to its project."
            ) from error
        for row in rows:
            if row:
                yield os.path.relpath(os.path.normpath(info.parent / row[0]), prefix), package


def _is_module(path: str, package: PipPackage) -> bool:
    """Tell modules that are worth compiling; tests inside packages are left out, as with conda's packages."""
    return path.endswith(".py") and "site-packages/" in path and "/tests/" not in path and "sha256" in package.hashes


def _seal(prefix: Path, files: Sequence[str]) -> None:
    """Take the write bits away: an edit in place would reach the cache through the hard link, and from there others."""
    for name in files:
        path = prefix / name
        state = path.lstat()
        if stat.S_ISREG(state.st_mode) and state.st_mode & 0o222:
            path.chmod(stat.S_IMODE(state.st_mode) & ~0o222)
