"""find --wheels: the wheels of PyTorch, and how each runs on the target."""

from __future__ import annotations

import html
from typing import Literal
from urllib.parse import unquote

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envkit.api.session import Session
from envkit.builds.version import version_matches
from envkit.builds.wheel import CHANNEL, Wheel, classify_wheel, torch_wheels, wheels_date
from envkit.engines.document import fetch_document
from envkit.errors import EnvkitError, HostCannotRunError, NoAnswerError, UsageError
from envkit.models.build import Build
from envkit.models.request import Inquiry
from envkit.models.results import FindResult
from envkit.patterns import regex
from envkit.plan.matrix import make_matrix
from envkit.plan.rank import pick
from envkit.plan.wheel_choice import judge_wheels_of
from envkit.values import replace
from envkit.words.refusals import WHEELS_HINT, no_build, none_runs

_MOST_BYTES = 32 << 20
_HREF = regex(r"""href=["']([^"'>]+)""")
_PLATFORMS = {
    "linux-64": regex(r"(many)?linux.*x86_64"),
    "linux-aarch64": regex(r"(many)?linux.*aarch64"),
    "win-64": regex(r"win_amd64"),
    "osx-arm64": regex(r"macosx.*arm64"),
    "osx-64": regex(r"macosx.*x86_64"),
}


def find_wheels(session: Session, inquiry: Inquiry) -> FindResult:
    """Judge the wheels of PyTorch: those of its index or, where this cannot be read, those of the built-in table.

    Raises:
        UsageError: The request names another package.
    """
    request, target = inquiry.request, inquiry.target
    spec = request.parsed[0]
    if spec.name not in {"pytorch", "torch"}:
        raise UsageError(
            f"--wheels knows the wheels of PyTorch, not of {spec.name}",
            hint="Which GPUs any wheel holds code for: envkit inspect FILE|URL.",
        )
    date, reason = None, ""
    try:
        builds = _published(session, inquiry)
    except EnvkitError as why:
        builds, date, reason = torch_wheels(target.subdir, session.knowledge), wheels_date(), why.message
    fitting = [b for b in builds if spec.version is None or version_matches(spec.version, b.record.version)]
    asked = replace(request, specs=("torch",))
    ranked, near = judge_wheels_of(fitting, asked, target, inquiry.hosts)
    chosen = pick(ranked)
    error: EnvkitError | None = None
    if chosen is None and ranked:
        where: Literal["hosts", "target", "host"] = "target" if target.described else "host"
        message = none_runs("torch", asked, ranked, where="hosts" if inquiry.hosts else where, culprits=(), served=None)
        error = HostCannotRunError(message, hint=WHEELS_HINT)
    elif chosen is None:
        message, hint = no_build("torch", asked, target, cuda=False, advice=[], near=near[:3])
        error = NoAnswerError(message, hint=hint)
    return FindResult(
        request=asked,
        target=target,
        channels=(CHANNEL, session.settings.torch_index),
        builds=tuple(ranked),
        nearest=tuple(near),
        pick=chosen,
        advice=(),
        error=error,
        hosts=inquiry.hosts,
        corrections=(),
        matrix=make_matrix((*ranked, *near)),
        explanation=(),
        source="channels" if date is None else "table",
        source_reason=reason,
        table_date=date,
    )


def _published(session: Session, inquiry: Inquiry) -> list[Build]:
    """Read the wheels for the target's platform from PyTorch's index."""
    base = f"{session.settings.torch_index}/torch/"
    session.reporter.start("index", base)
    data, _ = fetch_document(base, session.policy, most_bytes=_MOST_BYTES)
    platform = _PLATFORMS.get(inquiry.target.subdir)
    python = inquiry.request.python
    found: dict[str, Build] = {}
    for href in _HREF.findall(data.decode("utf-8", "replace")):
        fn = unquote(html.unescape(href)).partition("#")[0].rsplit("/", 1)[-1]
        try:
            _, version, _, tags = parse_wheel_filename(fn)
        except InvalidWheelFilename:
            continue
        fits = any(
            platform is not None
            and platform.match(tag.platform)
            and (python is None or tag.interpreter in {f"cp{python.replace('.', '')}", "py3"})
            for tag in tags
        )
        if not fits or str(version) in found or version.is_prerelease:
            continue
        wheel = Wheel("torch", str(version), fn, inquiry.target.subdir)
        build = classify_wheel(wheel, {}, session.knowledge)
        if build is not None and (version.local is not None or not inquiry.target.subdir.startswith("linux")):
            found[str(version)] = build
    session.reporter.finish("index", f"{base}: {len(found)} wheels")
    if not found:
        raise NoAnswerError(f"{base} lists no wheel for {inquiry.target.subdir}", hint="")
    return list(found.values())
