"""The rows of the frameworks: complete, disjoint, and in step with probes, tables of builds and judges."""

from __future__ import annotations

import pytest

from envkit.builds.archlists import arch_lists
from envkit.builds.published import published_rows
from envkit.frameworks.row import FrameworkRow
from envkit.frameworks.table import (
    CUDA_FRAMEWORKS,
    EXTRA_CHANNELS,
    PTX_TO_DRIVER,
    ROWS,
    is_core,
    is_stub,
    row_of,
    wheel_row,
)
from envkit.models.spec import parse_match_spec
from envkit.probe import PROBES_DIR

NOT_OF_A_FRAMEWORK = {"bytecode", "compile_worker", "cuda_driver", "dask_task", "exercises", "modules", "session"}

every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


@every_row
def test_a_row_speaks_of_its_own_packages_only(row: FrameworkRow) -> None:
    own = set(row.packages)
    assert len(own) == len(row.packages)
    assert row.compiled in own
    assert {row.compiled, row.choice(row.packages[0])} <= own
    for names in (row.wrappers, row.core, row.stubs, row.cpu_packages, row.cuda_packages, row.always_cuda):
        assert own.issuperset(names)
    words = {"version": "1.0", "cuda": "12.9", "major": 12, "minor": 9}
    assert row.toolkit is None or row.toolkit in own
    specs = [*row.cuda_variants, *(spec for specs in row.companions.values() for spec in specs)]
    assert own.issuperset(parse_match_spec(spec.format(**words)).name for spec in specs)


@every_row
def test_a_row_does_not_contradict_itself(row: FrameworkRow) -> None:
    assert not set(row.core) & set(row.stubs)
    assert not set(row.cpu_packages) & {*row.cuda_packages, *row.always_cuda}
    assert set(row.companions) <= {"conda-forge", *row.channels}
    assert {limit.channel for limit in row.limits} <= {"conda-forge", *row.channels}
    assert row.compiled not in row.wrappers
    assert row.cuda_value is None or row.cuda_fact is not None
    assert row.compiled in row.core or row.compiled in row.always_cuda or row.gpu_is_optional


def test_no_package_belongs_to_two_frameworks() -> None:
    names = [name for row in ROWS.values() for name in row.packages]
    assert len(names) == len(set(names))
    assert all(row_of(name) is row for row in ROWS.values() for name in row.packages)
    assert row_of("numpy") is None


def test_rows_and_probes_are_there_for_each_other() -> None:
    named = [script for row in ROWS.values() for script in (row.probe, row.collective, row.nodes) if script is not None]
    assert len(named) == len(set(named))
    assert set(named) == {path.name for path in PROBES_DIR.glob("*.py") if path.stem not in NOT_OF_A_FRAMEWORK}
    assert all(row.probe is not None for row in ROWS.values() if row.collective is not None)


@every_row
def test_a_probe_tells_the_facts_that_its_row_names(row: FrameworkRow) -> None:
    if row.probe is None:
        return
    source = (PROBES_DIR / row.probe).read_text(encoding="utf-8")
    facts = [*(key for _, key in row.identity), *([row.cuda_fact] if row.cuda_fact else [])]
    assert row.identity
    assert [fact for fact in facts if f'"{fact}"' not in source] == []
    assert row.probe == f"{row.key}.py"
    assert f"import {row.module}" in source


def test_keys_are_file_names_and_modules_are_told_apart() -> None:
    assert list(ROWS) == sorted(ROWS)
    assert len({row.module for row in ROWS.values()}) == len({row.title for row in ROWS.values()}) == len(ROWS)


def test_tables_of_builds_speak_of_packages_that_a_row_has() -> None:
    listed = {name for row in arch_lists() for name in row["names"]} | {row["name"] for row in published_rows()}
    assert {name for name in listed if row_of(name) is None and wheel_row(name) is None} == set()
    channels = {row["channel"] for row in (*arch_lists(), *published_rows())}
    assert channels <= {"conda-forge", "pkgs/main", "pypi"} | EXTRA_CHANNELS


def test_lists_are_made_from_the_rows() -> None:
    assert {"pytorch", "tensorflow", "jax", "cupy"} <= CUDA_FRAMEWORKS
    assert "numba" not in CUDA_FRAMEWORKS
    assert {"pytorch", "nvidia"} <= EXTRA_CHANNELS
    assert {"numba", "pycuda"} <= PTX_TO_DRIVER
    assert "pytorch" not in PTX_TO_DRIVER
    assert is_core("jaxlib")
    assert not is_core("jax")
    assert is_stub("cpuonly")
    assert not is_stub("pytorch-cuda")
