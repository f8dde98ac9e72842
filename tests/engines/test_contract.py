"""One contract for every engine: the same small channels, the same answers; what differs is in `DIFFERENCES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from channels import Package, write_channel

from envkit.checks.validity import check_validity
from envkit.engines.base import ChannelAccess, Engine
from envkit.errors import ChannelError, EnvkitError, SettingsError, SpecError, UnsatisfiableError
from envkit.models.build import Record
from envkit.models.problem import Problem, problem_of
from envkit.models.solve import Pin, SolveTask, VirtualPackage

Access = Callable[..., ChannelAccess]

DIFFERENCES = {
    # engine: what it does otherwise than the contract says, and what the tests below hold it to
    "libmamba": {
        "installed": "kept all together, else what was asked for of it, else none: rattler decides for each",
        "time-limit": "kept by nobody: the solver cannot be stopped from within",
    },
    "conda-classic": {
        # Not of the small channels here: over indexes of 30,000 records, `conda create isoduration` alone fails so.
        "invalid": "what it chose is checked; it was seen to leave a dependency unmet, which is refused",
        "verdict": "over large indexes it may say that there is no solution where the others find a valid one",
        "reasons": "tells of contradictions between chains of dependencies alone, and of nothing that is missing below",
        "virtual-constrains": "a constrains on a virtual package guides no choice; what breaks one is refused",
    },
    "conda": {
        "exclude-newer": "refused with a SettingsError: conda 26.7 has no such setting",
        "installed": "as libmamba",
        "raw": "records come without the members that conda does not know",
    },
}

VIRTUAL = (
    VirtualPackage("__unix", "0"),
    VirtualPackage("__linux", "0"),
    VirtualPackage("__glibc", "2.28"),
    VirtualPackage("__archspec", "1", "x86_64_v3"),
)
CUDA = (*VIRTUAL, VirtualPackage("__cuda", "12.4"), VirtualPackage("__cuda_arch", "8.0"))


def differs(engine_name: str, topic: str) -> bool:
    names = {engine_name, engine_name.partition("-")[0]}
    return any(topic in DIFFERENCES.get(name, {}) for name in names)


def words(records: Sequence[Record]) -> list[str]:
    return [f"{r.name} {r.version} {r.build}" for r in records]


@pytest.fixture
def ask(engine: Engine, access_of: Access) -> Callable[..., list[str]]:
    """Solve over some packages, check the answer for validity, and give it in words."""

    def solve(channel: Path | Sequence[Path], *specs: str, **task: object) -> list[str]:
        access = access_of(*([channel] if isinstance(channel, Path) else channel))
        platforms = ("linux-64", "noarch")
        urls = tuple(c.url for c in access.channels)
        asked = SolveTask(specs, channels=urls, platforms=platforms, **{"virtual_packages": VIRTUAL, **task})  # type: ignore[arg-type]
        records = engine.solve(asked, access=access)
        assert check_validity(records, asked) == ()
        return words(records)

    return solve


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return write_channel(
        tmp_path / "main",
        [
            Package("lib", "1.0", timestamp=1_500_000_000_000),
            Package("lib", "1.2", timestamp=1_600_000_000_000),
            Package("lib", "1.10", noarch="generic", timestamp=1_700_000_000_000, record={"license": "MIT", "odd": 1}),
            Package("app", "1.0", depends=["lib"], timestamp=1_500_000_000_000),
            Package("app", "2.0", depends=["lib >=1.2,<1.10"], timestamp=1_600_000_000_000),
            Package("app", "3.0", depends=["lib >=9"], timestamp=1_700_000_000_000),
            Package("tool", build="cpu_0"),
            Package("tool", build="cuda_0", depends=["__cuda >=12"], record={"build_number": 1}),
            Package("narrow", "2.0", depends=["__cuda >=12.6"]),
            Package("narrow", "1.0", depends=["__cuda"], constrains=["lib <1.2"]),
            Package("ampere", depends=["__cuda_arch >=8"]),
            Package("hopper", depends=["__cuda_arch >=9"]),
            Package("modern", "2.0", depends=["__glibc >=2.34"]),
            Package("modern", "1.0", depends=["__glibc >=2.17"]),
            Package("more", depends=["modern"]),
            Package("capped", "2.0", constrains=["__cuda <12"]),
            Package("capped", "1.0"),
            Package("micro", depends=["__archspec 1 x86_64_v3"]),
            Package("mac", depends=["__osx"]),
        ],
    )


def test_query_splits_what_matches_from_the_others(engine: Engine, access_of: Access, channel: Path) -> None:
    platforms = ["linux-64", "noarch"]
    found = engine.query("lib", platforms=platforms, access=access_of(channel))
    assert found.name == "lib"
    assert {r.version for r in found.matching} == {"1.0", "1.2", "1.10"}
    assert found.others == ()
    some = engine.query("lib>=1.2", platforms=platforms, access=access_of(channel))
    assert {r.version for r in some.matching} == {"1.2", "1.10"}
    assert {r.version for r in some.others} == {"1.0"}
    built = engine.query("tool=*=cuda*", platforms=platforms, access=access_of(channel))
    assert [r.build for r in built.matching] == ["cuda_0"]


def test_query_gives_whole_records(engine: Engine, engine_name: str, access_of: Access, channel: Path) -> None:
    found = engine.query("lib=1.10", platforms=["linux-64", "noarch"], access=access_of(channel))
    [record] = found.matching
    assert record.subdir == "noarch"
    assert record.fn == "lib-1.10-0.conda"
    assert record.url == f"{channel.as_uri()}/noarch/lib-1.10-0.conda"
    assert record.channel == channel.as_uri()
    assert record.sha256 is not None
    assert record.timestamp == 1_700_000_000_000
    assert record.raw["license"] == "MIT"
    assert "url" not in record.raw
    if engine_name == "fake":
        assert record.raw["odd"] == 1
    assert differs(engine_name, "raw") == (engine_name.startswith("conda"))


def test_query_of_a_name_that_is_not_there_is_empty(engine: Engine, access_of: Access, channel: Path) -> None:
    found = engine.query("nothing", platforms=["linux-64", "noarch"], access=access_of(channel))
    assert (found.name, found.matching, found.others) == ("nothing", (), ())


def test_the_newest_that_has_its_dependencies(ask: Callable[..., list[str]], channel: Path) -> None:
    assert ask(channel, "app") == ["app 2.0 0", "lib 1.2 0"]


def test_versions_and_builds(ask: Callable[..., list[str]], channel: Path) -> None:
    assert ask(channel, "app=1", "lib <1.2") == ["app 1.0 0", "lib 1.0 0"]
    assert ask(channel, "lib>1.2") == ["lib 1.10 0"]
    assert ask(channel, "tool * cpu*") == ["tool 1.0 cpu_0"]
    assert ask(channel, "tool=1.0=cpu_0") == ["tool 1.0 cpu_0"]


def test_the_newest_build_of_either_subdir(ask: Callable[..., list[str]], tmp_path: Path) -> None:
    made = write_channel(
        tmp_path / "became-noarch",
        [
            Package("abi", "3.11", "6_cp311", record={"build_number": 6}),
            Package("abi", "3.11", "8_cp311", noarch="generic", record={"build_number": 8}),
            Package("back", "1.0", "1", noarch="generic", record={"build_number": 1}),
            Package("back", "1.0", "2", record={"build_number": 2}),
        ],
    )
    assert ask(made, "abi", "back") == ["abi 3.11 8_cp311", "back 1.0 2"]


def test_two_specs_of_one_name_both_hold(ask: Callable[..., list[str]], channel: Path) -> None:
    assert ask(channel, "lib >=1.2", "lib <1.10") == ["lib 1.2 0"]
    pin = Pin("app ==1.0 0*", "chosen")
    assert ask(channel, "app * *0", pin.spec, "lib=1.2", pins=(pin,)) == ["app 1.0 0", "lib 1.2 0"]


def test_a_constraint_binds_only_what_is_there(ask: Callable[..., list[str]], channel: Path) -> None:
    constraints = ("lib <1.2", "nothing >=1", "mac <0")
    assert ask(channel, "app", constraints=constraints) == ["app 1.0 0", "lib 1.0 0"]
    assert ask(channel, "tool", constraints=("lib <1.2",)) == ["tool 1.0 cpu_0"]


def test_several_constraints_on_one_name_all_hold(ask: Callable[..., list[str]], channel: Path) -> None:
    assert ask(channel, "lib", constraints=("lib <1.10", "lib * 0", "lib >=1.0")) == ["lib 1.2 0"]
    assert ask(channel, "tool", constraints=("tool * c*", "tool * *pu*"), virtual_packages=CUDA) == ["tool 1.0 cpu_0"]


def test_records_constrain_each_other(ask: Callable[..., list[str]], channel: Path) -> None:
    assert ask(channel, "narrow", "lib", virtual_packages=CUDA) == ["lib 1.0 0", "narrow 1.0 0"]


def test_virtual_packages_are_the_target(ask: Callable[..., list[str]], channel: Path) -> None:
    assert ask(channel, "tool", virtual_packages=CUDA) == ["tool 1.0 cuda_0"]
    assert ask(channel, "tool") == ["tool 1.0 cpu_0"]
    assert ask(channel, "narrow", virtual_packages=CUDA) == ["narrow 1.0 0"]
    assert ask(channel, "modern") == ["modern 1.0 0"]
    assert ask(channel, "micro") == ["micro 1.0 0"]
    with pytest.raises(UnsatisfiableError):
        ask(channel, "mac")


def test_the_compute_capability_is_a_virtual_package(ask: Callable[..., list[str]], channel: Path) -> None:
    assert ask(channel, "ampere", virtual_packages=CUDA) == ["ampere 1.0 0"]
    for wanted, virtual in (("hopper", CUDA), ("ampere", VIRTUAL)):
        with pytest.raises(UnsatisfiableError):
            ask(channel, wanted, virtual_packages=virtual)


def test_constrains_on_a_virtual_package_hold(ask: Callable[..., list[str]], engine_name: str, channel: Path) -> None:
    if differs(engine_name, "virtual-constrains"):
        with pytest.raises(UnsatisfiableError, match="__cuda <12"):
            ask(channel, "capped", virtual_packages=CUDA)
    else:
        assert ask(channel, "capped", virtual_packages=CUDA) == ["capped 1.0 0"]
    assert ask(channel, "capped") == ["capped 2.0 0"]


def test_unsatisfiable_says_what(ask: Callable[..., list[str]], channel: Path) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        ask(channel, "app=2", "lib=1.10")
    assert "lib" in caught.value.message
    assert "app" in caught.value.message
    assert caught.value.hint
    with pytest.raises(UnsatisfiableError, match="nothing"):
        ask(channel, "nothing")


def nodes(problem: Problem) -> list[Problem]:
    return [problem, *(node for child in problem.children for node in nodes(child))]


def tree(ask: Callable[..., list[str]], channel: Path, *specs: str, **task: object) -> list[Problem]:
    """The nodes of the tree of a request without a solution, which its message draws."""
    with pytest.raises(UnsatisfiableError) as caught:
        ask(channel, *specs, **task)
    problem = problem_of(caught.value)
    assert problem is not None
    assert problem.kind == "request"
    assert [line.strip("│├└─ ") for line in caught.value.message.splitlines()[1:]] == [n.text for n in nodes(problem)]
    return nodes(problem)


def test_unsatisfiable_is_a_tree_of_values(ask: Callable[..., list[str]], engine_name: str, channel: Path) -> None:
    [_, missing] = tree(ask, channel, "nothing")
    assert (missing.kind, missing.name, missing.children) == ("missing", "nothing", ())
    both = tree(ask, channel, "app=2", "lib=1.10")
    assert {node.name for node in both} >= {"app", "lib"}
    assert any(node.kind == "conflict" for node in both)
    assert not any(node.kind == "unclear" for node in both)
    deep = tree(ask, channel, "app=3")
    if differs(engine_name, "reasons"):
        assert "does not say why" in deep[0].text
        return
    assert [node.kind for node in deep if not node.children] == ["missing"]
    assert (deep[-1].name, deep[-1].spec) == ("lib", "lib >=9")
    assert any(node.name == "app" and node.children for node in deep)


def test_a_limit_that_nothing_meets_is_in_the_tree(
    ask: Callable[..., list[str]], engine_name: str, channel: Path
) -> None:
    found = tree(ask, channel, "lib >=1.2", constraints=("lib <1.2",))
    if not differs(engine_name, "reasons"):
        assert any(node.spec.startswith("lib") or node.name == "lib" for node in found)
        assert {node.kind for node in found} & {"constraint", "conflict"}


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [
        write_channel(tmp_path / "first", [Package("lib", "1.0")]),
        write_channel(tmp_path / "second", [Package("lib", "2.0"), Package("app", depends=["lib >=2"])]),
    ]


def test_the_first_channel_wins(ask: Callable[..., list[str]], two: list[Path]) -> None:
    assert ask(two, "lib") == ["lib 1.0 0"]
    assert ask(two[::-1], "lib") == ["lib 2.0 0"]


def test_strict_priority_hides_what_a_later_channel_has(ask: Callable[..., list[str]], two: list[Path]) -> None:
    for wanted in ("app", "lib >=2"):
        with pytest.raises(UnsatisfiableError):
            ask(two, wanted)


def test_flexible_priority_falls_back(ask: Callable[..., list[str]], two: list[Path]) -> None:
    assert ask(two, "lib", channel_priority="flexible") == ["lib 1.0 0"]
    assert ask(two, "app", channel_priority="flexible") == ["app 1.0 0", "lib 2.0 0"]


def test_without_priority_the_newest_wins(ask: Callable[..., list[str]], two: list[Path]) -> None:
    assert ask(two, "lib", channel_priority="disabled") == ["lib 2.0 0"]


@pytest.mark.parametrize("priority", ["strict", "flexible", "disabled"])
def test_a_spec_with_a_channel_is_hidden_by_none(ask: Callable[..., list[str]], two: list[Path], priority: str) -> None:
    second, first = two[1].as_uri(), two[0].as_uri()
    assert ask(two, f"{second}::lib", channel_priority=priority) == ["lib 2.0 0"]
    assert ask(two, f"{second}::lib", "app", channel_priority=priority) == ["app 1.0 0", "lib 2.0 0"]
    assert ask(two[::-1], f"{first}::lib", channel_priority=priority) == ["lib 1.0 0"]


def test_a_query_with_a_channel(engine: Engine, access_of: Access, two: list[Path]) -> None:
    found = engine.query(f"{two[1].as_uri()}::lib", platforms=["linux-64", "noarch"], access=access_of(*two))
    assert words(found.matching) == ["lib 2.0 0"]
    assert words(found.others) == ["lib 1.0 0"]


def test_what_is_installed_is_kept_where_it_can_be(
    engine: Engine, engine_name: str, ask: Callable[..., list[str]], access_of: Access, channel: Path
) -> None:
    def record(name: str, version: str) -> Record:
        found = engine.query(f"{name}={version}", platforms=["linux-64", "noarch"], access=access_of(channel))
        return next(record for record in found.matching if record.version == version)

    app, lib, old = record("app", "1.0"), record("lib", "1.2"), record("lib", "1.0")
    assert ask(channel, "app=1", installed=(app, lib)) == ["app 1.0 0", "lib 1.2 0"]
    assert ask(channel, "app", "tool", installed=(app, lib)) == ["app 1.0 0", "lib 1.2 0", "tool 1.0 cpu_0"]
    assert ask(channel, "lib", installed=(app, lib)) == ["lib 1.2 0"]
    # Where lib has to change: modern, which nobody asked for, could stay.
    virtual = tuple(p._replace(version="2.35") if p.name == "__glibc" else p for p in VIRTUAL)
    installed = (app, old, record("more", "1.0"), record("modern", "1.0"))
    after = "modern 2.0 0" if differs(engine_name, "installed") else "modern 1.0 0"
    answer = ask(channel, "app=2", "more", installed=installed, virtual_packages=virtual)
    assert answer == ["app 2.0 0", "lib 1.2 0", after, "more 1.0 0"]


def test_exclude_newer(ask: Callable[..., list[str]], engine_name: str, channel: Path) -> None:
    moment = 1_550_000_000_000
    if differs(engine_name, "exclude-newer"):
        with pytest.raises(SettingsError, match="newer"):
            ask(channel, "app", exclude_newer=moment)
    else:
        assert ask(channel, "app", exclude_newer=moment) == ["app 1.0 0", "lib 1.0 0"]


@pytest.mark.parametrize("spec", ["lib>=1,<", "=1.0"])
def test_a_spec_that_cannot_be_read(engine: Engine, access_of: Access, channel: Path, spec: str) -> None:
    access = access_of(channel)
    with pytest.raises(SpecError) as caught:
        engine.query(spec, platforms=["linux-64", "noarch"], access=access)
    assert caught.value.hint


@pytest.mark.parametrize("verb", ["query", "solve"])
def test_a_channel_that_is_not_there(engine: Engine, access_of: Access, tmp_path: Path, verb: str) -> None:
    access = access_of(tmp_path / "missing")
    platforms = ("linux-64", "noarch")

    def act() -> None:
        if verb == "query":
            engine.query("lib", platforms=platforms, access=access)
        else:
            engine.solve(SolveTask(("lib",), platforms=platforms, virtual_packages=VIRTUAL), access=access)

    with pytest.raises(ChannelError, match="missing") as caught:
        act()
    assert caught.value.hint


def test_a_channel_error_is_one_short_line(engine: Engine, engine_name: str, access_of: Access) -> None:
    if engine_name == "fake":
        pytest.skip("the fake reads files only")
    with pytest.raises(ChannelError) as caught:
        engine.query("lib", platforms=["linux-64", "noarch"], access=access_of("http://127.0.0.1:9/channel"))
    message = caught.value.message
    assert "127.0.0.1:9/channel" in message
    assert "\n" not in message
    assert "Caused by" not in message
    if engine_name in {"rattler", "libmamba"}:
        assert "refuses the connection" in message
        causes = caught.value.members["causes"]
        assert isinstance(causes, list)
        assert len(causes) > 2
        assert len(message) < 200


def test_secrets_appear_in_no_error(engine: Engine, engine_name: str, access_of: Access) -> None:
    if engine_name == "fake":
        pytest.skip("the fake reads files only")
    access = access_of("http://someone:s3cr3t@127.0.0.1:9/t/tk-0123456789/private")
    with pytest.raises(EnvkitError) as caught:
        engine.query("lib", platforms=["linux-64", "noarch"], access=access)
    shown = f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    assert isinstance(caught.value, ChannelError), shown
    assert "s3cr3t" not in shown
    assert "tk-0123456789" not in shown


def test_capabilities(engine: Engine, engine_name: str) -> None:
    able = engine.capabilities()
    assert able.name == engine_name.partition("-")[0]
    assert able.version[0].isdigit()
    assert able.exclude_newer == (not differs(engine_name, "exclude-newer"))
    assert able.flexible_priority
