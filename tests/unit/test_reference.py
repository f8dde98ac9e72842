"""The reference that `envkit help` shows says what the code does."""

from __future__ import annotations

import io
import json
import re

import pytest
from harness import ROOT, Envkit
from reference import FOLDER, reference
from referring.codes import errors
from referring.documents import look, read_parts
from referring.members import TYPES
from referring.variables import described_variables, named_variables
from rich.console import Console

from envkit.cli.markdown import Page
from envkit.cli.reference import read_topic
from envkit.errors import EXIT_CODES
from envkit.models.conda_keys import BY_VARIABLE
from envkit.models.fact import REGISTRY

TOPICS = ["codes", "conda", "exit-codes", "files", "json", "variables"]


def test_committed_files_are_up_to_date() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    stale = [name for name, text in reference().items() if written.get(name) != text]
    assert not stale, f"{', '.join(stale)} of envkit/data/reference: run scripts/reference and commit what it writes"
    assert written.keys() == reference().keys()


def test_every_member_of_a_recorded_document_is_described() -> None:
    commands, parts = read_parts()
    assert look(commands, parts) == [], "describe them in scripts/referring/documents.yml, then run scripts/reference"
    silent = [
        f"{part.name}.{name}" for part in parts.values() for name, member in part.members.items() if not member.text
    ]
    assert silent == [], "describe them in their class's `Attributes`, or in scripts/referring/documents.yml"


def test_every_described_member_occurs() -> None:
    commands, parts = read_parts()
    look(commands, parts)
    for part in parts.values():
        assert bool(part.times) is not part.unseen, part.name
        for name, member in part.members.items():
            assert part.unseen or bool(member.times) is not member.unseen, f"{part.name}.{name}"
        if part.unseen and part.fields:  # then the class says what there is
            assert set(part.members) == set(part.fields), part.name


def test_types_hold_what_documents_have() -> None:
    commands, parts = read_parts()
    look(commands, parts)
    for part in parts.values():
        for name, member in part.members.items():
            words = member.type(always=True)
            for seen in member.types & {*TYPES.values(), "null"} - {"object"}:
                fits = seen in words or (seen == "integer" and "number" in words) or (seen == "string" and "`" in words)
                assert fits, f"{part.name}.{name} is {words} and was {seen}"


def test_the_code_names_the_variables_that_are_described() -> None:
    named, (here, elsewhere) = named_variables(), described_variables()
    known = here | elsewhere
    undescribed = {
        name: where
        for name, where in named.items()
        if name not in known and not (name.endswith("_") and any(other.startswith(name) for other in known))
    }
    assert undescribed == {}, "describe them in scripts/referring/variables.yml, then run scripts/reference"
    keys = BY_VARIABLE.keys() | {"CONDA_"}  # made of the names of conda's keys
    assert here - named.keys() - keys == set(), "nothing names them any more"


def test_every_error_has_a_cure_of_its_own() -> None:
    cures = [error.cure for error in errors()]
    assert len(set(cures)) == len(cures) == 19
    assert all(cure.endswith(".") and cure[0].isupper() for cure in cures)


def test_every_code_has_a_meaning() -> None:
    for codes in REGISTRY.values():
        for code in codes.values():
            assert re.fullmatch(r"[A-Z`].*\.", code.meaning), code


def test_every_code_of_a_document_is_listed() -> None:
    page = read_topic("codes")
    told = [code for kind, codes in REGISTRY.items() if kind != "seen" for code in codes]  # those are parts of texts
    assert [code for code in (*told, *(error.code for error in errors())) if f"| `{code}` |" not in page] == []


def test_errors_end_with_exit_codes_that_are_listed() -> None:
    assert {error.exit_code for error in errors()} < EXIT_CODES.keys()


def test_readme_lists_the_exit_codes() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", section, re.MULTILINE))
    assert rows == {str(code): text for code, text in EXIT_CODES.items()}


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("columns", [80, 120])
def test_pages_fit_the_terminal_and_cut_nothing_off(topic: str, columns: int) -> None:
    out = io.StringIO()
    Console(file=out, width=columns).print(Page(read_topic(topic)))
    assert out.getvalue().count("…") == read_topic(topic).count("…")
    assert max(map(len, out.getvalue().splitlines())) <= columns
    missing = set(re.findall(r"^\| `([^`]*)` \|", read_topic(topic), re.MULTILINE)) - set(out.getvalue().split())
    assert not missing


def test_help_lists_topics(envkit: Envkit) -> None:
    listed = envkit("help").out
    assert [line.split()[0] for line in listed.splitlines()[: len(TOPICS)]] == TOPICS
    assert [about["topic"] for about in envkit("help", "--json").json["topics"]] == TOPICS


def test_help_prints_the_markdown(envkit: Envkit) -> None:
    text = (FOLDER / "json.md").read_text(encoding="utf-8")
    assert envkit("help", "json", "--raw").out == text
    assert "Progress" in envkit("help", "json").out
    assert envkit("help", "json", "--json").json == {"schema_version": 1, "topic": "json", "markdown": text}


@pytest.mark.parametrize("command", [["find"], ["volume", "bootstrap"]])
def test_help_of_a_command_is_its_help(envkit: Envkit, command: list[str]) -> None:
    assert envkit("help", *command).out == envkit(*command, "--help").out


def test_unknown_topics_are_refused_with_the_nearest(envkit: Envkit) -> None:
    refused = envkit("help", "exitcodes", "--json")
    assert refused.code == 2
    hint = json.loads(refused.out)["error"]["hint"]
    assert "`envkit help exit-codes`" in hint
    assert all(topic in hint for topic in TOPICS)


def test_the_app_mentions_help(envkit: Envkit) -> None:
    assert "envkit help" in envkit("--help").out
