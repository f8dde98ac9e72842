"""A loopback server of a folder that remembers what it was asked; also as an HTTP proxy, and over TLS."""

from __future__ import annotations

import contextlib
import functools
import http.server
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from harness import QuietHandler


@dataclass
class Recorded:
    """The URL of a server, and the requests that it got: method and target, with the headers of each."""

    url: str
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


class _Handler(QuietHandler):
    recorded: Recorded
    login: str | None = None
    ahead_s: float = 0.0  # its clock against that of this machine

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(timestamp or time.time() + self.ahead_s)

    def send_head(self):  # type: ignore[no-untyped-def] # noqa: ANN202 - the base class's
        self.recorded.asked.append(self.path)
        self.recorded.headers.append(dict(self.headers.items()))
        if self.login and self.headers.get("authorization") != f"Basic {b64encode(self.login.encode()).decode()}":
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()
            return None
        if "://" in self.path:  # as a proxy
            self.path = urlsplit(self.path).path
        return super().send_head()


@contextlib.contextmanager
def record(
    folder: Path, *, certificate: tuple[Path, Path] | None = None, login: str | None = None, ahead_s: float = 0.0
) -> Iterator[Recorded]:
    """Serve a folder on loopback: over TLS with a certificate and its key; to who gives `login`, a user:password.

    With `ahead_s` its clock is so many seconds ahead of that of this machine.
    """
    recorded = Recorded("")
    handler = functools.partial(
        type("Handler", (_Handler,), {"recorded": recorded, "login": login, "ahead_s": ahead_s}), directory=str(folder)
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    recorded.url = f"http{'s' if certificate else ''}://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield recorded
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
