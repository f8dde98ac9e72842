"""The ``envkit`` command: its subcommands, and how errors become output and exit codes."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from envkit.cli.carried import carry
from envkit.cli.commands import COMMANDS, GROUPS, commands_of, function_of, has_function
from envkit.cli.conda_options import read_options
from envkit.cli.grammar import (
    HELP,
    Invocation,
    asks_help,
    parameters_of,
    parse,
    takes_call,
    unknown_command,
    unknown_option,
)
from envkit.cli.habits import progress, translate
from envkit.cli.streams import OUTPUT, guard_streams
from envkit.errors import EnvkitError, HostCannotRunError, NoSpaceError, UsageError, VolumeError
from envkit.printable import printable_lines

BUG = 70
_LONGEST = 300  # characters of a path in a message
_OPTIONS = ("--version", "--help", "--install-completion", "--show-completion")
_COMPLETION = "_ENVKIT_COMPLETE"  # typer's variable: the shell asks for completions


def run(argv: Sequence[str]) -> NoReturn:
    """Run the command line and leave the process with its exit code.

    The process leaves by `os._exit` after its output is flushed: the native engine crashes now and then while the
    interpreter tears itself down (3 of 120 runs), after the right output and before the exit code is given.
    """
    guard_streams()
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # nohup and `&` stay as they are
            signal.signal(number, _interrupted)
    if argv[:1] == ["help"] and argv[1:2] and argv[1] in COMMANDS:
        argv = [*argv[1:], "--help"]
    try:
        argv = _read(argv)
    except UsageError as error:
        error.hint = carry(error.hint or "", argv)
        code = _report(error, wants_json="--json" in argv)
    else:
        code = _run(argv)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or _report(_known(error) or VolumeError(str(error)), wants_json=False)
    sys.stderr.flush()
    os._exit(code)


def _read(argv: Sequence[str]) -> list[str]:
    """Return a command line in envkit's words; set the variables that conda has for options of its own."""
    reading = read_options(translate(argv))
    os.environ.update(reading.variables)
    if reading.notes:
        from envkit.cli.output import console, mark

        for note in reading.notes:
            console(stderr=True).print(mark("[yellow]envkit:[/yellow] {}", note))
    return list(reading.argv)


def _interrupted(number: int, _: FrameType | None) -> NoReturn:
    """Leave at once. An unfinished generation has no manifest; the next command on the volume removes it."""
    from envkit.cancel import cancel_all
    from envkit.lifeline import kill_descendants
    from envkit.process import kill_children

    kill_children()
    cancel_all()
    kill_descendants()
    os.write(2, b"\nenvkit: interrupted; nothing was published, the next command removes what is unfinished\n")
    os._exit(128 + number)


def _run(argv: Sequence[str]) -> int:
    before_command = argv[: list(argv).index("--")] if "--" in argv else argv
    wants_json = "--json" in before_command
    try:
        result = _call(argv)
    except Exception as error:  # noqa: BLE001 - anything that is not ours is a bug, said so, with its traceback
        if type(error).__name__ == "NoArgsIsHelpError":
            return UsageError.exit_code
        known = _known(error)
        if known is None:
            return _bug(error, wants_json=wants_json)
        known.hint = carry(known.hint, argv) if known.hint else known.hint
        lost = getattr(error, "filename", None) == OUTPUT  # nobody would read a document there
        try:
            return _report(known, wants_json=wants_json and not lost)
        except (ImportError, MemoryError):  # there is not even the memory to load what draws it
            sys.stderr.write(printable_lines(f"error ({known.code}) {known.message}\n hint {known.hint}\n"))
            return known.exit_code
    return result if isinstance(result, int) else 0


def _call(argv: Sequence[str]) -> Any:
    """Run the command that a command line names, and return what it returns.

    Raises:
        Exception: The command's own.
        UsageError: The command line is wrong.
    """
    if argv and _COMPLETION not in os.environ:
        path, words = _named(argv)
        if path is not None:
            return _call_named(path, words)
        word = argv[0].partition("=")[0]
        if not word.startswith("-"):
            raise _with_hint(unknown_command(word, COMMANDS), "")
        if word.startswith("--") and word not in _OPTIONS:
            raise _with_hint(unknown_option(word, _OPTIONS), "")
    from envkit.cli.typed import run_typed

    return run_typed(argv)


def _named(argv: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Return the command that the first words name, by all its words, and the rest; None if there is none."""
    first, *rest = argv
    if first not in COMMANDS:
        return None, argv
    if first in GROUPS and rest and f"{first} {rest[0]}" in commands_of(first):
        return f"{first} {rest[0]}", rest[1:]
    return first, rest


def _call_named(path: str, words: Sequence[str]) -> Any:
    """Run a command by its name; see `_call`."""
    if not has_function(path):
        if not words or words[0] in HELP:
            return _help(path, 0 if words else UsageError.exit_code)
        raise _with_hint(_not_of_group(path, words[0], HELP), path)
    function = function_of(path)
    parameters = parameters_of(function)
    words = progress([path, *words], takes_progress=any(p.name == "progress" for p in parameters))[1:]
    interspersed = path != "run" and path not in GROUPS
    if asks_help(parameters, words, interspersed=interspersed):
        return _help(path, 0)
    try:
        values = parse(parameters, words, interspersed=interspersed)
    except UsageError as error:
        if path != "run":  # what is odd may be its command's
            raise _with_hint(error, path) from None
        values = None
    if values is None and path in GROUPS and words[0] not in HELP and words[0][:1] != "-":
        raise _with_hint(_not_of_group(path, words[0]), path)
    if values is not None:
        if takes_call(function):
            return function(call=Invocation(path, parameters, values), **values)
        return function(**values)
    from envkit.cli.typed import run_typed

    return run_typed([*path.split(), *words])


def _not_of_group(group: str, word: str, options: Sequence[str] = ()) -> UsageError:
    """Return the error of a word after a group that is none of its commands."""
    if word[:1] == "-" and len(word) > 1:
        return unknown_option(word.partition("=")[0], options)
    return unknown_command(word, [path.partition(" ")[2] for path in commands_of(group)])


def _with_hint(error: UsageError, path: str) -> UsageError:
    """Add to an error of a command line how it is right."""
    error.hint = error.hint or _usage_hint(path, error.message)
    return error


def _help(path: str, code: int) -> int:
    from envkit.cli.usage import command_help

    sys.stdout.write(command_help(path))
    return code


def _known(error: Exception) -> EnvkitError | None:
    """Return the error to show for an exception; None for a bug."""
    if isinstance(error, EnvkitError):
        return error
    if any(base.__name__ == "ClickException" for base in type(error).__mro__):  # typer may have a click of its own
        path = getattr(getattr(error, "ctx", None), "command_path", "envkit").partition(" ")[2]
        message = str(error.format_message())  # type: ignore[attr-defined]
        return UsageError(message, hint=_usage_hint(path, message))
    if isinstance(error, UnicodeEncodeError):
        what = f"an argument, a variable or a path is not UTF-8 text: {_shortened(str(error.object))!a}"
        return UsageError(what, hint="Rename it, or give its name in UTF-8.")
    if isinstance(error, MemoryError) or _lacks_memory(error):
        return HostCannotRunError(
            "this process may not take as much memory, or as many threads, as it needs",
            hint="Raise its limits (ulimit -v, ulimit -u) or those of the container: 2 GB are enough for most.",
        )
    if not isinstance(error, OSError):
        return None
    if error.filename == OUTPUT:
        return VolumeError(
            f"the output cannot be written: {error.strerror}", hint="Send it to a place that has room for it."
        )
    if error.errno == errno.EFBIG:
        return NoSpaceError(
            "a file would be larger than this process may write",
            hint="Raise the limit (ulimit -f unlimited), or that of the file system.",
        )
    if isinstance(error, FileNotFoundError) and error.filename is None and _is_lost():
        return UsageError("the current directory does not exist any more", hint="Change to another one: cd")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        where = f" at {error.filename}" if error.filename else ""
        hint = "See what `envkit clean --dry-run` would free, or choose another volume."
        return NoSpaceError(f"no space left{where}", hint=hint)
    if error.filename is None:
        return None
    place = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
    hint = "Is the volume mounted, and may you read and write it? See `envkit volume` and `envkit doctor`."
    return VolumeError(f"{_shortened(place)}: {error.strerror}", hint=hint)


def _lacks_memory(error: Exception) -> bool:
    """Return whether an error comes from a limit on memory or threads, under which libraries cannot be loaded."""
    text = str(error).lower()
    if isinstance(error, ImportError):
        return "failed to map segment" in text or "cannot allocate memory" in text
    if isinstance(error, RuntimeError):
        return "can't start new thread" in text
    return isinstance(error, OSError) and error.errno == errno.ENOMEM


def _is_lost() -> bool:
    """Return whether the current directory was removed."""
    try:
        os.getcwd()  # noqa: PTH109 - as in other modules of the start
    except FileNotFoundError:
        return True
    return False


def _bug(error: Exception, *, wants_json: bool) -> int:
    import traceback

    from envkit.models.channel import redact

    sys.stderr.write(printable_lines(redact("".join(traceback.format_exception(error)))))
    hint = "please report it with the lines above"
    sys.stderr.write(f"envkit: this is a bug in envkit; {hint}\n")
    if wants_json:
        from envkit.wire.results import SCHEMA_VERSION

        message = redact(f"{type(error).__name__}: {error}")
        document = {"schema_version": SCHEMA_VERSION, "error": {"code": "bug", "message": message, "hint": hint}}
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
    return BUG


def _shortened(text: str) -> str:
    from envkit.models.channel import redact

    return redact(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _usage_hint(path: str, message: str) -> str:
    from envkit.cli.examples import EXAMPLES

    which = "Say which environment with -n NAME. " if "'-n' requires" in message else ""
    example = "".join(f"For example: {text}. " for text in EXAMPLES.get(path, ())[:1])
    return f"{which}{example}See `{f'envkit {path}'.strip()} --help`."


def _report(error: EnvkitError, *, wants_json: bool) -> int:
    if wants_json:
        from envkit.wire.results import error_json

        sys.stdout.write(json.dumps(error_json(error), indent=1) + "\n")
    else:
        from envkit.cli.output import console, mark, render_problem
        from envkit.models.problem import problem_of

        problem = problem_of(error)
        message = error.message if problem is None else error.message.partition("\n")[0]
        out = console(stderr=True)
        out.print(mark("[bold red]error[/bold red] [dim]({})[/dim] {}", error.code, message))
        if problem is not None:
            render_problem(out, problem)
        if error.hint:
            out.print(mark("[bold] hint[/bold] {}", error.hint))
    return error.exit_code
