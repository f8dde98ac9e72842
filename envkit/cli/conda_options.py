"""Options of conda that hands know: taken where they mean something here, else answered with what does the same."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from envkit.errors import UsageError
from envkit.tuples import NamedTuple

_MAKES = ("create", "install", "upgrade", "uninstall", "remove")
_SOLVES = ("create", "install", "upgrade")


class Meaning(NamedTuple):
    """The reading of an option of conda: as other words, as a key of conda's configuration, or not at all."""

    words: tuple[str, ...] = ()  # what stands for it
    key: tuple[str, str] | None = None  # the key of conda's configuration; an empty value: the option's own
    note: str = ""  # what to say of an option that changes nothing
    refused: str = ""  # why it cannot be taken
    hint: str = ""  # what to do instead
    takes_value: bool = False


class Reading(NamedTuple):
    """A command line in envkit's words, and what is meant besides."""

    argv: tuple[str, ...]
    variables: Mapping[str, str] = MappingProxyType({})
    notes: tuple[str, ...] = ()


def _refused(why: str, hint: str) -> Meaning:
    return Meaning(refused=why, hint=hint)


_SILENT = Meaning()
_TABLE: Mapping[tuple[tuple[str, ...], tuple[str, ...]], Meaning] = {
    (_MAKES, ("--override-frozen", "--no-shortcuts")): _SILENT,
    (("install", "upgrade"), ("--no-default-packages",)): _SILENT,
    (_MAKES, ("--no-pin",)): Meaning(key=("ignore_pinned", "true")),
    (_MAKES, ("--copy", "--always-copy")): Meaning(key=("always_copy", "true")),
    ((*_SOLVES, "find"), ("--strict-channel-priority",)): Meaning(key=("channel_priority", "strict")),
    ((*_SOLVES, "find"), ("--no-channel-priority",)): Meaning(key=("channel_priority", "disabled")),
    ((*_SOLVES, "find"), ("-k", "--insecure")): Meaning(key=("ssl_verify", "false")),
    ((*_SOLVES, "find"), ("--solver", "--experimental-solver")): Meaning(key=("solver", ""), takes_value=True),
    ((*_SOLVES, "find"), ("--repodata-fn",)): Meaning(
        note="--repodata-fn changes nothing: the whole index is read, in parts where the channel has it so",
        takes_value=True,
    ),
    ((*_SOLVES, "find"), ("--use-local",)): _refused(
        "--use-local is not known", "Name the folder that conda-build wrote: -c file:///opt/conda/conda-bld"
    ),
    (_SOLVES, ("--no-deps", "--only-deps")): _refused(
        "an environment has what its packages need: there is no --no-deps and no --only-deps",
        "For exact packages, without solving: envkit create -n NAME -f FILE, with an @EXPLICIT file.",
    ),
    (_SOLVES, ("--dev",)): _refused("--dev is not known", "Name the packages, or a file: envkit create -f FILE"),
    (("create",), ("--force",)): Meaning(words=("--replace",)),
    (("install",), ("--freeze-installed", "--no-update-deps", "-S", "--satisfied-skip-solve")): _SILENT,
    (("install",), ("--update-deps", "--update-all", "--all")): _refused(
        "install keeps what is there", "For newer versions: envkit upgrade -n NAME"
    ),
    (("install",), ("-f", "--file")): _refused(
        "install takes packages, not a file",
        "A new generation of what the file says: envkit create -n NAME -f FILE --replace",
    ),
    (_MAKES, ("--force-reinstall", "--clobber")): _refused(
        "a package that is whole is not installed again", "To find and mend damage: envkit doctor NAME --fix"
    ),
    (("install",), ("--revision", "--rev")): _refused(
        "revisions are called generations", "envkit history NAME shows them; envkit rollback NAME N goes to one"
    ),
    (("upgrade",), ("--update-all", "--update-deps")): _SILENT,
    (("upgrade",), ("-f", "--file", "--prune")): _refused(
        "upgrade takes packages, not a file",
        "A new generation of what the file says: envkit create -n NAME -f FILE --replace",
    ),
    (("export",), ("--no-builds", "--from-history", "--no-build", "--ignore-channels")): Meaning(
        note="the export has the request, without versions and builds of what came with it; --pins and --explicit have "
        "all"
    ),
    (("show", "list"), ("--explicit", "-e", "--export", "--md5", "--sha256")): _refused(
        "list has no files to make an environment from", "envkit export NAME --explicit"
    ),
    (("show", "list"), ("-r", "--revisions")): _refused("revisions are called generations", "envkit history NAME"),
    (("show", "list"), ("-c", "--canonical", "--no-pip", "-f", "--full-name", "--size", "--reverse")): _refused(
        "list has one form, and --json", "envkit show NAME --json"
    ),
    (("clean",), ("-a", "--all")): _SILENT,
    (("clean",), ("-t", "--tarballs", "-i", "--index-cache", "-p", "--packages", "-l", "--logfiles")): _refused(
        "clean takes all that nobody uses at once", "See what that is: envkit clean --dry-run"
    ),
    (("clean",), ("--force-pkgs-dirs",)): _refused(
        "environments share the files of the cache", "What none of them uses: envkit clean --keep 0 --older-than 0"
    ),
    (("find",), ("-i", "--info")): Meaning(words=("--all",)),
    (("find",), ("-e", "--envs")): _refused("find looks into channels", "envkit list shows the environments"),
    (("config",), ("--show", "--describe")): _refused("options of config are words here", "envkit config show"),
    (("config",), ("--show-sources",)): _refused("options of config are words here", "envkit config show --sources"),
    (("config",), ("--add", "--append", "--prepend", "--remove", "--remove-key", "--set", "--get")): _refused(
        "envkit reads condarc and does not write it",
        "Write it with conda or an editor. envkit's own file: envkit config set KEY VALUE; channels of one call: -c",
    ),
    (("run",), ("--no-capture-output", "--live-stream", "--no-capture")): _SILENT,
}
MEANINGS: Mapping[str, Mapping[str, Meaning]] = {
    verb: {option: meaning for (verbs, options), meaning in _TABLE.items() if verb in verbs for option in options}
    for verb in dict.fromkeys(verb for verbs, _ in _TABLE for verb in verbs)
}
"""Options of conda by verb and spelling."""


def read_options(argv: Sequence[str]) -> Reading:
    """Read a command line whose options may be conda's.

    Raises:
        UsageError: One of them has no counterpart; the hint says what does the same.
    """
    known = MEANINGS.get(argv[0], {}) if argv else {}
    read: list[str] = list(argv[:1])
    variables: dict[str, str] = {}
    notes: list[str] = []
    rest = list(argv[1:])
    while rest and rest[0] != "--":
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        meaning = known.get(option)
        if meaning is None and word[1:2] != "-" and (first := known.get(word[:2])) is not None and first.refused:
            option, meaning = word[:2], first  # several in one word: -tip
        if meaning is None:
            read.append(word)
            if argv[0] == "run" and not word.startswith("-"):
                if read[-2] in {"-n", "--name", "-p", "--prefix", "--persist"}:
                    continue
                break  # the command, whose options are its own
            continue
        if meaning.refused:
            raise UsageError(f"{option}: {meaning.refused}", hint=_with_name(meaning.hint, argv))
        if meaning.takes_value and not equals:
            value = rest.pop(0) if rest else ""
        if meaning.key is not None:
            variables[f"CONDA_{meaning.key[0].upper()}"] = meaning.key[1] or value
        if meaning.note:
            notes.append(meaning.note)
        read += meaning.words
    if rest and argv[0] == "run" and not any(word.partition("=")[0] in _ENVIRONMENT for word in read):
        read += _active(read)
    return Reading((*read, *rest), variables, tuple(notes))


_ENVIRONMENT = frozenset({"-n", "--name", "-p", "--prefix"})


def _active(read: Sequence[str]) -> list[str]:
    """Return the active environment as an option of `run`, if the words before ``--`` name none."""
    named = [word for before, word in itertools.pairwise(read) if before != "--persist" and not word.startswith("-")]
    active = os.environ.get("CONDA_PREFIX") or os.environ.get("VIRTUAL_ENV")
    if named or any(word in {"-h", "--help"} for word in read):
        return []
    if not active:
        hint = "For example: envkit run train -- python script.py. `envkit list` shows the names."
        raise UsageError("no environment is given, and none is active", hint=hint)
    return ["--prefix", active]


def _with_name(hint: str, argv: Sequence[str]) -> str:
    """Put the environment's name into a hint where the command line gives one."""
    for option, value in itertools.pairwise(argv):
        if option in {"-n", "--name"}:
            return hint.replace("NAME", value)
    return hint
