"""The page of ``envkit show --html``: what an environment is, where it ran, and its packages."""

from __future__ import annotations

from envkit.models.listing import EnvironmentInfo, ProfileState
from envkit.models.outcome import Outcome
from envkit.models.package_state import states_of
from envkit.pages.frame import render_page
from envkit.pages.validation import environment_facts
from envkit.tuples import NamedTuple
from envkit.words.profiles import need_words
from envkit.words.values import join, plural, size_words

_NAMES = 8  # of the machines of a profile


class _Profile(NamedTuple):
    name: str
    marks: list[str]
    machines: str
    needs: str
    size: str
    verdict: str | None
    validated: str


def environment_page(info: EnvironmentInfo, *, created: str) -> str:
    """Return the page."""
    manifest = info.manifest
    packages = states_of(manifest) if manifest is not None else ()
    reasons = [reason["text"] for reason in manifest.choice.get("reasons", [])] if manifest is not None else []
    size = f"{size_words(info.size_bytes)} on disk, {size_words(info.adds_bytes)} of it only here"
    facts = [
        ("path", info.path),
        *environment_facts(manifest, info.prefix),
        ("size", size),
        ("validated", _outcome(info.validated)),
        ("on a host like this", "yes" if info.here else "no"),
        ("last passed", f"{info.passed.last_pass} ({_machine(info.passed)})" if info.passed else ""),
        ("profile", info.profile),
    ]
    most = max((package.size_bytes or 0 for package in packages), default=0) or 1
    return render_page(
        "environment.html",
        title=info.name,
        created=created,
        script="filter.js",
        info=info,
        facts=[(name, value) for name, value in facts if value],
        reasons=reasons,
        profiles=[_profile(state) for state in info.profiles],
        packages=[
            (package, size_words(package.size_bytes), (package.size_bytes or 0) / most)
            for package in sorted(packages, key=lambda one: -(one.size_bytes or 0))
        ],
        verdict=info.validated.verdict if info.validated else None,
        count=plural(len(packages), "package"),
    )


def _profile(state: ProfileState) -> _Profile:
    outcome = state.info.validated
    return _Profile(
        state.rule.name,
        [word for word, holds in (("link", state.is_main), ("this machine", state.here)) if holds],
        join(state.rule.names, most=_NAMES),
        need_words(state.rule),
        size_words(state.info.size_bytes),
        outcome.verdict if outcome else None,
        state.info.problem or (_when(outcome) if outcome else "never"),
    )


def _outcome(record: Outcome | None) -> str:
    return "never" if record is None else f"{record.verdict} {_when(record)}"


def _when(record: Outcome) -> str:
    return f"{record.created.replace('T', ' ')[:16]} ({_machine(record)})"


def _machine(record: Outcome) -> str:
    driver = record.host.get("driver_version")
    return ", ".join([f"driver {driver}" if driver else "no driver", *(record.gpus or ["no GPU"])])
