"""envkit pack, unpack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from envkit.cli import complete, options, which
from envkit.cli.declared import argument, option
from envkit.errors import UsageError
from envkit.models.pack import PACK_FORMATS, PackFormat

_MOST = 19  # level of zstd
_Format = Annotated[
    str | None,
    option("--format", metavar="FORMAT", show_default="by the name of FILE, else tar.zst", help="tar.zst or squashfs."),
]
_Output = Annotated[
    Path | None,
    option("-o", "--output", metavar="FILE", show_default="the generation's name, here", help="The file."),
]


def pack_command(
    *,
    name: which.Argument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    output: _Output = None,
    form: _Format = None,
    level: Annotated[int, option(minimum=1, help="How hard zstd compresses.")] = 6,
    keep: Annotated[bool, option("--keep", help="Keep it on the volume, where `stage` takes it from.")] = False,
    profile: options.ProfileOption = None,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> None:
    """Write an environment into one file: packages, pip part, manifest and validations.

    The same generation is the same bytes. `envkit unpack` makes it an environment of another volume; without envkit,
    extract a tar.zst and run its bin/conda-unpack.
    """
    from envkit.api.pack import PackOptions, pack
    from envkit.cli.output import console, mark, print_json
    from envkit.wire.pack import pack_json
    from envkit.words.values import size_words

    if level > _MOST:
        raise UsageError(f"--level {level} is more than {_MOST}", hint="From 1, the fastest, to 19, the smallest.")
    name, persist = which.environment(name, given, prefix, persist)
    session = options.session_of(persist, name=name, as_json=as_json, progress=progress)
    result = pack(session, name, PackOptions(output, _format_of(form, output), level, keep, profile))
    if as_json:
        print_json(pack_json(result))
        return
    out = console()
    sizes = f"{result.files:,} files, {size_words(result.content_bytes)}"
    out.print(mark("[green]{}[/green]  {} ({})", result.file, size_words(result.size_bytes), sizes))
    out.print(f"  unpack  envkit unpack {Path(result.file).name} --persist DIR --sha256 {result.sha256}")


def _format_of(given: str | None, output: Path | None) -> PackFormat:
    """Return the format that is meant: the one given, else that of the file's name."""
    if given is None:
        ends = (".squashfs", ".sqfs", ".sqsh")
        return "squashfs" if output is not None and output.name.endswith(ends) else "tar.zst"
    for form in PACK_FORMATS:
        if form == given:
            return form
    raise UsageError(f"--format {given!r} is not known", hint=f"One of {', '.join(PACK_FORMATS)}.")


def unpack_command(
    *,
    file: Annotated[Path, argument(metavar="FILE", help="A file of `envkit pack`.")],
    name: Annotated[
        str | None,
        option(
            "-n",
            "--name",
            metavar="NAME",
            show_default="as it was packed",
            help="The environment to make.",
            complete=complete.names,
        ),
    ] = None,
    persist: options.Persist = None,
    sha256: Annotated[
        str | None, option("--sha256", metavar="HEX", help="Digest of the file, compared before it is read.")
    ] = None,
    replace: Annotated[
        bool, option("--replace", help="Make the next generation of an environment that is there.")
    ] = False,
    no_validate: options.NoValidate = False,
    require_gpu: Annotated[
        bool, option("--require-gpu", help="Publish only after a validation that computed on a GPU.")
    ] = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Make an environment of the volume out of a file of `envkit pack`."""
    from envkit.api.unpack import UnpackOptions, unpack
    from envkit.cli.output import console, mark, print_json
    from envkit.cli.validate import exit_code, render_findings
    from envkit.host.wire import host_to_json
    from envkit.wire.pack import unpack_json

    proof = options.parse_proof(no_validate=no_validate, require_gpu=require_gpu)
    session = options.session_of(persist, as_json=as_json, progress=progress)
    result = unpack(session, file, UnpackOptions(name, _digest(sha256), replace, proof))
    if as_json:
        print_json(unpack_json(result, host_to_json(result.host)))
        return exit_code(result.report)
    out = console()
    failing = [finding for finding in result.report.findings if finding.status != "pass"] if result.report else []
    if failing:
        out.print(render_findings(failing))
    state = "was there already" if result.reused else "is ready"
    verdict = f"validated: {result.report.verdict}" if result.report is not None else "not validated"
    told = f"{result.files:,} files, {verdict}"
    out.print(mark("[green]{}[/green] {} in {} ({})", result.environment, state, result.path, told))
    out.print(f"  run   envkit run --persist {result.volume} {result.environment} -- python")
    return exit_code(result.report)


def _digest(text: str | None) -> str | None:
    wrong = text is not None and (len(text) != 64 or set(text.lower()) - set("0123456789abcdef"))
    if wrong:
        raise UsageError(f"--sha256 {text!r} is no sha256", hint="Give the 64 digits that `envkit pack` printed.")
    return text
