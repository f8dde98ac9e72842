"""Entry point of the ``envkit`` command and of ``python -m envkit``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):  # asked for often: load nothing else
        from envkit import __version__

        sys.stdout.write(f"envkit {__version__}\n")
        return
    if sys.argv[1:2] in (["run"], ["activate"], ["deactivate"]):  # run before every job and shell
        from envkit.cli.launch import do_quickly

        if do_quickly(sys.argv[1:]):
            return
    from envkit.cli.app import run

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
