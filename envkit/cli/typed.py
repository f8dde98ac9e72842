"""The command line as typer reads it: messages for what is wrong, and completion.

Loading typer takes longer than many a command, so that only what `envkit.cli.grammar` does not read comes here.
"""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from envkit.cli.commands import COMMANDS, GROUPS, commands_of, function_of, has_function, summary_of
from envkit.cli.grammar import HELP, Invocation, Parameter, parameters_of, takes_call
from envkit.cli.usage import command_help, program_help
from envkit.errors import UsageError


def run_typed(argv: Sequence[str]) -> Any:
    """Run a command line and return what its command returns.

    Raises:
        Exception: The command line is wrong; an error of click.
    """
    if argv[:1] in (["--show-completion"], ["--install-completion"]) and argv[1:]:
        return _completion(argv[0], argv[1:])
    only = argv[0] if argv and argv[0] in COMMANDS else None
    try:
        return build_app(only)(args=list(argv), prog_name="envkit", standalone_mode=False)
    except typer.Abort:
        return 128 + signal.SIGINT


def _completion(flag: str, words: Sequence[str]) -> int:
    """Print or install the completion of a named shell; typer knows the current one only."""
    from typer import _completion_shared as completion

    if len(words) > 1 or words[0] not in _SHELLS:
        raise UsageError(f"{flag}: not a shell: {' '.join(words)}", hint=f"One of {', '.join(_SHELLS)}.")
    if flag == "--show-completion":
        sys.stdout.write(
            completion.get_completion_script(prog_name="envkit", complete_var=_COMPLETION, shell=words[0]) + "\n"
        )
        return 0
    shell, path = completion.install(shell=words[0], prog_name="envkit", complete_var=_COMPLETION)
    sys.stdout.write(f"the completion of {shell} is in {path}; a new terminal has it\n")
    return 0


_SHELLS = ("bash", "zsh", "fish", "pwsh", "powershell")
_COMPLETION = "_ENVKIT_COMPLETE"


def build_app(only: str | None = None) -> typer.Typer:
    """Return the commands as an app of typer, or only one of them: to build each takes a millisecond."""
    app = typer.Typer(cls=_Group, no_args_is_help=True, pretty_exceptions_enable=False, context_settings=_NAMES)
    app.callback()(_envkit)
    for path in COMMANDS if only is None else (only,):
        if path in GROUPS:
            app.add_typer(_build_group(path), name=path)
        else:
            _add(app, path)
    return app


_NAMES = {"help_option_names": list(HELP)}
# `run` leaves the options of its command alone.
_FOR_RUN = {"ignore_unknown_options": True, "allow_interspersed_args": False}


class _Command(TyperCommand):
    """A command with envkit's help, named in errors of its command line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `typer.core.TyperCommand.parse_args`."""
        with _errors_of(ctx):
            return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """See `typer.core.TyperCommand.format_help`."""
        formatter.write(command_help(ctx.command_path.partition(" ")[2]))


class _Group(TyperGroup):
    """A group of commands with envkit's help, named in errors of its command line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `typer.core.TyperGroup.parse_args`."""
        with _errors_of(ctx):
            return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """See `typer.core.TyperGroup.format_help`."""
        path = ctx.command_path.partition(" ")[2]
        formatter.write(command_help(path) if path else program_help())


@contextmanager
def _errors_of(context: Any) -> Iterator[None]:
    """Put the context into errors of click's parser, which name none, and say of a number what is wrong with it."""
    try:
        yield
    except Exception as error:
        if getattr(error, "ctx", context) is None:
            error.ctx = context  # type: ignore[attr-defined]
        faults: Any = getattr(error.__cause__, "errors", list)()  # of pydantic
        if faults and faults[0]["type"] in _NUMBERS:
            error.message = _NUMBERS[faults[0]["type"]].format(faults[0])  # type: ignore[attr-defined]
        raise


_NUMBERS = {
    "int_parsing": "{0[input]!a} is not a whole number.",
    "float_parsing": "{0[input]!a} is not a number.",
    "greater_than_equal": "{0[input]} is less than {0[ctx][ge]:g}.",
}


def _version(value: bool) -> None:  # noqa: FBT001 - typer's callback
    if value:
        from envkit import __version__

        typer.echo(f"envkit {__version__}")
        raise typer.Exit


def _envkit(
    *,
    version: Annotated[bool, typer.Option("--version", "-V", callback=_version, is_eager=True)] = False,
) -> None:
    del version


def _build_group(group: str) -> typer.Typer:
    app = typer.Typer(cls=_Group, invoke_without_command=has_function(group), no_args_is_help=not has_function(group))
    if has_function(group):
        app.callback(help=summary_of(group))(_as_typer(group))
    for path in commands_of(group):
        _add(app, path)
    return app


def _add(app: typer.Typer, path: str) -> None:
    settings = _FOR_RUN if path == "run" else None
    name = path.rpartition(" ")[2]
    app.command(name, cls=_Command, context_settings=settings, help=summary_of(path))(_as_typer(path))


def _as_typer(path: str) -> Callable[..., Any]:
    """Return a function that calls a command's, with a signature that typer reads."""
    function = function_of(path)
    parameters = parameters_of(function)

    def invoke(context: typer.Context, **values: Any) -> Any:
        if context.invoked_subcommand is not None:
            return None
        if takes_call(function):
            given = {
                name: value
                for name, value in values.items()
                if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
            }
            values["call"] = Invocation(path, parameters, given)
        return function(**values)

    types = {"context": typer.Context, **{parameter.name: _annotation(parameter) for parameter in parameters}}
    invoke.__annotations__ = types
    invoke.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        + [
            inspect.Parameter(
                parameter.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if parameter.required else parameter.default,
                annotation=types[parameter.name],
            )
            for parameter in parameters
        ]
    )
    return invoke


def _annotation(parameter: Parameter) -> Any:
    kind: Any = list[parameter.kind] if parameter.many else parameter.kind  # type: ignore[name-defined]
    if not parameter.required and parameter.default is None:
        kind = kind | None
    declared = parameter.declared
    if declared.is_argument:
        info = typer.Argument(metavar=declared.metavar, help=declared.help, autocompletion=declared.complete)
    else:
        info = typer.Option(
            *parameter.flags,
            metavar=declared.metavar,
            help=declared.help,
            min=declared.minimum,
            parser=declared.parser,
            autocompletion=declared.complete,
            hidden=declared.hidden,
        )
    return Annotated[kind, info]
