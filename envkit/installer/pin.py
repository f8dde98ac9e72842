"""A start-up hook: a Python that is started through the environment's link uses its generation's own path.

A process started by ``DIR/NAME/bin/python`` would import from the next generation once the link has changed. The module
``site`` runs the hook in each start but those with ``-S``, in isolated mode (``-I``) too. It also leaves a mark of use
(`envkit.layout.uses`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from envkit.layout.atomic import write_atomic
from envkit.models.installed import WrongFile
from envkit.paths import PIN
from envkit.plain import read_plain

_MODULE = "_envkit_pin"

# For Python 3.7 and newer; it must cost next to nothing and fail never. A virtual environment on top has another
# sys.base_prefix. What such a one is made from (sys._base_executable) stays the link, which outlives this generation.
_CODE = '''\
"""Written by envkit: use this generation, not the link that named it and may name the next one tomorrow."""

import os
import sys


def start(home):
    """Use `home`, where this Python is, in place of a link by which it was started; leave a mark of use."""
    try:
        if sys.prefix != home and sys.prefix == sys.base_prefix and os.path.samefile(sys.prefix, home):
            _pin(sys.prefix, home)
        if sys.prefix == home and sys.platform == "linux" and "ENVKIT_UNMARKED" not in os.environ:
            _mark(home)
    except Exception:  # a Python has to start, whatever became of its volume
        pass


def _pin(link, home):
    before, after = link + os.sep, home + os.sep

    def own(path):
        if path == link:
            return home
        if isinstance(path, str) and path.startswith(before):
            return after + path[len(before) :]
        return path

    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix", "executable", "_stdlib_dir"):
        if hasattr(sys, name):
            setattr(sys, name, own(getattr(sys, name)))
    sys.path[:] = [own(path) for path in sys.path]
    for path in list(sys.path_importer_cache):
        if own(path) != path:
            del sys.path_importer_cache[path]
    for module in list(sys.modules.values()):
        for holder, names in ((module, ("__file__", "__cached__")), (getattr(module, "__spec__", None), ("origin",))):
            for name in names:
                value = getattr(holder, name, None)
                if own(value) != value:
                    setattr(holder, name, own(value))
        folders = getattr(module, "__path__", None)
        if isinstance(folders, list):  # where its submodules will be looked for
            folders[:] = [own(path) for path in folders]
    prefixes = getattr(sys.modules.get("site"), "PREFIXES", [])
    prefixes[:] = [own(path) for path in prefixes]
    for name in ("PATH", "CONDA_PREFIX"):  # of the processes that this one starts
        value = os.environ.get(name)
        if value:
            os.environ[name] = os.pathsep.join([own(path) for path in value.split(os.pathsep)])


def _mark(home):
    import atexit

    with open("/proc/self/stat", "rb") as file:
        began = file.read().rpartition(b")")[2].split()[19].decode()
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        boot = file.read(8).decode()
    space = os.readlink("/proc/self/ns/pid")[5:-1]
    host = "".join([c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in os.uname().nodename][:64])
    own, (generations, generation) = os.getpid(), os.path.split(home)
    name = "%s~%s~%s-%s~%d~%s" % (generation, host or "-", boot, space, own, began)
    uses = os.path.join(os.path.dirname(generations), "uses")
    folder = os.open(uses, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder))
    except FileExistsError:  # of this process before it executed this Python
        pass
    finally:
        os.close(folder)
    atexit.register(_unmark, os.path.join(uses, name), own)


def _unmark(path, own):
    try:
        if os.getpid() == own:  # not at the end of a fork
            os.unlink(path)
    except OSError:
        pass
'''


def write_pin(prefix: Path, place: Path) -> None:
    """Write the hook of a new generation for each Python in it; `place` is another path to it.

    Raises:
        OSError: The volume refuses it.
    """
    for path, text in _files(prefix, place).items():
        write_atomic(place / path, text, durable=False)


def list_pins(place: Path) -> tuple[str, ...]:
    """List the files of the hook, as paths in the prefix."""
    return tuple(_files(place, place))


def wrong_pins(prefix: Path, own_files: Sequence[str]) -> list[WrongFile]:
    """List the files of the hook that are missing or changed, of those that the manifest names."""
    wrong = []
    for path, text in _files(prefix, prefix).items():
        if path not in own_files:  # made by an envkit that had none
            continue
        found = None
        with contextlib.suppress(OSError):
            found = read_plain(prefix / path)
        if found != text.encode():
            wrong.append(WrongFile("envkit's own", path, "missing" if found is None else "sha256"))
    return wrong


def _files(prefix: Path, place: Path) -> dict[str, str]:
    line = f"import sys; __import__({_MODULE!r}).start({str(prefix)!a})\n"
    libraries = [path for path in sorted(place.glob("lib/p*3*")) if path.is_dir() and not path.is_symlink()]
    sites = [(path / "site-packages").relative_to(place) for path in libraries if (path / "site-packages").is_dir()]
    return {f"{site}/{name}": text for site in sites for name, text in ((f"{_MODULE}.py", _CODE), (PIN, line))}
