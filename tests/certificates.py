"""Certificates of loopback servers, and the authority that signs them, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

_CONFIG = """
[ca]
default_ca = it
[it]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:localhost,IP:127.0.0.1
"""


class Authority:
    """A certificate authority in a folder; `file` is what its clients have to trust."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("openssl")
        if found is None:
            pytest.skip("needs openssl to make certificates")
        self._openssl = found
        self._folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(_CONFIG)
        (folder / "index").touch()
        (folder / "serial").write_text("01\n")
        self.file = folder / "authority.pem"
        words = ("req", "-x509", *_new("authority.key"), "-subj", "/CN=authority", "-days", "7")
        self._run(*words, "-addext", "basicConstraints=critical,CA:TRUE", "-out", str(self.file))

    def sign(self, name: str, first_day: int = -1, last_day: int = 2) -> tuple[Path, Path]:
        """Make a certificate of localhost, valid between days from now on; return it and its key."""
        self._run("req", *_new(f"{name}.key"), "-subj", f"/CN={name}", "-out", f"{name}.request")
        span = ("-startdate", _day(first_day), "-enddate", _day(last_day))
        signer = ("-config", "config", "-cert", str(self.file), "-keyfile", "authority.key", "-batch", "-notext")
        self._run("ca", *signer, *span, "-in", f"{name}.request", "-out", f"{name}.pem")
        return self.pair(name)

    def pair(self, name: str) -> tuple[Path, Path]:
        """Return a certificate that was made, and its key."""
        return self._folder / f"{name}.pem", self._folder / f"{name}.key"

    def _run(self, *words: str) -> None:
        subprocess.run([self._openssl, *words], cwd=self._folder, check=True, capture_output=True)


def _new(key: str) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key)


def _day(days: int) -> str:
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
