"""Names of kernels for people: ``train (PyTorch 2.7, CUDA 12.6, A100)``."""

from __future__ import annotations

from collections import Counter

from envkit.models.build import Tier
from envkit.models.kernel import KernelFacts


def kernel_words(facts: KernelFacts) -> str:
    """Return the name of a kernel. The tier is told where it is not native."""
    if facts.framework is None:
        return f"{facts.environment} (Python {facts.python})"
    parts = [f"{facts.framework} {'.'.join(facts.version.split('.')[:2])}"]
    if facts.cuda is None:
        parts.append("MPS" if facts.tier is Tier.NATIVE else "CPU")
        return f"{facts.environment} ({', '.join(parts)})"
    parts.append(f"CUDA {facts.cuda}")
    gpus = " + ".join(f"{count} x {name}" if count > 1 else name for name, count in Counter(facts.gpus).items())
    if facts.tier is Tier.NO:
        parts.append(f"not on {gpus}" if gpus else "no GPU here")
    elif facts.tier is not None:
        parts.append(
            gpus if facts.tier is Tier.NATIVE else f"{facts.tier.value} on {gpus}" if gpus else facts.tier.value
        )
    return f"{facts.environment} ({', '.join(filter(None, parts))})"
