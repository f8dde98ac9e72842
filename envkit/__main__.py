"""Entry point of the ``envkit`` command and of ``python -m envkit``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    _hold_streams()
    if sys.argv[1:] in (["--version"], ["-V"]):  # asked for often: load nothing else
        from envkit import __version__

        _tell(f"envkit {__version__}\n")
        return
    import gc

    # Hundreds of modules and few cycles: a collection for each 700 new objects is a twentieth of a command.
    gc.set_threshold(500_000, 20, 20)
    if sys.argv[1:] in ([], ["--help"], ["-h"]) and "_ENVKIT_COMPLETE" not in os.environ:
        from envkit.cli.usage import program_help

        _tell(program_help())
        sys.exit(0 if sys.argv[1:] else 2)
    if sys.argv[1:2] in (["run"], ["activate"], ["deactivate"]):  # run before every job and shell
        from envkit.cli.launch import do_quickly

        if do_quickly(sys.argv[1:]):
            return
    if sys.argv[1:2] == ["create"]:  # entrypoints repeat it at each start
        from envkit.cli.again import recall

        if recall(sys.argv[2:]):
            return
    if sys.argv[1:2] in (["find"], ["search"]):
        from envkit.cli.found import repeat_answer

        if repeat_answer(sys.argv[2:]):
            return
    try:
        from envkit.cli.app import run
    except KeyboardInterrupt:  # `run` answers it from here on
        sys.exit(130)
    run(sys.argv[1:])


def _hold_streams() -> None:
    """Open the null device in place of standard streams that are closed.

    The next file would take the number of a closed one, and what is printed would go into that file. A command that
    `run` starts finds them closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good


def _tell(text: str) -> None:
    """Print a text, whether somebody reads it or not."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    main()
