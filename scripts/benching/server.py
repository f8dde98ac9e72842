"""Serve a folder of channels on loopback, as a channel's host does: with ETag and Cache-Control, by one process.

A process of its own, so that what is measured shares nothing with the one that measures. Arguments: FOLDER PORT; port 0
is any. The port in use is printed.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import sys
from http import HTTPStatus
from pathlib import Path

_KEPT_S = 1200  # what the host of conda-forge gives an index


class ChannelHandler(http.server.SimpleHTTPRequestHandler):
    """Files with a strong ETag of size and time; a client that has one is told so."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Send a file, or 304."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send the headers of a file."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = self.translate_path(self.path) + ("index.html" if self.path.endswith("/") else "")
        try:
            stream = Path(path).open("rb")  # noqa: SIM115 - closed below, after the headers
        except OSError:
            self._send(HTTPStatus.NOT_FOUND, {"Content-Length": "0"})
            return
        with stream, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            state = os.fstat(stream.fileno())
            tag = f'"{state.st_size:x}-{state.st_mtime_ns:x}"'
            headers = {
                "ETag": tag,
                "Last-Modified": self.date_time_string(int(state.st_mtime)),
                "Cache-Control": f"public, max-age={_KEPT_S}",
            }
            if tag in self.headers.get("If-None-Match", ""):
                self._send(HTTPStatus.NOT_MODIFIED, headers)
                return
            headers |= {"Content-Type": self.guess_type(path), "Content-Length": str(state.st_size)}
            self._send(HTTPStatus.OK, headers)
            if body:
                self.connection.sendfile(stream)

    def _send(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    """A server whose port is free again as soon as it ends."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    address = ("127.0.0.1", int(sys.argv[2]))
    server = Server(address, functools.partial(ChannelHandler, directory=sys.argv[1]))
    print(server.server_port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
