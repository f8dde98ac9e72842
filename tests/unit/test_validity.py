"""Each rule of a valid solution, broken one at a time."""

from __future__ import annotations

import pytest

from envkit.checks.validity import check_validity
from envkit.models.build import Record
from envkit.models.solve import SolveTask, VirtualPackage

FIRST, SECOND = "https://example.org/first", "https://example.org/second"


def record(name: str, version: str = "1.0", **more: object) -> Record:
    return Record(
        **{  # type: ignore[arg-type]
            "name": name,
            "version": version,
            "build": "0",
            "subdir": "linux-64",
            "fn": f"{name}-{version}-0.conda",
            "channel": FIRST,
            "timestamp": 10,
            **more,
        }
    )


def task(*specs: str, **more: object) -> SolveTask:
    return SolveTask(
        specs,
        **{  # type: ignore[arg-type]
            "channels": (FIRST, SECOND),
            "platforms": ("linux-64", "noarch"),
            "virtual_packages": (VirtualPackage("__cuda", "12.4"), VirtualPackage("__archspec", "1", "x86_64_v3")),
            **more,
        },
    )


SOLUTION = (
    record(
        "app", depends=("lib >=2,<3", "__cuda >=12", "__archspec 1 x86_64_v3"), constrains=("lib !=2.1", "other <1")
    ),
    record("lib", "2.0", subdir="noarch", constrains=("__cuda >=12",)),
)


def test_a_valid_solution_breaks_nothing() -> None:
    asked = task("app", "lib=2", "__cuda", constraints=("lib <2.5", "absent >1"), exclude_newer=10)
    assert check_validity(SOLUTION, asked, index=[*SOLUTION, record("lib", "9", channel=SECOND)]) == ()


@pytest.mark.parametrize(
    ("rule", "records", "asked"),
    [
        ("spec", SOLUTION, task("app >=2")),
        ("spec", SOLUTION, task("absent")),
        ("spec", SOLUTION, task("__cuda >=12.5")),
        ("spec", SOLUTION, task("second::app")),
        ("constraint", SOLUTION, task("app", constraints=("lib <2",))),
        ("constraint", SOLUTION, task("app", constraints=("lib * py*",))),
        ("depends", SOLUTION[:1], task("app")),
        ("depends", SOLUTION, task("app", virtual_packages=(VirtualPackage("__archspec", "1", "x86_64_v3"),))),
        ("depends", SOLUTION, task("app", virtual_packages=(VirtualPackage("__cuda", "12.4"),))),
        ("constrains", (SOLUTION[0], record("lib", "2.1")), task("app")),
        ("constrains", (record("lib", constrains=("__cuda <12",)),), task("lib")),
        ("duplicate", (*SOLUTION, record("lib", "2.2")), task("app")),
        ("platform", (record("lib", subdir="osx-arm64"),), task("lib")),
        ("newer", (record("lib", timestamp=11),), task("lib", exclude_newer=10)),
        ("virtual", (record("__cuda", "12.4"),), task("__cuda")),
    ],
)
def test_what_breaks_a_rule_is_named(rule: str, records: tuple[Record, ...], asked: SolveTask) -> None:
    assert rule in {violation.rule for violation in check_validity(records, asked)}


def test_strict_priority_needs_the_index() -> None:
    late = record("lib", "9", channel=SECOND)
    index = [record("lib"), late]
    assert check_validity([late], task("lib")) == ()
    assert [v.rule for v in check_validity([late], task("lib"), index=index)] == ["priority"]
    assert check_validity([late], task("lib", channel_priority="flexible"), index=index) == ()
