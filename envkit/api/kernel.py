"""kernel: name the Jupyter kernels of an environment after how it runs on this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from envkit.api.records import records_of
from envkit.builds.classify import classify
from envkit.checks.verdict import judge
from envkit.cuda.gpus import parse_gpu
from envkit.errors import EnvkitError
from envkit.frameworks.table import row_of
from envkit.host.wire import host_to_json
from envkit.kernels import Kernel, install_kernel, list_kernels
from envkit.layout.generation import active, known_profiles, read_manifest
from envkit.layout.volume import Volume
from envkit.models.build import Verdict
from envkit.models.host import Host, Target
from envkit.models.kernel import KernelFacts
from envkit.models.manifest import Manifest
from envkit.profiles import choose_profile, facts_of
from envkit.values import replace
from envkit.words.kernels import kernel_words


def shown_name(volume: Volume, name: str, host: Host) -> str | None:
    """Return what a kernel of an environment is called on this machine; None where its manifest cannot be read.

    Of an environment with profiles it is that of this machine's, or of the link's where none serves it.
    """
    prefix = active(volume, name)
    if prefix is not None and (rules := known_profiles(prefix)):
        chosen = choose_profile(rules, facts_of(host_to_json(host)))
        prefix = volume.generations / chosen.generation if chosen is not None else prefix
    manifest = read_manifest(prefix) if prefix is not None else None
    if manifest is None:
        return None
    return kernel_words(_facts(name, manifest, host))


def kernels_here(kernels: Sequence[Kernel], host: Host) -> list[Kernel]:
    """Return kernels with their names on a machine; a damaged environment's keep what their files say."""
    named = []
    for kernel in kernels:
        shown = None
        if not kernel.named and not kernel.problem:
            with contextlib.suppress(EnvkitError, OSError):
                shown = shown_name(Volume(Path(kernel.volume)), kernel.environment, host)
        named.append(replace(kernel, here=shown or kernel.display_name))
    return named


def refresh_kernels(volume: Volume, name: str, host: Host, env: Mapping[str, str] | None = None) -> list[Kernel]:
    """Name the kernels of an environment anew and bring their scripts up to date; return those that could be written.

    Names that somebody chose stay. A kernelspec that this user may not write keeps what it has.
    """
    variables = os.environ if env is None else env
    root = os.path.realpath(volume.root)
    own = [k for k in list_kernels([str(volume.root)], variables) if k.environment == name and not k.problem]
    own = [kernel for kernel in own if os.path.realpath(kernel.volume) == root]
    shown = shown_name(volume, name, host) if own else None
    written = []
    for kernel in own:
        given = kernel.display_name if kernel.named else None
        with contextlib.suppress(EnvkitError):
            written.append(
                install_kernel(
                    kernel.volume, name, shared=kernel.shared, display_name=given, shown=shown, env=variables
                )
            )
    return written


def _facts(name: str, manifest: Manifest, host: Host) -> KernelFacts:
    python = next((".".join(p.version.split(".")[:2]) for p in manifest.packages if p.name == "python"), "")
    verdict = _verdict(manifest, host)
    row = row_of(verdict.build.record.name) if verdict is not None else None
    if verdict is None or row is None:
        return KernelFacts(name, python)
    build = verdict.build
    cuda = str(build.build_cuda or build.library_cuda or "") if build.variant == "cuda" else None
    gpus = tuple(_short(gpu.name) for gpu in host.gpus)
    return KernelFacts(name, python, row.title, str(build.record.version), cuda, verdict.tier, gpus)


def _verdict(manifest: Manifest, host: Host) -> Verdict | None:
    """Return the verdict of this machine on the build that decided the solution, else on a framework among the rest."""
    records = records_of(manifest)
    chosen = [record for record in records if record.fn == manifest.choice.get("fn")]
    compiled = [record for record in records if (row := row_of(record.name)) and record.name == row.compiled]
    for record in (*chosen, *compiled):
        return judge(classify(record), Target.from_host(host))
    return None


def _short(name: str | None) -> str:
    """Return a GPU's name as people say it: ``A100`` for ``NVIDIA A100-SXM4-80GB``."""
    try:
        return parse_gpu(name or "").name or name or "GPU"
    except ValueError:
        return name or "GPU"
