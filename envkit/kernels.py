"""Kernelspecs: start Jupyter kernels in an environment (jupyter_client, "Kernel specs").

A kernelspec names the environment, not a generation: each start of a kernel resolves the link and so follows the next
generation, while a running kernel keeps its own. The folder holds copies of `envkit.activation`, `envkit.profiles` and
the scripts of `envkit.kernel_scripts` for the environment's own Python, so kernels start without envkit installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from envkit import activation, profiles
from envkit.errors import PackageNotFoundError, UnknownEnvironmentError, UsageError, VolumeError
from envkit.layout import private
from envkit.paths import JUPYTER, MANIFEST, PACKED, PRIVATE
from envkit.values import dataclass, replace

_START = "start.py"
_FACTS = "facts.json"
_SCRIPTS = Path(__file__).parent / "kernel_scripts"
# Resolve the link before starting anything from it: a process that runs through a link changes with it. Where the
# environment's Python does not start, that of Jupyter says so in the notebook: the first word of the parent's command
# line, which knows its virtual environment, or python3.
_SHELL = """\
s=$1; g=$(readlink -f "$2"); p=$g/bin/python; shift
"$p" -I -c '' 2>/dev/null && exec "$p" -I "$s" "$@"
for p in "$(tr '\\0' '\\n' 2>/dev/null </proc/$PPID/cmdline | head -n 1)" python3; do
  case "${p##*/}" in python*) ;; *) continue ;; esac
  needs=ipykernel; [ ! -e "$g/.envkit-packed.json" ] || needs=json  # a pack has its own, once it is mounted
  "$p" -I -c "import sys; from importlib.util import find_spec as f; sys.exit(not f('$needs'))" 2>/dev/null &&
    exec "$p" -I "$s" "$@"
done
echo "envkit: $1: its Python does not start ($g/bin/python), and no other has ipykernel to say so" >&2
exit 4
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One installed kernelspec.

    Attributes:
        name: Its name in Jupyter.
        display_name: Its name for people.
        environment: Name of the environment.
        volume: Root of the volume.
        path: Folder of the kernelspec.
        shared: Whether it is on the volume rather than in the user's folder.
        named: Whether somebody chose `display_name`; else it follows the environment and the machine.
        problem: Why it would not start, or None.
        here: Its name for people on this machine, where that is asked for; `display_name` is as it was written last,
            perhaps by another machine of the volume.
    """

    name: str
    display_name: str
    environment: str
    volume: str
    path: str
    shared: bool
    named: bool = False
    problem: str | None = None
    here: str | None = None


def user_dir(env: Mapping[str, str]) -> Path:
    """Return the folder of the user's kernels (jupyter_core, "Data files")."""
    if env.get("JUPYTER_DATA_DIR"):
        return Path(env["JUPYTER_DATA_DIR"]) / "kernels"
    home = Path(env.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 - of this user where HOME is not set
    if sys.platform == "darwin":
        return home / "Library" / "Jupyter" / "kernels"
    base = Path(env["XDG_DATA_HOME"]) if env.get("XDG_DATA_HOME") else home / ".local" / "share"
    return base / "jupyter" / "kernels"


def shared_dir(volume: str | os.PathLike[str]) -> Path:
    """Return the folder of the volume's kernels; its parent belongs in JUPYTER_PATH."""
    return Path(volume) / PRIVATE / JUPYTER / "kernels"


def kernel_name(environment: str) -> str:
    """Return the name in Jupyter of an environment's kernel."""
    return f"envkit-{environment.lower()}"


def find_kernel(volume: str, environment: str, env: Mapping[str, str]) -> Kernel | None:
    """Return the kernel of an environment, of the user or of the volume; None if it has none."""
    root = os.path.realpath(volume)
    known = list_kernels([volume], env)
    return next((k for k in known if k.environment == environment and os.path.realpath(k.volume) == root), None)


def install_kernel(
    volume: str,
    name: str,
    *,
    shared: bool = False,
    display_name: str | None = None,
    shown: str | None = None,
    env: Mapping[str, str],
) -> Kernel:
    """Register a kernel that starts in an environment.

    Args:
        shared: Put it on the volume, for everyone with that in JUPYTER_PATH, instead of the user's folder.
        display_name: Its name for people, for good.
        shown: Its name for people until it is another machine or generation; ``NAME (Python 3.11)`` if both are None.

    Raises:
        UnknownEnvironmentError: There is no such environment.
        PackageNotFoundError: It has no ipykernel.
        UsageError: A kernel of that name was not made by envkit.
        VolumeError: The kernels' folder cannot be written.
    """
    link = Path(volume) / name
    generation = Path(os.path.realpath(link))
    if not generation.is_dir():
        raise UnknownEnvironmentError(f"there is no environment {name!r} in {volume}", hint="See `envkit list`.")
    version = _kernel_python(generation, name)
    parent = shared_dir(volume) if shared else user_dir(env)
    folder = parent / kernel_name(name)
    before = _read(folder, shared=shared)
    if folder.exists() and (before is None or (before.volume, before.environment) != (volume, name)):
        whose = f"{before.environment} of {before.volume}" if before else "something that envkit did not make"
        raise UsageError(
            f"{folder} is there and belongs to {whose}",
            hint="Remove it with `envkit kernel remove`, or put this one on its volume with --shared.",
        )
    text = display_name or shown or f"{name} (Python {version})"
    spec = {
        "argv": [
            *("/bin/sh", "-c", _SHELL, "envkit-kernel"),
            *(str(folder / _START), str(link), name, "-f", "{connection_file}"),
        ],
        "display_name": text,
        "language": "python",
        "metadata": {
            "debugger": True,
            "envkit": {"environment": name, "volume": volume, "named": display_name is not None},
        },
    }
    try:
        if not shared:
            folder.mkdir(parents=True, exist_ok=True)
        with private.folder(volume if shared else folder, folder, make=True) as here:
            # The file that Jupyter reads comes last, and each replaces the one before it as a whole.
            for file, content in {**_scripts(), "kernel.json": json.dumps(spec, indent=1) + "\n"}.items():
                if not here.is_there(file) or here.read(file) != content.encode():
                    here.write(file, content, durable=False)
    except OSError as error:
        raise VolumeError(
            f"{folder} cannot be written: {error.strerror}",
            hint="Register it on the volume with --shared, or set JUPYTER_DATA_DIR.",
        ) from error
    return Kernel(folder.name, text, name, volume, str(folder), shared, display_name is not None)


def _scripts() -> dict[str, str]:
    """Return the files of a kernelspec that start the kernel, by name."""
    from envkit.cuda.drivers import least_drivers

    drivers = {str(toolkit): str(least) for toolkit, least in least_drivers().items()}
    files = (Path(activation.__file__), Path(profiles.__file__), *sorted(_SCRIPTS.glob("*.py")))
    facts = {"python": sys.executable, "drivers": drivers}
    return {**{path.name: path.read_text(encoding="utf-8") for path in files}, _FACTS: json.dumps(facts) + "\n"}


def list_kernels(volumes: Sequence[str], env: Mapping[str, str]) -> list[Kernel]:
    """List the kernels that envkit registered, in the user's folder and on the volumes."""
    places = [(user_dir(env), False), *((shared_dir(volume), True) for volume in volumes)]
    found = [
        _read(path.parent, shared=shared) for place, shared in places for path in sorted(place.glob("*/kernel.json"))
    ]
    return [replace(kernel, problem=_problem(kernel)) for kernel in found if kernel is not None]


def remove_kernels(volume: str | os.PathLike[str], name: str, env: Mapping[str, str] | None = None) -> list[Kernel]:
    """Remove the kernels of an environment from the user's folder and the volume; return them.

    The environment may be gone already, and there may be no kernels.
    """
    root = os.path.realpath(volume)
    removed = []
    for kernel in list_kernels([os.fspath(volume)], os.environ if env is None else env):
        if kernel.environment == name and os.path.realpath(kernel.volume) == root:
            home = Path(kernel.path).parent
            with private.folder(volume if kernel.shared else home, home) as kernels:
                kernels.remove_tree(kernel.name)
            removed.append(kernel)
    return removed


def _kernel_python(generation: Path, name: str) -> str:
    """Return the version of the environment's Python; the environment must be able to run kernels."""
    for folder in sorted(generation.glob("lib/python3*")):
        if (folder / "site-packages" / "ipykernel_launcher.py").exists():
            return folder.name.removeprefix("python")
    versions = _packed_versions(generation)
    if "ipykernel" in versions:
        return ".".join(versions.get("python", "3").split(".")[:2])
    hint = f"Make a generation with it: envkit install -n {name} ipykernel"
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # as far as its manifest tells
        request = json.loads((generation / MANIFEST).read_bytes())["request"]
        if specs := " ".join(f"'{spec}'" for spec in request["specs"]):
            hint += f", or envkit create -n {name} --replace {specs} ipykernel"
    raise PackageNotFoundError(f"{name} has no ipykernel, which runs the cells of a notebook", hint=hint)


def _packed_versions(generation: Path) -> dict[str, str]:
    """Return the packages of a generation that is only a pack, and the version of each; else nothing."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        if (generation / PACKED).exists() and not (generation / "lib").exists():
            manifest = json.loads((generation / MANIFEST).read_bytes())
            return {str(package["name"]): str(package["version"]) for package in manifest["packages"]}
    return {}


def _problem(kernel: Kernel) -> str | None:
    generation = Path(os.path.realpath(Path(kernel.volume) / kernel.environment))
    if not generation.is_dir():
        return f"{kernel.environment} is not in {kernel.volume}"
    here = any(generation.glob("lib/python3*/site-packages/ipykernel_launcher.py"))
    if not here and "ipykernel" not in _packed_versions(generation):
        return f"{kernel.environment} has no ipykernel any more"
    return None


def _read(folder: Path, *, shared: bool) -> Kernel | None:
    """Read a kernelspec of envkit's; None for any other."""
    try:
        spec = json.loads((folder / "kernel.json").read_bytes())
        said = spec["metadata"]["envkit"]
        shown, environment, volume = str(spec["display_name"]), str(said["environment"]), str(said["volume"])
        named = bool(said.get("named", not shown.endswith(f"({environment})")))  # before 0.2: Python 3.11 (NAME)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Kernel(folder.name, shown, environment, volume, str(folder), shared, named)
