"""The pip part for a GPU: wheels are judged like builds, and PyTorch's index is chosen by the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from envkit.api.session import Session
from envkit.builds.wheel import Wheel, classify_wheel, torch_rows
from envkit.checks.solution import Refusal, check_wheels
from envkit.errors import ChannelError, HostCannotRunError, UnsatisfiableError
from envkit.inputs.requirement import parse_pip_requirement
from envkit.models.build import Build
from envkit.models.codes.advice import TORCH_INDEX, WHEELS_WITHOUT_GPU
from envkit.models.codes.reasons import NO_GPU
from envkit.models.fact import Advice
from envkit.models.manifest import PipPackage
from envkit.models.pip import Address, FilePlace, PipRequirement
from envkit.models.request import Inquiry
from envkit.plan.wheel_choice import judge_torch, tags_to_try
from envkit.values import replace
from envkit.wheels.plan import PipPlan, PipQuestion
from envkit.wheels.resolve import newest_of, resolve_section
from envkit.wheels.uv import Uv
from envkit.words.refusals import will_not_run
from envkit.words.say import say

_MOST = 3  # folders of the index that are tried


def resolve_for_gpu(session: Session, uv: Uv, question: PipQuestion, inquiry: Inquiry) -> PipPlan:
    """Resolve a pip section to wheels that run on the target; where PyPI's PyTorch does not, to one of its own index.

    Raises:
        HostCannotRunError: A wheel does not run there, or is for the CPU where CUDA was asked for, and no other does.
        EnvkitError: See `envkit.wheels.resolve.resolve_section`.
    """
    found = resolve_section(uv, question)
    refusals = judge_wheels(session, found.packages, inquiry)
    if not refusals:
        return found
    # Without a GPU and without a word of CUDA, a CUDA wheel is only larger than it has to be.
    may_stay = all(refusal.reason.code == NO_GPU for refusal in refusals) and inquiry.request.cuda.kind == "auto"
    if any(refusal.record.name == "torch" for refusal in refusals):
        try:
            again = _from_own_index(session, uv, question, inquiry)
        except ChannelError:
            if not may_stay:
                raise
            again = None
        if again is not None:
            return again
    if may_stay:
        names = sorted({refusal.record.name for refusal in refusals})
        session.reporter.note(say(Advice(WHEELS_WITHOUT_GPU, names=names)))
        return found
    told = [f"{refusal.record.fn}: {say(refusal.reason)}" for refusal in refusals]
    raise HostCannotRunError(
        will_not_run(told), hint="See which wheels run: envkit find pytorch --wheels. Pin a version in the file."
    )


def judge_wheels(session: Session, packages: Sequence[PipPackage], inquiry: Inquiry) -> list[Refusal]:
    """Return why distributions would not run on the machines of an inquiry, each reason once."""
    beside = {package.name: package.version or "" for package in packages}
    builds: list[Build] = []
    for package in packages:
        wheel = _wheel(package, inquiry.target.subdir)
        build = classify_wheel(wheel, beside, session.knowledge) if wheel is not None else None
        builds += [build] if build is not None else []
    machines = inquiry.hosts.values() if inquiry.hosts else [inquiry.target]
    found = [refusal for target in machines for refusal in check_wheels(builds, target, inquiry.request)]
    return list(dict.fromkeys(found))


def _wheel(package: PipPackage, subdir: str) -> Wheel | None:
    if package.kind != "wheel" or package.version is None:
        return None  # what is built here is built for this machine
    fn = package.url.rsplit("/", 1)[-1].replace("%2B", "+")
    with suppress(InvalidWheelFilename):
        parse_wheel_filename(fn)
        return Wheel(package.name, package.version, fn, subdir, package.hashes.get("sha256"))
    return Wheel(package.name, package.version, subdir=subdir, sha256=package.hashes.get("sha256"))


def _names_build(item: PipRequirement) -> bool:
    """Return whether a requirement names a build, as in ``torch==2.5.1+cu121``."""
    return item.requirement is not None and "+" in str(item.requirement.specifier)


def _from_own_index(session: Session, uv: Uv, question: PipQuestion, inquiry: Inquiry) -> PipPlan | None:
    """Resolve with PyTorch from the folder of its index that the target's verdict chooses; None where none serves.

    Raises:
        ChannelError: The index cannot be reached.
    """
    section = question.wish.section
    asked = [item for item in section.requirements if item.name == "torch"]
    if section.no_index or any(item.origin != "index" or _names_build(item) for item in asked):
        return None
    ranked, _ = judge_torch(inquiry.request, inquiry.target, inquiry.hosts, session.knowledge)
    versions = [version for row in torch_rows() for version in row["versions"]]
    specifiers = [item.requirement.specifier for item in asked if item.requirement is not None]
    admits = {v: all(s.contains(Version(v)) for s in specifiers) for v in versions}
    for tag in tags_to_try(ranked, admits)[:_MOST]:
        address = Address(f"{session.settings.torch_index.rstrip('/')}/{tag}")
        try:
            version = newest_of(uv, question, [item.text for item in asked] or ["torch"], address)
            if version is None:
                continue
            pinned = parse_pip_requirement(f"torch=={version}", FilePlace(address.url, 1), Path("/"))
            limited = replace(
                section,
                extra_indexes=(*section.extra_indexes, address),
                constraints=(*section.constraints, pinned),
            )
            found = resolve_section(uv, replace(question, wish=replace(question.wish, section=limited)))
        except UnsatisfiableError:
            continue
        except ChannelError as error:
            error.hint = f"{error.hint or ''} A mirror of PyTorch's index: torch_index in envkit's config.".strip()
            raise
        if not judge_wheels(session, found.packages, inquiry):
            session.reporter.note(say(Advice(TORCH_INDEX, version=version, url=address.url)))
            return found
    return None
