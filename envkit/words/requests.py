"""The words of a request that differs from the one that its environment was made from."""

from __future__ import annotations

from envkit.checks.requests import requests_differ
from envkit.models.host import OVERRIDES
from envkit.models.manifest import RecordedRequest

# The members of a request that `_words` does not show.
_MEMBERS = {"prefer": "--prefer", "platform": "the platform", "variables": "the variables", "pip": "the pip packages"}


def unlike_words(name: str, old: RecordedRequest, new: RecordedRequest) -> str:
    """Say how two requests for one environment differ."""
    before, now = _words(old), _words(new)
    told = f": {before}; now asked: {now}" if before != now else ""
    differing = requests_differ(old, new)
    parts = [
        f"{words} ({_member(old, member)}; now {_member(new, member)})"
        for member, words in _MEMBERS.items()
        if member in differing and not (member == "platform" and "target" in differing)
    ]
    if "target" in differing:
        parts.append(f"the machine ({_machine(old)}; now {_machine(new)})")
    also = f"{'; also ' if told else ' in '}{', '.join(parts)}" if parts else ""
    if not told and parts:
        return f"{name} is there and was made from the same packages, but differs{also}"
    return f"{name} is there and was made from another request{told}{also}"


def instead_words(name: str, old: RecordedRequest, new: RecordedRequest) -> str:
    """Say what to do instead; first what keeps the rest as it is."""
    differing = requests_differ(old, new)
    if differing == {"specs"}:
        return (
            f"Change it with `envkit install -n {name}`, `upgrade` or `uninstall`, choose another name with -n, or "
            "make a new generation of just this request with --replace."
        )
    if differing <= {"target", "platform"} and (why := _by_override(old, new)):
        return f"{why} Or choose another name with -n, or make a new generation of {name} with --replace."
    return f"Choose another name with -n, or make a new generation of {name} with --replace."


def _by_override(old: RecordedRequest, new: RecordedRequest) -> str:
    """Say what to do where a CONDA_OVERRIDE_* variable may make the difference; else nothing."""
    then, now = (set(request.target.get("described", ())) for request in (old, new))
    variables = ", ".join(OVERRIDES[member] for member in sorted(then | now) if member in OVERRIDES)
    if not variables:
        return ""
    if then and not now:
        return f"When it was made, {variables} or a flag described the machine; give the same again."
    if now and not then:
        return f"It was made for the host as detected, and now {variables} or a flag describes another: leave it out."
    return f"Give {variables}, or the flags, as they were."


def _member(request: RecordedRequest, member: str) -> str:
    value = getattr(request, member)
    if isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in sorted(value.items())) or "none"
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)


def _machine(request: RecordedRequest) -> str:
    """Return the machine of a request, by what was described of it."""
    target = request.target
    if not target:
        return "the host as detected"
    words = {
        "driver_version": f"driver {target.get('driver_version')}",
        "driver_cuda": f"CUDA {target.get('driver_cuda')}",
        "gpus": "GPUs "
        + (", ".join(str(g.get("name") or g.get("compute_capability")) for g in target["gpus"]) or "none")
        if "gpus" in target
        else "",
        "glibc": f"glibc {target.get('glibc')}",
        "microarch": str(target.get("microarch")),
        "osx": f"macOS {target.get('osx')}",
        "linux": f"Linux {target.get('linux')}",
    }
    described = [words[member] for member in target.get("described", ()) if words.get(member)]
    return ", ".join([str(target.get("subdir")), *described])


def _words(request: RecordedRequest) -> str:
    words = [" ".join(request.specs)]
    words += [f"--cuda {request.cuda}"] if request.cuda != "auto" else []
    words += [f"--python {request.python}"] if request.python else []
    words += [f"--exclude-newer {request.exclude_newer}"] if request.exclude_newer else []
    words += [f"-c {channel}" for channel in request.channels or ()]
    return " ".join(words)
