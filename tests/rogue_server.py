"""A server that misbehaves: `rogue_server.py KIND` prints its port; each KIND is one way to be of no use."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
import zlib

_BLOCK = b" " * (1 << 24)


def _answer(kind: str, client: socket.socket) -> None:
    request = client.recv(1 << 16)
    if not request:
        return
    path = request.split()[1].decode()
    if kind != "silent" and not path.endswith("/linux-64/repodata.json"):
        if path.endswith("/noarch/repodata.json"):
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        else:
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        _answer(kind, client)
        return
    match kind:
        case "silent":
            time.sleep(3600)
        case "slow":
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while True:
                client.sendall(b" ")
                time.sleep(0.3)
        case "headers":
            client.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                client.sendall(b"X: y\r\n")
                time.sleep(0.3)
        case "bomb":
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
            packer = zlib.compressobj(9, zlib.DEFLATED, 31)
            block = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
            client.sendall(block)
            again = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
            while True:
                client.sendall(again)


def _serve(kind: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=0 if kind == "deaf" else 16)
    port = listening.getsockname()[1]
    held = []
    if kind == "deaf":  # with a full queue, the kernel drops what else wants to connect
        for _ in range(2):
            held.append(socket.socket())
            held[-1].settimeout(0)
            held[-1].connect_ex(("127.0.0.1", port))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while kind != "deaf":
        client, _ = listening.accept()
        threading.Thread(target=_one, args=(kind, client), daemon=True).start()
    time.sleep(3600)


def _one(kind: str, client: socket.socket) -> None:
    with client, contextlib.suppress(OSError):  # it has gone
        _answer(kind, client)


if __name__ == "__main__":
    _serve(sys.argv[1])
