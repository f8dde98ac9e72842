"""Paths: how flags, variables and files write that of a volume, and the names of what lies on one.

Imports the standard library only, and little of it: a user's process and each start of a job read these names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from envkit.errors import SettingsError

PRIVATE = ".envkit"
"""The folder of a volume that holds everything but the environments' links and ``env.sh``."""
# Folders in it: installed prefixes, locks, marks of use, outcomes of validations, and those for JUPYTER_PATH and PATH.
GENERATIONS, LEASES, USES, VALIDATIONS, JUPYTER, LAUNCHER = "g", "leases", "uses", "validations", "jupyter", "bin"
MANIFEST = ".envkit.json"
"""The manifest, in a generation."""
INVENTORY = ".envkit-inventory.json"
"""The disk space that a generation takes, in it."""
PROFILES = ".envkit-profiles.json"
"""The rule by which a machine chooses among the profiles of an environment, in the generation of its link."""
PACKED, PACKS = ".envkit-packed.json", "packs"
"""The note in a generation that is only a pack, and the folder of packs on a volume."""
STAGED = ".envkit-stage.json"
"""The note of where a staged copy comes from, in the copy."""
PIN = "~~envkit_pin.pth"
"""The start-up hook of envkit in each ``site-packages``: the last one, when the paths of all others are there."""


def recipes_folder() -> str:
    """Return the folder of the recipes that envkit brings; an editable install has them in its checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(package, "data", "recipes")
    return installed if os.path.isdir(installed) else os.path.join(os.path.dirname(package), "recipes")


def user_folder(variable: str, usual: str, env: Mapping[str, str]) -> str | None:
    """Return envkit's folder of a user, as `platformdirs` does, whose import takes as long as a short command.

    Args:
        variable: That of the XDG base directories.
        usual: What it stands for below the home directory.
        env: Variables.

    Returns:
        Its path; None where `platformdirs` has to be asked: on other systems, and without a plain home.
    """
    base = env.get(variable, "")
    if not base.strip():
        base = os.path.join(env.get("HOME", ""), usual)
    return os.path.join(base, "envkit") if sys.platform == "linux" and base.startswith("/") else None


State = list[int]
"""What the file system says of a file: size, number, and the times of its content and of its entry, in nanoseconds."""


def state_of(path: str | os.PathLike[str]) -> State | None:
    """Return the state of a file or folder, which is another one after every change; None if it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def is_plain(path: str) -> bool:
    """Return whether a path holds neither control characters nor bytes that are not UTF-8."""
    return not any(ord(c) < ord(" ") or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in path)


def volume_path(text: str, env: Mapping[str, str]) -> str:
    """Return an absolute path, with ``~`` and variables expanded as conda does. Symbolic links are not resolved.

    Raises:
        SettingsError: It holds control characters or bytes that are not UTF-8. The path goes into scripts, records
            and ``#!`` lines, which end at a newline.
    """
    for name, value in env.items():
        text = text.replace(f"${{{name}}}", value)
    path = os.path.abspath(os.path.expandvars(os.path.expanduser(text.strip())))
    if not is_plain(path):
        raise SettingsError(
            f"not a directory for a volume: {path!a}",
            hint="Give a directory without control characters, in UTF-8, with --persist DIR.",
        )
    return path


def split_generation(prefix: str) -> tuple[str, str] | None:
    """Return the volume's root and the generation's name from its path, or None for any other prefix."""
    folder, generation = os.path.split(prefix)
    private, kind = os.path.split(folder)
    root, last = os.path.split(private)
    return (root, generation) if (last, kind) == (PRIVATE, GENERATIONS) else None


def validation_folders(root: str, generation: str, cache: str | None) -> list[str]:
    """Return the folders that hold a generation's validations.

    Args:
        root: The volume.
        generation: Name of the generation.
        cache: The user's cache, for volumes that take no writes; None without one.
    """
    from envkit.hashes import sha256

    folders = [os.path.join(root, PRIVATE, VALIDATIONS, generation)]
    if cache:
        # Generations are named at random, but two volumes may hold copies of one.
        identity = sha256(os.fsencode(root)).hexdigest()[:16]
        folders.append(os.path.join(cache, VALIDATIONS, identity, generation))
    return folders


def stage_root(place: str, uid: int) -> str:
    """Return the folder of a user in a directory for staged copies."""
    return os.path.join(place, f"envkit-{uid}")


def names_there(name: str, known: Sequence[str]) -> str:
    """Return which environments there are, for a hint about one that is not, and the one that was probably meant."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    return f"{f'Did you mean {near[0]}? ' if near else ''}Environments there: {', '.join(known) or 'none'}."
