from __future__ import annotations

import re
from itertools import pairwise

import pytest

from envkit.builds.archlists import arch_lists
from envkit.builds.version import version_key
from envkit.cuda.architectures import parse_arch, supported_archs
from envkit.cuda.drivers import driver_ceiling, min_driver, newest_branch
from envkit.cuda.gpus import known_gpus, parse_gpu
from envkit.cuda.libraries import LIBRARY_NAMES
from envkit.cuda.tables import TABLES, last_known_toolkit, load_table
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_a_source_and_the_file_a_date(name: str) -> None:
    table = load_table(name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", table["as_of"])
    rows = [row for rows in table.values() if isinstance(rows, list) for row in rows if isinstance(row, dict)]
    assert rows
    assert [row for row in rows if "source" not in row and "write" not in row] == []
    assert all(row["source"].strip() for row in rows if "source" in row)


def test_toolkits_need_newer_drivers_as_they_get_newer() -> None:
    rows = load_table("toolkits")["toolkits"]
    ordered = sorted(rows, key=lambda row: (CudaVersion.parse(row["toolkit"]), row["update"]))
    for older, newer in pairwise(ordered):
        for system in ("linux", "windows"):
            if older[system] and newer[system]:
                assert DriverVersion.parse(older[system]) <= DriverVersion.parse(newer[system]), (older, newer)
    assert len({(row["toolkit"], row["update"]) for row in rows}) == len(rows)


def test_branches_rise_with_their_ceilings() -> None:
    rows = load_table("drivers")["branches"]
    assert [row["branch"] for row in rows] == sorted(row["branch"] for row in rows)
    for older, newer in pairwise(rows):
        assert CudaVersion.parse(older["ceiling"]) < CudaVersion.parse(newer["ceiling"])


def test_the_driver_of_each_toolkit_has_that_toolkit_as_its_ceiling() -> None:
    for row in load_table("toolkits")["toolkits"]:
        toolkit = CudaVersion.parse(row["toolkit"])
        assert driver_ceiling(min_driver(toolkit)) == toolkit


def test_every_toolkit_has_a_ptx_isa() -> None:
    known = {row["toolkit"] for row in load_table("ptx")["ptx"]}
    recent = {row["toolkit"] for row in load_table("toolkits")["toolkits"]} - {"8.0"}
    assert recent <= known


def test_every_gpu_of_the_table_can_be_read_back() -> None:
    ambiguous = {row["name"] for row in load_table("gpus")["ambiguous"]}
    for row in load_table("gpus")["gpus"]:
        ComputeCapability.parse(row["compute_capability"])
        for name in row["names"]:
            if name not in ambiguous:
                gpu = parse_gpu(name)
                assert str(gpu.compute_capability) == row["compute_capability"], name
    assert len(set(known_gpus())) == len(known_gpus())


def test_each_gpu_can_be_compiled_for_by_some_toolkit() -> None:
    compiled = {arch for row in load_table("archs")["toolkit_archs"] for arch in row["sm"]}
    for row in load_table("gpus")["gpus"]:
        capability = ComputeCapability.parse(row["compute_capability"])
        assert capability.sm in compiled, row


def test_arch_lists_hold_what_their_toolkits_can_compile() -> None:
    for row in arch_lists():
        assert row["source"]
        assert row["version_before"] is None or version_key(row["version_from"]) < version_key(row["version_before"])
        for cuda in row["cuda"]:
            supported = supported_archs(CudaVersion.parse(cuda))
            for text in row["sass"].split() + row["ptx"].split():
                assert parse_arch(text).capability in supported, (row, cuda, text)


def test_libraries_and_limits_are_known() -> None:
    table = load_table("libraries")
    assert {name for row in table["dropped"] for name in row["names"]} <= LIBRARY_NAMES
    assert last_known_toolkit() >= CudaVersion(13, 5)
    assert newest_branch() >= 615
