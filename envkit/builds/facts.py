"""Lists of what is known of GPU code: the rows of the tables, and the builds that none of them is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from envkit.builds.archlists import arch_lists
from envkit.builds.families import channel_name
from envkit.builds.libraries import library_key
from envkit.builds.measured import arch_list_of
from envkit.builds.shipped import shipped_measurements
from envkit.builds.version import version_key
from envkit.cuda.tables import load_table
from envkit.frameworks.row import FrameworkRow
from envkit.frameworks.table import ROWS, wheel_row
from envkit.models.build import Build, Relative
from envkit.models.facts import CodeFact, CodeGap
from envkit.models.gpucode import Architecture, GpuPackage

AskedAbout = Callable[[str], bool]
"""Tells whether a package is asked about."""


def framework_called(name: str) -> FrameworkRow | None:
    """Return the framework of a name as people write it: its key, its title, its module, a package or a wheel."""
    lowered = name.strip().lower()
    for row in ROWS.values():
        if lowered in {row.key, row.title.lower(), row.module}:
            return row
    return wheel_row(lowered.replace("_", "-"))


def wants(name: str | None) -> AskedAbout:
    """Return which packages a name asks about: those of a framework, a part of CUDA in any spelling, else all."""
    if name is None:
        return lambda _: True
    row, key = framework_called(name), library_key(name)
    if row is not None:
        return lambda package: wheel_row(package) is row
    return lambda package: library_key(package) == key


def code_facts(wanted: AskedAbout, here: Iterable[GpuPackage] = ()) -> list[CodeFact]:
    """List what is known of some packages, by package, newest version first.

    Args:
        wanted: Tells the packages.
        here: What was measured on this machine.
    """
    facts = [*_listed(wanted), *_measured(wanted), *_read_here(wanted, here)]
    newest_first = sorted(facts, key=lambda fact: version_key(_first(fact.versions)), reverse=True)
    return sorted(newest_first, key=lambda fact: (fact.package, fact.channel))


def _first(versions: str) -> str:
    return versions.split(",", maxsplit=1)[0].removeprefix(">=")


def _listed(wanted: AskedAbout) -> Iterator[CodeFact]:
    day = str(load_table("archlists", "envkit.builds")["as_of"])
    for row in arch_lists():
        name = next(filter(wanted, row["names"]), None)
        if name is None:
            continue
        before = f",<{row['version_before']}" if row["version_before"] else ""
        yield CodeFact(
            package=name,
            versions=f">={row['version_from']}{before}",
            cuda=", ".join(row["cuda"]),
            channel=row["channel"],
            subdirs=tuple(row["subdirs"]),
            sass=_architectures(row["sass"]),
            ptx=_architectures(row["ptx"]),
            origin="table",
            source=row["source"],
            date=day,
        )


def _architectures(text: str) -> frozenset[Architecture]:
    return frozenset(map(Architecture.parse, text.split()))


def _measured(wanted: AskedAbout) -> Iterator[CodeFact]:
    shipped = shipped_measurements()
    for row in shipped.rows:
        package = shipped.get(row["sha256"]) if wanted(row["name"]) else None
        if package is not None:
            yield from _fact(package, cuda=row["cuda"], channel="" if package.build else "PyPI", here=False)


def _read_here(wanted: AskedAbout, here: Iterable[GpuPackage]) -> Iterator[CodeFact]:
    for package in here:
        if wanted(package.name):
            yield from _fact(package, cuda="", channel="", here=True)


def _fact(package: GpuPackage, *, cuda: str, channel: str, here: bool) -> Iterator[CodeFact]:
    arch = arch_list_of(package)
    if arch is not None:
        yield CodeFact(
            package=package.name,
            versions=package.version,
            cuda=cuda,
            channel=channel,
            subdirs=(),
            sass=arch.sass,
            ptx=arch.ptx,
            origin="measured",
            source=package.fn,
            date=package.measured,
            here=here,
        )


def code_gaps(builds: Iterable[Build]) -> list[CodeGap]:
    """List the CUDA builds whose GPU code is inferred or not known, newest first, alike ones together."""
    found: Counter[tuple[str, str, str, str, str, Relative | None]] = Counter()
    for build in builds:
        arch, record = build.arch, build.record
        if build.variant != "cuda" or (arch is not None and arch.origin != "inferred"):
            continue
        cuda = "" if build.build_cuda is None or build.cuda_major_only else str(build.build_cuda)
        relative = arch.relative if arch is not None else None
        found[record.name, record.version, cuda, channel_name(record.channel), record.subdir, relative] += 1
    gaps = [CodeGap(*key[:5], builds=number, relative=key[5]) for key, number in found.items()]
    newest_first = sorted(gaps, key=lambda gap: version_key(gap.version), reverse=True)
    return sorted(newest_first, key=lambda gap: (gap.package, gap.channel))
