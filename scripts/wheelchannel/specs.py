"""PEP 440 and PEP 508 as conda says them: names, versions, MatchSpecs and markers. All pure.

Where the two differ, the conda side is never wider for final releases:

- conda orders a local version after its public one, PEP 440's `==` ignores it: local versions are dropped;
- PEP 440's `<2` leaves out 2.0rc1, conda's does not: `<2a0`, the form that conda-forge writes;
- PEP 440's `>1.7` leaves out 1.7.post1, conda's does not: accepted, since conda has no short form for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

CONDA_NAMES: Final[Mapping[str, str]] = {
    "build": "python-build",
    "docker": "docker-py",
    "duckdb": "python-duckdb",
    "flatbuffers": "python-flatbuffers",
    "graphviz": "python-graphviz",
    "ipython-pygments-lexers": "ipython_pygments_lexers",
    "jupyter-client": "jupyter_client",
    "jupyter-core": "jupyter_core",
    "jupyter-events": "jupyter_events",
    "jupyter-server": "jupyter_server",
    "jupyter-server-terminals": "jupyter_server_terminals",
    "jupyterlab-pygments": "jupyterlab_pygments",
    "jupyterlab-server": "jupyterlab_server",
    "jupyterlab-widgets": "jupyterlab_widgets",
    "msgpack": "msgpack-python",
    "prometheus-client": "prometheus_client",
    "pure-eval": "pure_eval",
    "ruamel-yaml": "ruamel.yaml",
    "ruamel-yaml-clib": "ruamel.yaml.clib",
    "stack-data": "stack_data",
    "tables": "pytables",
    "torch": "pytorch",
    "typing-extensions": "typing_extensions",
    "tzdata": "python-tzdata",
    "xxhash": "python-xxhash",
}
"""PyPI names (normalised) whose package has another name on conda-forge; those that notebooks and PyTorch need."""

_OPERATORS: Final = ("===", "==", "~=", ">=", ">", "<=", "<", "!=")
_PYTHON_MINORS: Final = range(8, 20)


def conda_name(name: str) -> str:
    """The conda name of a PyPI project: normalised (PEP 503), then as conda-forge calls it."""
    normalised = canonicalize_name(name)
    return CONDA_NAMES.get(normalised, normalised)


def conda_version(version: str) -> str:
    """The version of the conda package: canonical (PEP 440) and without the local part."""
    return Version(version).public


def version_spec(specifiers: SpecifierSet) -> str:
    """The version part of a MatchSpec, such as `>=1.4.2,1.4.*`; empty where any version will do."""
    return ",".join(_clause(specifier) for specifier in sorted(specifiers, key=_reading_order))


def _reading_order(specifier: Specifier) -> tuple[int, str]:
    """Lower bounds first, exclusions last: the order that people write, and one that never varies."""
    return _OPERATORS.index(specifier.operator), specifier.version


def _clause(specifier: Specifier) -> str:
    operator, text = specifier.operator, specifier.version
    if text.endswith(".*"):
        return text if operator == "==" else f"!={text}"
    if operator == "===":
        return f"=={text.partition('+')[0]}"
    version = Version(text)
    public = version.public
    if operator == "~=":
        return f">={public},{_compatible_prefix(version)}.*"
    if operator == "<" and not (version.is_prerelease or version.is_postrelease):
        return f"<{public}a0"
    return f"{operator}{public}"


def _compatible_prefix(version: Version) -> str:
    """What `~=` keeps fixed: the release without its last number, with the epoch."""
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(str(number) for number in version.release[:-1])


def match_spec(requirement: Requirement) -> str:
    """The MatchSpec of a requirement, without its extras and marker: see `active_requirements`."""
    return f"{conda_name(requirement.name)} {version_spec(requirement.specifier)}".rstrip()


def active_requirements(
    requires_dist: Iterable[str], environment: Mapping[str, str], extras: Iterable[str]
) -> list[Requirement]:
    """The requirements that apply in `environment` when `extras` are asked for (PEP 508)."""
    wanted = ["", *extras]
    requirements = [Requirement(line) for line in requires_dist]
    return [
        requirement
        for requirement in requirements
        if requirement.marker is None
        or any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in wanted)
    ]


def depends_on_python(
    requires_dist: Iterable[str], environment: Mapping[str, str], extras: Iterable[str], requires_python: str
) -> bool:
    """Whether another Python that the project accepts would have other requirements.

    A package for any Python has one list of requirements: where this is true there cannot be one.
    """
    lines, wanted, accepted = list(requires_dist), list(extras), SpecifierSet(requires_python)
    versions = [f"3.{minor}" for minor in _PYTHON_MINORS if accepted.contains(f"3.{minor}.99")]
    variants = [{"python_version": version, "python_full_version": f"{version}.99"} for version in versions]
    here = active_requirements(lines, environment, wanted)
    return any(active_requirements(lines, {**environment, **variant}, wanted) != here for variant in variants)


def wanted_extras(
    roots: Iterable[Requirement], requires_dist: Mapping[str, Iterable[str]], environment: Mapping[str, str]
) -> dict[str, set[str]]:
    """The extras that anything asks of each project, over the whole closure.

    conda has no extras: a project's package depends on what its wanted extras need.

    Args:
        roots: What the person asked for.
        requires_dist: The `Requires-Dist` lines of each resolved project, by normalised name.
        environment: The markers' environment.

    Returns:
        The extras of every project in `requires_dist`, by normalised name.
    """
    extras: dict[str, set[str]] = {name: set() for name in requires_dist}
    queue = [root for root in roots if root.marker is None or root.marker.evaluate(dict(environment))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        extras.setdefault(name, set()).update(requirement.extras)
        state = (name, frozenset(extras[name]))
        if state not in seen:
            seen.add(state)
            queue += active_requirements(requires_dist.get(name, ()), environment, sorted(extras[name]))
    return extras
