"""envkit ensure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from envkit.cli import complete, options
from envkit.cli.declared import argument, option
from envkit.cli.grammar import Invocation, parameters_of
from envkit.errors import EnvironmentExistsError

if TYPE_CHECKING:
    from envkit.client.environment import Environment


def ensure_command(
    *,
    name: Annotated[str, argument(metavar="NAME", help="The environment.", complete=complete.names)],
    specs: Annotated[
        list[str] | None, argument(metavar="SPEC", help="Packages. Without any, -f and --recipe, it has to exist.")
    ] = None,
    file: Annotated[list[str] | None, option("-f", "--file", metavar="FILE", help="As for create; repeatable.")] = None,
    recipe: Annotated[
        str | None, option("--recipe", metavar="NAME", help="One of `envkit recipes`.", complete=complete.recipe_names)
    ] = None,
    pip: options.Pip = None,
    persist: options.Persist = None,
    channel: options.Channels = None,
    override_channels: options.Override = False,
    cuda: options.Cuda = "auto",
    python: options.Python = None,
    prefer: options.PreferOption = "version",
    require_gpu: Annotated[bool, option("--require-gpu", help="Fail unless it was validated on a GPU.")] = False,
    replace: Annotated[
        bool, option("--replace", help="Make a new generation if it was made from another request.")
    ] = False,
    offline: options.Offline = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Have an environment: take it as it is, make it if it is missing, validate it on a new kind of host.

    For entrypoints and job scripts. One that was made from this request and validated on this kind of host is there
    at once, without a network.
    """
    from envkit.client import local
    from envkit.client.volume import unknown

    request: dict[str, Any] = {
        "specs": specs, "file": file, "recipe": recipe, "pip": pip, "channel": channel, "cuda": cuda, "python": python,
        "prefer": prefer,
    }  # fmt: skip
    root, here = local.look(name, persist)
    one_file = file[0] if file and len(file) == 1 else None
    wanted = local.Wanted(
        tuple(specs or ()), cuda, python, prefer, tuple(channel or ()), one_file, recipe, tuple(pip or ())
    )
    empty = wanted.is_empty and not file
    if here is not None and (empty or (len(file or ()) < 2 and local.matches(here.manifest, wanted))):
        known = here.validation
        if known is not None and known.ok and (not require_gpu or known.on_gpu):
            return _there(here, as_json=as_json)
    if empty:
        if here is None:
            raise unknown(root, name)
        from envkit.cli.validate import validate_command

        return validate_command(name=name, persist=Path(root), as_json=as_json, progress=progress)
    request |= {
        "override_channels": override_channels, "require_gpu": require_gpu, "offline": offline, "as_json": as_json,
        "progress": progress,
    }  # fmt: skip
    return _create({**request, "name": name, "persist": persist}, replace=replace)


def _create(given: dict[str, Any], *, replace: bool) -> int:
    from envkit.cli.create import create_command

    parameters = parameters_of(create_command)
    defaults = {parameter.name: parameter.default for parameter in parameters}
    values = {key: value for key, value in given.items() if value is not None and value != defaults[key]}
    try:
        return create_command(Invocation("create", parameters, values), **values)
    except EnvironmentExistsError:
        if not replace:
            raise
    values["replace"] = True
    return create_command(Invocation("create", parameters, values), **values)


def _there(environment: Environment, *, as_json: bool) -> int:
    from envkit.cli.output import console, mark, print_json

    if as_json:
        document = {"environment": environment.name, "path": str(environment.path)}
        print_json({**document, "prefix": str(environment.prefix), "reused": True})
    else:
        console().print(mark("[green]{}[/green] is there and validated on this kind of host", environment.name))
    return 0
