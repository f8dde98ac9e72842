"""Write definitions of container images that hold one environment at exactly the path where it was made.

A definition takes the environment from a pack beside it, or from the lock of its packages, which micromamba and pip
install by their digests. Whatever builds the image needs no envkit.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Literal

from envkit.errors import UsageError
from envkit.values import dataclass

ImageFormat = Literal["dockerfile", "apptainer"]
IMAGE_FORMATS: tuple[ImageFormat, ...] = ("dockerfile", "apptainer")

MARK = "# Written by envkit image"
"""The beginning of each definition, by which a later one may replace it."""

_BUILDER = "docker.io/library/python:3.12-slim-bookworm"
_INSTALLER = "docker.io/mambaorg/micromamba:2"
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*\Z")


@dataclass(frozen=True, slots=True)
class ImageContent:
    """The content of an image.

    Attributes:
        name: The environment.
        prefix: The path of its generation, in the image as here.
        link: The path of its link.
        base: The image to start from.
        variables: Variables of the environment, `PATH` among them without what the image has.
        scripts: Scripts that activate it, besides those.
        on_gpu: Whether it computes on NVIDIA GPUs.
        pack: File name and sha256 of its pack; None to install from locks.
        extras: Paths in the pack that are not of the environment.
        locks: File names of the locks of conda and, where pip brought something, of pip.
    """

    name: str
    prefix: str
    link: str
    base: str
    variables: Mapping[str, str]
    scripts: Sequence[str]
    on_gpu: bool
    pack: tuple[str, str] | None
    extras: Sequence[str] = ()
    locks: Sequence[str] = ()


def dockerfile_text(content: ImageContent) -> str:
    """Return a Dockerfile. Two stages: tools that unpack or install do not reach the image."""
    prefix = content.prefix
    lines = [f"{MARK}: {content.name}, at {prefix}.", f"# Build: docker build -t {_tag(content)} ."]
    lines += [f"FROM {_builder(content)} AS made", *(["USER root"] if content.pack is None else [])]
    lines += [f"COPY {json.dumps([*_files(content), '/tmp/'])}"]
    lines += [f"RUN {_continued(_commands(content))}", ""]
    lines += [f"FROM {_image(content.base)}", f"COPY --from=made {json.dumps([prefix, prefix])}"]
    lines += [f"RUN {_continued(_link_commands(content))}"]
    lines += [f"ENV {name}={_quoted(value)}" for name, value in _variables(content).items()]
    if content.scripts:
        lines.append(f"ENTRYPOINT {json.dumps(['/bin/bash', '-c', _entry(content), '--'])}")
    lines.append('CMD ["python"]')
    return "\n".join(lines) + "\n"


def apptainer_text(content: ImageContent) -> str:
    """Return an Apptainer definition, of two stages as well."""
    prefix = content.prefix
    files = "\n".join(f"    {shlex.quote(name)} /tmp/" for name in _files(content))
    body = "\n".join(f"    {line}" for line in ("set -e", *_commands(content)))
    links = "\n".join(f"    {line}" for line in ("set -e", *_link_commands(content)))
    export = "\n".join(f"    export {name}={_quoted(value)}" for name, value in _variables(content).items())
    sources = "".join(f"\n    . {shlex.quote(script)}" for script in content.scripts)
    return f"""\
{MARK}: {content.name}, at {prefix}.
# Build: apptainer build {_tag(content)}.sif FILE
Bootstrap: docker
From: {_builder(content)}
Stage: made

%files
{files}

%post
{body}

Bootstrap: docker
From: {_image(content.base)}
Stage: final

%files from made
    {shlex.quote(prefix)} {shlex.quote(prefix)}

%post
{links}

%environment
{export}{sources}

%runscript
    exec "$@"
"""


def _files(content: ImageContent) -> Sequence[str]:
    return [content.pack[0]] if content.pack is not None else content.locks


def _builder(content: ImageContent) -> str:
    return _BUILDER if content.pack is not None else _INSTALLER


def _commands(content: ImageContent) -> list[str]:
    """Return the commands that put the environment at its path, for a POSIX shell."""
    prefix = shlex.quote(content.prefix)
    if content.pack is not None:
        name, digest = content.pack
        pack = shlex.quote(f"/tmp/{name}")
        return [
            f"echo {digest}  {pack} | sha256sum -c -",
            "apt-get update -qq && apt-get install -y -qq --no-install-recommends zstd",
            f"mkdir -p {prefix}",
            f"tar --zstd -xf {pack} -C {prefix} --no-same-owner",
            f"python3 -B {prefix}/bin/conda-unpack",
            f"cd {prefix} && rm -f {' '.join(map(shlex.quote, content.extras))}",
        ]
    conda, *pip = (shlex.quote(f"/tmp/{name}") for name in content.locks)
    commands = [f"micromamba create -y -p {prefix} -f {conda} --safety-checks enabled"]
    commands += [f"{prefix}/bin/python -m pip install --no-deps --require-hashes --no-cache-dir -r {p}" for p in pip]
    return commands


def _link_commands(content: ImageContent) -> list[str]:
    folder, _, name = content.link.rpartition("/")
    target = content.prefix.removeprefix(f"{folder}/")
    return [f"ln -sfn {shlex.quote(target)} {shlex.quote(f'{folder}/{name}')}"]


def _variables(content: ImageContent) -> dict[str, str]:
    found = {"PATH": f"{content.prefix}/bin:${{PATH}}", **{k: v for k, v in content.variables.items() if k != "PATH"}}
    if content.on_gpu:  # what the container toolkit of NVIDIA reads
        found |= {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    return found


def _quoted(value: str) -> str:
    """Quote a value for both languages: only ``${PATH}`` at the end of PATH is a variable."""
    own, end = (value.removesuffix("${PATH}"), "${PATH}") if value.endswith(":${PATH}") else (value, "")
    text = own.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    return f'"{text}{end}"'


def _entry(content: ImageContent) -> str:
    return " ".join([*(f". {shlex.quote(script)};" for script in content.scripts), 'exec "$@"'])


def _continued(commands: Sequence[str]) -> str:
    return " \\\n && ".join(commands)


def _tag(content: ImageContent) -> str:
    return re.sub(r"[^a-z0-9._-]", "-", content.name.lower())


def _image(text: str) -> str:
    if not _IMAGE.match(text):
        raise UsageError(f"--base {text!r} is not the name of an image", hint="For example: --base debian:12-slim.")
    return text
