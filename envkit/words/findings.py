"""The sayings of findings, by subject."""

from __future__ import annotations

from envkit.words.driver import DRIVER
from envkit.words.files import FILES
from envkit.words.frameworks import FRAMEWORKS

__all__ = ["FINDINGS"]

FINDINGS = {**DRIVER, **FILES, **FRAMEWORKS}
