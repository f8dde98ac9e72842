"""The beginning of the child that works for the API: ``python -I start.py VERB``, told the rest on standard input.

The first line there is a JSON object: ``argv`` (of ``envkit``), ``path`` (where modules are) and ``parent``. Arguments
come this way because process lists are public and a channel's URL may hold a token. Then the pipe stays open for as
long as the parent lives.
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
    # What the parent could import can be imported here, but after the standard library and the installed packages:
    # a rich.py beside the user's script is not ours.
    sys.path += [entry for entry in order["path"] if entry not in sys.path]
    from envkit.__main__ import main as envkit
    from envkit.lifeline import live_with

    live_with(order["parent"], pipe)
    sys.argv = ["envkit", *order["argv"]]
    envkit()


if __name__ == "__main__":
    _main()
