"""One wording for each kind of value: builds, GPUs, machines, sizes, lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # most callers want a size
    from envkit.models.build import Build, Verdict
    from envkit.models.host import Gpu, MachineKind, Target


def build_words(build: Build) -> str:
    """Return a build as people name it: ``pytorch 2.12.1 for CUDA 12.9 of conda-forge``."""
    from envkit.builds.families import channel_name

    kind = f" for CUDA {build.build_cuda}" if build.build_cuda else ""
    if build.variant in {"cpu", "mps"}:
        kind = f" for {build.variant.upper()}"
    channel = channel_name(build.record.channel)
    return f"{build.record.name} {build.record.version}{kind}" + (f" of {channel}" if channel else "")


def exact_words(verdict: Verdict) -> str:
    """Return a build by its file, with its tier: ``pytorch 2.12.1 cuda129_py311_h1_0 (native)``."""
    record = verdict.build.record
    return f"{record.name} {record.version} {record.build} ({verdict.tier.value})"


def gpu_words(gpu: Gpu) -> str:
    """Return a GPU as people name it: ``H100 (9.0)``."""
    name = gpu.name or "GPU"
    return f"{name} ({gpu.compute_capability})" if gpu.compute_capability else name


def kinds_words(kinds: MachineKind) -> str:
    """Return machines of one kind: the first name, and how many are like it."""
    first, *rest = kinds.names
    return f"{first} and {len(rest)} like it" if rest else first


def target_words(target: Target) -> str:
    """Return a target in a line: platform, driver, ceiling and GPUs."""
    words = [target.subdir]
    if target.driver_version is not None:
        words.append(f"driver {target.driver_version}")
    if target.driver_cuda is not None:
        words.append(f"CUDA up to {target.driver_cuda}")
    words += [gpu_words(gpu) for gpu in dict.fromkeys(target.gpus)]
    if not target.gpus and target.driver_cuda is None and target.driver_version is None:
        words.append("Apple GPU (MPS)" if target.mps or target.subdir == "osx-arm64" else "no NVIDIA GPU")
    return ", ".join(words)


def host_words(facts: Mapping[str, Any]) -> str:
    """Return the part of a machine that a validation depends on, from its facts as JSON."""
    driver = facts.get("driver_version")
    gpus = {f"{gpu.get('name')} ({gpu.get('compute_capability')})" for gpu in facts.get("gpus") or ()}
    machine = f"{facts.get('subdir')}, {facts.get('microarch') or 'unknown processor'}, glibc {facts.get('glibc')}"
    return f"driver {driver}, {', '.join(sorted(gpus)) or 'no GPU'}" if driver else f"no driver, {machine}"


def size_words(number: float | None) -> str:
    """Return a size in bytes as people read it, in powers of 1000."""
    if number is None:
        return "?"
    size = float(number)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit != "MB" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def memory_words(number: int | None) -> str:
    """Return the size of a GPU's memory in powers of 1024, as ``nvidia-smi`` counts it."""
    return "?" if number is None else f"{number / 2**30:.1f} GiB"


def figure_words(name: str, value: float) -> tuple[str, str]:
    """Return a figure as people read it: what was measured, and the number with the unit that ends its name."""
    for end, unit in (("_flop_per_s", "FLOP/s"), ("_bytes_per_s", "B/s"), ("_s", "s")):
        if name.endswith(end):
            what = name.removesuffix(end).replace("_", " ")
            for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1.0, ""), (1e-3, "m")):
                if value >= factor and (unit != "s" or factor <= 1):
                    return what, f"{value / factor:.3g} {prefix}{unit}"
            return what, f"{value:.3g} {unit}"
    return name.replace("_", " "), f"{value:.4g}"


def days_words(seconds: float) -> str:
    """Return a long time in days: ``1.5 days``."""
    return f"{seconds / 86400:.1f} days"


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 GPU``, ``2 GPUs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def article(noun: str) -> str:
    """Return a noun with its article: ``a pixi.lock``, ``an @EXPLICIT file``."""
    return f"{'an' if noun.lstrip('@')[:1].lower() in set('aeiou') else 'a'} {noun}"


def join(values: Iterable[object], between: str = ", ", *, most: int | None = None) -> str:
    """Return values as a list in a sentence; beyond `most` of them, how many more there are."""
    words = [word(value) for value in values]
    more = len(words) - most if most is not None else 0
    return between.join(words[:most] if more > 0 else words) + (f" and {more} more" if more > 0 else "")


def ranges_words(names: Iterable[str], *, most: int) -> str:
    """Return names of nodes as Slurm writes them, ``gpu-[001-048,050]``; beyond `most` groups, how many more names."""
    groups: dict[tuple[str, int], list[int]] = {}
    for name in names:
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        numbers = groups.setdefault((stem, len(digits)), [])
        numbers.append(int(digits or 0))
    told = [_group_words(stem, width, sorted(numbers)) for (stem, width), numbers in list(groups.items())[:most]]
    more = sum(len(numbers) for numbers in list(groups.values())[most:])
    return ", ".join(told) + (f" and {more} more" if more else "")


def _group_words(stem: str, width: int, numbers: list[int]) -> str:
    if len(numbers) == 1:
        return stem + (f"{numbers[0]:0{width}}" if width else "")
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return f"{stem}[{','.join('-'.join(f'{end:0{width}}' for end in run) for run in runs)}]"


@cache
def _wordings() -> Mapping[type, Callable[[Any], str]]:
    """Return how values of each class are said."""
    from envkit.models.build import Build, Verdict
    from envkit.models.host import Gpu, MachineKind

    return {Build: build_words, Gpu: gpu_words, MachineKind: kinds_words, Verdict: exact_words}


def word(value: object) -> str:
    """Return any parameter of a fact as it stands in a sentence."""
    known = _wordings().get(type(value))
    if known is not None:
        return known(value)
    if isinstance(value, frozenset):
        return " ".join(str(item) for item in sorted(value)) or "none"
    return join(value) if isinstance(value, list | tuple) and not hasattr(value, "_fields") else str(value)
