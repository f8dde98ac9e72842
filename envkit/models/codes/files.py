"""Codes of findings about the files of environments, about a volume, and about who may use it."""

from __future__ import annotations

from envkit.models.fact import Blame, Code


def _finding(name: str, meaning: str, blames: Blame | None = "environment") -> Code:
    return Code("finding", name, meaning, blames)


def _seen(name: str, meaning: str) -> Code:
    return Code("seen", name, meaning)


ADDED_BY_HAND = _finding("added-by-hand", "Packages were installed besides those of the environment.", None)
PROFILES_BROKEN = _finding("profiles-broken", "The rule that chooses among profiles cannot be obeyed.")
PROFILES_LOST = _finding("profiles-lost", "The rule that chooses among profiles is gone.")
BAD_MANIFEST = _finding("bad-manifest", "The manifest of an environment cannot be read.")
BAD_RECORD = _finding("bad-record", "A package's record in conda-meta cannot be read.")
BARRED = _finding("barred", "Files of an environment are closed to users of its volume.", None)
BYTECODE_DAMAGED = _finding("bytecode-damaged", "Packages lack bytecode, and their lists hide that.", None)
CACHE_DAMAGED = _finding("cache-damaged", "Cached packages are damaged.")
CACHE_WRITABLE = _finding("cache-writable", "Files that environments share can be written.", None)
CERTIFICATES_ADDED = _finding("certificates-added", "Certificates were added to those that a package trusts.", None)
CLOSED = _finding("closed", "The owner keeps something closed to this user.", "host")
DUPLICATE_RECORDS = _finding("duplicate-records", "A package has several records in conda-meta.")
FILES_DAMAGED = _finding("files-damaged", "Files differ from what was installed.")
GONE = _finding("gone", "An environment points to a generation that does not exist.")
HOST_CHANGED = _finding("host-changed", "The environment was validated on another kind of host only.", None)
PACK_DAMAGED = _finding("pack-damaged", "The pack of an environment is gone, or is not what was written.")
PACK_SOUND = _seen("pack-sound", "The pack of an environment is what was written.")
MOVED = _finding("moved", "A volume or an environment is not where it was made.")
NEVER_VALIDATED = _finding("never-validated", "The environment was never validated.", None)
NOT_AN_ENVIRONMENT = _finding("not-an-environment", "The directory is no environment.")
NOT_A_VOLUME = _finding("not-a-volume", "No environments were made here yet.", None)
NOT_REMOVABLE = _finding("not-removable", "Some files can only be removed by their owners.", None)
NO_MANIFEST = _finding("no-manifest", "There is no manifest: the generation was not finished.")
ROOT_ON_OTHERS = _finding("root-on-others", "Root works on a volume of another user.", None)
OPEN_TO_ALL = _finding("open-to-all", "Everybody on the system may write the volume.", None)
RECORDS_DIFFER = _finding("records-differ", "The installed packages are not those of the manifest.")
TAMPERED = _finding("tampered", "Something on the volume is not what envkit put there.", None)
TOO_OPEN = _finding("too-open", "Users may write in a volume whose root is closed to them.", None)
UNFINISHED = _finding("unfinished", "Runs that died left unfinished generations.", None)
VALIDATION_FAILED = _finding("validation-failed", "The environment failed its validation on this kind of host.", None)
VOLUME_BARRED = _finding("volume-barred", "Folders of a volume are closed to users who may write the volume.", None)
VOLUME_FILE = _finding("volume-file", "The description of a volume is missing or cannot be read.")

# What `doctor --fix` did.
BYTECODE_MENDED = _seen("bytecode-mended", "Packages that lacked bytecode get it again.")
CACHE_MENDED = _seen("cache-mended", "A damaged package was removed from the cache.")
HOST_VALIDATED = _seen("host-validated", "An environment was validated on this kind of host.")
LEFTOVERS_REMOVED = _seen("leftovers-removed", "Unfinished generations were removed.")
LINKED_ANEW = _seen("linked-anew", "The packages of an environment were linked anew.")
OPENED = _seen("opened", "Permissions that users of the volume need were added.")
SEALED = _seen("sealed", "Files that environments share were made read-only.")
SHARED_TRUST = _seen("shared-trust", "Who may write the volume, and what that means.")
TIGHTENED = _seen("tightened", "Permissions beyond those of the volume were taken away.")
VOLUME_DESCRIBED = _seen("volume-described", "The description of a volume was written anew.")

CACHE_SOUND = _seen("cache-sound", "The package cache is sound.")
DISTRIBUTIONS_SOUND = _seen("distributions-sound", "The distributions of a virtual environment are as recorded.")
FAULT = _seen("fault", "What is wrong with one file.")
FILES_SOUND = _seen("files-sound", "The files are as they were installed.")
PACKAGES_MATCH = _seen("packages-match", "The installed packages are those of the manifest.")
PLACE_KEPT = _seen("place-kept", "An environment lies where it was made.")
SHARING_WORKS = _seen("sharing-works", "Users who share the volume can use it.")
VALIDATED = _seen("validated", "The environment passed its validation on this kind of host.")
VENV_PYTHON = _seen("venv-python", "The Python of a virtual environment.")
VOLUME_FOUND = _seen("volume-found", "A volume, where it was made.")
