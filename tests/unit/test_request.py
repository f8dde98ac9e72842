from __future__ import annotations

import pytest

from envkit.models.request import CudaChoice
from envkit.models.version import CudaVersion


@pytest.mark.parametrize(
    ("text", "kind", "version"),
    [
        ("auto", "auto", None),
        ("none", "none", None),
        ("CPU", "none", None),
        ("12", "major", (12, 0)),
        ("12.1", "exact", (12, 1)),
        ("12.1.105", "exact", (12, 1)),
        ("cu121", "exact", (12, 1)),
        ("cuda-11.8", "exact", (11, 8)),
        ("118", "exact", (11, 8)),
    ],
)
def test_choices_are_read(text: str, kind: str, version: tuple[int, int] | None) -> None:
    choice = CudaChoice.parse(text)
    assert (choice.kind, choice.version) == (kind, version)


@pytest.mark.parametrize("text", ["twelve", "12.x", "-1", "12..1", "1234"])
def test_nonsense_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write auto, none"):
        CudaChoice.parse(text)


def test_matching_is_by_toolkit_by_major_or_by_what_is_known() -> None:
    exact, major, auto, none = (CudaChoice.parse(text) for text in ("12.1", "12", "auto", "none"))
    assert exact.matches(CudaVersion(12, 1))
    assert not exact.matches(CudaVersion(12, 4))
    assert exact.matches(CudaVersion(12, 0), major_only=True)
    assert not exact.matches(None)
    assert major.matches(CudaVersion(12, 9))
    assert not major.matches(CudaVersion(13, 0))
    assert auto.matches(None)
    assert not none.matches(CudaVersion(12, 1))
