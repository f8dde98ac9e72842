"""What a Python interpreter is, told by itself, and whether a package can be made of it."""

from __future__ import annotations

import json
import subprocess
from calendar import timegm
from dataclasses import dataclass
from pathlib import Path
from time import strptime
from typing import Final

from wheelchannel.errors import USAGE, ChannelError

_MACHINES: Final = {"x86_64": "linux-64", "aarch64": "linux-aarch64", "ppc64le": "linux-ppc64le"}

# -I -S: the interpreter alone, whatever its site-packages and the environment would add.
_DESCRIBE: Final = """
import json, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(),
    "implementation": sys.implementation.name,
    "platform": sys.platform,
    "machine": platform.machine(),
    "libc": platform.libc_ver()[0],
    "base_prefix": getattr(sys, "base_prefix", sys.prefix),
    "build": " ".join(platform.python_build()[1].split()),
    "schemes": sysconfig.get_scheme_names(),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "stdlib": sysconfig.get_path("stdlib"),
    "include": sysconfig.get_path("include"),
    "release_level": sys.version_info[3],
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython that can be packaged.

    Attributes:
        version: Such as `3.11.7`.
        base_prefix: Where it is installed.
        subdir: conda's name for the platform, such as `linux-64`.
        built_at: When it was built, in seconds since 1970: the time stamp of its package.
    """

    version: str
    base_prefix: Path
    subdir: str
    built_at: int

    @property
    def machine(self) -> str:
        """The machine, as platform tags of wheels end: `x86_64`."""
        return next(machine for machine, subdir in _MACHINES.items() if subdir == self.subdir)

    @property
    def minor(self) -> str:
        """Such as `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def tag(self) -> str:
        """Such as `py311`, for build strings."""
        return f"py{self.minor.replace('.', '')}"

    @property
    def executable(self) -> Path:
        """The interpreter itself, outside any virtual environment."""
        return self.base_prefix / "bin" / f"python{self.minor}"

    @property
    def site_packages(self) -> str:
        """Where packages go, relative to the prefix."""
        return f"lib/python{self.minor}/site-packages"

    @property
    def pin(self) -> str:
        """The requirement of a package that works with this minor version only, as conda-forge writes it."""
        major, minor = self.minor.split(".")
        return f"python >={self.minor},<{major}.{int(minor) + 1}.0a0"


def detect_interpreter(python: Path) -> Interpreter:
    """Ask an interpreter what it is.

    Args:
        python: Its executable; one in a virtual environment stands for the one behind it.

    Raises:
        ChannelError: It does not run, or no relocatable package can be made of it.
    """
    try:
        answer = subprocess.run(
            [python, "-I", "-S", "-c", _DESCRIBE], capture_output=True, text=True, timeout=60, check=True
        )
        facts = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ChannelError(
            f"{python} does not run as a Python interpreter ({type(error).__name__})",
            hint="give the path of a CPython 3.10 or newer with --python",
            exit_code=USAGE,
        ) from error
    return parse_interpreter(facts)


def parse_interpreter(facts: dict[str, object]) -> Interpreter:
    """Check what an interpreter told about itself.

    Raises:
        ChannelError: No relocatable package can be made of it; the message says why.
    """
    base_prefix = Path(str(facts["base_prefix"]))
    reason = _refusal(facts, base_prefix)
    if reason:
        raise ChannelError(
            f"the Python in {base_prefix} cannot be packaged: {reason}",
            hint="give another CPython with --python: one from python.org's sources, pyenv, uv or a"
            " python container image",
            exit_code=USAGE,
        )
    return Interpreter(
        version=str(facts["version"]),
        base_prefix=base_prefix,
        subdir=_MACHINES[str(facts["machine"])],
        built_at=timegm(strptime(str(facts["build"]), "%b %d %Y %H:%M:%S")),
    )


def _refusal(facts: dict[str, object], base_prefix: Path) -> str | None:
    """Why no package can be made; None where one can."""
    version, platform = str(facts["version"]), f"{facts['platform']} {facts['machine']}"
    schemes = facts["schemes"]
    minor = version.split(".")[:2]
    refusals = [
        (facts["implementation"] != "cpython", f"it is {facts['implementation']}, not CPython"),
        (tuple(map(int, minor)) < (3, 10), f"it is {version}, older than 3.10"),
        (facts["release_level"] != "final", f"{version} is not a final release"),
        (facts["platform"] != "linux" or facts["machine"] not in _MACHINES, f"{platform} is not covered"),
        (facts["libc"] != "glibc", f"it is built for {facts['libc'] or 'another libc'}, not glibc"),
        (
            isinstance(schemes, list) and "deb_system" in schemes,
            "it is Debian's own, whose site.py looks in dist-packages and never in site-packages",
        ),
        (base_prefix == Path("/usr"), "it is the distribution's own, spread over the system's folders"),
        (facts["free_threaded"], "it is a free-threaded build"),
        (
            Path(str(facts["stdlib"])) != base_prefix / "lib" / f"python{'.'.join(minor)}",
            f"its standard library lies in {facts['stdlib']}",
        ),
    ]
    return next((reason for refused, reason in refusals if refused), None)
