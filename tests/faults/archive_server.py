"""Serve a channel on loopback and append the name of each archive that is asked for to a log.

    archive_server.py FOLDER LOG

A process of its own, since the tests fork. The port is printed on stdout.
"""

from __future__ import annotations

import functools
import http.server
import sys
from pathlib import Path


class _Logging(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log: Path

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        if name.endswith(".conda"):
            with self.log.open("a") as file:
                file.write(name + "\n")
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    _Logging.log = Path(sys.argv[2])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Logging, directory=sys.argv[1]))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
