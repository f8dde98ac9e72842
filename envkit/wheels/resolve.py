"""Resolve a pip section to a lock, with what conda provides as exact versions. Nothing is installed."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from envkit.errors import UnsatisfiableError, UsageError
from envkit.models.manifest import PipPackage
from envkit.models.pip import Address, PipRequirement, PipSection, PipWish, Provided
from envkit.process import ChildResult
from envkit.values import replace
from envkit.wheels.builds import shares_framework
from envkit.wheels.failure import build_failed, failure_of, needs_login, unfit, without_wheel
from envkit.wheels.plan import PipPlan, PipQuestion
from envkit.wheels.pylock import LOCK_NAME, parse_pylock, pylock_text
from envkit.wheels.stand_ins import is_stand_in, write_stand_ins
from envkit.wheels.uv import Uv
from envkit.words.values import plural

_DOING = "the pip section cannot be resolved"
_GLIBC = (40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17)  # minor versions of glibc 2 that uv knows platforms for
_MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}
_OTHERS = {"osx-arm64": "aarch64-apple-darwin", "osx-64": "x86_64-apple-darwin", "win-64": "x86_64-pc-windows-msvc"}
_ASSUMED_GLIBC = 28
_MOST_WITHOUT_WHEEL = 8


def resolve_section(uv: Uv, question: PipQuestion, prefix: Path | None = None) -> PipPlan:
    """Resolve a pip section.

    Args:
        uv: uv, with its cache.
        question: What to resolve.
        prefix: The linked environment, whose packages builds see; None before there is one. Then a section whose
            builds fail is deferred.

    Raises:
        UnsatisfiableError: It has no solution with conda's versions, or only one that needs a build from source.
        UsageError: It names what must not be installed without a flag.
        ChannelError: An index cannot be reached.
    """
    section = question.wish.section
    notes = [*section.notes, *_refuse(question)]
    uv.cache.mkdir(parents=True, exist_ok=True)
    stand_ins = write_stand_ins(uv.cache, question.provided)
    uv.reporter.start("pip", f"{len(section.requirements)} requirements")
    with tempfile.TemporaryDirectory(prefix="envkit-") as folder:
        run = _Run(uv, question, Path(folder), stand_ins, prefix)
        if question.kept:  # uv prefers what its output file holds
            run.output.write_text(pylock_text(question.kept, python=_series(question.python)), encoding="utf-8")
        ended = run.compile(section.lines)
        # Only what has no wheel is built, and of that only what may be.
        while ended.state != "done" and (more := run.may_build(ended)):
            run.builds |= more
            ended = run.compile(section.lines)
        if ended.state != "done" and prefix is None and question.wish.builds and build_failed(ended):
            uv.reporter.finish("pip", "resolved once the conda packages are linked: a build needs them")
            return PipPlan((), (), question, tuple(notes), deferred=True)
        if ended.state != "done":
            raise run.explain(ended)
        packages = parse_pylock(run.output.read_text(encoding="utf-8"), Path(folder))
        run.refuse_builds(packages)
    used = {package.name for package in packages if is_stand_in(package.url, uv.cache)}
    relied = tuple(item for item in question.provided if item.name in used)
    kept = tuple(package for package in packages if package.name not in used)
    uv.reporter.finish("pip", plural(len(kept), "package") + (f", {len(relied)} of conda's serve" if relied else ""))
    return PipPlan(kept, relied, question, tuple(notes))


def newest_of(uv: Uv, question: PipQuestion, lines: Sequence[str], index: Address) -> str | None:
    """Return the newest version of one project that an index has for a question's Python and platform, or None.

    Args:
        lines: Requirements on the project.

    Raises:
        ChannelError: The index cannot be reached.
    """
    alone = replace(question, wish=PipWish(PipSection(index=index)), provided=(), kept=())
    with tempfile.TemporaryDirectory(prefix="envkit-") as folder:
        run = _Run(uv, alone, Path(folder), (), None)
        ended = run.compile(lines, constrained=False, dependencies=False)
        if ended.state == "done":
            packages = parse_pylock(run.output.read_text(encoding="utf-8"), Path(folder))
            return packages[0].version if packages else None
    error = failure_of(ended, _DOING, ())
    if isinstance(error, UnsatisfiableError):
        return None
    raise error


def index_arguments(question: PipQuestion, *, first: bool = False) -> list[str]:
    """Return the options of uv that name the indexes of a section.

    As with pip, all of them count alike; with `first`, only the first that has a project counts.
    """
    section = question.wish.section
    words = ["--default-index", section.index.url] if section.index else []
    for address in section.extra_indexes:
        words += ["--index", address.url]
    for address in section.find_links:
        words += ["--find-links", address.url]
    words += ["--no-index"] if section.no_index else []
    # uv names an index that refused a login only with its own strategy, which is the same for one index.
    return words + (["--index-strategy", "unsafe-best-match"] if len(words) > 2 and not first else [])


class _Run:
    """One resolution: its files, and the attempts that explain a failure."""

    def __init__(
        self, uv: Uv, question: PipQuestion, folder: Path, stand_ins: Sequence[str], prefix: Path | None
    ) -> None:
        self.prefix = prefix
        self.uv = uv
        self.question = question
        self.folder = folder
        self.output = folder / LOCK_NAME
        self.builds: set[str] = set()  # what is built from source
        limits = [*question.wish.section.constraint_lines, *stand_ins]
        self._write("constraints.txt", limits)

    def _write(self, name: str, lines: Iterable[str]) -> Path:
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def compile(
        self,
        lines: Sequence[str],
        *,
        excluded: Sequence[str] = (),
        constrained: bool = True,
        dependencies: bool = True,
        output: Path | None = None,
        first: bool = False,
    ) -> ChildResult:
        """Resolve lines of requirements to a lock."""
        question = self.question
        section = question.wish.section
        plain = [line for line in lines if not line.startswith("--")]
        words: list[str | Path] = ["pip", "compile", self._write("requirements.txt", plain)]
        words += ["--constraints", self.folder / "constraints.txt"] if constrained else []
        words += ["--excludes", self._write("excludes.txt", excluded)] if excluded else []
        words += ["--format", "pylock.toml", "--output-file", output or self.output, "--no-header", "--quiet"]
        if self.prefix is None:
            words += ["--python", sys.executable, "--python-version", question.python, *_platform(question)]
        else:
            words += ["--python", self.prefix / "bin" / "python"]
            words += ["--no-build-isolation"] if shares_framework(item.name for item in question.provided) else []
        words += index_arguments(question, first=first)
        words += ["--exclude-newer", question.exclude_newer] if question.exclude_newer else []
        words += ["--prerelease", "allow"] if section.pre else []
        words += ["--generate-hashes"] if dependencies else ["--no-deps"]
        words += ["--refresh"] if question.fresh and not self.uv.policy.offline else []
        words += ["--only-binary", ":all:", *(word for name in sorted(self.builds) for word in ("--no-binary", name))]
        return self.uv.run(words)

    def may_build(self, ended: ChildResult) -> set[str]:
        """Return what a failed resolution has no wheel of and may be built, besides what is built already."""
        found = {*without_wheel(ended), *(self.question.wish.section.no_binary if not self.builds else ())}
        return {name for name in found if self.question.wish.may_build(name)} - self.builds

    def refuse_builds(self, packages: Sequence[PipPackage]) -> None:
        """Refuse a lock that would be built from sources that nobody allowed to build."""
        wish = self.question.wish
        local = {item.name for item in wish.section.requirements if item.origin == "local"}
        sources = [p for p in packages if p.kind != "wheel" and not is_stand_in(p.url, self.uv.cache)]
        barred = [p for p in sources if not wish.may_build(p.name) and not (wish.local and p.kind == "directory")]
        barred = [p for p in barred if not (wish.local and p.name in local)]
        if barred:
            names = ",".join(package.name for package in barred)
            raise UnsatisfiableError(
                f"{_DOING} without building from source: {', '.join(f'{p.name} ({p.url})' for p in barred)}",
                hint=f"Name a wheel or a version that has one, or let it be built: --allow-build {names}.",
            )

    def explain(self, ended: ChildResult) -> Exception:
        """Return the error of a failed resolution; where wheels are missing, one that names all of them."""
        lines = self.question.wish.section.lines
        first = ended
        missing: dict[str, str | None] = {}
        buildable: list[str] = []
        while (found := [n for n in unfit(ended) if n not in missing]) and len(missing) < _MOST_WITHOUT_WHEEL:
            buildable += without_wheel(ended)
            for name in found:
                missing[name] = self._newest(name)
            ended = self.compile(lines, excluded=list(missing), output=self.folder / "pylock.try.toml")
        if not missing:
            again = self.compile(lines, output=self.folder / "pylock.try.toml", first=True)
            first = again if needs_login(again) else first
            return failure_of(first, _DOING, self.question.provided)
        listed = ", ".join(f"{name} (newest with one: {version or 'none'})" for name, version in missing.items())
        names = ",".join(name for name in missing if name in buildable)
        what = "Take a version that has one" if any(missing.values()) else "Take another Python, or another project"
        return UnsatisfiableError(
            f"{_DOING} without building from source: no wheel for Python {_series(self.question.python)} on "
            f"{self.question.subdir} of {listed}",
            hint=f"{what}, or let it be built: --allow-build {names}." if names else f"{what}.",
        )

    def _newest(self, name: str) -> str | None:
        """Return the newest version of a project that has a wheel that fits; None if there is none."""
        output = self.folder / "pylock.newest.toml"
        ended = self.compile([name], constrained=False, output=output)
        if ended.state != "done":
            return None
        with suppress(OSError):
            packages = parse_pylock(output.read_text(encoding="utf-8"), self.folder)
            return next((package.version for package in packages if package.name == name), None)
        return None


def _refuse(question: PipQuestion) -> list[str]:
    """Refuse what must not be installed without a flag, before anything is asked; return notes."""
    wish = question.wish
    provided = {item.name: item for item in question.provided}
    notes = []
    for item in wish.section.requirements:
        if item.origin == "local" and not wish.local and not _is_archive(item):
            raise UsageError(
                f"{item.place}: {item.line} is a folder of this machine, which an environment that must survive cannot "
                "depend on",
                hint="Publish it, name its repository as git+https://..., or install it as it is now: --allow-local.",
            )
        if item.origin == "vcs" and item.editable:
            notes.append(f"{item.place}: -e has no effect: the repository is installed, not used in place")
        _refuse_replacing(item, provided)
    return notes


def _is_archive(item: PipRequirement) -> bool:
    return item.address is not None and item.address.url.endswith((".whl", ".tar.gz", ".zip"))


def _refuse_replacing(item: PipRequirement, provided: dict[str, Provided]) -> None:
    """Refuse a requirement that conda's version of the project does not satisfy."""
    requirement = item.requirement
    mine = provided.get(item.name or "")
    if requirement is None or mine is None:
        return
    if requirement.url is None and requirement.specifier.contains(mine.version, prereleases=True):
        return
    if requirement.marker is not None:  # for uv to decide, which knows the environment
        return
    raise UnsatisfiableError(
        f"{item.place}: pip is asked for {item.text}, and conda provides {mine.name} {mine.version} "
        f"({mine.package}), which stays as it is",
        hint=f"Loosen the requirement, pin the conda package to fit it, or take it from pip: --prefer-pip {mine.name}.",
    )


def _platform(question: PipQuestion) -> list[str]:
    machine = _MACHINES.get(question.subdir)
    if machine is None:
        other = _OTHERS.get(question.subdir)
        return ["--python-platform", other] if other else []
    minor = _ASSUMED_GLIBC
    if question.glibc is not None:
        parts = question.glibc.split(".")
        minor = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else _ASSUMED_GLIBC
    known = next((number for number in _GLIBC if number <= minor), _GLIBC[-1])
    return ["--python-platform", f"{machine}-manylinux_2_{known}"]


def _series(python: str) -> str:
    return ".".join(python.split(".")[:2])
