"""The ``envkit`` command: its subcommands, and how errors become output and exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from envkit.cli import (
    activate,
    clean,
    config,
    create,
    detect,
    doctor,
    environments,
    export,
    facts,
    find,
    graph,
    history,
    inspect,
    kernel,
    lock,
    modify,
    reference,
    remove,
    validate,
    volume,
)
from envkit.cli.carried import carry
from envkit.cli.command import EXAMPLES, Command, Group
from envkit.cli.conda_options import read_options
from envkit.cli.habits import progress, translate
from envkit.cli.streams import OUTPUT, guard_streams
from envkit.errors import EXIT_CODES, EnvkitError, HostCannotRunError, NoSpaceError, UsageError, VolumeError
from envkit.models.channel import redact
from envkit.printable import printable_lines

BUG = 70
_LONGEST = 300  # characters of a path in a message
# typer brings its own click since 0.26; this is the base of its errors in either case.
_ClickException: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException" and issubclass(base, Exception)
)
_SHORT = ", ".join(
    f"{code} {re.split('[:(]', text)[0].strip()}"
    for code, text in EXIT_CODES.items()
    if code < 128  # of signals
)
EPILOG = f"Exit codes: {_SHORT}. See `envkit help` for these, codes, JSON documents, files and variables."

app = typer.Typer(
    name="envkit",
    cls=Group,
    help="Conda environments for GPUs: the build that runs on this driver and GPU, on a volume that stays, proven by "
    "a kernel.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:  # noqa: FBT001 - typer's callback
    if value:
        from envkit import __version__

        typer.echo(f"envkit {__version__}")
        raise typer.Exit


@app.callback()
def _envkit(
    *,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Conda environments for GPUs."""
    del version


for function in (
    find.find_command, create.create_command, validate.validate_command, inspect.inspect_command,
    environments.list_command,
    environments.show_command, environments.run_command, environments.recipes_command, modify.install_command,
    modify.uninstall_command, modify.upgrade_command, history.history_command, history.diff_command,
    history.rollback_command, graph.tree_command, graph.why_command,
    remove.remove_command, remove.rename_command, remove.clone_command,
    export.export_command, lock.lock_command, doctor.doctor_command, clean.clean_command, detect.detect_command,
    facts.facts_command,
    activate.activate_command, activate.deactivate_command, activate.shell_command,
):  # fmt: skip
    # `run` leaves the options of its command alone.
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    name = function.__name__.removesuffix("_command")
    app.command(name, cls=Command, context_settings=settings if name == "run" else None)(function)
app.add_typer(volume.volume_app, name="volume")
app.add_typer(config.config_app, name="config")
app.add_typer(kernel.kernel_app, name="kernel")
reference.register(app)


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
    if argv[:1] == ["help"] and argv[1:2] and argv[1] in reference.commands(app):
        argv = [*argv[1:], "--help"]
    try:
        argv = _read(argv)
    except UsageError as error:
        error.hint = carry(error.hint or "", argv)
        code = _report(error, wants_json="--json" in argv)
    else:
        called = [command for command in app.registered_commands if command.name in argv[:1]]
        takes = [c.callback for c in called if c.callback and "progress" in c.callback.__annotations__]
        argv = progress(argv, takes_progress=bool(takes)) if called else argv
        if called:  # typer builds every command that it knows, which takes 40 ms
            app.registered_commands, app.registered_groups = called, []
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
    from envkit.lifeline import kill_descendants
    from envkit.process import kill_children

    kill_children()
    kill_descendants()
    os.write(2, b"\nenvkit: interrupted; nothing was published, the next command removes what is unfinished\n")
    os._exit(128 + number)


def _run(argv: Sequence[str]) -> int:
    before_command = argv[: list(argv).index("--")] if "--" in argv else argv
    wants_json = "--json" in before_command
    try:
        result = app(args=list(argv), prog_name="envkit", standalone_mode=False)
    except typer.Abort:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - anything that is not ours is a bug, said so, with its traceback
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error}\n")
            return UsageError.exit_code
        known = _known(error)
        if known is None:
            return _bug(error, wants_json=wants_json)
        known.hint = carry(known.hint, argv) if known.hint else known.hint
        return _report(known, wants_json=wants_json)
    return result if isinstance(result, int) else 0


def _known(error: Exception) -> EnvkitError | None:
    """Return the error to show for an exception; None for a bug."""
    if isinstance(error, EnvkitError):
        return error
    if isinstance(error, _ClickException):
        return UsageError(str(error.format_message()), hint=_usage_hint(error))  # type: ignore[attr-defined]
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
    return redact(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _usage_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    if context is None:
        return "See `envkit --help`."
    which = "Say which environment with -n NAME. " if "'-n'" in str(error) else ""
    example = "".join(f"For example: {text}. " for text in EXAMPLES.get(context.info_name or "", ())[:1])
    return f"{which}{example}See `{context.command_path} --help`."


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
