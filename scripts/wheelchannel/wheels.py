"""A resolved wheel to the record of a conda package. All pure: the wheel file is not opened here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from packaging.specifiers import Specifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from wheelchannel import specs
from wheelchannel.artifact import Package
from wheelchannel.cuda import GPU_ONLY, build_prefix, cuda_depends
from wheelchannel.errors import ChannelError
from wheelchannel.interpreter import Interpreter

_LEGACY_GLIBC: Final = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_CPU_BUILD: Final = {"pytorch": "cpu_generic_", "torchvision": "cpu_", "torchaudio": "cpu_"}
"""conda-forge's build strings say which framework builds are for the CPU, in these words."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that the resolver picked, as its report tells.

    Attributes:
        file_name: The name of the wheel file, which holds the version and the tags.
        sha256: Its digest, in hexadecimal.
        metadata: Its core metadata as JSON (PEP 566).
    """

    file_name: str
    sha256: str
    metadata: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The project's normalised name (PEP 503)."""
        return canonicalize_name(str(self.metadata["name"]))

    @property
    def version(self) -> str:
        """The version, with its local part."""
        return str(self.metadata["version"])

    @property
    def requires_dist(self) -> list[str]:
        """Its requirements, each a line of PEP 508."""
        return list(self.metadata.get("requires_dist", ()))

    @property
    def tags(self) -> frozenset[Tag]:
        """The platforms and interpreters that it is for."""
        return parse_wheel_filename(self.file_name)[3]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a wheel becomes a package.

    Attributes:
        noarch: It is for any platform.
        any_python: It is for any Python, or any from `python` on.
        python: The least version that an abi3 wheel names, such as `3.9`.
        glibc: The least glibc that its platform tag names.
    """

    noarch: bool
    any_python: bool
    python: str | None = None
    glibc: str | None = None

    @property
    def laid_by_installer(self) -> bool:
        """Whether the installer finds site-packages: `noarch: python`, with a platform as CEP 20 says."""
        return self.noarch or self.any_python


def classify_wheel(tags: Iterable[Tag], machine: str) -> Kind:
    """Tell from a wheel's tags what kind of package it makes.

    Args:
        tags: The tags in its file name.
        machine: This machine's name in platform tags, such as `x86_64`.
    """
    tags = list(tags)
    noarch = any(tag.platform == "any" for tag in tags)
    here = [tag for tag in tags if tag.platform.endswith(f"_{machine}")]
    glibcs = sorted(glibc for tag in here for glibc in _glibc(tag.platform))
    glibc = ".".join(map(str, glibcs[0])) if glibcs else None
    if any(tag.interpreter.startswith("py") for tag in tags):
        return Kind(noarch, any_python=True, glibc=glibc)
    abi3 = [tag.interpreter for tag in tags if tag.abi == "abi3" and tag.interpreter.startswith("cp3")]
    if abi3:
        least = min(int(interpreter[3:] or 0) for interpreter in abi3)
        return Kind(noarch, any_python=True, python=f"3.{least}", glibc=glibc)
    return Kind(noarch, any_python=False, glibc=glibc)


def _glibc(platform: str) -> Iterator[tuple[int, int]]:
    """The glibc of a platform tag, if it names one (PEP 600 and those before it)."""
    if match := re.match(r"manylinux_(\d+)_(\d+)_", platform):
        yield int(match[1]), int(match[2])
    elif (legacy := platform.partition("_")[0]) in _LEGACY_GLIBC:
        yield _LEGACY_GLIBC[legacy]


def check_cpu_only(wheels: Sequence[Wheel], environment: Mapping[str, str], extras: Mapping[str, set[str]]) -> None:
    """Refuse wheels that need NVIDIA's where nobody asked for these: they weigh gigabytes.

    Raises:
        ChannelError: It names what needs what.
    """
    needs = [
        (wheel, canonicalize_name(requirement.name))
        for wheel in wheels
        for requirement in specs.active_requirements(
            wheel.requires_dist, environment, sorted(extras.get(wheel.name, ()))
        )
    ]
    # What a person asked for comes first: torch, and not what torch brings.
    suspects = [*needs, *((wheel, wheel.name) for wheel in wheels)]
    for wheel, name in sorted(suspects, key=lambda suspect: bool(GPU_ONLY.match(suspect[0].name))):
        if GPU_ONLY.match(name):
            raise ChannelError(
                f"{wheel.name} {wheel.version} is for NVIDIA GPUs: it needs {name}",
                hint="--cuda packages it as it is; for PyTorch on the CPU, name an index of such wheels: --torch-index",
            )


def plan_package(
    wheel: Wheel,
    interpreter: Interpreter,
    environment: Mapping[str, str],
    extras: Iterable[str],
    toolkit: str | None = None,
) -> Package:
    """The package that a wheel becomes, without its time stamp, licences and entry points, which lie inside it.

    Args:
        wheel: What the resolver picked.
        interpreter: What it picked it for.
        environment: The markers' environment.
        extras: The extras that anything asks of it.
        toolkit: The CUDA toolkit of what was resolved; None where all is for the CPU.
    """
    extras = sorted(extras)
    kind = classify_wheel(wheel.tags, interpreter.machine)
    needed = specs.active_requirements(wheel.requires_dist, environment, extras)
    requires_python = str(wheel.metadata.get("requires_python", ""))
    pinned = not kind.any_python or specs.depends_on_python(wheel.requires_dist, environment, extras, requires_python)
    of_cuda = cuda_depends(wheel.name, toolkit) if toolkit else []
    depends = sorted({*(specs.match_spec(requirement) for requirement in needed), *of_cuda})
    depends.append(interpreter.pin if pinned else _python_spec(wheel, kind))
    if kind.glibc:
        depends.append(f"__glibc >={kind.glibc},<3.0.a0")
    name = specs.conda_name(wheel.name)
    origin = {"wheel": wheel.file_name, "sha256": wheel.sha256, "extras": extras, "depends": depends}
    digest = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:7]
    index: dict[str, Any] = {
        "name": name,
        "version": specs.conda_version(wheel.version),
        "build": _build_string(name, kind, interpreter.tag if pinned else _least_python_tag(kind), digest, toolkit),
        "build_number": 0,
        "subdir": "noarch" if kind.noarch else interpreter.subdir,
        "depends": depends,
        "license": _license(wheel.metadata),
        "timestamp": 0,
    }
    if kind.laid_by_installer:
        index["noarch"] = "python"
    return Package(index=index, about=_about(wheel), origin=origin)


def _least_python_tag(kind: Kind) -> str:
    return f"py{(kind.python or '3').replace('.', '')}"


def _build_string(name: str, kind: Kind, python: str, digest: str, toolkit: str | None) -> str:
    if kind.noarch:
        return f"pyh{digest}_0"
    if name not in _CPU_BUILD:
        return f"{python}h{digest}_0"
    return f"{build_prefix(toolkit) if toolkit else _CPU_BUILD[name]}{python}_h{digest}_0"


def _python_spec(wheel: Wheel, kind: Kind) -> str:
    """What a package for any Python requires of it: what the metadata and an abi3 tag say, the higher bound once."""
    specifiers = set(SpecifierSet(str(wheel.metadata.get("requires_python", ""))))
    bounds = {specifier for specifier in specifiers if specifier.operator == ">="}
    if kind.python:
        bounds.add(Specifier(f">={kind.python}"))
    if bounds:
        highest = max(bounds, key=lambda specifier: Version(specifier.version))
        specifiers = specifiers - bounds | {highest}
    return f"python {specs.version_spec(SpecifierSet(specifiers))}".rstrip()


def _license(metadata: Mapping[str, Any]) -> str:
    """The licence's name; the free text that older metadata hold is cut to its first line."""
    expression = str(metadata.get("license_expression") or metadata.get("license") or "").strip()
    return expression.splitlines()[0][:120] if expression else "LicenseRef-Unknown"


def _about(wheel: Wheel) -> dict[str, Any]:
    urls = dict(line.split(",", 1) for line in wheel.metadata.get("project_url", ()) if "," in line)
    urls = {label.strip().lower(): url.strip() for label, url in urls.items()}
    home = wheel.metadata.get("home_page") or urls.get("homepage") or next(iter(urls.values()), "")
    source = next((urls[label] for label in ("repository", "source", "source code", "github") if label in urls), "")
    return {
        "home": home,
        "dev_url": source,
        "doc_url": urls.get("documentation", ""),
        "license": _license(wheel.metadata),
        "summary": str(wheel.metadata.get("summary", "")),
    }
