"""Indexes of Python projects (PEP 503) as folders that tests serve: wheels written by hand or taken from PyPI."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

# A build backend (PEP 517) that needs nothing: it writes the wheel itself.
_BACKEND = """\
import base64, hashlib, os, zipfile
NAME, VERSION = {name!r}, {version!r}
def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    files = {{
        f"{{NAME}}.py": f"built = {{os.environ.get('CUDA_HOME')!r}}, {{os.environ.get('TORCH_CUDA_ARCH_LIST')!r}}\\n",
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
        f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    rows = [
        f"{{p}},sha256={{base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).decode().rstrip('=')}},{{len(t)}}"
        for p, t in files.items()
    ]
    files[f"{{info}}/RECORD"] = "\\n".join([*rows, f"{{info}}/RECORD,,"]) + "\\n"
    name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""


def write_sdist(folder: Path, name: str, version: str = "1.0", *, begins: str = "") -> Path:
    """Write a source distribution that builds without a network; its backend begins with these lines."""
    stem = f"{name}-{version}"
    files: Mapping[str, str] = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "backend.py": begins + _BACKEND.format(name=name, version=version),
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
    }
    path = folder / f"{stem}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for inner, text in files.items():
            info = tarfile.TarInfo(f"{stem}/{inner}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def write_index(root: Path, files: Iterable[Path], *, lying: Collection[str] = ()) -> Path:
    """Write an index of files below `root`/simple; for projects in `lying`, with digests of other bytes."""
    by_name: dict[str, list[Path]] = {}
    for file in files:
        stem = file.name.partition("-")[0] if file.suffix == ".whl" else file.name.rpartition("-")[0]
        by_name.setdefault(canonicalize_name(stem), []).append(file)
    (root / "files").mkdir(parents=True, exist_ok=True)
    for name, found in by_name.items():
        lines = []
        for file in sorted(found):
            data = file.read_bytes()
            (root / "files" / file.name).write_bytes(data)
            digest = hashlib.sha256(data + b"?" if name in lying else data).hexdigest()
            lines.append(f'<a href="../../files/{file.name}#sha256={digest}">{file.name}</a>')
        page = root / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<!DOCTYPE html><html><body>\n" + "\n".join(lines) + "\n</body></html>\n")
    return root / "simple"


@contextlib.contextmanager
def serve_private(folder: Path, user: str, password: str) -> Iterator[str]:
    """Serve a folder on loopback to whoever logs in; the value is host and port."""
    wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, directory=str(folder), **more)

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == wanted:
                super().do_GET()
                return
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
