"""envkit lock."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from envkit.cli import options
from envkit.cli.declared import argument, option
from envkit.cli.target import Described, describe
from envkit.errors import RecipeError, UsageError

if TYPE_CHECKING:
    from envkit.api.lock import LockedTarget
    from envkit.api.session import Session
    from envkit.models.host import Target
    from envkit.models.inputs import Recipe
    from envkit.models.request import Inquiry, Request

FORMATS = ("pixi", "conda-lock", "explicit")
_STDOUT = "-"
_FILE = "environment.yml"


def lock_command(
    *,
    specs: Annotated[list[str] | None, argument(metavar="SPEC", help="Packages, such as pytorch 'numpy>=2'.")] = None,
    file: Annotated[
        list[str] | None,
        option("-f", "--file", metavar="FILE", help="environment.yml or another file of packages; repeatable."),
    ] = None,
    machines: Annotated[
        list[str] | None,
        option(
            "--for",
            metavar="GPU/DRIVER",
            show_default="this machine",
            help="A machine: a100/550, h100/580/linux-aarch64, cpu/osx-arm64; repeatable.",
        ),
    ] = None,
    hosts: Annotated[
        list[Path] | None,
        option(
            "--hosts",
            metavar="FILE",
            help="Output of `envkit detect --json`: one part that runs on all, or as few as they need.",
        ),
    ] = None,
    output: Annotated[
        str,
        option("-o", "--output", metavar="FILE", help="pixi.lock, conda-lock.yml, or a name with --format; -."),
    ],
    kind: Annotated[
        str | None,
        option("--format", metavar="FORMAT", show_default="by the name", help=f"One of {', '.join(FORMATS)}."),
    ] = None,
    check: Annotated[
        bool, option("--check", help="Only check that the lock fits the file: exit 0, else 2. Nothing is solved.")
    ] = False,
    replace: Annotated[bool, option("--replace", help="Replace a file that envkit did not write.")] = False,
    pip: options.Pip = None,
    allow_build: options.AllowBuild = None,
    prefer_pip: options.PreferPip = None,
    channel: options.Channels = None,
    override_channels: options.Override = False,
    cuda: options.Cuda = "auto",
    python: options.Python = None,
    prefer: options.PreferOption = "version",
    glibc: Annotated[
        str | None, option("--glibc", metavar="X.Y", help="C library of the machines of --for: 2.28.")
    ] = None,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Write a lock file: exact packages of one request, for one or several machines.

    For example: envkit lock -f environment.yml --for a100/550 --for h100/580 --for cpu/osx-arm64 -o pixi.lock.

    `envkit create -f pixi.lock` takes the part that runs on its machine. In a pixi.lock, a second machine of one
    platform is an environment of its own; the other formats get a file for each then.
    """
    from envkit.api.lock import lock_pool, lock_targets
    from envkit.inputs.made_for import content_of

    session = options.session_of(None, engine=engine, offline=offline, as_json=as_json, progress=progress)
    recipe = _recipe(session, specs, file)
    chosen = _format(kind, output)
    asked: dict[str, Any] = {
        "channel": list(channel or []),  # with credentials: `_noted` leaves them out
        "override": override_channels,
        "cuda": cuda,
        "python": python,
        "prefer": prefer,
        "pip": list(pip or []),
        "build": list(allow_build or []),
        "prefer_pip": list(prefer_pip or []),
    }
    if check:
        return _check(session, recipe, asked, machines, output, as_json=as_json)
    targets, pool = _targets(session, machines, hosts, glibc)
    wanted: Mapping[str, Inquiry] = {
        name: _inquiry(session, recipe, asked, target, pool) for name, target in targets.items()
    }
    _refuse_overwriting(chosen, output, replace=replace)
    if pool:
        locked, wanted = lock_pool(session, wanted["hosts"])
    else:
        locked = lock_targets(session, wanted)
    made_for = {
        "files": content_of(recipe),
        "request": _noted(session, asked),
        **({"name": recipe.name} if recipe.name else {}),
    }
    written = _write(locked, recipe, made_for, wanted, chosen, output)
    return _shown(locked, written, as_json=as_json)


def _recipe(session: Session, specs: list[str] | None, files: list[str] | None) -> Recipe:
    from envkit.api.sources import read_sources
    from envkit.models.inputs import LockFile, Recipe

    if not files and not specs:
        files = [_FILE]
        if not Path(_FILE).exists():
            raise UsageError(f"no package and no file is given, and there is no {_FILE} here", hint="Give one with -f.")
    found = read_sources(files, session.policy) if files else Recipe("the command line", None, (), ())
    if isinstance(found, LockFile):
        raise UsageError(f"{found.path} is a lock itself ({found.format})", hint="Give the file that it was made from.")
    from envkit import values

    return values.replace(found, dependencies=(*(specs or ()), *found.dependencies))


def _format(kind: str | None, output: str) -> str:
    """Return the format that is asked for, by name or by the name of the file."""
    if kind is not None:
        if kind not in FORMATS:
            raise UsageError(f"--format {kind!r} is not known", hint=f"One of {', '.join(FORMATS)}.")
        return kind
    name = Path(output).name
    for word, meaning in (("pixi", "pixi"), ("conda-lock", "conda-lock"), ("explicit", "explicit")):
        if word in name:
            return meaning
    raise UsageError(f"{output} names no format", hint=f"Add --format, one of {', '.join(FORMATS)}.")


def _targets(
    session: Session, machines: list[str] | None, hosts: list[Path] | None, glibc: str | None
) -> tuple[dict[str, Target], Mapping[str, Target]]:
    """Return the machines to lock for, by name, and those of ``--hosts``, which one part has to serve."""
    if machines and hosts:
        raise UsageError("--for and --hosts exclude each other", hint="Lock for the machines of --hosts apart.")
    if machines:
        from envkit.inputs.machine import parse_machine

        found: dict[str, Target] = {}
        for text in machines:
            name, target = parse_machine(text, glibc)
            if name in found:
                raise UsageError(f"--for {text} is given twice", hint="Name each machine once.")
            found[name] = target
        return found, {}
    target, pool = describe(
        session, hosts, Described(None, None, (), (), glibc if not hosts else None, no_gpu=False), platforms=True
    )
    return {"hosts" if pool else "this machine": target}, pool


def _request(session: Session, recipe: Recipe, asked: Mapping[str, Any]) -> tuple[Request, Any]:
    override = asked["override"]
    texts = options.channels_of(asked["channel"], recipe, session.settings, override=override)
    channels = options.parse_channels(list(texts), session.settings, override=override)
    flags: dict[str, Any] = {
        "cuda": asked["cuda"] if asked["cuda"] != "auto" else recipe.flags.get("cuda", "auto"),
        "python": asked["python"] or recipe.flags.get("python"),
        "prefer": asked["prefer"] if asked["prefer"] != "version" else recipe.flags.get("prefer", "version"),
    }
    return options.parse_request(recipe.dependencies, channels, **flags), channels


def _inquiry(
    session: Session, recipe: Recipe, asked: Mapping[str, Any], target: Target, pool: Mapping[str, Target]
) -> Inquiry:
    from envkit.inputs.selectors import select_for_pool
    from envkit.models.request import Inquiry
    from envkit.words.say import say

    recipe = select_for_pool(recipe, target.subdir, pool)
    for note in recipe.notes:
        session.reporter.note(say(note))
    request, channels = _request(session, recipe, asked)
    wish = options.parse_pip(recipe.pip, asked["pip"], asked["build"], asked["prefer_pip"], local=False)
    return Inquiry(request, target, pool, channels, asked["override"] or bool(recipe.channels), wish)


def _noted(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags as the lock notes them: without credentials."""
    channels = options.parse_channels(list(asked["channel"]), session.settings, override=asked["override"])
    wish = options.parse_pip(None, asked["pip"], None, None, local=False)
    return {**asked, "channel": [channel.name for channel in channels], "pip": list(wish.section.lines)}


def _check(
    session: Session,
    recipe: Recipe,
    asked: Mapping[str, Any],
    machines: list[str] | None,
    output: str,
    *,
    as_json: bool,
) -> int:
    """Compare a lock with its files and the flags; nothing is solved."""
    from envkit.cli.fits import check_fits
    from envkit.cli.output import console, literal, print_json
    from envkit.inputs.machine import parse_machine

    lock = check_fits(session, recipe, output)
    before = lock.made_for.get("request")
    asked = _noted(session, asked)
    if isinstance(before, dict) and before != asked:
        other = [f"--{key} {before.get(key)}" for key in asked if before.get(key) != asked[key]]
        raise RecipeError(
            f"{lock.path} was made with other flags: {', '.join(other)}", hint="Give the same, or lock again."
        )
    locked = lock.made_for.get("machines")
    missing = {parse_machine(text)[0] for text in machines or ()} - set(locked if isinstance(locked, dict) else ())
    if missing:
        raise RecipeError(f"{lock.path} is not for {', '.join(sorted(missing))}", hint="Lock again.")
    if as_json:
        print_json({"schema_version": 1, "lock": lock.path, "format": lock.format, "fits": True})
    else:
        console().print(literal(f"{lock.path} fits {recipe.path}"))
    return 0


def _refuse_overwriting(kind: str, output: str, *, replace: bool) -> None:
    """Refuse to replace a file that another tool keeps."""
    path = Path(output)
    if output != _STDOUT and not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no directory", hint="Choose another place with -o.")
    if output == _STDOUT or replace or not path.exists():
        return
    from envkit.inputs.made_for import read_made_for

    try:
        ours = bool(read_made_for(path.read_text(encoding="utf-8", errors="replace")))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}", hint="Choose another name with -o.") from error
    if not ours:
        raise UsageError(
            f"{path} is there already, and envkit did not write it ({kind})",
            hint="Choose another name with -o, or replace it with --replace.",
        )


def _write(
    locked: Sequence[LockedTarget],
    recipe: Recipe,
    noted: Mapping[str, Any],
    wanted: Mapping[str, Inquiry],
    kind: str,
    output: str,
) -> list[tuple[str, list[str]]]:
    """Write the files; return each with the machines that it is for."""
    from envkit.api.lock import by_file, distinct_parts
    from envkit.layout.atomic import write_atomic
    from envkit.outputs.conda_lock import conda_lock_text
    from envkit.outputs.explicit import explicit_text
    from envkit.outputs.pixi_lock import pixi_lock_text
    from envkit.wire.results import target_json

    groups = [("", list(locked))] if kind == "pixi" else list(by_file(locked, one_each=kind == "explicit"))
    if output == _STDOUT and len(groups) > 1:
        raise UsageError(
            f"a {kind} file holds one machine of a platform, and stdout is one file", hint="Name a file with -o."
        )
    written: list[tuple[str, list[str]]] = []
    for name, targets in groups:
        path = Path(output) if not name else Path(output).with_name(_apart(Path(output).name, name))
        sources = [os.path.relpath(source, path.parent) for source in recipe.path.split(", ") if Path(source).is_file()]
        machines = {
            t.name: {
                "environment": t.part.environment if kind == "pixi" else "default",
                **{
                    key: value
                    for key, value in target_json(wanted[t.name].target).items()
                    if value not in (None, [], False)
                },
            }
            for t in targets
        }
        made_for = {**noted, "sources": sources, "machines": machines}
        parts = distinct_parts(targets)
        if kind == "pixi":
            text = pixi_lock_text(parts, made_for)
        elif kind == "conda-lock":
            text = conda_lock_text(parts, made_for, sources=sources)
        else:
            text = explicit_text(parts[0], made_for)
        if output == _STDOUT:
            sys.stdout.write(text)
            continue
        write_atomic(path, text)
        written.append((str(path), [target.name for target in targets]))
    return written


def _apart(name: str, machine: str) -> str:
    """Return the name of the file for one machine: ``conda-lock-a100-550.yml``."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{machine}.{suffix}" if dot and stem else f"{name}-{machine}"


def _shown(locked: Sequence[LockedTarget], written: Sequence[tuple[str, list[str]]], *, as_json: bool) -> int:
    from envkit.cli.output import console, literal, print_json, table
    from envkit.words.values import exact_words

    if as_json:
        rows = [
            {
                "machine": target.name,
                "environment": target.part.environment,
                "platform": target.part.platform,
                "packages": len(target.part.records),
                "same_as": target.same_as,
                "choice": dict(target.plan.choice),
            }
            for target in locked
        ]
        files = [{"path": path, "machines": names} for path, names in written]
        print_json({"schema_version": 1, "files": files, "machines": rows})
        return 0
    if not written:  # the lock itself is on stdout
        return 0
    view = table("machine", "platform", "environment", "packages", "build", right=("packages",))
    for target in locked:
        environment = target.part.environment + (f" (as {target.same_as})" if target.same_as else "")
        build = exact_words(target.plan.pick) if target.plan.pick else ""
        cells = (target.name, target.part.platform, environment, len(target.part.records), build)
        view.add_row(*map(literal, map(str, cells)))
    console().print(view)
    for path, names in written:
        console().print(literal(f"wrote {path} for {', '.join(names)}"))
    return 0
