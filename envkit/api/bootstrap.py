"""volume bootstrap: envkit itself on the volume, so that a restart needs no pip and no Python of the image.

A Python of the volume's own is linked as a hidden generation (the records of one that an environment here has, else
solved), and this envkit's distributions are copied beside it. Nothing in it knows where the volume is mounted.
"""

from __future__ import annotations

import importlib.metadata
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import envkit
from envkit.api.change import changing
from envkit.api.make import Blueprint, make_generation
from envkit.api.session import Session
from envkit.api.solve import Plan, plan_of, solve_request
from envkit.builds.dependency import dependency_names
from envkit.engines.rattler import RattlerEngine
from envkit.errors import NoSpaceError, ValidationFailedError
from envkit.layout.generation import known_manifest, list_manifests
from envkit.layout.launcher import RUN_SCRIPT, own_python, publish_launcher
from envkit.layout.lineage import Origin
from envkit.layout.refusal import no_space
from envkit.layout.trash import discard
from envkit.layout.volume import Volume
from envkit.models.build import Record, digest
from envkit.models.care import BootstrapResult
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.manifest import RecordedRequest
from envkit.models.progress import Reporter, working
from envkit.models.request import CudaChoice, Inquiry, Request
from envkit.process import run_child
from envkit.settings import Settings
from envkit.values import replace

_NAME = "envkit-self"
_TRY_S = 60.0


def bootstrap(session: Session, *, channels: tuple[Channel, ...], override_channels: bool) -> BootstrapResult:
    """Put this envkit and a Python for it on the volume, and the launcher that ``env.sh`` has on PATH.

    `channels`, those that the user named, are asked only when no environment here has the same Python.
    """
    session = replace(session, solver=RattlerEngine())
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = Target.from_host(session.host)
    with changing(session, _NAME) as change:
        volume = change.volume
        request = Request(specs=(f"python {version}.*",), cuda=CudaChoice.parse("none"))
        plan = _python_here(volume, version, session.settings) or solve_request(
            session, Inquiry(request, target, channels=channels, override_channels=override_channels)
        )
        home = volume.own / f"{envkit.__version__}-{secrets.token_hex(4)}"
        python = _same_python(volume, plan)
        if python is not None:
            with change.sharing(python.name):
                if python.is_dir():
                    _publish(session.reporter, volume, home, python)
                else:  # `clean` has removed it meanwhile
                    python = None
        if python is None:
            recorded = RecordedRequest(specs=request.specs, platform=target.subdir)
            blueprint = Blueprint(_NAME, plan, recorded, target, Origin.first("volume bootstrap"))
            python = make_generation(
                session, blueprint, proof="none", publish_by=partial(_publish, session.reporter, volume, home)
            ).prefix
    size = sum(path.stat().st_size for path in (home / "site").rglob("*") if path.is_file())
    return BootstrapResult(str(volume.root), str(volume.binaries / "envkit"), str(python), envkit.__version__, size)


def _same_python(volume: Volume, plan: Plan) -> Path | None:
    """Return the generation that the launcher runs with now, if it holds exactly these records."""
    python = own_python(volume)
    known = known_manifest(python)
    return python if known is not None and known.digest == digest(plan.records) else None


def _publish(reporter: Reporter, volume: Volume, home: Path, python: Path) -> None:
    """Put envkit beside its Python, try it, and point the launcher at it."""
    with working(reporter, "link", "envkit itself"):
        try:
            _copy_distributions(home / "site")
            (home / "run.py").write_text(RUN_SCRIPT, encoding="utf-8")
        except OSError as error:
            discard(volume, home)
            if no_space(error):
                hint = "Free some space."
                raise NoSpaceError(f"no space left on {volume.root} for envkit itself", hint=hint) from error
            raise
        _try(volume, python, home)
        publish_launcher(volume, home, python)


def _python_here(volume: Volume, version: str, settings: Settings) -> Plan | None:
    """Return the Python of an environment on the volume with its dependencies: nothing has to be fetched for it."""
    for _, manifest in list_manifests(volume):
        if manifest is None:
            continue
        plan = plan_of(manifest, settings)
        by_name = {record.name: record for record in plan.records}
        python = by_name.get("python")
        if python is None or not python.version.startswith(f"{version}."):
            continue
        return Plan(tuple(_closure(python, by_name)), plan.channels, manifest.virtual_packages)
    return None


def _closure(first: Record, by_name: dict[str, Record]) -> list[Record]:
    """Return a record and its dependencies, sorted by name; without pip and the like, which depend on it in turn."""
    found = {first.name: first}
    queue = [first]
    while queue:
        for name in dependency_names(queue.pop().depends):
            record = by_name.get(name)
            if record is not None and name not in found and record.raw.get("noarch") != "python":
                found[name] = record
                queue.append(record)
    return [found[name] for name in sorted(found)]


def _copy_distributions(site: Path) -> None:
    """Copy this envkit and its requirements from where this process has them."""
    site.mkdir(parents=True)
    for distribution in _needed("envkit"):
        name = distribution.metadata["Name"]
        if name == "envkit":
            continue
        for entry in distribution.files or ():
            parts = entry.parts
            if ".." in parts or "__pycache__" in parts or parts[0] == "bin":
                continue  # scripts outside site-packages, and bytecode for the place where it was
            target = site.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(str(entry.locate())), target)
    package = Path(envkit.__file__).parent
    shutil.copytree(package, site / "envkit", ignore=shutil.ignore_patterns("__pycache__"))
    recipes = package / "data" / "recipes"
    if not recipes.is_dir():  # an editable install reads them from the checkout
        shutil.copytree(package.parent / "recipes", site / "envkit" / "data" / "recipes")


def _needed(name: str) -> Iterator[importlib.metadata.Distribution]:
    """Yield a distribution and those of its requirements (PEP 508) that are installed here, once each; no extras."""
    seen: set[str] = set()
    queue = [name]
    while queue:
        key = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if key in seen:
            continue
        seen.add(key)
        try:
            distribution = importlib.metadata.distribution(key)
        except importlib.metadata.PackageNotFoundError:
            continue  # its marker is for other Pythons or systems
        yield distribution
        for text in distribution.requires or ():
            requirement, _, marker = text.partition(";")
            found = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
            if found is not None and "extra" not in marker:
                queue.append(found[0])


def _try(volume: Volume, python: Path, home: Path) -> None:
    """Compile its bytecode, and start it once before anything relies on it."""
    command = [str(python / "bin" / "python"), "-I", str(home / "run.py")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    # Templates and files for other Pythons do not compile; that is no fault.
    run_child([*command[:2], "-m", "compileall", "-q", str(home / "site")], env=environment, timeout_s=600)
    ended = run_child([*command, "recipes", "--json"], env=environment, timeout_s=_TRY_S)
    if ended.state != "done":
        fault = ended.error_text.strip().rpartition("\n")[2] or f"it {ended.ending}"
        discard(volume, home)
        raise ValidationFailedError(
            f"the copy of envkit on {volume.root} does not start: {fault}",
            hint="The Python on the volume and the one that runs envkit now have to be of one minor version.",
        )
