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
from envkit.models.version import ComputeCapability
from envkit.patterns import regex
from envkit.values import replace
from envkit.wheels.builds import build_key, build_variables, keep_log, shares_framework
from envkit.wheels.failure import failure_of
from envkit.wheels.provided import dist_infos, read_provided
from envkit.wheels.pylock import LOCK_NAME, pylock_text, sizes_of
from envkit.wheels.uv import Uv
from envkit.words.values import plural

_PART = "pylock.part.toml"
_NO_MODULE = regex(r"No module named '([\w.]+)'")
_DOING = "the pip section cannot be installed"


def install_wheels(
    uv: Uv,
    packages: Sequence[PipPackage],
    where: tuple[Path, Path],
    *,
    python: str,
    gpus: Sequence[ComputeCapability],
    hard_links: bool,
) -> tuple[tuple[str, str], ...]:
    """Install locked distributions, and keep the lock in the prefix. What is built sees the wheels installed.

    Args:
        uv: uv, with the volume's cache.
        packages: What to install, nothing else.
        where: The prefix, with conda's packages linked, and a path by which it is written; see
            `envkit.layout.generation.Claimed`.
        python: The Python of the prefix, such as ``3.11``.
        gpus: The GPUs that extensions are compiled for.
        hard_links: Whether the volume has hard links.

    Returns:
        The modules to compile: the digest of the wheel that brought each, and its path in the prefix.

    Raises:
        IntegrityError: A file is not what the lock says.
        UnsatisfiableError: A distribution would replace a file of a conda package, or cannot be built.
        ChannelError: A file cannot be fetched.
        NoSpaceError: The volume is full.
    """
    prefix, place = where
    lock = place / LOCK_NAME
    write_atomic(lock, pylock_text(packages, python=python), durable=False)
    if not packages:
        return ()
    before = {path: package.name for package in installed_packages(place)[0] for path, _, _ in package.paths}
    sizes = sizes_of(packages)
    uv.reporter.start("wheels", plural(len(packages), "package"), total=sum(sizes.values()), unit="B")
    words: list[str | Path] = ["pip", "install", "--python", prefix / "bin" / "python", "--prefix", place, "--no-deps"]
    words += ["--break-system-packages", "--link-mode", "hardlink" if hard_links else "copy"]
    common = tuple(words)
    wheels = [package for package in packages if package.kind == "wheel"]
    sources = [package for package in packages if package.kind != "wheel"]
    if wheels:
        words += ["--require-hashes", "--no-build", "--no-index"]
        ended = uv.run([*words, *_lock(wheels, lock, python)], sizes=sizes)
        if ended.state != "done":
            raise failure_of(ended, _DOING)
    if sources:
        _build(uv, common, sources, where, python=python, gpus=gpus)
    (place / ".lock").unlink(missing_ok=True)  # uv's own
    files = list(distribution_files(place, packages))
    replaced = next(((path, before[path]) for path, _ in files if path in before), None)
    if replaced is not None:
        raise UnsatisfiableError(
            f"{_DOING}: it would replace {replaced[0]} of the conda package {replaced[1]}",
            hint="Take one of the two out of the request.",
        )
    lock.with_name(_PART).unlink(missing_ok=True)
    _seal(place, [path for path, _ in files])
    uv.reporter.finish("wheels", plural(len(packages), "package") + (f", {len(sources)} built" if sources else ""))
    return tuple((package.hashes["sha256"], path) for path, package in files if _is_module(path, package))


def _lock(packages: Sequence[PipPackage], lock: Path, python: str) -> list[str | Path]:
    """Return the options that install a part of the lock, which is written beside the whole."""
    part = lock.with_name(_PART)
    write_atomic(part, pylock_text(packages, python=python), durable=False)
    return ["--requirements", part]


def _build(
    uv: Uv,
    words: Sequence[str | Path],
    sources: Sequence[PipPackage],
    where: tuple[Path, Path],
    *,
    python: str,
    gpus: Sequence[ComputeCapability],
) -> None:
    """Build and install what has no wheel. The log stays in the prefix, or beside uv's cache if it fails."""
    names = [package.name for package in sources]
    uv.reporter.note(f"{', '.join(names)}: built from source")
    prefix, place = where
    there = read_provided(place)
    shared = shares_framework(item.name for item in there)
    # uv knows a build by its source alone; one that saw other packages is another.
    cache = uv.cache / "builds" / build_key(there, python, gpus) if shared else uv.cache
    builder = replace(uv, variables=build_variables(prefix, gpus), cache=cache)
    own = ["--no-build-isolation"] if shared else []
    ended = builder.run([*words, *own, "--verbose", *_lock(sources, place / LOCK_NAME, python)])
    if ended.state == "done":
        keep_log(place, ended.error_text)
        return
    log = keep_log(uv.cache / "logs" / "-".join(names)[:80], ended.error_text)
    error = failure_of(ended, f"{', '.join(names)} cannot be built from source")
    missing = _NO_MODULE.search(ended.error_text)
    hint = f"The build's log is {log}."
    if missing is not None and shared:
        hint = f"The build needs {missing[1]} in the environment: add it with --pip {missing[1]}. {hint}"
    raise type(error)(error.message, hint=hint)


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
