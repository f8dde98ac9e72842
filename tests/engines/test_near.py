"""Give conda the closure of a request, or the channels where only it can tell."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from channels import Package, write_channel
from harness import serve

from envkit.engines.base import ChannelAccess
from envkit.engines.conda import CondaEngine
from envkit.errors import ChannelError, EnvkitError, UnsatisfiableError
from envkit.models.channel import parse_channel
from envkit.models.network import NetworkPolicy
from envkit.models.solve import Pin, SolveTask, VirtualPackage

Access = Callable[..., ChannelAccess]

PLATFORMS = ("linux-64", "noarch")
# Chooses the first record of each name of each channel; refuses what is called "no" and names the channels.
STAND_IN = """#!{python} -I
import json, os, pathlib, re, sys
urls = re.findall(r'^  - "(file://.*|http.*)"$', pathlib.Path(os.environ["CONDARC"]).read_text(), re.M)
names, fetch = {{}}, []
for url in urls[1:]:
    names[url] = []
    for file in sorted(pathlib.Path(url.removeprefix("file://")).glob("*/repodata.json")):
        records = json.loads(file.read_text())
        for fn, record in [*records["packages"].items(), *records["packages.conda"].items()]:
            names[url].append(fn)
            fetch.append({{**record, "fn": fn, "url": f"{{url}}/{{file.parent.name}}/{{fn}}", "channel": "x"}})
request = list(pathlib.Path(urls[0].removeprefix("file://")).glob("*/*.json"))
seen = {{"urls": urls[1:], "names": names, "argv": sys.argv[1:], "request": "".join(p.read_text() for p in request)}}
pathlib.Path({seen!r}).write_text(json.dumps(seen))
if any(part.endswith("no") for part in sys.argv):
    text = "\\n".join(f"  - {{url}}::no and {{url.removeprefix('file://')}}" for url in urls[1:])
    print(json.dumps({{"exception_name": "PackagesNotFoundError", "message": "not available:\\n" + text}}))
elif any(part.endswith("broken") for part in sys.argv):
    sys.exit(f"InvalidMatchSpec: {{urls[1:]}}")
else:
    print(json.dumps({{"actions": {{"FETCH": fetch}}}}))
"""


@pytest.fixture
def ask(tmp_path: Path, access_of: Access) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Solve with the stand-in; give the answer or error, and what the stand-in saw."""
    program = tmp_path / "conda"
    program.write_text(STAND_IN.format(python=sys.executable, seen=str(tmp_path / "seen.json")))
    program.chmod(0o755)

    def solve(channels: Sequence[Path | str], *specs: str, **task: Any) -> tuple[Any, dict[str, Any]]:
        policy = NetworkPolicy(retries=0, connect_s=1)
        access = access_of(*channels, policy=policy)
        try:
            answer: Any = CondaEngine(program).solve(SolveTask(specs, platforms=PLATFORMS, **task), access=access)
        except EnvkitError as error:
            answer = error
        return answer, json.loads((tmp_path / "seen.json").read_text())

    return solve


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    first = write_channel(tmp_path / "first", [Package("app", depends=["lib", "__glibc"]), Package("else")])
    second = write_channel(
        tmp_path / "second", [Package("lib", noarch="generic"), Package("far"), Package("no"), Package("broken")]
    )
    return [first, second]


def test_it_gets_what_the_request_may_need(ask: Callable[..., Any], two: list[Path]) -> None:
    virtual = (VirtualPackage("__glibc", "2.35"),)
    records, seen = ask(two, "app", virtual_packages=virtual)
    assert list(seen["names"].values()) == [["app-1.0-0.conda"], ["lib-1.0-0.conda"]]
    assert not any(url in (two[0].as_uri(), two[1].as_uri()) for url in seen["urls"])
    assert not any(Path(unquote(urlsplit(url).path)).exists() for url in seen["urls"])
    assert [(record.name, record.url) for record in records] == [
        ("app", f"{two[0].as_uri()}/linux-64/app-1.0-0.conda"),
        ("lib", f"{two[1].as_uri()}/noarch/lib-1.0-0.conda"),
    ]
    assert records[0].channel == two[0].as_uri()
    assert (
        records[0].sha256
        == json.loads((two[0] / "linux-64/repodata.json").read_text())["packages.conda"]["app-1.0-0.conda"]["sha256"]
    )


def test_named_channels_are_named_in_questions_and_errors(ask: Callable[..., Any], two: list[Path]) -> None:
    first, second = (place.as_uri() for place in two)
    pin = Pin(f"{second}::lib ==1.0", "chosen")
    _, seen = ask(two, f"{first}::app", "lib", pin.spec, constraints=(f"{second}::far<2",), pins=(pin,))
    near_first, near_second = seen["urls"]
    assert seen["argv"][-2:] == [f"{near_first}::app", "lib"]
    assert f"{near_second}::lib ==1.0" in seen["request"]
    assert f"{near_second}::far<2" in seen["request"]
    for spec in ("no", "broken"):
        error, seen = ask(two, f"{second}::{spec}")
        assert near_second.rpartition("/")[2] in seen["argv"][-1]
        assert second in f"{error.message}"
        assert "channel-00" not in f"{error.message} {error.hint}"
        assert "envkit-run" not in f"{error.message} {error.hint}"
    error, _ = ask(two, "no")
    assert isinstance(error, UnsatisfiableError)


ODD: dict[str, list[Package]] = {
    "a record of another channel's": [Package("app", depends=["other::lib"]), Package("lib")],
    "a record that only conda can read": [Package("app", record={"timestamp": "soon"})],
    "what is not there": [Package("else")],
    "a version that is not there": [Package("app", "0.1")],
}


@pytest.mark.parametrize("why", ODD)
def test_it_gets_the_channel_where_it_has_to_see_it(ask: Callable[..., Any], tmp_path: Path, why: str) -> None:
    channel = write_channel(tmp_path / "odd", ODD[why])
    _, seen = ask([channel], "app>=1")
    assert seen["urls"] == [channel.as_uri()]


@pytest.mark.parametrize("spec", ["app[url=file:///srv/app.conda]", "second/linux-64::lib", "lib*"])
def test_it_gets_the_channels_for_a_request_that_names_more(
    ask: Callable[..., Any], two: list[Path], spec: str
) -> None:
    _, seen = ask(two, spec)
    assert seen["urls"] == [place.as_uri() for place in two]


def test_a_channel_that_only_conda_can_reach_is_left_to_it(ask: Callable[..., Any], two: list[Path]) -> None:
    for channel in ("http://someone:s3cr3t@127.0.0.1:9/private", "http://127.0.0.1:9/closed"):
        _, seen = ask([two[0], channel], "app")
        assert seen["urls"] == [two[0].as_uri(), channel]


def test_a_folder_for_temporary_files_that_conda_reads_otherwise(
    ask: Callable[..., Any], two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("with space", "t"):
        place = tmp_path / name / "tk-0123"
        place.mkdir(parents=True)
        monkeypatch.setenv("TMPDIR", str(place))
        _, seen = ask(two, "app")
        assert seen["urls"] == [each.as_uri() for each in two]


def test_the_folders_leave_nothing_behind(ask: Callable[..., Any], two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path / "scratch"))
        ask(two, "app")
        ask(two, "no")
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not (tmp_path / "index" / "conda").exists()


def test_a_channel_that_is_named_twice(ask: Callable[..., Any], two: list[Path]) -> None:
    records, seen = ask([two[0], two[1], two[0]], "app", virtual_packages=(VirtualPackage("__glibc", "2.35"),))
    assert len(seen["urls"]) == 2
    assert [record.name for record in records] == ["app", "lib"]
    assert records[0].channel == parse_channel(str(two[0])).url


@pytest.mark.usefixtures("two")
def test_offline_a_query_finds_what_a_solve_has_read(tmp_path: Path, access_of: Access) -> None:
    """conda takes an index that it has not cached for an empty one when it is offline."""
    program = tmp_path / "conda"
    program.write_text(STAND_IN.format(python=sys.executable, seen=str(tmp_path / "seen.json")))
    program.chmod(0o755)
    with serve(tmp_path) as url:
        channels = [f"{url}/first", f"{url}/second"]
        virtual = (VirtualPackage("__glibc", "2.35"),)
        task = SolveTask(("app",), platforms=PLATFORMS, virtual_packages=virtual)
        solved = CondaEngine(program).solve(task, access=access_of(*channels, policy=NetworkPolicy(retries=0)))
    answer = {"exception_name": "PackagesNotFoundInChannelsError", "message": "not available"}
    program.write_text(f"#!{sys.executable} -I\nprint({json.dumps(answer)!r})\n")
    offline = access_of(*channels, policy=NetworkPolicy(retries=0, offline=True))
    found = CondaEngine(program).query("app", platforms=PLATFORMS, access=offline)
    assert [record.url for record in found.matching] == [f"{url}/first/linux-64/app-1.0-0.conda"] == [solved[0].url]
    unread = access_of(f"{url}/unread", policy=NetworkPolicy(retries=0, offline=True))
    with pytest.raises(ChannelError, match="offline"):
        CondaEngine(program).query("app", platforms=PLATFORMS, access=unread)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_conda_chooses_what_it_chooses_of_whole_channels(
    conda_program: Path, index_server: str, access_of: Access
) -> None:
    access = access_of(*(f"{index_server}/{name}" for name in ("pytorch", "nvidia", "conda-forge")))
    engine = CondaEngine(conda_program, env={**os.environ, "CONDA_SOLVER": "classic"})
    whole = CondaEngine(conda_program, env={**os.environ, "CONDA_SOLVER": "classic"})
    whole._apart.add(access)
    virtual = [("__glibc", "2.35"), ("__linux", "6"), ("__unix", "0"), ("__archspec", "1"), ("__cuda", "12.4")]
    for specs, priority in (
        (("python=3.11", "zlib"), "strict"),
        ((f"{index_server}/conda-forge::zlib",), "flexible"),
        (("pytorch ==2.5.1 *cuda12.4*", "python=3.12"), "strict"),
        (("python=3.12", "numpy<1.20"), "strict"),
    ):
        task = SolveTask(
            specs,
            platforms=PLATFORMS,
            channel_priority=priority,  # type: ignore[arg-type]
            virtual_packages=tuple(VirtualPackage(*pair) for pair in virtual),
        )
        answers: list[Any] = []
        for one in (engine, whole):
            try:
                answers.append([(record.url, record.raw) for record in one.solve(task, access=access)])
            except UnsatisfiableError:  # which reasons conda tells, and in which order, is by chance
                answers.append("unsatisfiable")
        assert answers[0] == answers[1]
    assert access not in engine._apart
