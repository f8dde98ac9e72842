"""Ways around packages that hold no code for a GPU."""

from __future__ import annotations

import pytest

from envkit.checks.lacking import Lacking
from envkit.models.build import Record
from envkit.plan.around import is_alike, ways_around


def record(build: str, version: str = "1.0", number: int = 0, name: str = "a", channel: str = "") -> Record:
    url = f"{channel}/{name}-{version}-{build}"
    return Record(name, version, build, number, url=url, channel=channel, sha256=f"{version}{build}")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("cuda126_py311_h1234567_0", "cuda126_py312_h7654321_0", True),
        ("py3.11_cuda12.1_cudnn8.9.2_0", "py3.12_cuda12.1_cudnn8.9.2_0", True),
        ("cuda126_py311_h1234567_0", "cuda129_py312_h1234567_0", False),
        ("cuda126_py311_h1234567_0", "cuda126_py311_h7654321_0", False),  # what differs is not the Python
        ("h93bb076_0", "hf36481c_0", False),  # cuDNN for CUDA 12 and for CUDA 11
        ("same_0", "same_0", True),
    ],
)
def test_builds_for_another_python_are_the_same_build(one: str, other: str, expected: bool) -> None:
    assert is_alike(record(one), record(other)) is expected
    assert not is_alike(record(one), record(other, "2.0"))
    assert not is_alike(record(one), record(other, channel="elsewhere"))


def test_the_least_change_comes_first() -> None:
    bad = [Lacking(record("h1111111_2", number=2), ()), Lacking(record("h2222222_0", "0.9"), ())]
    others = [record("h3333333_1", number=1), record("h4444444_0"), record("h5555555_9", "0.8", 9)]
    assert ways_around([], others) == [()]
    assert ways_around(bad, [*(one.record for one in bad), *others]) == [
        ("a ==1.0 h3333333_1",),
        ("a ==1.0 h4444444_0",),
        ("a !=1.0,!=0.9",),
    ]
    both = ways_around([bad[0], Lacking(record("0", name="b"), ())], others)
    assert both == [("a ==1.0 h3333333_1", "b !=1.0"), ("a ==1.0 h4444444_0", "b !=1.0"), ("a !=1.0", "b !=1.0")]
