"""What find says about a choice: flags of CUDA, several machines, the matrix, the table, the widths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from channels import Package, archive, write_channel, write_index
from harness import Envkit, Outcome, serve

NOWHERE = {"CONDA_CHANNEL_ALIAS": "http://127.0.0.1:9"}


@pytest.fixture
def find(envkit: Envkit, known_indexes: Mapping[str, str]) -> Any:
    def run(*arguments: str | Path, **env: str) -> Outcome:
        return envkit("find", *arguments, env={**known_indexes, **env})

    return run


def _machine(name: str | None, driver: str | None, *gpus: tuple[str, str], **facts: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "schema_version": 1,
        "facts": {
            "subdir": "linux-64",
            "glibc": "2.31",
            "microarch": "x86_64_v3",
            "driver_version": driver,
            "driver_cuda": {"550.54.14": "12.4", "535.104.05": "12.2", "580.95.05": "13.0"}.get(driver or ""),
            "gpus": [{"name": gpu, "compute_capability": cc} for gpu, cc in gpus],
            **facts,
        },
    }
    return {"name": name, **document} if name else document


@pytest.mark.parametrize(
    ("cuda", "version", "build_cuda"),
    [("12.1", "2.5.1", "12.1"), ("12", "2.12.1", "12.9"), ("auto", "2.12.1", "12.9"), ("none", "2.12.0", None)],
)
def test_cuda_exact_major_auto_none(find: Any, cuda: str, version: str, build_cuda: str | None) -> None:
    found = find("pytorch", "--driver", "550", "--gpu", "a100", "--cuda", cuda, "--json").json
    best = found["builds"][0]
    assert found["pick"] == best["fn"]
    assert (best["version"], best["envkit"]["build_cuda"]) == (version, build_cuda)


def test_cuda_12_1_says_what_it_costs(find: Any) -> None:
    advice = " ".join(find("pytorch", "--driver", "550", "--gpu", "a100", "--cuda", "12.1", "--json").json["advice"])
    assert "--cuda 12.1 limits you to 2.5.1" in advice
    assert "2.12.1 for CUDA 12.9" in advice
    assert "drop --cuda 12.1" in advice


def test_why_names_the_driver_that_would_help(find: Any) -> None:
    said = find("pytorch", "--driver", "535", "--gpu", "t4", "--why", "--limit", "3").out
    for words in (
        "why this build",
        "why no newer one",
        "what to change",
        "CUDA 13.0 needs driver 580.65.06 or newer",
        "driver 575.51.03 or newer runs pytorch 2.12.1 for CUDA 12.9 of conda-forge, native",
        "2.5.1 for CUDA 12.1",
    ):
        assert words in said


def test_error_and_notes_do_not_repeat_each_other(find: Any) -> None:
    found = find("pytorch", "--driver", "470", "--cuda", "12.1", "--limit", "3")
    assert found.code == 4
    assert (found.out + found.err).count("CUDA 12.1 needs driver 525.60.13 or newer") == 1
    assert "drop --cuda 12.1" in found.err


@pytest.mark.parametrize("columns", ["80", "100", "160"])
def test_the_table_fits(find: Any, columns: str) -> None:
    lines = find("pytorch", "--driver", "535", "--gpu", "t4", "--limit", "8", COLUMNS=columns).out.splitlines()
    assert all(len(line.rstrip()) <= int(columns) for line in lines)
    at = next(number for number, line in enumerate(lines) if line.startswith("runs"))
    assert [line.split()[0] for line in lines[at + 1 : at + 9]] == ["minor"] * 8  # nothing wraps
    assert ("build" in lines[at]) is (columns == "160")


def _rows(text: str) -> list[str]:
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("runs"))
    end = next(number for number, line in enumerate(lines) if line.startswith("and "))
    return lines[at + 1 : end]


@pytest.mark.parametrize("columns", ["80", "120"])
def test_a_toolkit_that_is_not_shows_the_few_nearest(find: Any, columns: str) -> None:
    found = find("pytorch", "--driver", "550", "--gpu", "a100", "--cuda", "14", COLUMNS=columns)
    assert found.code == 1
    assert len(_rows(found.out)) == 5
    assert {line.split()[2] for line in _rows(found.out)} == {"12.9"}  # the newest toolkit that runs there
    assert "more rows: --limit N, --all" in found.out
    asked = find("pytorch", "--driver", "550", "--gpu", "a100", "--cuda", "14", "--limit", "7", COLUMNS=columns)
    assert len(_rows(asked.out)) == 7


def test_the_nearest_of_an_older_major_is_its_newest_toolkit(find: Any) -> None:
    found = find("pytorch", "--driver", "550", "--gpu", "a100", "--cuda", "11.9", "--limit", "1", COLUMNS="80")
    assert _rows(found.out)[0].split()[2] == "11.8"


@pytest.mark.parametrize("columns", ["80", "120"])
def test_why_leaves_room_for_the_explanation(find: Any, columns: str) -> None:
    said = find("pytorch", "--driver", "535", "--gpu", "t4", "--why", COLUMNS=columns).out
    assert len(_rows(said)) == 5
    assert " ".join(said.split()).count("with machine code only") == 1  # not in the pick as well


@pytest.mark.parametrize("columns", ["60", "80", "120", "160"])
@pytest.mark.parametrize("flags", [("--all",), ("--all", "--why"), ("--limit", "30")])
def test_names_and_versions_are_never_cut(find: Any, columns: str, flags: tuple[str, ...]) -> None:
    target = ("--driver", "550", "--gpu", "a100", "--cuda", "12.1")
    found = find("pytorch", *target, *flags, COLUMNS=columns)
    assert all(len(line.rstrip()) <= int(columns) for line in found.out.splitlines())
    assert "\N{HORIZONTAL ELLIPSIS}" not in found.out
    for build in find("pytorch", *target, "--json").json["builds"]:
        assert build["version"] in found.out
        assert build["build"] in found.out or "--all" not in flags


def test_matrix(find: Any) -> None:
    flags = ("pytorch", "--driver", "580", "--gpu", "v100", "--matrix")
    matrix = find(*flags, "--json").json["matrix"]
    assert matrix["columns"][:2] == ["13.0", "12.9"]
    newest = matrix["rows"][0]
    assert newest["version"] == "2.12.1"
    assert newest["cells"]["13.0"]["tier"] == "no"
    assert newest["cells"]["12.9"]["tier"] == "native"
    text = find(*flags, "--limit", "2").out
    assert "N native" in text
    assert "x does not run" in text


def test_one_choice_for_several_machines(find: Any, tmp_path: Path) -> None:
    pool = tmp_path / "pool.json"
    pool.write_text(
        json.dumps([_machine("a", "580.95.05", ("V100", "7.0")), _machine(None, "535.104.05", ("T4", "7.5"))])
    )
    found = find("pytorch", "--hosts", pool, "--json").json
    assert [host["name"] for host in found["hosts"]] == ["a", "pool.json[1]"]
    assert found["builds"][0]["envkit"]["build_cuda"] == "12.9"
    assert found["builds"][0]["envkit"]["tier"] == "minor"
    assert found["builds"][0]["envkit"]["reasons"][0]["text"].startswith("pool.json[1]: ")


def test_the_machine_that_rules_all_out_is_named(find: Any, tmp_path: Path) -> None:
    lines = [_machine("gpu", "550.54.14", ("A100", "8.0")), _machine("login", None)]
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = find("pytorch", "--hosts", tmp_path / "pool.jsonl", "--cuda", "12.4", "--json")
    assert found.code == 4
    assert "login rules them out" in found.json["error"]["message"]
    assert "--hosts" in found.json["error"]["hint"]


def test_builds_that_serve_machines_together_are_an_answer(find: Any, tmp_path: Path) -> None:
    lines = [
        _machine("gpu", "550.54.14", ("A100", "8.0")),
        _machine("login", None),
        _machine("a2", "550.54.14", ("A100", "8.0")),
    ]
    pool = tmp_path / "pool.jsonl"
    pool.write_text("\n".join(map(json.dumps, lines)))
    found = find("pytorch", "--hosts", pool, "--json")
    assert (found.code, found.json["pick"]) == (0, None)
    rows = [(row["names"], row["builds"][0]["tier"], row["pick"].split("-")[2][:3]) for row in found.json["machines"]]
    assert rows == [(["gpu", "a2"], "minor", "cud"), (["login"], "no", "cpu")]
    for columns in (60, 80, 120, 200):
        said = find("pytorch", "--hosts", pool, COLUMNS=str(columns)).out
        assert all(len(line.rstrip()) <= columns for line in said.splitlines())
        assert said.count("*") == 3  # one for each kind, and in the legend
        assert "picks" in said


def test_a_machine_may_have_any_name(find: Any, tmp_path: Path) -> None:
    lines = [_machine("gpu", "550.54.14", ("A100", "8.0")), _machine("old and grey", None), _machine("old", None)]
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = find("pytorch", "--hosts", tmp_path / "pool.jsonl", "--cuda", "12.4", "--json")
    assert found.code == 4
    assert "old and grey and 1 like it rules them out" in found.json["error"]["message"]


@pytest.mark.parametrize("text", ["", "[", "{}", "[3]", '{"facts": {"subdir": 3}}'])
def test_broken_hosts_file(envkit: Envkit, tmp_path: Path, text: str) -> None:
    (tmp_path / "hosts.json").write_text(text)
    found = envkit("find", "pytorch", "--hosts", "hosts.json", "--json", env=NOWHERE)
    assert found.code == 2
    assert "hosts.json" in found.json["error"]["message"]
    assert found.json["error"]["hint"]


def test_hosts_and_driver_exclude_each_other(envkit: Envkit, tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text(json.dumps(_machine("a", None)))
    assert envkit("find", "pytorch", "--hosts", "hosts.json", "--driver", "550", "--json").code == 2


def test_machines_of_two_platforms_have_a_build_each(envkit: Envkit, tmp_path: Path) -> None:
    machines = [_machine("a", None), _machine("mac", None, subdir="osx-arm64")]
    (tmp_path / "hosts.json").write_text(json.dumps(machines))
    found = envkit("find", "pytorch", "--hosts", "hosts.json", "--json", env=NOWHERE)
    assert found.code == 0
    assert [row["builds"][0]["tier"] for row in found.json["machines"]] == ["cpu", "native"]


def test_without_channels_the_table_answers(envkit: Envkit) -> None:
    found = envkit("find", "pytorch", "--driver", "550", "--gpu", "a100", "--matrix", "--json", env=NOWHERE)
    assert found.code == 0, found.out
    document = found.json
    assert (document["source"], document["table_date"]) == ("table", "2026-08-20")
    assert document["builds"][0]["version"] == "2.13.0"
    assert document["builds"][0]["envkit"]["tier"] == "minor"
    assert document["matrix"]["rows"]
    said = envkit("find", "pytorch", "--driver", "470", "--cuda", "12", env=NOWHERE)
    assert said.code == 4
    assert said.out.startswith("table")
    assert "2026-08-20" in said.out.splitlines()[0]


def test_without_a_network_one_line_says_why_and_a_minute_long_nobody_is_asked(envkit: Envkit) -> None:
    first = envkit("find", "pytorch", "--driver", "550", "--limit", "2", env={**NOWHERE, "COLUMNS": "200"})
    assert first.code == 0
    line = first.out.splitlines()[0]
    assert line.split(";")[0].split(maxsplit=1)[1] == "127.0.0.1:9 refuses the connection"
    assert "Caused by" not in first.out + first.err
    second = envkit("find", "jax", "--driver", "550", "--json", env=NOWHERE)
    assert second.code == 0
    assert "--refresh tries again" in second.json["source_reason"]
    again = envkit("find", "jax", "--driver", "550", "--refresh", "--json", env=NOWHERE)
    assert again.json["source_reason"] == "127.0.0.1:9 refuses the connection"
    made = envkit("create", "pytorch", "--persist", "envs", "--json", env=NOWHERE)  # it has to try
    assert made.code == 5
    assert made.json["error"]["message"].endswith("127.0.0.1:9 refuses the connection")


@pytest.mark.full
def test_an_index_that_was_read_before_answers_for_a_channel_that_is_gone(envkit: Envkit, tmp_path: Path) -> None:
    write_channel(tmp_path / "channel", [Package("thing", "1.0")])
    with serve(tmp_path / "channel") as url:
        assert envkit("find", "thing", "-c", url, "--override-channels", "--json").json["source"] == "channels"
    command = ("find", "thing", "-c", url, "--override-channels")
    for _ in range(2):  # the second time nobody is asked
        found = envkit(*command, "--json")
        assert found.code == 0, found.err
        assert (found.json["source"], found.json["builds"][0]["version"]) == ("cache", "1.0")
        assert "refuses the connection" in found.json["source_reason"]
    assert envkit(*command).out.startswith("cache")
    unknown = envkit("find", "thing", "-c", f"{url}/other", "--override-channels", "--json")
    assert unknown.code == 5, unknown.out


def test_a_remembered_outage_does_not_hide_a_channel_that_is_back(
    envkit: Envkit, index_server: str, tmp_path: Path
) -> None:
    command = ("find", "pytorch", "--driver", "550", "--json")
    own = {"XDG_CACHE_HOME": str(tmp_path), "CONDA_CHANNEL_ALIAS": index_server}
    remembered = envkit(*command, env={**own, **NOWHERE})
    assert remembered.json["source"] == "table"
    assert envkit(*command, env=own).json["source"] == "channels"  # another host
    assert envkit(*command, "-c", f"{index_server}/pytorch", env=own).json["source"] == "channels"


def test_the_table_answers_for_jax_and_mxnet_by_their_compiled_parts(envkit: Envkit) -> None:
    jax = envkit("find", "jax>=0.9", "--driver", "580", "--gpu", "h100", "--json", env=NOWHERE).json
    assert {build["name"] for build in jax["builds"]} == {"jaxlib"}
    assert {build["version"][:3] for build in jax["builds"]} <= {"0.9", "0.1"}
    assert "the compiled part of jax is jaxlib" in " ".join(jax["advice"])
    mxnet = envkit("find", "mxnet", "--cuda", "9.0", "--driver", "470", "--gpu", "v100", "--json", env=NOWHERE)
    assert mxnet.code == 0
    assert {build["version"] for build in mxnet.json["builds"]} == {"1.2.1"}
    assert "-c pkgs/main" in " ".join(mxnet.json["advice"])
    on_cpu = envkit("find", "mxnet", "--cuda", "none", "--no-gpu", "--json", env=NOWHERE).json
    assert (on_cpu["builds"][0]["version"], on_cpu["builds"][0]["envkit"]["tier"]) == ("1.9.1", "cpu")


def test_the_table_does_not_stand_in_for_what_it_is_not(envkit: Envkit) -> None:
    unknown = envkit("find", "mxnet", "--platform", "win-64", "--json", env=NOWHERE)
    assert unknown.code == 5
    assert "table of published builds does not hold mxnet for win-64" in unknown.json["error"]["hint"]
    assert envkit("find", "torchvision", "--json", env=NOWHERE).code == 5
    assert envkit("find", "pytorch", "-c", "conda-forge", "--json", env=NOWHERE).code == 5
    made = envkit("create", "pytorch", "--persist", "envs", "--json", env=NOWHERE)
    assert made.code == 5
    assert "envkit find" in made.json["error"]["hint"]


def test_markup_and_controls_of_a_channel_are_text(envkit: Envkit, tmp_path: Path) -> None:
    package = Package("odd", files={"lib/a": b""})
    record = {**archive(package)[1], "depends": ["python [red]", "__cuda >=[link=x]", "__glibc >=99\u001b[31m"]}
    write_index(tmp_path / "channel", {"linux-64": {"odd-1.0-0.conda": record}, "noarch": {}})
    found = envkit("find", "odd", "-c", tmp_path / "channel", "--override-channels", "--all", "--why")
    assert "Traceback" not in found.err
    assert "\u001b" not in found.out + found.err
    assert "needs glibc 99" in found.out


def test_the_command_of_a_correction_can_be_copied(envkit: Envkit, tmp_path: Path) -> None:
    packages = [Package("cudatoolkit", version="11.8.0", files={"lib/a": b""}), Package("cuda-version", version="12.1")]
    write_channel(tmp_path / "channel", packages)  # a correction without a solution is not offered
    only = ("-c", tmp_path / "channel", "--override-channels")
    refused = envkit("create", "cudatoolkit=12.1", "--persist", "my envs", *only, "--driver", "550", "--dry-run")
    assert refused.code == 1
    command = refused.err[refused.err.rindex("envkit create") :].strip()
    assert command.startswith("envkit create cuda-version=12.1 -c file://")
    assert command.endswith("--persist 'my envs' --override-channels --driver 550 --dry-run")


def test_a_rebuild_for_the_python_of_the_rest_comes_before_an_older_version(envkit: Envkit, tmp_path: Path) -> None:
    def torch(version: str, blas: str, python: str, number: int) -> Package:
        build = f"cpu_{blas}_py{python.replace('.', '')}_h{number:06}_{number}"
        return Package("pytorch", version, build, depends=[f"python {python}.*"], record={"build_number": number})

    channel = write_channel(
        tmp_path / "channel",
        [
            *(torch("2.10.0", *kind) for kind in (("mkl", "3.14", 104), ("mkl", "3.12", 103), ("generic", "3.13", 3))),
            *(torch("2.9.0", "mkl", python, 100) for python in ("3.12", "3.13")),
            *(Package("python", f"{python}.1") for python in ("3.12", "3.13", "3.14")),
            *(Package("app", version, depends=[f"python {version}.*"]) for version in ("3.12", "3.13")),
        ],
    )
    words = ("create", "pytorch", "-c", channel, "--override-channels", "--cuda", "none", "--dry-run", "--json")
    found = {}
    for app in ("", "app=3.12", "app=3.13"):
        made = envkit(*words, *([app] if app else []), "--persist", "envs")
        assert made.code == 0, made.err
        found[app] = made.json["pick"]["build"]
        assert "does not go together" not in made.out
    assert found == {
        "": "cpu_mkl_py314_h000104_104",
        "app=3.12": "cpu_mkl_py312_h000103_103",
        "app=3.13": "cpu_generic_py313_h000003_3",
    }


def test_a_hidden_build_names_its_channel_as_the_command_line_takes_it(envkit: Envkit, tmp_path: Path) -> None:
    depends = ["cuda-version >=12.6,<13", "__cuda"]
    for name, version in (("high", "2.7.0"), ("low", "2.8.0")):
        write_channel(tmp_path / name, [Package("pytorch", version, "cuda126_mkl_h0_0", depends=depends)])
    high, low = ((tmp_path / name).as_uri() for name in ("high", "low"))
    words = ("find", "pytorch", "--override-channels", "--driver", "570", "--gpu", "a100", "--json")
    [advice] = [text for text in envkit(*words, "-c", high, "-c", low).json["advice"] if "hides it" in text]
    assert f"-c {low} first, or alone" in advice
    first = envkit(*words, "-c", low, "-c", high).json
    assert first["builds"][0]["version"] == "2.8.0"
