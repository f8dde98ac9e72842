"""Packages that the configuration holds or forbids."""

from __future__ import annotations

import pytest

from envkit.models.build import Record
from envkit.models.request import Request
from envkit.models.solve import SolveTask
from envkit.plan.restrict import forbidden, restrict


@pytest.mark.parametrize(
    ("spec", "constraint"),
    [
        ("foo", "foo <0"),
        ("foo>=2", "foo <2"),
        ("foo <2", "foo >=2"),
        ("foo=1.2", "foo !=1.2.*"),
        ("foo ==1.2", "foo !=1.2"),
        ("foo>1,<2", None),  # left to a look at the solution
        ("foo=1=*cuda*", None),
    ],
)
def test_what_is_forbidden_becomes_a_constraint(spec: str, constraint: str | None) -> None:
    task = restrict(SolveTask(("bar",)), {"numpy <2": "pinned_packages"}, Request((spec,)).parsed)
    assert task.constraints == ("numpy <2", *([constraint] if constraint else []))
    assert dict(task.reasons).keys() == set(task.constraints)


def test_a_solution_is_looked_at_too() -> None:
    specs = Request(("foo=1=*cuda*", "bar >1,<3")).parsed
    records = [
        Record("foo", "1", "cuda_0"),
        Record("foo", "1", "cpu_0"),
        Record("bar", "2", "0"),
        Record("bar", "3", "0"),
    ]
    assert [(r.name, r.version, r.build) for r in forbidden(records, specs)] == [
        ("foo", "1", "cuda_0"),
        ("bar", "2", "0"),
    ]
