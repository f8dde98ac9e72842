"""Say in a scheduler's words which machines can run an environment.

The conditions are those of `envkit.profiles`: platform, C library, least driver, compute capabilities with code. An
environment of several profiles runs where one of them does.

Sources: sbatch(1) of Slurm, ``--constraint``, ``--exclude``, ``--gres``; the labels of NVIDIA's GPU feature discovery
(docs/gpu-feature-discovery/README.md of k8s-device-plugin 0.17, "Generated Labels") and the operators of Kubernetes'
node affinity; condor_submit(1) of HTCondor 23, ``gpus_minimum_capability`` and its like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from envkit.cuda.drivers import driver_ceiling
from envkit.cuda.gpus import known_gpus, parse_gpu
from envkit.models.constraint import Constraint, Unsaid
from envkit.models.fleet import Node
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.outputs.yaml import block
from envkit.profiles import Facts, Profile, unmet

_GFD = "nvidia.com"
_KUBERNETES_ARCH = {"linux-64": "amd64", "linux-aarch64": "arm64", "linux-ppc64le": "ppc64le"}
_CONDOR_ARCH = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "linux-ppc64le": "ppc64le"}

Term = dict[str, tuple[str, list[str]]]  # a label, an operator and its values; all of them must hold


def slurm_constraint(
    rows: Sequence[Profile], nodes: Sequence[Node] = (), machines: Mapping[str, Facts] | None = None
) -> Constraint:
    """Return options for `srun` and `sbatch`.

    Features are the site's own words, and Slurm refuses one that no node has. So only those of the cluster's nodes are
    used that tell a GPU by its name or architecture; where they do not part the nodes that can run the environment from
    the others, the others are excluded by name.

    Args:
        rows: The conditions of the environment.
        nodes: The nodes of the cluster; none if they are not known.
        machines: What is known of nodes, by name, from ``fleet detect``.
    """
    known = machines or {}
    needs_gpu = all(row.gpu for row in rows)
    offered = [node for node in nodes if not needs_gpu or _has_gpus(node) or node.name in known]
    fits = {node.name: node_fits(rows, node, known.get(node.name)) for node in offered}
    bad = [name for name, can in fits.items() if can is False]
    options = ["--gres=gpu:1"] if needs_gpu else []
    if bad:
        features = _parting_features(rows, offered, fits)
        options.append(f"--constraint={'|'.join(features)}" if features else f"--exclude={','.join(bad)}")
    said: set[Unsaid] = {"capabilities"} if nodes else set()
    if fits and all(name in known for name in fits):
        said = {"subdir", "glibc", "driver", "capabilities"}
    unknown = tuple(name for name, can in fits.items() if can is None)
    return Constraint("slurm", tuple(options), unsaid=_unsaid(rows, said), unknown=unknown)


def node_fits(rows: Sequence[Profile], node: Node, facts: Facts | None) -> bool | None:
    """Return whether a node can run an environment; None if too little is known of it.

    Args:
        rows: The conditions of the environment.
        node: What its scheduler knows of it.
        facts: What ``fleet detect`` found there.
    """
    if facts is not None:
        return any(unmet(row, facts) is None for row in rows)
    if not _has_gpus(node):
        return any(not row.gpu for row in rows)
    capabilities = _told(node.gpu_types) or _told(node.features)
    return _takes(rows, capabilities) if capabilities else None


def kubernetes_constraint(rows: Sequence[Profile]) -> Constraint:
    """Return what belongs into the specification of a pod, by labels of GPU feature discovery."""
    terms = list(_merged(term for row in rows for term in _terms(row)))
    expressions = [
        {"matchExpressions": [_expression(label, *condition) for label, condition in term.items()]} for term in terms
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": expressions}}
    document: dict[str, Any] = {"affinity": {"nodeAffinity": required}}
    lines = list(block(document))
    if all(row.gpu for row in rows):
        document["resources"] = {"limits": {f"{_GFD}/gpu": "1"}}
        lines += ["# and of the container:", *(f"# {line}" for line in block({"resources": document["resources"]}))]
    return Constraint("kubernetes", tuple(lines), document, _unsaid(rows, {"subdir", "driver", "capabilities"}))


def htcondor_constraint(rows: Sequence[Profile]) -> Constraint:
    """Return commands for a submit description file."""
    arches = sorted({_CONDOR_ARCH.get(row.subdir, "x86_64") for row in rows})
    machines = [f'(Arch == "{arch}")' for arch in arches]
    lines = [f'requirements = ({" || ".join(machines)}) && (OpSys == "LINUX")']
    if all(row.gpu for row in rows):
        lines.append("request_gpus = 1")
        lines += _condor_gpus(rows[0]) if len(rows) == 1 else [f"require_gpus = {_any_of(map(_condor_range, rows))}"]
    return Constraint("htcondor", tuple(lines), unsaid=_unsaid(rows, {"subdir", "driver", "capabilities"}))


def _unsaid(rows: Sequence[Profile], said: set[Unsaid]) -> tuple[Unsaid, ...]:
    conditions: dict[Unsaid, bool] = {
        "subdir": True,
        "glibc": any(row.glibc for row in rows),
        "driver": any(row.gpu and (row.driver or row.cuda) for row in rows),
        "capabilities": any(row.gpu and row.capabilities is not None for row in rows),
    }
    return tuple(name for name, there in conditions.items() if there and name not in said)


# Slurm


def _has_gpus(node: Node) -> bool:
    return bool(node.gpus or node.gpu_types)


def _takes(rows: Sequence[Profile], capabilities: set[str]) -> bool:
    """Return whether a profile has code for all of these GPUs."""
    listed = [row.capabilities for row in rows if row.gpu is not False]
    return any(known is None or capabilities <= set(known) for known in listed)


def _told(words: Iterable[str]) -> set[str]:
    return {capability for word in words if (capability := _capability(word)) is not None}


def _capability(word: str) -> str | None:
    """Return the compute capability of the GPU that a word names: ``h100``, ``nvidia_a100-sxm4-40gb``, ``sm_80``."""
    text = word.rpartition(":")[2].replace("_", " ") if not word.lower().startswith(("sm_", "cc_")) else word
    try:
        return str(parse_gpu(text.lower().removeprefix("nvidia ").removeprefix("gpu ")).compute_capability)
    except ValueError:
        return None


def _parting_features(rows: Sequence[Profile], nodes: Sequence[Node], fits: Mapping[str, bool | None]) -> list[str]:
    """Return features that all nodes have which can run the environment, and no other; none if there are no such."""
    meant = {feature: _capability(feature) for node in nodes for feature in node.features}
    found = [word for word, told in meant.items() if told is not None and _takes(rows, {told})]
    for node in nodes:
        has = any(feature in found for feature in node.features)
        if node.name in fits and has != bool(fits[node.name]):
            return []
    return sorted(found)


# Kubernetes


def _terms(row: Profile) -> Iterator[Term]:
    base: Term = {"kubernetes.io/os": ("In", ["linux"])}
    arch = _KUBERNETES_ARCH.get(row.subdir)
    if arch is not None:
        base["kubernetes.io/arch"] = ("In", [arch])
    if not row.gpu:
        yield {**base, f"{_GFD}/gpu.present": ("DoesNotExist", [])} if row.gpu is False else base
        return
    for driver in _driver_terms(row):
        for gpus in _capability_terms(row.capabilities):
            yield {**base, f"{_GFD}/gpu.present": ("In", ["true"]), **driver, **gpus}


def _driver_terms(row: Profile) -> Iterator[Term]:
    """Yield the ways to be at least a version: its first numbers are equal, and the next one is larger."""
    label, text = f"{_GFD}/cuda.driver-version", row.driver
    if text is None and row.cuda is not None:
        label, text = f"{_GFD}/cuda.runtime-version", row.cuda
    if text is None:
        yield {}
        return
    members = ("major", "minor", "revision")
    numbers = [int(part) for part in text.split(".")[: len(members)]]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    for place, number in enumerate(numbers):
        equal = {f"{label}.{members[index]}": ("In", [str(numbers[index])]) for index in range(place)}
        last = place == len(numbers) - 1
        yield {**equal, f"{label}.{members[place]}": ("Gt", [str(number - 1 if last else number)])}


def _capability_terms(capabilities: Sequence[str] | None) -> Iterator[Term]:
    """Yield a term for each set of minor versions, with the major versions that have it."""
    if capabilities is None:
        yield {}
        return
    minors: dict[int, list[int]] = {}
    for capability in sorted(map(ComputeCapability.parse, capabilities)):
        minors.setdefault(capability.major, []).append(capability.minor)
    for known in dict.fromkeys(map(tuple, minors.values())):
        majors = [str(major) for major, has in minors.items() if tuple(has) == known]
        yield {
            f"{_GFD}/gpu.compute.major": ("In", majors),
            f"{_GFD}/gpu.compute.minor": ("In", [str(minor) for minor in known]),
        }


def _merged(terms: Iterable[Term]) -> Iterator[Term]:
    seen: list[Term] = []
    for term in terms:
        if term not in seen:
            seen.append(term)
            yield term


def _expression(label: str, operator: str, values: list[str]) -> dict[str, Any]:
    return {"key": label, "operator": operator, **({"values": values} if values else {})}


# HTCondor


def _condor_gpus(row: Profile) -> Iterator[str]:
    known = _numbers(row)
    if known is not None and _has_holes(known):
        yield f"require_gpus = {_any_of(f'Capability == {capability}' for capability in known)}"
    elif known is not None:
        yield f"gpus_minimum_capability = {known[0]}"
        if known[-1] != _of_cards()[-1]:
            yield f"gpus_maximum_capability = {known[-1]}"
    if (runtime := _runtime(row)) is not None:
        yield f"gpus_minimum_runtime = {runtime}"


def _condor_range(row: Profile) -> str:
    parts = []
    known = _numbers(row)
    if known is not None:
        parts.append(f"({_any_of(f'Capability == {capability}' for capability in known)})")
    if (runtime := _runtime(row)) is not None:
        parts.append(f"MaxSupportedVersion >= {runtime.major * 1000 + runtime.minor * 10}")
    return f"({' && '.join(parts)})" if parts else "true"


def _any_of(parts: Iterable[str]) -> str:
    return " || ".join(parts)


def _numbers(row: Profile) -> list[ComputeCapability] | None:
    return None if row.capabilities is None else sorted(map(ComputeCapability.parse, row.capabilities))


def _of_cards() -> list[ComputeCapability]:
    """Return the compute capabilities of known cards, in order."""
    gpus = map(parse_gpu, known_gpus())
    return sorted({gpu.compute_capability for gpu in gpus if gpu.compute_capability and not gpu.tegra})


def _has_holes(known: Sequence[ComputeCapability]) -> bool:
    """Return whether a GPU between the least and the greatest is none of them."""
    order = {capability: place for place, capability in enumerate(_of_cards())}
    return any(order.get(after, -1) - order.get(before, -1) != 1 for before, after in pairwise(known))


def _runtime(row: Profile) -> CudaVersion | None:
    """Return the CUDA of the least driver, by which HTCondor tells drivers apart."""
    if row.driver is not None:
        return driver_ceiling(DriverVersion.parse(row.driver))
    return CudaVersion.parse(row.cuda) if row.cuda is not None else None
