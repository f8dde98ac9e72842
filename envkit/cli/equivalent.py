"""Corrections on the command line: the command to copy, and ``--fix``."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from typing import Annotated

from envkit.cli.declared import option
from envkit.cli.grammar import Invocation
from envkit.errors import EnvkitError
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.request import Correction, CudaChoice, Request
from envkit.settings import Settings, resolve_channels
from envkit.values import replace

Fix = Annotated[bool, option("--fix", help="Correct a request that is known not to work as it stands.")]
_REPLACED = frozenset({"channel", "cuda", "fix", "file", "recipe", "as_json", "why"})


def given_flags(call: Invocation, besides: Collection[str]) -> list[str]:
    """Return the flags and arguments that differ from their defaults, apart from the parameters `besides`."""
    flags = []
    for parameter in call.parameters:
        value = call.values.get(parameter.name)
        if value and value != parameter.default and parameter.name not in besides:
            flags.append("SPEC" if parameter.declared.is_argument else parameter.longest)
    return flags


def correction_rows(
    call: Invocation, request: Request, corrections: Iterable[Correction]
) -> list[tuple[str, str, str]]:
    """Return corrections and their commands, as rows of `envkit.cli.output.labelled`."""
    from envkit.words.say import say

    rows = []
    for correction in corrections:
        rows.append(("fix", "yellow", say(correction.fact)))
        rows.append(("", "", _command(call, _corrected(request, correction))))
    return rows


def _command(call: Invocation, request: Request) -> str:
    """Return the command line of `call` with another request; every other flag stays as it was given."""
    words = ["envkit", call.path, *request.specs]
    for channel in request.channels:
        words += ["-c", channel]
    if request.cuda.kind != "auto":
        words += ["--cuda", str(request.cuda)]
    for parameter in call.parameters:
        if parameter.declared.is_argument or parameter.name in _REPLACED or parameter.name not in call.values:
            continue
        value = call.values[parameter.name]
        for one in value if isinstance(value, list) else [value]:
            words += [parameter.longest] if one is True else [parameter.longest, str(one)]
    return shlex.join(words)


def _corrected(request: Request, correction: Correction) -> Request:
    cuda = CudaChoice.parse(correction.cuda) if correction.cuda is not None else request.cuda
    return replace(request, specs=correction.specs, cuda=cuda, channels=correction.channels)


def fixed(
    request: Request, target: Target, explicit: tuple[Channel, ...], settings: Settings
) -> tuple[Request, tuple[Channel, ...], tuple[Correction, ...]]:
    """Apply ``--fix``: return the request, its channels with their credentials, and the corrections."""
    from envkit.plan.corrections import apply_corrections

    request, applied = apply_corrections(request, target)
    by_name = {channel.name: channel for channel in explicit}
    missing = [name for name in request.channels if name not in by_name]
    by_name.update((channel.name, channel) for channel in resolve_channels(missing, settings))
    return request, tuple(by_name[name] for name in request.channels if name in by_name), applied


def hinted(error: EnvkitError, corrections: tuple[Correction, ...], call: Invocation, request: Request) -> EnvkitError:
    """Make the first correction the hint of an error: it names the cause, the solver only the effect."""
    if corrections:
        from envkit.words.say import say

        first = corrections[0]
        error.hint = f"{say(first.fact)}. Instead, or with --fix:\n  {_command(call, _corrected(request, first))}"
    return error
