"""envkit export."""

from __future__ import annotations

import io
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

from envkit.cli import options, which
from envkit.cli.declared import argument, option
from envkit.errors import UsageError
from envkit.printable import printable_lines

if TYPE_CHECKING:
    from envkit.api.exported import Exported

_FORMATS = ("environment", "explicit", "pixi", "conda-lock", "requirements")


def export_command(
    *,
    name: Annotated[
        str | None,
        argument(
            metavar="[NAME[@N]]", show_default="the active one", help="An environment, or one of its generations."
        ),
    ] = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    kind: Annotated[
        str,
        option(
            "--format",
            metavar="FORMAT",
            help="environment, explicit (CEP 23), pixi, conda-lock (CEP 37) or requirements.",
        ),
    ] = "environment",
    explicit: Annotated[bool, option("--explicit", help="Short for --format explicit.")] = False,
    pins: Annotated[bool, option("--pins", help="Print every package with its version and build.")] = False,
    profile: Annotated[
        str | None,
        option(
            "--profile",
            metavar="NAME",
            show_default="that of this machine; in a pixi.lock all",
            help="One of its profiles (`envkit show`).",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Print a file that makes it again: its request, or exactly its packages.

    It may be made by any tool that keeps conda-meta (conda, mamba, pixi): give its path.
    """
    from envkit.api.exported import export_environment, export_profiles
    from envkit.api.profile_here import profile_or_link
    from envkit.cli.output import print_json
    from envkit.outputs.pixi_lock import pixi_lock_text

    kind = _format(kind, explicit=explicit, pins=pins)
    name = which.anything(name, given, prefix)
    session = options.session_of(persist, name=name)
    volume = None if "/" in name else session.find_volume()
    parts, noted = export_profiles(volume, name) if volume is not None and kind == "pixi" and not profile else ((), {})
    exported = export_environment(volume, name, pins=pins, prefix=profile_or_link(session, volume, name, profile))
    if exported.added and kind not in {"environment", "requirements"}:
        session.reporter.note(f"{len(exported.added)} distributions that pip installed are not in the file")
    if kind == "environment" and as_json:
        flags = {"flags": dict(exported.flags)} if exported.flags else {}
        print_json({**exported.document, **flags})
        return
    text = pixi_lock_text(parts, noted) if len(parts) > 1 else _text(kind, exported)
    if as_json:
        print_json({kind: text.splitlines()})
    else:
        sys.stdout.write(printable_lines(text))


def _format(kind: str, *, explicit: bool, pins: bool) -> str:
    if explicit and (pins or kind not in {"environment", "explicit"}):
        raise UsageError("--explicit excludes --pins and another --format", hint="Give one of them.")
    kind = "explicit" if explicit else kind
    if kind not in _FORMATS:
        raise UsageError(f"--format {kind!r} is not known", hint=f"One of {', '.join(_FORMATS)}.")
    if pins and kind != "environment":
        raise UsageError("--pins is about --format environment: other formats list every package", hint="Leave it out.")
    return kind


def _text(kind: str, exported: Exported) -> str:
    from envkit.outputs.conda_lock import conda_lock_text
    from envkit.outputs.explicit import explicit_text
    from envkit.outputs.pixi_lock import pixi_lock_text
    from envkit.outputs.requirements import requirements_text

    match kind:
        case "explicit":
            return explicit_text(exported.part)
        case "pixi":
            return pixi_lock_text([exported.part], {})
        case "conda-lock":
            return conda_lock_text([exported.part], {})
        case "requirements":
            return requirements_text(exported.part, exported.added)
    return _environment(exported)


def _environment(exported: Exported) -> str:
    """Return an environment.yml; what CEP 24 has no key for is a comment, which envkit reads and others leave out."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(dict(exported.document), text)
    flags = "".join(f" --{name} {shlex.quote(value)}" for name, value in exported.flags.items())
    return (f"# envkit:{flags}\n" if flags else "") + text.getvalue()
