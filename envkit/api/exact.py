"""Requests that list builds, as `conda env export` does: exactly these, else the same versions."""

from __future__ import annotations

from collections.abc import Iterator

from envkit.api.choose import channels_for
from envkit.api.lookup import look_up
from envkit.api.session import Session
from envkit.errors import PackageNotFoundError
from envkit.inputs.conda_spec import names_one_build
from envkit.models.codes.inputs import BUILDS_GONE
from envkit.models.fact import Advice
from envkit.models.request import Inquiry
from envkit.models.spec import MatchSpec
from envkit.values import replace
from envkit.words.say import say
from envkit.words.values import join

_SHOWN = 10


def lists_builds(inquiry: Inquiry) -> bool:
    """Return whether most specs of a request are ``name=version=build``."""
    specs = inquiry.request.specs
    return sum(map(names_one_build, specs)) * 2 > len(specs)


def inquiries_of(session: Session, inquiry: Inquiry) -> Iterator[Inquiry]:
    """Yield what to solve in turn: the builds that the channels still have, with the rest by version; all by version.

    Raises:
        PackageNotFoundError: The channels lack some of the versions.
        ChannelError: A channel cannot be read.
    """
    request, target = inquiry.request, inquiry.target
    listed = {text: spec for text, spec in request.pairs if names_one_build(text)}
    channels, _ = channels_for(
        [spec.name for spec in listed.values()],
        explicit=inquiry.channels,
        override=inquiry.override_channels,
        settings=session.settings,
    )
    names = {spec.name for spec in listed.values()}
    found = look_up(session, names, channels=channels, platforms=(target.subdir, "noarch"))
    builds = {(record.name, record.version, record.build) for record in found}
    versions = {(name, version) for name, version, _ in builds}
    by_version = {text: "{}=={}".format(*_key(spec)) for text, spec in listed.items()}
    gone = [text for text, spec in listed.items() if _key(spec) not in builds]
    lost = [by_version[text] for text in gone if _key(listed[text])[:2] not in versions]
    if lost:
        raise PackageNotFoundError(
            f"the file lists exact builds, and {join([channel.name for channel in channels])} have no version for "
            f"{target.subdir} of {len(lost)} packages: {join(lost, most=_SHOWN)}",
            hint="It was exported on another platform, or the channels have dropped these. Write a file of the "
            "packages that you import (conda env export --from-history), or name the channels with -c.",
        )
    if gone:
        session.reporter.note(say(Advice(BUILDS_GONE, builds=gone)))
    for replaced in (set(gone), set(listed)):
        specs = tuple(by_version[text] if text in replaced else text for text in request.specs)
        yield replace(inquiry, request=replace(request, specs=specs))


def _key(spec: MatchSpec) -> tuple[str, str, str]:
    return spec.name, (spec.version or "").lstrip("="), spec.build or ""
