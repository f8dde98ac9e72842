"""Find an environment and judge this host by reading files only: no child process, no driver library."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from envkit.client.environment import Environment
from envkit.client.report import ReportView
from envkit.client.volume import chosen_generation, find_validation, load_manifest, locate_volume, settle
from envkit.hashes import sha256
from envkit.paths import recipes_folder
from envkit.tuples import NamedTuple

_OWN_HOST = "conda.anaconda.org"  # where plain names live
_LONGEST_PORT = 6
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")


class Wanted(NamedTuple):
    """The request of a program, as given."""

    specs: tuple[str, ...] = ()
    cuda: str = "auto"
    python: str | None = None
    prefer: str = "version"
    channels: tuple[str, ...] = ()
    file: str | None = None
    recipe: str | None = None
    pip: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if the request names no packages, file or recipe."""
        return not (self.specs or self.file or self.recipe or self.pip)


def look(name: str, persist: str | os.PathLike[str] | None) -> tuple[str, Environment | None]:
    """Return the root of the volume, and the environment with its validation on this kind of host, if there is one."""
    root = locate_volume(persist, name)
    prefix = chosen_generation(root, name)
    if prefix is None:
        return root, None
    manifest = load_manifest(prefix)
    prefix = settle(prefix, manifest)
    from envkit.host.fingerprint import fingerprint_now

    token, fingerprint = fingerprint_now()
    record = find_validation(root, os.path.basename(prefix), token=token, fingerprint=fingerprint)
    report = ReportView(record, prefix=prefix) if record is not None else None
    environment = Environment(name, root=root, prefix=prefix, validation=report)
    environment._manifest = manifest  # noqa: SLF001 - read already
    return root, environment


def matches(manifest: Mapping[str, Any], wanted: Wanted) -> bool:
    """Return True if a generation was certainly made from this request; if it only may be, the command line decides."""
    request = manifest["request"]
    # A profile is chosen by this host's facts, so the machine is the one that it was made for.
    if request.get("target") and not manifest.get("profile"):
        return False
    if wanted.recipe is not None:
        path = os.path.join(recipes_folder(), f"{wanted.recipe}.yml")
        wanted = wanted._replace(recipe=None, file=path if wanted.file is None else None)
    specs, channels = tuple(request.get("specs") or ()), tuple(request.get("channels") or ())
    try:
        cuda, names = _cuda(wanted.cuda), tuple(map(_channel, wanted.channels))
    except ValueError:
        return False
    if (cuda, wanted.python, wanted.prefer) != (request.get("cuda"), request.get("python"), request.get("prefer")):
        return False
    lines = tuple(request.get("pip") or ())
    if wanted.pip != (lines if wanted.file is None else lines[len(lines) - len(wanted.pip) :]):
        return False
    if wanted.file is None:
        return request.get("source_sha256") is None and (specs, channels) == (wanted.specs, names)
    try:
        with open(wanted.file, "rb") as file:
            digest = sha256(file.read()).hexdigest()
    except OSError:
        return False
    # The file's packages follow those of the request; its content is compared by digest.
    said = specs[: len(wanted.specs)] == wanted.specs and channels[: len(names)] == names
    return said and request.get("source_sha256") == digest


def _cuda(text: str) -> str:
    """Return a choice as `envkit.models.request.CudaChoice` writes it; the usual ones need no import."""
    major, _, minor = text.partition(".")
    toolkit = len(major) == 2 and major[0] != "0" and (text == major or len(minor) == 1)
    if text in {"auto", "none"} or (toolkit and text.isascii() and (major + minor).isdecimal()):
        return text
    from envkit.models.request import CudaChoice

    return str(CudaChoice.parse(text))


def _channel(text: str) -> str:
    """Return a channel's name as `envkit.models.channel.parse_channel` does; plain names need no import."""
    if text and text[0] not in "-." and not set(text) - _PLAIN:
        return f"file://{os.path.normpath(text)}" if text[0] == "/" else text.rstrip("/")
    if _is_plain_url(text):
        return text.rstrip("/")
    from envkit.models.channel import parse_channel

    return parse_channel(text, cwd=os.getcwd()).name


def _is_plain_url(text: str) -> bool:
    """Return whether a URL is a channel's name as it stands: no token, nothing quoted, not below the alias."""
    scheme, mark, rest = text.partition("://")
    host, _, path = rest.partition("/")
    name, colon, port = host.partition(":")
    return (
        mark != ""
        and scheme in {"http", "https"}
        and name not in {"", _OWN_HOST}
        and not set(name + path) - _PLAIN
        and (not colon or (port.isascii() and port.isdecimal() and len(port) < _LONGEST_PORT))
        and not {"t", "", ".", ".."} & set(path.rstrip("/").split("/") if path else ())
    )


def refusal(environment: Environment, *, gpu: bool | None, root: str = "/") -> tuple[str, str] | None:
    """Return why this host cannot run an environment, and the cure; None if files give no reason.

    Without `gpu`, a GPU is required if the environment was made for one.
    """
    choice = environment.manifest.get("choice") or {}
    built = choice.get("build_cuda") if choice.get("variant") == "cuda" else None
    for_gpu = choice.get("variant") == "cuda" if gpu is None else gpu
    if environment.manifest.get("profile") and for_gpu == (choice.get("variant") == "cuda"):
        return None  # chosen by what the driver of this host says
    if not for_gpu or (environment.validation is not None and environment.validation.verdict == "pass"):
        return None
    if sys.platform != "linux":
        return f"{environment.name} needs an NVIDIA GPU, which {sys.platform} does not have", _elsewhere(environment)
    return _driver_refusal(environment, built, root)


def _driver_refusal(environment: Environment, built: str | None, root: str) -> tuple[str, str] | None:
    from envkit.cuda.drivers import at_least, driver_ceiling, minor_compat_min
    from envkit.host.kernel import read_kernel_module
    from envkit.host.nodes import is_gpu_node, is_tegra_node, list_nodes
    from envkit.host.tree import Tree
    from envkit.models.version import CudaVersion

    tree = Tree(root)
    nodes = list_nodes(tree)
    what = f"{environment.name} holds CUDA {built} builds" if built else f"{environment.name} needs a GPU"
    if not any(is_gpu_node(node) or is_tegra_node(node) or node == "dxg" for node in nodes):
        return f"{what}, and this host has no NVIDIA GPU: no device in /dev", _elsewhere(environment)
    module = read_kernel_module(tree)
    if built is None or module is None or module.version is None:
        return None
    toolkit, driver = CudaVersion.parse(built), module.version
    minimum = minor_compat_min(toolkit)
    try:
        ceiling = driver_ceiling(driver)
    except ValueError:  # a Jetson reports its L4T release instead
        return None
    if ceiling >= toolkit or (minimum is not None and at_least(driver, minimum)):
        return None
    cure = (
        f"Update the driver to {minimum or toolkit} or newer, or make a generation for this one: "
        f"envkit create -n {environment.name} --replace {_specs(environment)}"
    )
    return f"{what}, and driver {driver} supports CUDA {ceiling} at most", cure


def _elsewhere(environment: Environment) -> str:
    return (
        "Use it where the GPU is, check the container's GPU setting, or make a CPU environment: "
        f"envkit create -n {environment.name}-cpu --cuda none {_specs(environment)}"
    )


def _specs(environment: Environment) -> str:
    return " ".join(f"'{spec}'" for spec in environment.manifest["request"].get("specs", ()))
