"""volume bootstrap: envkit itself on the volume, so that a restart needs no pip and no Python of the image.

A Python of the volume's own is linked as a hidden generation (the records of one that an environment here has, else
solved), and this envkit's distributions are copied beside it. Nothing in it knows where the volume is mounted.
"""

from __future__ import annotations

import importlib.metadata
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import envkit
from envkit.api.create import NAME_WAIT_S, sweep_aloud
from envkit.api.make import make_generation
from envkit.api.solve import Plan, index_dir, plan_of, solve_request
from envkit.builds.dependency import parse_match_spec
from envkit.engines.rattler import RattlerEngine
from envkit.errors import IntegrityError, NoSpaceError, ValidationFailedError
from envkit.host.detect import detect_host
from envkit.layout import lease
from envkit.layout.generation import list_generations, read_manifest
from envkit.layout.launcher import RUN_SCRIPT, own_python, publish_launcher
from envkit.layout.lineage import Origin
from envkit.layout.refusal import no_space
from envkit.layout.trash import discard
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.care import BootstrapResult
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.manifest import RecordedRequest
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.request import CudaChoice, Request
from envkit.models.solution import digest
from envkit.settings import Settings

__all__ = ["bootstrap"]

_NAME = "envkit-self"
_TRY_S = 60.0
_TAKEN_WAIT_S = 60.0  # `clean` may be at the generation


def bootstrap(
    volume: Volume,
    *,
    settings: Settings,
    channels: tuple[Channel, ...],
    override_channels: bool,
    policy: NetworkPolicy,
    reporter: Reporter,
) -> BootstrapResult:
    """Put this envkit and a Python for it on the volume, and the launcher that ``env.sh`` has on PATH.

    Args:
        volume: Where.
        settings: Channels that are configured.
        channels: Channels that the user named; asked only when no environment here has the same Python.
        override_channels: Use only these.
        policy: How the network may be used.
        reporter: Hears what goes on.

    Raises:
        EnvkitError: There is no Python for it, no space, or the result does not start; a launcher that is there stays.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    host = detect_host()
    target = Target.from_host(host)
    with lease.hold(volume, f"{_NAME}.name", reporter=reporter, wait_s=NAME_WAIT_S):
        sweep_aloud(volume, reporter)
        plan = _python_here(volume, version, settings)
        if plan is None:
            request = Request(specs=(f"python {version}.*",), cuda=CudaChoice.parse("none"))
            plan = solve_request(
                request,
                target,
                settings=settings,
                channels=channels,
                override_channels=override_channels,
                policy=policy,
                index=index_dir(volume),
                engine=RattlerEngine(),
                reporter=reporter,
            )
        home = volume.own / f"{envkit.__version__}-{secrets.token_hex(4)}"
        python = _same_python(volume, plan)
        if python is not None:
            with lease.hold(volume, python.name, reporter=reporter, wait_s=_TAKEN_WAIT_S, shared=True):
                if python.is_dir():
                    _publish(volume, home, python)
                else:  # `clean` was there
                    python = None
        if python is None:
            made = make_generation(
                volume,
                _NAME,
                plan,
                RecordedRequest(specs=(f"python {version}.*",), platform=target.subdir),
                target=target,
                origin=Origin.first("volume bootstrap"),
                policy=policy,
                validate=False,
                reporter=reporter,
                host=host,
                publish_by=partial(_publish, volume, home),
            )
            python = made.prefix
    size = sum(path.stat().st_size for path in (home / "site").rglob("*") if path.is_file())
    return BootstrapResult(str(volume.root), str(volume.binaries / "envkit"), str(python), envkit.__version__, size)


def _same_python(volume: Volume, plan: Plan) -> Path | None:
    """The generation that the launcher runs with now, when it holds just these records."""
    python = own_python(volume)
    try:
        known = read_manifest(python) if python is not None else None
    except IntegrityError:
        return None
    return python if known is not None and known.digest == digest(plan.records) else None


def _publish(volume: Volume, home: Path, python: Path) -> None:
    """Put envkit beside its Python, try it, and make it the volume's own."""
    try:
        _copy_distributions(home / "site")
        (home / "run.py").write_text(RUN_SCRIPT, encoding="utf-8")
    except OSError as error:
        discard(volume, home)
        if no_space(error):
            raise NoSpaceError(f"no space left on {volume.root} for envkit itself", hint="Free some space.") from error
        raise
    _try(volume, python, home)
    publish_launcher(volume, home, python)


def _python_here(volume: Volume, version: str, settings: Settings) -> Plan | None:
    """The Python of an environment on the volume, with what it needs; nothing has to be fetched for it."""
    for path in list_generations(volume):
        try:
            manifest = read_manifest(path)
        except IntegrityError:
            continue
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
    """A record with everything that it needs, sorted by name. pip and its like, which need it in turn, are left out."""
    found = {first.name: first}
    queue = [first]
    while queue:
        for text in queue.pop().depends:
            name = parse_match_spec(text).name
            record = by_name.get(name)
            if record is not None and name not in found and record.raw.get("noarch") != "python":
                found[name] = record
                queue.append(record)
    return [found[name] for name in sorted(found)]


def _copy_distributions(site: Path) -> None:
    """This envkit and everything that it needs, from where this process has it."""
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
    """A distribution and those of its requirements (PEP 508) that are installed here, each once; no extras."""
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
    """Start it once before anybody relies on it, and give it its bytecode."""
    command = [str(python / "bin" / "python"), "-I", str(home / "run.py")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    try:
        subprocess.run(
            [*command[:2], "-m", "compileall", "-q", str(home / "site")],
            env=environment,
            capture_output=True,
            timeout=600,
            check=False,  # templates and files for other Pythons do not compile
        )
        done = subprocess.run(
            [*command, "recipes", "--json"],
            env=environment,
            capture_output=True,
            timeout=_TRY_S,
            check=False,
            text=True,
        )
        fault = done.stderr.strip().rsplit("\n", 1)[-1] if done.returncode else ""
    except (OSError, subprocess.SubprocessError) as error:
        fault = str(error)
    if fault:
        discard(volume, home)
        raise ValidationFailedError(
            f"the copy of envkit on {volume.root} does not start: {fault}",
            hint="The Python on the volume and the one that runs envkit now have to be of one minor version.",
        )
