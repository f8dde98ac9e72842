"""Kernelspecs: start Jupyter kernels in an environment (jupyter_client, "Kernel specs").

A kernelspec names the environment, not a generation: each start of a kernel resolves the link and so follows the next
generation, while a running kernel keeps its own. The folder holds a copy of `envkit.activation` for the environment's
own Python, so kernels start without envkit installed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envkit import activation
from envkit.errors import PackageNotFoundError, UnknownEnvironmentError, UsageError, VolumeError
from envkit.paths import JUPYTER, MANIFEST, PRIVATE

__all__ = ["Kernel", "install_kernel", "list_kernels", "remove_kernels", "shared_dir", "user_dir"]

_LAUNCHER = "activation.py"
# Resolve the link before starting anything from it: a process that runs through a link changes with it.
_START = 'g=$(readlink -f "$1") && n=$2 && l=$3 && shift 3 && exec "$g/bin/python" -I "$l" "$g" "$n" "$@"'
_REFUSAL = (
    "def _envkit_refuse(line, _n={name!r}):\n"
    "    import sys\n"
    "    sys.stderr.write('This environment is a generation of envkit and is never changed in place.\\n'\n"
    "                     'Run `envkit install -n ' + _n + ' ' + line.partition('install ')[2] + '`, '\n"
    "                     'then restart the kernel.\\n')\n"
    "for _envkit_magic in ('pip', 'conda', 'mamba', 'micromamba'):\n"
    "    get_ipython().register_magic_function(_envkit_refuse, 'line', _envkit_magic)\n"
    "del _envkit_magic\n"
)


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
        problem: Why it would not start, or None.
    """

    name: str
    display_name: str
    environment: str
    volume: str
    path: str
    shared: bool
    problem: str | None = None


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


def install_kernel(
    volume: str, name: str, *, shared: bool = False, display_name: str | None = None, env: Mapping[str, str]
) -> Kernel:
    """Register a kernel that starts in an environment.

    Args:
        volume: Root of the volume.
        name: The environment.
        shared: Put it on the volume, for everyone with that in JUPYTER_PATH, instead of the user's folder.
        display_name: Its name for people; ``Python 3.11 (NAME)`` if None.
        env: Variables, which decide the user's folder.

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
    folder = parent / f"envkit-{name.lower()}"
    before = _read(folder)
    if folder.exists() and (before is None or before["volume"] != volume or before["environment"] != name):
        whose = f"{before['environment']} of {before['volume']}" if before else "something that envkit did not make"
        raise UsageError(
            f"{folder} is there and belongs to {whose}",
            hint="Remove it with `envkit kernel remove`, or put this one on its volume with --shared.",
        )
    shown = display_name or f"Python {version} ({name})"
    launcher = folder / _LAUNCHER
    argv = ["/bin/sh", "-c", _START, "envkit-kernel", str(link), name, str(launcher), "ipykernel_launcher"]
    argv += ["-f", "{connection_file}", f"--IPKernelApp.exec_lines={_REFUSAL.format(name=name)}"]
    spec = {
        "argv": argv,
        "display_name": shown,
        "language": "python",
        "metadata": {"debugger": True, "envkit": {"environment": name, "volume": volume}},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(activation.__file__, launcher)
        temporary = folder / ".kernel.json"
        temporary.write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
        temporary.replace(folder / "kernel.json")  # atomic: Jupyter may be reading it
    except OSError as error:
        raise VolumeError(
            f"{folder} cannot be written: {error.strerror}",
            hint="Register it on the volume with --shared, or set JUPYTER_DATA_DIR.",
        ) from error
    return Kernel(folder.name, shown, name, volume, str(folder), shared)


def list_kernels(volume: str | None, env: Mapping[str, str]) -> list[Kernel]:
    """List the kernels that envkit registered, in the user's folder and on the volume."""
    found: list[Kernel] = []
    places = [(user_dir(env), False)] + ([(shared_dir(volume), True)] if volume is not None else [])
    for parent, shared in places:
        for folder in _folders(parent):
            said = _read(folder)
            if said is None:
                continue
            problem = _problem(said["volume"], said["environment"])
            found.append(
                Kernel(
                    folder.name, said["display_name"], said["environment"], said["volume"], str(folder), shared, problem
                )
            )
    return found


def remove_kernels(volume: str | os.PathLike[str], name: str, env: Mapping[str, str] | None = None) -> list[Kernel]:
    """Remove the kernels of an environment from the user's folder and the volume; return them.

    The environment may be gone already, and there may be no kernels.
    """
    root = os.fspath(volume)
    removed = []
    for kernel in list_kernels(root, os.environ if env is None else env):
        if kernel.environment == name and _same(kernel.volume, root):
            shutil.rmtree(kernel.path, ignore_errors=True)
            removed.append(kernel)
    return removed


def _kernel_python(generation: Path, name: str) -> str:
    """Return the version of the environment's Python; the environment must be able to run kernels."""
    for folder in sorted(generation.glob("lib/python3*")):
        if (folder / "site-packages" / "ipykernel_launcher.py").exists():
            return folder.name.removeprefix("python")
    specs = " ".join(f"'{spec}'" for spec in _request(generation).get("specs", ()))
    raise PackageNotFoundError(
        f"{name} has no ipykernel, which runs the cells of a notebook",
        hint=f"Make a generation with it: envkit install -n {name} ipykernel"
        + (f", or envkit create -n {name} --replace {specs} ipykernel" if specs else ""),
    )


def _request(generation: Path) -> dict[str, Any]:
    """Return the specs and the file of the environment for a hint, as far as its manifest tells."""
    try:
        return dict(json.loads((generation / MANIFEST).read_bytes())["request"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _problem(volume: str, name: str) -> str | None:
    generation = Path(os.path.realpath(Path(volume) / name))
    if not generation.is_dir():
        return f"{name} is not in {volume}"
    if not any(generation.glob("lib/python3*/site-packages/ipykernel_launcher.py")):
        return f"{name} has no ipykernel any more"
    return None


def _folders(parent: Path) -> Iterator[Path]:
    if parent.is_dir():
        yield from sorted(path for path in parent.iterdir() if (path / "kernel.json").is_file())


def _read(folder: Path) -> dict[str, str] | None:
    """Read envkit's part of a kernelspec; None for any other kernelspec."""
    try:
        spec = json.loads((folder / "kernel.json").read_bytes())
        said = spec["metadata"]["envkit"]
        return {
            "environment": str(said["environment"]),
            "volume": str(said["volume"]),
            "display_name": str(spec["display_name"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _same(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)
