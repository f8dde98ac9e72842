"""Command lines are read as typer reads them, without it."""

from __future__ import annotations

import shlex
from typing import Any

import hypothesis
import pytest
import typer
import typer.main
from harness import Envkit
from hypothesis import given, settings
from hypothesis import strategies as st

from envkit.cli.commands import COMMANDS, GROUPS, commands_of, function_of, has_function, summary_of
from envkit.cli.examples import EXAMPLES
from envkit.cli.grammar import HELP, Parameter, parameters_of, parse
from envkit.cli.typed import build_app
from envkit.cli.usage import command_help
from envkit.errors import UsageError

PATHS = [*(path for path in COMMANDS if has_function(path)), *(path for group in GROUPS for path in commands_of(group))]
LATER = {"run", *GROUPS}  # what follows the first argument is not theirs, and typer reads what is odd there
CLICK_ERROR: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException" and issubclass(base, Exception)
)
APP: Any = typer.main.get_command(build_app())


def typer_reads(path: str, words: list[str]) -> dict[str, Any] | str | None:
    """The values that typer reads off the command line, or how it refuses; None for one that asks for help."""
    command = APP
    for name in path.split():
        command = command.commands[name]
    try:
        context = command.make_context(f"envkit {path}", list(words), help_option_names=list(HELP))
    except CLICK_ERROR as error:
        return str(error.format_message())  # type: ignore[attr-defined]
    except typer.Exit:
        return None
    read = {}
    for parameter in command.params:
        if parameter.name != "help" and context.get_parameter_source(parameter.name).name == "COMMANDLINE":
            read[parameter.name] = context.params[parameter.name]
    return read


def alike(values: dict[str, Any] | str | None) -> Any:
    """Values apart from the types that typer converts when it calls a function."""
    if values is None or isinstance(values, str):
        return values
    return {name: [str(v) for v in value] if isinstance(value, list | tuple) else value if isinstance(value, bool)
            else str(value) for name, value in values.items()}  # fmt: skip


VALUES = st.sampled_from(
    ["x", "", "a=b", "-", "--", "-x", "--json", "12", "0", "-1", "1.5", "nan", "٣", "é", "a b", "[x]"]
)


def written(parameter: Parameter) -> st.SearchStrategy[list[str]]:
    """Ways to give a parameter, right and wrong."""
    if parameter.declared.is_argument:
        return VALUES.map(lambda value: [value])
    flags = st.sampled_from(parameter.flags)
    if parameter.kind is bool:
        return st.one_of(flags.map(lambda flag: [flag]), st.tuples(flags, VALUES).map(lambda f: ["=".join(f)]))
    return st.one_of(
        st.tuples(flags, VALUES).map(list),
        st.tuples(flags, VALUES).map("=".join).map(lambda word: [word]),
        st.tuples(flags, VALUES).map("".join).map(lambda word: [word]),
    )


ODD = st.sampled_from([["--"], ["--nothing"], ["-dy"], ["-yd"], ["-Z"], ["-h"], ["-dn", "x"], ["-ynx"], ["-d--help"]])


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, list[str]]:
    path = draw(st.sampled_from(PATHS))
    parts = [written(parameter) for parameter in parameters_of(function_of(path))]
    chosen = draw(st.lists(st.one_of(*parts, ODD) if draw(st.booleans()) else st.one_of(*parts), max_size=5))
    return path, [word for words in chosen for word in words]


def reads(path: str, words: list[str]) -> Any:
    """What is read without typer, or the error."""
    try:
        return alike(parse(parameters_of(function_of(path)), words, interspersed=path not in LATER))
    except UsageError as error:
        return None if path == "run" else str(error)


@settings(max_examples=400, deadline=None)
@given(lines())
@hypothesis.example(("tree", ["--depth", "٣"]))
@hypothesis.example(("install", ["--timeout=٣"]))
def test_what_is_read_is_what_typer_reads(line: tuple[str, list[str]]) -> None:
    path, words = line
    try:
        expected = alike(typer_reads(path, words))
    except UsageError as error:
        expected = str(error)
    read = reads(path, words)
    assert read == expected or (read is None and path in LATER)


@pytest.mark.parametrize("path", PATHS)
def test_what_the_examples_say_is_read(path: str) -> None:
    """Or typer would be loaded for each of them."""
    for example in EXAMPLES[path]:
        words = shlex.split(example.removeprefix('eval "$(').removesuffix(')"').partition(" | ")[0].partition(" > ")[0])
        words = words[1 + len(path.split()) :]
        assert reads(path, words) == alike(typer_reads(path, words)) is not None


@pytest.mark.parametrize("path", [*PATHS, "config", "kernel"])
def test_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    for columns in (24, 60, 80, 160):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = command_help(path).splitlines()
        examples = {f"   {example}" for example in EXAMPLES.get(path, ())}  # whole, to copy
        assert [line for line in lines if len(line) > columns and line not in examples] == []
        assert lines[1].startswith(" Usage: envkit")


def test_help_takes_any_encoding(envkit: Envkit) -> None:
    outcome = envkit("list", "--help", env={"PYTHONIOENCODING": "ascii"})
    assert outcome.code == 0
    assert "+- Options -" in outcome.out
    assert "?" not in outcome.out


def test_summaries_of_groups_are_what_they_say() -> None:
    assert GROUPS["volume"] == (function_of("volume").__doc__ or "").strip()
    assert all(summary_of(path).endswith(".") for path in (*PATHS, *COMMANDS))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("find", 2, "Missing argument 'SPEC'"),
        ("find a b", 2, "(b)"),
        ("find --limit 0 x", 2, "'--limit': 0 is less than 1"),
        ("find --limit x y", 2, "'x' is not a whole number"),
        ("find x --cuda", 2, "envkit find --help"),
        ("create --timeout soon x", 2, "'soon' is not a number"),
        ("volume share --group", 2, "envkit volume share --help"),
        ("find --json=1 x", 2, "does not take a value"),
        ("find x --chanel y", 2, "--channel"),
        ("finf x", 2, "No such command 'finf'"),
        ("volume shar", 2, "No such command 'shar'"),
        ("volume share", 2, "Missing option '--group'"),
        ("volume --json share --help", 0, "Usage: envkit volume share"),
        ("volume share -q --help", 0, "Usage: envkit volume share"),
        ("config", 2, "Usage: envkit config"),
        ("", 2, "Usage: envkit [OPTIONS] COMMAND"),
        ("-h", 0, "Usage: envkit [OPTIONS] COMMAND"),
        ("--version --help", 0, "envkit 0"),
    ],
)
def test_what_is_wrong_is_answered_as_before(envkit: Envkit, words: str, code: int, said: str) -> None:
    outcome = envkit(*words.split())
    assert outcome.code == code
    assert said in outcome.out + outcome.err
