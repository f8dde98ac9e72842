"""envkit create."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from envkit import values
from envkit.cli import complete, options
from envkit.cli.again import told_again
from envkit.cli.carried import volume_flag
from envkit.cli.circumstances import listening
from envkit.cli.declared import argument, option
from envkit.cli.equivalent import Fix, correction_rows, fixed, given_flags, hinted
from envkit.cli.given import block_level, given_source, locked_file, tell_notes, with_block
from envkit.cli.grammar import Invocation
from envkit.cli.packed import create_as
from envkit.cli.target import Described, TargetFlags, describe
from envkit.errors import HostCannotRunError, NoAnswerError, UsageError
from envkit.words.values import article

if TYPE_CHECKING:
    from envkit.api.create import CreateOptions
    from envkit.api.session import Session
    from envkit.cli.output import Console
    from envkit.models.inputs import LockFile, Recipe
    from envkit.models.pip import PipWish
    from envkit.models.request import Correction, Inquiry
    from envkit.models.results import CreateResult

# The parameters that have an effect on a lock file.
_FOR_LOCKS = (
    "name", "prefix", "file", "environment", "locked", "frozen", "allow_build", "allow_local", "persist", "platform",
    "driver", "gpu", "cuda_arch", "glibc", "no_gpu", "hosts", "replace", "dry_run", "no_validate", "require_gpu",
    "engine", "offline", "bytecode", "_yes", "as_json", "progress",
)  # fmt: skip
# The parameters that have an effect on a clone.
_FOR_CLONES = ("name", "prefix", "clone", "persist", "no_validate", "_yes", "as_json", "progress")


def create_command(
    call: Invocation,
    *,
    specs: Annotated[list[str] | None, argument(metavar="SPEC", help="Packages, such as pytorch 'numpy>=2'.")] = None,
    name: Annotated[
        str | None,
        option("-n", "--name", metavar="NAME", show_default="of file, recipe or package", help="Its name."),
    ] = None,
    prefix: Annotated[
        Path | None,
        option("-p", "--prefix", metavar="DIR", help="Its path: the volume and the name in one."),
    ] = None,
    file: Annotated[
        list[str] | None,
        option(
            *("-f", "--file"),
            metavar="FILE",
            help="A file, URL or - for stdin: environment.yml, requirements.txt, pixi.lock, conda-lock.yml, @EXPLICIT, "
            "`conda list --export`; repeatable.",
        ),
    ] = None,
    environment: Annotated[
        str | None, option("--environment", metavar="NAME", help="The environment of a lock file that has many.")
    ] = None,
    clone: Annotated[
        str | None,
        option("--clone", metavar="NAME", help="The packages of another environment.", complete=complete.names),
    ] = None,
    recipe: Annotated[
        str | None,
        option("--recipe", metavar="NAME", help="One of `envkit recipes`.", complete=complete.recipe_names),
    ] = None,
    pip: options.Pip = None,
    allow_build: options.AllowBuild = None,
    prefer_pip: options.PreferPip = None,
    allow_local: options.AllowLocal = False,
    persist: options.Persist = None,
    channel: options.Channels = None,
    override_channels: options.Override = False,
    cuda: options.Cuda = "auto",
    python: options.Python = None,
    platform: options.Platform = None,
    prefer: options.PreferOption = "version",
    exclude_newer: options.ExcludeNewer = None,
    no_default_packages: Annotated[
        bool, option("--no-default-packages", help="Leave out create_default_packages of condarc.")
    ] = False,
    driver: TargetFlags.driver = None,
    gpu: TargetFlags.gpu = None,
    cuda_arch: TargetFlags.cuda_arch = None,
    glibc: TargetFlags.glibc = None,
    no_gpu: TargetFlags.no_gpu = False,
    hosts: TargetFlags.hosts = None,
    locked: Annotated[
        bool, option("--locked", help="Take the lock of the file; refuse one that does not fit it (exit 2).")
    ] = False,
    frozen: Annotated[bool, option("--frozen", help="Take the lock of the file as it is, without comparing.")] = False,
    fix: Fix = False,
    replace: Annotated[bool, option("--replace", help="Make a new generation if the name is taken.")] = False,
    dry_run: options.DryRun = False,
    download_only: Annotated[
        bool, option("--download-only", help="Fetch its conda packages into the volume's cache, and stop.")
    ] = False,
    packed: Annotated[
        bool, option("--packed", help="Keep one file of it on the volume, which `run` mounts: for few inodes.")
    ] = False,
    no_validate: options.NoValidate = False,
    bytecode: options.BytecodeOption = None,
    require_gpu: Annotated[bool, option("--require-gpu", help="Fail unless it was validated on a GPU.")] = False,
    engine: options.EngineOption = None,
    offline: options.Offline = False,
    timeout: options.Timeout = None,
    _yes: options.Yes = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Make an environment: whole and validated, or not at all.

    Repeating a request returns at once. Without SPEC, --file and --recipe: ./environment.yml, else recipe pytorch.
    """
    from envkit.api.create import CreateOptions
    from envkit.inputs.selectors import select_for_pool
    from envkit.models.inputs import LockFile
    from envkit.models.request import Inquiry
    from envkit.plan.corrections import find_corrections

    name, persist = _placed(name, prefix, persist)
    if clone is not None:
        return _clone(clone, name, persist, given_flags(call, _FOR_CLONES), no_validate=no_validate, as_json=as_json)
    session = listening(
        options.session_of(
            persist, name=name, engine=engine, offline=offline, timeout_s=timeout, as_json=as_json, progress=progress
        )
    )
    session = options.with_bytecode(session, bytecode)
    settings = session.settings
    proof = options.parse_proof(no_validate=no_validate, require_gpu=require_gpu)
    how = CreateOptions(dry_run or download_only, download_only and not dry_run, replace, proof)
    if pip and not (specs or file or recipe):
        specs = ["python"]
    source = (
        locked_file(session, file, frozen=frozen) if locked or frozen else given_source(session, specs, file, recipe)
    )
    flags = Described(platform, driver, gpu or (), cuda_arch or (), glibc, no_gpu)
    if isinstance(source, LockFile):
        _refuse_flags(source, given_flags(call, _FOR_LOCKS))
        wish = options.parse_pip(None, None, allow_build, None, local=allow_local)
        named = (_named(source, name), environment)
        return finish(_create_locked(session, source, how, flags, hosts, named, wish), (), as_json=as_json)
    if environment is not None:
        raise UsageError(
            "--environment names an environment of a lock file, and there is none", hint="-n names the new environment."
        )
    target, machines = describe(session, hosts, flags, platforms=True)
    if source is not None:
        source = tell_notes(session, select_for_pool(source, target.subdir, machines), target.subdir)
        cuda = _value(call, source, "cuda", cuda)
        python = _value(call, source, "python", python)
        prefer = _value(call, source, "prefer", prefer)
    packages = (*(specs or ()), *(source.dependencies if source else ()))
    texts = options.channels_of(channel, source, settings, override=override_channels)
    explicit = options.parse_channels(list(texts), settings, override=override_channels)
    request = options.parse_request(
        packages if no_default_packages else options.with_defaults(session, packages, python=python),
        explicit,
        cuda=cuda,
        python=python,
        prefer=prefer,
        exclude_newer=exclude_newer,
    )
    asked = request
    request, explicit, applied = fixed(request, target, explicit, settings) if fix else (request, explicit, ())
    corrections = tuple(find_corrections(request, target))
    if (
        source is not None
        and source.pip
        and source.format == "environment.yml"
        and "pip" not in {spec.name for spec in request.parsed}
    ):
        session.reporter.note(f"{source.path} does not list pip; it is not needed: uv installs the pip section")
    wish = options.parse_pip(source.pip if source else None, pip, allow_build, prefer_pip, local=allow_local)
    inquiry = Inquiry(request, target, machines, explicit, override_channels or bool(source and source.channels), wish)
    if source is not None:
        how = values.replace(
            how, variables=source.variables, source_sha256=source.sha256, level=block_level(source.block)
        )
    name = name or (source.name if source and not specs else None) or asked.parsed[0].name or asked.specs[0]
    try:
        result = create_as(session, name, inquiry, how, packed=packed)
    except (NoAnswerError, HostCannotRunError) as error:
        raise hinted(error, _tried(session, inquiry, corrections, solved=False), call, asked) from None
    corrections = _tried(session, inquiry, corrections, solved=True)
    result = values.replace(result, corrections=corrections, fixed=applied)
    result = with_block(session, result, source.block if source is not None else None)
    return told_again(
        session,
        result,
        partial(finish, result, correction_rows(call, request, corrections), as_json=as_json),
        as_json=as_json,
    )


def _tried(
    session: Session, inquiry: Inquiry, corrections: tuple[Correction, ...], *, solved: bool
) -> tuple[Correction, ...]:
    """Return the corrections that lead to a solution; most requests have none, and nothing is loaded to try them."""
    if not corrections:
        return ()
    from envkit.api.trying import solving_corrections

    return solving_corrections(session, inquiry, corrections, solved=solved)


def _placed(name: str | None, prefix: Path | None, persist: Path | None) -> tuple[str | None, Path | None]:
    """Return the name and the volume that are given, by themselves or as the path of the environment."""
    if name == "":
        raise UsageError("the name of the environment is empty", hint="Leave -n out, or give a name: -n train.")
    if prefix is None:
        return name, persist
    if name is not None or persist is not None:
        raise UsageError("-p says where and how it is called", hint="Leave -n and --persist out, or -p.")
    path = Path(os.path.abspath(prefix))  # noqa: PTH100 - a link's own path
    return path.name, path.parent


def _clone(
    source: str, name: str | None, persist: Path | None, flags: Sequence[str], *, no_validate: bool, as_json: bool
) -> int:
    from envkit.cli.remove import clone_command

    if name is None:
        raise UsageError("the clone has no name", hint=f"envkit create -n NAME --clone {source}")
    if flags:
        raise UsageError(
            f"a clone has exactly the packages of {source}, so that {', '.join(flags)} would have no effect",
            hint=f"Leave that out, or change the clone afterwards: envkit install -n {name}.",
        )
    return clone_command(source=source, name=name, persist=persist, no_validate=no_validate, as_json=as_json)


def _named(lock: LockFile, name: str | None) -> str:
    name = name or lock.made_for.get("name")
    if not isinstance(name, str) or not name:
        raise UsageError(
            f"{lock.path} is {article(lock.format)}, which has no name for the environment",
            hint=f"envkit create -n NAME -f {lock.path}",
        )
    return name


def _create_locked(
    session: Session,
    lock: LockFile,
    how: CreateOptions,
    flags: Described,
    hosts: list[Path] | None,
    named: tuple[str, str | None],
    wish: PipWish,
) -> CreateResult:
    from envkit.api.locked import choose_part, create_locked
    from envkit.inputs.made_for import variables_of

    target, machines = describe(session, hosts, flags, platforms=True)
    how = values.replace(how, variables=variables_of(lock))
    name, environment = named
    if machines:
        from envkit.api.locked_profiles import create_for_machines

        return create_for_machines(session, lock, named, how, hosts=machines, wish=wish)
    part = choose_part(session, lock, target, environment=environment, any_host=how.proof == "none")
    return create_locked(session, name, part, how, machines={"": target}, wish=wish)


def _value(call: Invocation, recipe: Recipe, name: str, value: Any) -> Any:
    """Return the value of a flag: of the command line, else of the file."""
    return value if name in call.values else recipe.flags.get(name, value)


def _refuse_flags(lock: LockFile, flags: Sequence[str]) -> None:
    """Refuse flags that have no effect on a lock file."""
    if flags:
        raise UsageError(
            f"{lock.path} is {article(lock.format)}: it lists exact packages, so that {', '.join(flags)} would have no "
            "effect",
            hint="Leave that out. --hosts, --replace, --no-validate, --require-gpu and --offline go with such a file.",
        )


def finish(result: CreateResult, fixes: Sequence[tuple[str, str, str]], *, as_json: bool) -> int:
    """Show a result and return the exit code."""
    from envkit.cli.output import print_json
    from envkit.cli.profiles import render_profiles
    from envkit.cli.validate import exit_code
    from envkit.host.wire import host_to_json
    from envkit.wire.results import create_json

    if as_json:
        print_json(create_json(result, host_to_json(result.host) if result.host else {}))
    else:
        (render_profiles if result.profiles else _render)(result, fixes)
    return exit_code(result.report)


def _render(result: CreateResult, fixes: Sequence[tuple[str, str, str]]) -> None:
    from envkit.builds.families import channel_name
    from envkit.cli.output import console, labelled, literal, mark, table
    from envkit.words.values import plural, size_words

    out = console()
    out.print(labelled(*_about(result, fixes)))
    if result.dry_run:
        view = table("package", "version", "build", "channel", "size", right=("size",))
        for record in result.records:
            cells = (record.name, record.version, record.build, channel_name(record.channel), size_words(record.size))
            view.add_row(*map(literal, cells))
        for wheel in result.pip:
            cells = (wheel.name, wheel.version or "", wheel.kind, "pip", size_words(wheel.size))
            view.add_row(*map(literal, cells))
        out.print(view)
        size = sum(wheel.size or 0 for wheel in result.pip)
        wheels = f", and wheels of {size_words(size)}, as far as uv has not cached them" if result.pip else ""
        out.print(
            f"{plural(len(result.records) + len(result.pip), 'package')}, {size_words(result.download_bytes)} "
            f"to download ({result.cached} cached){wheels}; nothing was made"
        )
        return
    render_outcome(out, result)
    state = "was there already" if result.reused else "is ready"
    verdict = ", not validated"
    if result.report is not None and result.report.verdict != "fail":
        verdict = f", validated: {result.report.verdict}"
    told = f"{plural(len(result.records) + len(result.pip), 'package')}{verdict}"
    out.print(mark("[green]{}[/green] {} in {} ({})", result.environment, state, result.path, told))
    volume = volume_flag(str(result.volume), result.environment)
    out.print(f"  run   envkit run{volume} {result.environment} -- python")
    out.print(f"  show  envkit show{volume} {result.environment}")
    out.print(f"  else  {result.path}/bin/python, or `conda activate {result.path}`")
    if result.kernel is not None:
        out.print(mark("kernel  {}, in Jupyter", result.kernel))
    if result.ports:
        out.print(f" ports  {', '.join(f'{service} {port}' for service, port in result.ports)}")


def render_outcome(out: Console, result: CreateResult) -> None:
    """Print the findings of the validation apart from passes, and the scripts that were not run."""
    from envkit.cli.output import labelled
    from envkit.cli.validate import render_findings

    failing = [finding for finding in result.report.findings if finding.status != "pass"] if result.report else []
    if failing:
        out.print(render_findings(failing))
    for script in result.skipped_link_scripts:
        out.print(labelled(("note", "yellow", f"not run: {script}")))


def _about(result: CreateResult, fixes: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return the choice and its reasons, as rows of `envkit.cli.output.labelled`."""
    from envkit.cli.builds_table import answer_rows, pick_rows
    from envkit.models.codes.advice import CUDA_UNUSED, OPENED_CHANNEL
    from envkit.models.codes.topics import CPU, THIS_BUILD
    from envkit.words.say import say

    lines: list[tuple[str, str, str]] = [("fixed", "green", say(correction.fact)) for correction in result.fixed]
    lines += [("CPU", "cyan", say(answer.fact)) for answer in result.explanation if answer.topic == CPU][:1]
    lines += [*pick_rows("build", "bold", result.pick), *fixes]
    if not result.dry_run:
        return lines + [("note", "yellow", say(advice)) for advice in result.advice]
    said = {CUDA_UNUSED, OPENED_CHANNEL}  # the explanation holds the rest
    lines += [("note", "yellow", say(advice)) for advice in result.advice if advice.code in said]
    return lines + answer_rows(answer for answer in result.explanation if answer.topic not in {THIS_BUILD, CPU})
