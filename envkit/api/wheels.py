"""The pip part of an environment: planned with the conda packages, settled once they are linked, then installed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from pathlib import Path

from packaging.utils import canonicalize_name

from envkit.api.examine import run_environment
from envkit.api.session import Session
from envkit.api.solve import Plan, solve_request
from envkit.api.torch import resolve_for_gpu
from envkit.builds.dependency import dependency_names
from envkit.builds.distributions import distribution_name, provided_by
from envkit.checks.lacking import Lacking
from envkit.errors import HeldError, HostCannotRunError, NoAnswerError, UnsatisfiableError, UsageError, VolumeError
from envkit.inputs.requirements import section_of
from envkit.installer.bytecode import make_wheel_bytecode
from envkit.layout import lease
from envkit.layout.damage import distributions
from envkit.layout.gc import CACHE
from envkit.layout.generation import list_manifests
from envkit.layout.permissions import sharing
from envkit.layout.records import installed_packages
from envkit.models.build import Record
from envkit.models.care import CleanItem
from envkit.models.codes.advice import NOT_HELD
from envkit.models.fact import Advice
from envkit.models.host import Host, Target
from envkit.models.manifest import Manifest, PipPackage, PipPart, RecordedRequest
from envkit.models.pip import PipWish, Provided
from envkit.models.request import Inquiry
from envkit.models.version import ComputeCapability
from envkit.values import replace
from envkit.wheels.builds import compiles_cuda
from envkit.wheels.install import install_wheels
from envkit.wheels.plan import PipPlan, PipQuestion
from envkit.wheels.provided import read_provided
from envkit.wheels.resolve import resolve_section
from envkit.wheels.uv import make_uv, uv_version

# Packages that bring nvcc, by channel: conda-forge and nvidia, nvidia before CUDA 12, conda-forge before CUDA 12.
_COMPILERS = {"cuda-nvcc", "cuda-compiler", "cuda-toolkit", "cudatoolkit-dev"}


def solve_with_pip(
    session: Session,
    inquiry: Inquiry,
    *,
    installed: Sequence[Record] = (),
    kept: Sequence[PipPackage] = (),
    passed: Sequence[Lacking] = (),
    fresh: bool = False,
) -> Plan:
    """Solve for the conda packages of an inquiry, and resolve its pip section around them.

    The solution keeps `installed` and `kept`, the packages of the generation before, where it can, and holds none of
    `passed`.

    With `fresh`, indexes of Python projects are asked again, whatever the cache holds of them.

    Raises:
        EnvkitError: See `envkit.api.solve.solve_request` and `envkit.wheels.resolve.resolve_section`.
    """
    wish = inquiry.pip
    if wish is None or not wish.section:
        return solve_request(session, inquiry, installed=installed, passed=passed)
    request = inquiry.request
    pairs = [(text, spec) for text, spec in request.pairs if distribution_name(spec.name) not in wish.prefer]
    names = {spec.name for _, spec in pairs}
    # Nothing else may bring a Python, and the section needs one.
    specs = (*(text for text, _ in pairs), *(() if names & {"python", "pip"} else ("python",)))
    stays = [record for record in installed if distribution_name(record.name) not in wish.prefer]
    inquiry = replace(inquiry, request=replace(request, specs=specs))
    plan = solve_request(session, inquiry, installed=stays, passed=passed)
    _refuse_preferred(plan.records, wish)
    target = inquiry.target
    provided = provided_by(plan.records)
    newest = session.dated(inquiry).request.newest
    question = PipQuestion(
        wish,
        _python(plan.records),
        target.subdir,
        target.glibc,
        provided,
        tuple(kept),
        exclude_newer=None if newest is None else newest.isoformat(timespec="seconds"),
        fresh=fresh,
    )
    volume = session.volume
    uv = make_uv(session.wheel_cache, session.policy, session.reporter, wish.section.addresses)
    # On a shared volume, others use the cache, too.
    with sharing(volume) if volume.wheels.is_dir() else nullcontext():
        found = resolve_for_gpu(session, uv, question, inquiry)
    for note in found.notes:
        session.reporter.note(note)
    return _with_compiler(session, inquiry, replace(plan, pip=found), passed)


def _with_compiler(session: Session, inquiry: Inquiry, plan: Plan, passed: Sequence[Lacking]) -> Plan:
    """Return a plan that has nvcc, in the version of the framework's CUDA, if its builds compile CUDA code."""
    names = compiles_cuda(plan.pip.packages) if plan.pip else []
    if plan.pip is not None and plan.pip.deferred and inquiry.pip is not None:
        names = list(inquiry.pip.builds)
    cuda = plan.choice.get("build_cuda") if plan.choice.get("variant") == "cuda" else None
    if not names or cuda is None or any(record.name in _COMPILERS for record in plan.records):
        return plan
    session.reporter.note(f"{', '.join(names)} is compiled with nvcc {cuda}, which is added for that")
    more = (f"cuda-nvcc {cuda}.*", f"cuda-cudart-dev {cuda}.*", f"cuda-libraries-dev {cuda}.*")
    request = replace(inquiry.request, specs=(*inquiry.request.specs, *more))
    try:
        solved = solve_request(session, replace(inquiry, request=request), installed=plan.records, passed=passed)
    except NoAnswerError as error:
        raise UnsatisfiableError(
            f"{', '.join(names)} is compiled with nvcc {cuda}, and the channels have none that fits: {error.message}",
            hint=f"Name a channel that has cuda-nvcc {cuda} (-c nvidia, -c conda-forge), or take a wheel.",
        ) from error
    return replace(solved, pip=plan.pip)


def capabilities_of(target: Target) -> tuple[ComputeCapability, ...]:
    """Return the compute capabilities of a target's GPUs."""
    return tuple(sorted({gpu.compute_capability for gpu in target.gpus if gpu.compute_capability is not None}))


def wish_of(recorded: RecordedRequest, where: str) -> PipWish:
    """Return what a recorded request asks pip for; `where` names it in messages."""
    section = section_of(recorded.pip, recorded.pip_constraints, where)
    return PipWish(section, recorded.pip_builds, recorded.pip_prefer, recorded.pip_local)


def wheels_of(manifest: Manifest) -> tuple[PipPackage, ...]:
    """Return the distributions of a generation's pip section."""
    return manifest.pip.packages if manifest.pip else ()


def _python(records: Sequence[Record]) -> str:
    python = next((record.version for record in records if record.name == "python"), None)
    if python is None:
        raise UsageError(
            "the pip section needs a Python, and no package of the request brings one",
            hint="Add python to the packages, such as python=3.12.",
        )
    return python


def _refuse_preferred(records: Sequence[Record], wish: PipWish) -> None:
    """Refuse a solution in which something of conda's needs what pip is to bring.

    Raises:
        UnsatisfiableError: It does.
    """
    for record in records:
        if distribution_name(record.name) in wish.prefer:
            needers = [r.name for r in records if record.name in dependency_names(r.raw.get("depends", ()))]
            raise UnsatisfiableError(
                f"--prefer-pip {distribution_name(record.name)}: conda's {record.name} cannot be left out, since "
                f"{', '.join(sorted(needers)[:3]) or 'the request'} needs it",
                hint="Take those packages from pip, too, or drop --prefer-pip.",
            )


def install_part(
    session: Session, plan: Plan, where: tuple[Path, Path], *, name: str, target: Target, hard_links: bool
) -> PipPart | None:
    """Install the pip part of a plan into a linked prefix, which is also given by the path for writes.

    Return its record.

    What conda provides is read from the prefix. Where the plan had assumed otherwise, it is resolved again.

    Raises:
        EnvkitError: See `envkit.wheels.install.install_wheels`.
    """
    found = plan.pip
    if found is None:
        return None
    question = found.question
    wish = question.wish if question else PipWish()
    uv = make_uv(session.wheel_cache, session.policy, session.reporter, wish.section.addresses)
    prefix, place = where
    found = _settled(found, read_provided(place), lambda again: resolve_section(uv, again, prefix))
    series = ".".join(_python(plan.records).split(".")[:2])
    gpus = capabilities_of(target)
    modules = install_wheels(uv, found.packages, where, python=series, gpus=gpus, hard_links=hard_links)
    env = run_environment(prefix, os.environ, name=name)
    if session.settings.bytecode == "now":
        make_wheel_bytecode(session.volume, plan.records, where, modules, env=env)
    if found.locked is not None:
        return found.locked
    section = wish.section
    return PipPart(
        packages=found.packages,
        provided={item.name: item.version for item in found.relied},
        index=section.index.url if section.index else None,
        extra_indexes=tuple(address.url for address in (*section.extra_indexes, *section.find_links)),
        built=tuple(package.name for package in found.packages if package.kind != "wheel"),
        uv_version=uv_version(uv.executable) or "",
    )


def forget_damaged(session: Session, manifest: Manifest) -> None:
    """Remove wheels from uv's cache whose files in a generation were changed: a hard link is one file in all places.

    They are fetched again when they are installed.
    """
    names = {package.name for package in wheels_of(manifest)}
    prefix = session.volume.generations / manifest.generation
    found = distributions(prefix, installed_packages(prefix)[0], full=True) if names else []
    damaged = [
        canonicalize_name(distribution.name)
        for distribution in found
        if any(item.fault in {"size", "sha256", "unreadable", "certificates"} for item in distribution.wrong)
    ]
    if names.intersection(damaged):
        uv = make_uv(session.wheel_cache, session.policy, session.reporter)
        uv.run(["cache", "clean", *sorted(names.intersection(damaged))])


def unused_wheels(session: Session, gone: Collection[str], younger_than_s: float) -> list[CleanItem]:
    """List the wheels in uv's cache of projects that no generation has, but those younger than so many seconds.

    `gone` are the paths of generations that are removed, too. None is listed while a manifest cannot be read.
    """
    manifests = {str(path): manifest for path, manifest in list_manifests(session.volume)}
    if any(manifest is None for manifest in manifests.values()):
        return []
    held = {p.name for path, m in manifests.items() if m is not None and path not in gone for p in wheels_of(m)}
    found = []
    for info in sorted(session.wheel_cache.glob("archive-v*/*/*.dist-info")):
        name = canonicalize_name(info.name.partition("-")[0])
        if name not in held and time.time() - info.parent.stat().st_mtime >= younger_than_s:
            found.append(
                CleanItem("wheel", str(info.parent), Advice(NOT_HELD, package=info.name.partition(".dist")[0]))
            )
    return found


def remove_wheels(session: Session, items: Sequence[CleanItem]) -> list[CleanItem]:
    """Remove wheels from uv's cache by uv itself, which locks it; return those that stay."""
    names = {canonicalize_name(info.name.partition("-")[0]) for i in items for info in Path(i.path).glob("*.dist-info")}
    try:
        with lease.hold(session.volume, CACHE):
            uv = make_uv(session.wheel_cache, session.policy, session.reporter)
            uv.run(["cache", "clean", *sorted(names)])
    except (HeldError, VolumeError):
        pass
    return [item for item in items if Path(item.path).exists()]


def _settled(found: PipPlan, there: Sequence[Provided], again: Callable[[PipQuestion], PipPlan]) -> PipPlan:
    """Return the plan if what is in the prefix is as it assumed, else the one that is resolved with what is there."""
    actual = {item.name: item for item in there}
    replaced = sorted({package.name for package in found.packages} & actual.keys())
    question = found.question
    if question is None:
        if replaced:
            raise UnsatisfiableError(
                f"the lock holds {', '.join(replaced)}, which conda packages of the environment bring, too",
                hint="Resolve it again: envkit upgrade.",
            )
        return found
    moved = any(item.name not in actual or actual[item.name].version != item.version for item in found.relied)
    asked = {item.name for item in question.wish.section.requirements if item.requirement and item.requirement.extras}
    extras = any(item.name in asked and item.requires for item in there)
    return again(replace(question, provided=tuple(there))) if replaced or moved or extras or found.deferred else found


def refuse_elsewhere(plan: Plan, target: Target, host: Host) -> None:
    """Refuse to install a pip part for another platform: its Python has to start here.

    Raises:
        HostCannotRunError: The target is another platform.
    """
    if plan.pip is not None and plan.pip.packages and target.subdir != host.subdir:
        raise HostCannotRunError(
            f"the pip section is for {target.subdir}, and this host is {host.subdir}: its Python does not start here",
            hint="Create it on such a machine; --dry-run shows here what it would hold.",
        )
