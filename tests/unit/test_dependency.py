from __future__ import annotations

import pytest

from envkit.builds.dependency import spec_matches, version_bounds
from envkit.models.spec import MatchSpec, parse_match_spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("pytorch", MatchSpec("pytorch")),
        ("pytorch 2.5.1 cuda*", MatchSpec("pytorch", "2.5.1", "cuda*")),
        ("pytorch=2.5", MatchSpec("pytorch", "=2.5")),
        ("pytorch=2.5.1=*cuda*", MatchSpec("pytorch", "==2.5.1", "*cuda*")),
        ("pytorch==2.5.1", MatchSpec("pytorch", "==2.5.1")),
        ("pytorch>=2.4,<2.6", MatchSpec("pytorch", ">=2.4,<2.6")),
        ("pytorch >= 2.4 , < 2.6", MatchSpec("pytorch", ">=2.4,<2.6")),
        ("pytorch=*=cuda*", MatchSpec("pytorch", "*", "cuda*")),
        ("python_abi 3.12.* *_cp312", MatchSpec("python_abi", "3.12.*", "*_cp312")),
        ("conda-forge::numpy>=2", MatchSpec("numpy", ">=2", None, "conda-forge")),
        ("pytorch[version='>=2.4', build=cuda*]", MatchSpec("pytorch", ">=2.4", "cuda*")),
        ("PyTorch", MatchSpec("pytorch")),
        ("", MatchSpec("")),
        ("=1.2", MatchSpec("")),
    ],
)
def test_specs_are_split(text: str, spec: MatchSpec) -> None:
    assert parse_match_spec(text) == spec


def test_specs_match_packages() -> None:
    spec = parse_match_spec("pytorch=2.5=*cuda12*")
    assert spec_matches(parse_match_spec("pytorch=2.5"), "pytorch", "2.5.1", "x")
    assert not spec_matches(parse_match_spec("pytorch==2.5"), "pytorch", "2.5.1", "x")
    assert not spec_matches(spec, "torchvision", "2.5", "py3.11_cuda12.1_0")
    assert spec_matches(spec, "pytorch", "2.5.0", "py3.11_cuda12.1_0")


@pytest.mark.parametrize(
    ("spec", "low", "high", "one_minor"),
    [
        (">=12.9,<13", (12, 9), (13, 0), False),
        (">=12.1,<12.2", (12, 1), (12, 2), True),
        ("12.4.*", (12, 4), (12, 5), True),
        ("11.1|11.1.*", (11, 1), (11, 2), True),
        (">=11.8.0,<12.0a0", (11, 8), (12, 0), False),
        ("12", (12, 0), (13, 0), False),
        ("<=12.4", None, (12, 5), False),
        ("*", None, None, False),
        ("broken", None, None, False),
    ],
)
def test_bounds_of_a_toolkit(
    spec: str, low: tuple[int, int] | None, high: tuple[int, int] | None, *, one_minor: bool
) -> None:
    bounds = version_bounds(spec)
    assert (bounds.low, bounds.high, bounds.one_minor) == (low, high, one_minor)
