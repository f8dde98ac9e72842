"""Does this Python start, and do these modules import? Reports raw facts as one JSON document.

Run by a target environment's own Python, 3.7 or newer, with nothing but the standard library::

    PYTHON -I modules.py MODULE... [--nonce TEXT] [--trace FD]

The trace says which module is about to be imported, so that the parent can name the one that crashed or hung.
Exit status: 0 when the document was written, whatever it says.
"""

import argparse
import importlib
import json
import os
import sys
import time


def version_of(module, name):
    """The module's version, wherever it keeps it."""
    version = getattr(module, "__version__", None)
    if isinstance(version, str):
        return version
    try:
        from importlib import metadata

        return metadata.version(name)
    except Exception:  # noqa: BLE001 - metadata of any shape, or Python 3.7 without it
        return None


def main():
    """Import each module and write what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--nonce", help="repeated in the answer, with all arguments")
    parser.add_argument("--trace", type=int)
    arguments = parser.parse_args()
    out = os.dup(1)
    os.dup2(2, 1)  # what modules print while they are imported must not mix with the document
    document = {
        "schema_version": 1,
        "python": {
            "version": "%d.%d.%d" % sys.version_info[:3],
            "implementation": sys.implementation.name,
            "prefix": sys.prefix,
            "executable": sys.executable,
        },
        "modules": [],
    }
    document["answers"] = {"asked": sys.argv[1:], "python": document["python"]}
    for name in arguments.modules:
        if arguments.trace is not None:
            step = {"step": {"check": "import", "call": name, "device": None}}
            os.write(arguments.trace, (json.dumps(step) + "\n").encode())
        entry = {"name": name, "ok": True}
        began = time.perf_counter()
        try:
            module = importlib.import_module(name)
            entry["version"] = version_of(module, name)
            entry["file"] = getattr(module, "__file__", None)
        except BaseException as error:  # noqa: BLE001 - a module may raise anything, SystemExit too
            entry["ok"] = False
            entry["error"] = "%s: %s" % (type(error).__name__, str(error)[:2000])
        entry["seconds"] = round(time.perf_counter() - began, 3)
        document["modules"].append(entry)
    with os.fdopen(out, "w", encoding="utf-8") as file:
        file.write(json.dumps(document) + "\n")
    sys.stdout.flush()
    os._exit(0)  # threads and exit handlers of what was imported are nobody's business here


if __name__ == "__main__":
    main()
