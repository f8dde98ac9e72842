"""The page of ``envkit show --html``: what an environment is, where it ran, and its packages."""

from __future__ import annotations

from envkit.models.changes import states_of
from envkit.models.outcome import Outcome
from envkit.models.results import EnvironmentInfo
from envkit.pages.frame import render_page
from envkit.pages.validation import environment_facts
from envkit.words.values import plural, size_words


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
        packages=[
            (package, size_words(package.size_bytes), (package.size_bytes or 0) / most)
            for package in sorted(packages, key=lambda one: -(one.size_bytes or 0))
        ],
        verdict=info.validated.verdict if info.validated else None,
        count=plural(len(packages), "package"),
    )


def _outcome(record: Outcome | None) -> str:
    return "never" if record is None else f"{record.verdict} {record.created} ({_machine(record)})"


def _machine(record: Outcome) -> str:
    driver = record.host.get("driver_version")
    return ", ".join([f"driver {driver}" if driver else "no driver", *(record.gpus or ["no GPU"])])
