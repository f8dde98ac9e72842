"""The sayings of findings, by subject."""

from __future__ import annotations

from collections.abc import Callable

from envkit.models.fact import REGISTRY
from envkit.words.container import CONTAINER
from envkit.words.driver import DRIVER
from envkit.words.files import FILES
from envkit.words.fleet import FLEET
from envkit.words.frameworks import FRAMEWORKS
from envkit.words.gpucode import GPUCODE


def _plain(meaning: str) -> str:
    """Return a meaning as part of a sentence."""
    return (meaning if meaning[:2].isupper() else meaning[:1].lower() + meaning[1:]).removesuffix(".")


FINDINGS: dict[str, str | Callable[..., str]] = {
    **{code: _plain(code.meaning) for code in REGISTRY["finding"].values()},  # unless there is more to say
    **CONTAINER,
    **DRIVER,
    **FILES,
    **FLEET,
    **FRAMEWORKS,
    **GPUCODE,
}
