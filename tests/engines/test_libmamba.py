"""What is libmamba's alone: an answer that does not depend on what came first, and its graph of problems."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from channels import Package, write_channel

from envkit.engines.base import ChannelAccess
from envkit.engines.rattler import RattlerEngine
from envkit.errors import UnsatisfiableError
from envkit.models.build import Record
from envkit.models.problem import Problem, problem_of
from envkit.models.solve import SolveTask, VirtualPackage

pytest.importorskip("libmambapy", reason="libmamba is not installed")

from envkit.engines.libmamba import LibmambaEngine

Access = Callable[..., ChannelAccess]
PLATFORMS = ("linux-64", "noarch")


class Shuffled(RattlerEngine):
    """An index whose records come in another order each time, as they do over a network."""

    def closure(self, *args: object, **kwargs: object) -> tuple[Record, ...]:
        records = list(super().closure(*args, **kwargs))  # type: ignore[arg-type]
        random.shuffle(records)
        return tuple(records)


def test_the_answer_does_not_depend_on_the_order_of_records(access_of: Access, index_server: str) -> None:
    access = access_of(*(f"{index_server}/{name}" for name in ("pytorch", "nvidia", "conda-forge")))
    virtual = (VirtualPackage("__linux", "0"), VirtualPackage("__unix", "0"), VirtualPackage("__glibc", "2.28"))
    urls = tuple(channel.url for channel in access.channels)
    task = SolveTask(("torchvision",), channels=urls, platforms=PLATFORMS, virtual_packages=virtual)
    engine = LibmambaEngine(Shuffled())
    assert len({engine.solve(task, access=access) for _ in range(5)}) == 1


@pytest.fixture
def explain(access_of: Access, tmp_path: Path) -> Callable[..., Problem]:
    packages = [
        *(Package("lib", version) for version in ("1.0", "1.2", "1.10")),
        *(Package("app", version, depends=["lib >=1.2,<1.10"]) for version in ("2.0", "2.1")),
        Package("app", "3.0", depends=["lib >=9"]),
        Package("top", depends=["app >=2"]),
        Package("limit", constrains=["lib <1.2"]),
        Package("capped", constrains=["__cuda <12"]),
        Package("tool", build="cpu_0"),
        Package("tool", build="cuda_0"),
        Package("first", depends=["tool * cpu*"]),
        Package("second", depends=["tool * cuda*"]),
    ]
    access = access_of(write_channel(tmp_path / "main", packages))

    def solve(*specs: str, constraints: tuple[str, ...] = ()) -> Problem:
        task = SolveTask(
            specs,
            constraints,
            channels=(access.channels[0].url,),
            platforms=PLATFORMS,
            virtual_packages=(VirtualPackage("__cuda", "12.4"),),
        )
        with pytest.raises(UnsatisfiableError) as caught:
            LibmambaEngine().solve(task, access=access)
        problem = problem_of(caught.value)
        assert problem is not None
        return problem

    return solve


def test_candidates_that_fare_alike_are_one_node(explain: Callable[..., Problem]) -> None:
    problem = explain("top", "lib=1.10")
    top, lib = problem.children
    alike, alone = top.children
    assert (alike.kind, alike.spec, alike.versions, alike.builds) == ("package", "app >=2", ("2.0", "2.1"), ("0",))
    assert (alone.versions, [child.kind for child in alone.children]) == (("3.0",), ["missing"])
    assert alone.children[0].text == "lib >=9: no channel has it"
    assert (lib.kind, lib.spec, lib.versions) == ("conflict", "lib =1.10", ("1.10",))
    assert lib.text.endswith("cannot be beside lib 1.2")


def test_limits_of_records_and_of_the_request(explain: Callable[..., Problem]) -> None:
    limit = explain("app=2", "limit").children[1]
    assert (limit.name, limit.children[0].kind, limit.children[0].spec) == ("limit", "constraint", "lib <1.2")
    own = explain("lib >=1.2", constraints=("lib <1.2",)).children[1]
    assert (own.kind, own.name, own.spec, own.children) == ("constraint", "lib", "lib <1.2", ())
    assert own.text.startswith("by the request, only lib <1.2")


def test_the_target_and_builds(explain: Callable[..., Problem]) -> None:
    texts = [child.text for child in explain("capped").children]
    assert any(text.startswith("the target has __cuda 12.4") for text in texts)
    first, second = (child.children[0] for child in explain("first", "second").children)
    assert {first.builds, second.builds} == {("cpu_0",), ("cuda_0",)}
    assert second.text.endswith(f"tool 1.0 {second.builds[0]} cannot be beside tool 1.0 {first.builds[0]}")
