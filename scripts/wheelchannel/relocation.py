"""An installed CPython to the relocatable conda package `python`.

Left out, to keep the package small and self-contained: what is in site-packages, its own bytecode, the test suites and
their extension modules, static libraries, manual pages, and the modules that would pull in a desktop or a network
service's libraries (tkinter with idlelib and turtledemo, nis). The libraries of the system that the rest needs come
along in `lib/`, all but glibc's own, libstdc++ and libgcc_s, which every manylinux wheel takes from the host.

What stays as the building system has it: where OpenSSL looks for certificates (SSL_CERT_FILE says otherwise; pip
brings its own) and ncurses for terminals.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wheelchannel.artifact import PLACEHOLDER, Entry, Package, write_package
from wheelchannel.errors import ChannelError
from wheelchannel.interpreter import Interpreter
from wheelchannel.shipped import with_bytecode

_LEFT_OUT_FOLDERS: Final = {
    *("__pycache__", "site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "idle_test"),
}
_LEFT_OUT_MODULES: Final = re.compile(r"(_test|_xxtest|xxlimited|xxsubtype|_ctypes_test|_tkinter|nis)[\w]*\.")
_LEFT_OUT_FILES: Final = re.compile(r".*\.(a|o|pyc)$|EXTERNALLY-MANAGED$")
_HOST_LIBRARIES: Final = re.compile(
    r"(ld-linux|linux-vdso|lib(c|m|dl|pthread|rt|util|resolv|anl|nsl|BrokenLocale|nss_\w+|stdc\+\+|gcc_s)\.so)"
)
_SCRIPTS: Final = ("python{}-config", "pydoc{}", "2to3-{}")
_LINKS: Final = {
    "bin/python3": "python{}",
    "bin/python": "python{}",
    "bin/python3-config": "python{}-config",
    "bin/pydoc3": "pydoc{}",
    "bin/pydoc": "pydoc{}",
    "bin/2to3": "2to3-{}",
}
_PATH_END: Final = rb"(?=[\x00/:;,'\"\s)]|$)"
_GLIBC_SYMBOL: Final = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)")
_ELF: Final = b"\x7fELF"


@dataclass(slots=True)
class _Staged:
    """The package's files, by path: those that are changed in a staging folder, the others where they are."""

    sources: dict[str, Path] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def fingerprint(interpreter: Interpreter) -> str:
    """A digest that changes when the interpreter's files, or the system's libraries, do."""
    digest = hashlib.sha256(f"{interpreter}".encode())
    sources = [*sorted(_collect(interpreter).sources.items()), ("", Path("/etc/ld.so.cache"))]
    for path, source in sources:
        if source.exists():
            status = source.stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _collect(interpreter: Interpreter) -> _Staged:
    """Choose the interpreter's own files; a prefix such as /usr/local holds others' too."""
    prefix, minor = interpreter.base_prefix, interpreter.minor
    staged = _Staged({f"bin/python{minor}": interpreter.executable.resolve()})
    for template in _SCRIPTS:
        if (script := prefix / "bin" / template.format(minor)).is_file():
            staged.sources[f"bin/{script.name}"] = script
    staged.links |= {
        link: target.format(minor) for link, target in _LINKS.items() if f"bin/{target.format(minor)}" in staged.sources
    }
    libraries = [*(prefix / "lib").glob(f"libpython{minor}.so*"), *(prefix / "lib").glob("libpython3.so")]
    pkgconfig = [*(prefix / "lib/pkgconfig").glob(f"python-{minor}*.pc")]
    tree = [*_walk(prefix / f"lib/python{minor}"), *_walk(prefix / f"include/python{minor}")]
    for source in [*libraries, *pkgconfig, *tree]:
        path = source.relative_to(prefix).as_posix()
        if source.is_symlink() and len(source.readlink().parts) == 1:
            staged.links[path] = str(source.readlink())
        else:
            staged.sources[path] = source
    return staged


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _LEFT_OUT_FOLDERS)
        for name in sorted(names):
            extension = root.endswith("lib-dynload")
            if not _LEFT_OUT_FILES.match(name) and not (extension and _LEFT_OUT_MODULES.match(name)):
                yield Path(root, name)


def build_python(
    interpreter: Interpreter, patchelf: Path, staging: Path, target_folder: Path, *, bytecode: bool = False
) -> Path:
    """Write the package `python`.

    Args:
        interpreter: What is packaged.
        patchelf: The patchelf program.
        staging: An empty folder for the files that are changed.
        target_folder: Where the package goes.
        bytecode: Whether it brings the bytecode of its modules.

    Returns:
        The package's path.

    Raises:
        ChannelError: A library that the interpreter itself needs is missing.
    """
    staged = _collect(interpreter)
    elves = {path: source for path, source in staged.sources.items() if _is_elf(source)}
    needs = _needed_libraries(elves, staged)
    bundled = {name: source for libraries in needs.values() for name, source in libraries.items()}
    own = {Path(path).name for path in staged.sources}
    for name, source in bundled.items():
        if name not in own:
            staged.sources[f"lib/{name}"] = source
            elves[f"lib/{name}"] = source
    for path, source in elves.items():
        copy = staging / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o755)
        _relocate(copy, path, patchelf, interpreter.base_prefix)
        staged.sources[path] = copy
    entries = [*_entries(staged, interpreter), *(Entry(path, target=link) for path, link in staged.links.items())]
    package = _plan(interpreter, entries, _glibc(staging))
    target = target_folder / package.file_name
    if bytecode:
        entries = with_bytecode(entries, interpreter, interpreter.built_at)
    write_package(package, entries, _license(interpreter), target)
    return target


def _is_elf(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_ELF)) == _ELF


def _needed_libraries(elves: dict[str, Path], staged: _Staged) -> dict[str, dict[str, Path]]:
    """What each program and library needs beyond the host's, directly or not, as the loader finds it.

    An extension module whose library is missing cannot be imported: it leaves the package.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    needs: dict[str, dict[str, Path]] = {}
    for path, source in list(elves.items()):
        listing = subprocess.run(["ldd", source], capture_output=True, text=True, check=False, env=environment).stdout
        found = dict(re.findall(r"^\s*(\S+) => (/\S+)", listing, re.MULTILINE))
        missing = re.findall(r"^\s*(\S+) => not found", listing, re.MULTILINE)
        if missing and "/lib-dynload/" in path:
            del elves[path], staged.sources[path]
        elif missing:
            raise ChannelError(
                f"{source} needs {missing[0]}, which is not on this machine", hint="install the library that holds it"
            )
        else:
            needs[path] = {name: Path(at).resolve() for name, at in found.items() if not _HOST_LIBRARIES.match(name)}
    return needs


def _relocate(file: Path, path: str, patchelf: Path, base_prefix: Path) -> None:
    """Let a program or library find its libraries from where it lies, and forget where it was built."""
    # DT_RPATH, as conda's own packages have it: unlike RUNPATH it reaches the libraries of libraries, and
    # LD_LIBRARY_PATH on a cluster does not come before it.
    origin = os.path.relpath("lib", Path(path).parent)
    rpath = "$ORIGIN" if origin == "." else f"$ORIGIN/{origin}"
    result = subprocess.run(
        [patchelf, "--force-rpath", "--set-rpath", rpath, file], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise ChannelError(f"patchelf cannot change {path}: {result.stderr.strip()}")
    content = file.read_bytes()
    scrubbed = scrub(content, os.fsencode(base_prefix))
    if scrubbed != content:
        file.write_bytes(scrubbed)


def scrub(content: bytes, prefix: bytes) -> bytes:
    """Let a program forget the prefix that it was built for.

    No string in a program can grow, so no placeholder fits in it. A path of the same length that does not exist
    does: Python finds its prefix from where it lies, and falls back on this one only when that fails.
    """
    # The last part stays: linkers store a string once that ends another, and `3.11.7`, which Python tells as its
    # version, may be the end of `/home/me/.pyenv/versions/3.11.7`.
    head, _, last = prefix.rpartition(b"/")
    nowhere = b"/nonexistent".ljust(len(head), b"_")[: len(head)] + b"/" + last
    return re.sub(re.escape(prefix) + _PATH_END, lambda _: nowhere, content)


def _entries(staged: _Staged, interpreter: Interpreter) -> Iterator[Entry]:
    for path, source in staged.sources.items():
        executable = os.access(source, os.X_OK)
        content = source.read_bytes()
        if _names_prefix(path):
            content = _with_placeholder(content, interpreter)
        yield Entry.holding(path, content, executable=executable)
    readme = f"{interpreter.site_packages}/README.txt"
    # An empty folder is not packaged, and site.py passes over a site-packages that does not exist.
    yield Entry.holding(readme, b"This directory exists so that 3rd party packages can be installed here.\n")


def _names_prefix(path: str) -> bool:
    """Whether a file names the prefix because it was configured with it, rather than in passing."""
    name = path.rpartition("/")[2]
    return (
        path.startswith("bin/")
        or path.endswith((".pc", "/Makefile", "/python-config.py"))
        or name.startswith(("_sysconfigdata", "_sysconfig_vars", "build-details"))
    )


def _with_placeholder(content: bytes, interpreter: Interpreter) -> bytes:
    if content.startswith(_ELF):
        return content
    prefix = re.escape(os.fsencode(interpreter.base_prefix))
    return re.sub(prefix + _PATH_END, lambda _: PLACEHOLDER.encode(), content)


def _glibc(staging: Path) -> str:
    """The newest glibc whose symbols any packaged program or library asks for."""
    versions = {(2, 17)}
    for file in staging.rglob("*"):
        if file.is_file():
            versions |= {(int(major), int(minor)) for major, minor in _GLIBC_SYMBOL.findall(file.read_bytes())}
    return ".".join(map(str, max(versions)))


def _plan(interpreter: Interpreter, entries: Iterable[Entry], glibc: str) -> Package:
    digest = hashlib.sha256(f"{interpreter.version} {glibc}".encode())
    for entry in sorted(entries, key=lambda entry: entry.path):
        digest.update(entry.path.encode() + b"\0" + hashlib.sha256(entry.read()).digest())
    license_name = "Python-2.0"
    index: dict[str, Any] = {
        "name": "python",
        "version": interpreter.version,
        "build": f"h{digest.hexdigest()[:7]}_0_cpython",
        "build_number": 0,
        "subdir": interpreter.subdir,
        "depends": [f"__glibc >={glibc},<3.0.a0"],
        "license": license_name,
        "timestamp": interpreter.built_at * 1000,
        "python_site_packages_path": interpreter.site_packages,
    }
    about = {
        "home": "https://www.python.org/",
        "license": license_name,
        "summary": "CPython, packaged from an installed interpreter",
    }
    return Package(index, about, origin={"python": interpreter.version})


def _license(interpreter: Interpreter) -> dict[str, bytes]:
    text = interpreter.base_prefix / f"lib/python{interpreter.minor}/LICENSE.txt"
    return {"LICENSE.txt": text.read_bytes()} if text.is_file() else {}
