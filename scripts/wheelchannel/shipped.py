"""Bytecode in packages of one platform, as conda-build puts it there: of every module but those in `bin/`.

It is valid by the time and size of its source (PEP 552). A module that does not compile, such as a template, has none.
`noarch: python` packages have none either: an installer compiles them.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from wheelchannel.artifact import PLACEHOLDER, Entry
from wheelchannel.errors import ChannelError
from wheelchannel.interpreter import Interpreter


def with_bytecode(entries: Iterable[Entry], interpreter: Interpreter, mtime: int) -> list[Entry]:
    """The files of a package with the bytecode of its modules.

    Args:
        entries: Its files.
        interpreter: Compiles.
        mtime: What the package gives as the time of every file, in seconds since 1970.

    Raises:
        ChannelError: The interpreter compiles nothing.
    """
    found = list(entries)
    known = {entry.path for entry in found}
    modules = [e for e in found if e.path.endswith(".py") and not e.path.startswith("bin/") and e.target is None]
    if not modules:
        return found
    with tempfile.TemporaryDirectory(prefix="wheel-channel-") as folder:
        for entry in modules:
            source = Path(folder, entry.path)
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(entry.read())
            os.utime(source, (mtime, mtime))
        words = ("-qq", "-j0", "--invalidation-mode", "timestamp", "-s", folder, "-p", PLACEHOLDER, folder)
        command: list[str | Path] = [interpreter.executable, "-I", "-S", "-W", "ignore", "-m", "compileall", *words]
        # It ends with 1 if any module does not compile.
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        made = [path for path in sorted(Path(folder).rglob("*.pyc")) if path.is_file()]
        if not made:
            raise ChannelError(f"{interpreter.executable} compiles no module: {done.stderr.strip()[-300:]}")
        shipped = {path.relative_to(folder).as_posix(): path.read_bytes() for path in made}
    # No placeholder is replaced in bytecode: the import system sets its path right.
    return [*found, *(Entry(path, partial(bytes, text)) for path, text in shipped.items() if path not in known)]
