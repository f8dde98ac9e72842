"""Entry point of the API's child process: ``python -I start.py VERB``, with its order on standard input.

The first line is a JSON object: ``argv`` (of ``envkit``), ``path`` (for modules) and ``parent`` (a process id).
Arguments are not on the command line because process lists are public and a channel's URL may hold a token. The pipe
stays open as long as the parent lives.
"""

from __future__ import annotations

import json
import os
import sys


def _main() -> None:
    """Become the command line."""
    with os.fdopen(os.dup(0), "rb") as stream:
        order = json.loads(stream.readline())
    pipe = os.dup(0)
    silence = os.open(os.devnull, os.O_RDONLY)
    os.dup2(silence, 0)
    os.close(silence)
    # The parent's folders go last: a rich.py beside the user's script must not shadow the package.
    sys.path += [entry for entry in order["path"] if entry not in sys.path]
    from envkit.__main__ import main as envkit
    from envkit.lifeline import live_with

    live_with(order["parent"], pipe)
    sys.argv = ["envkit", *order["argv"]]
    envkit()


if __name__ == "__main__":
    _main()
