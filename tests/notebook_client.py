"""Run a notebook over the API of a Jupyter server, in a kernel that it starts; for the Python of an environment.

    python notebook_client.py URL TOKEN KERNEL PATH|COMMAND

Prints the text of the cells' outputs as a JSON array. The notebook is the one that the server has at PATH. Anything but
a notebook is a command, which is typed into a terminal of the server.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect


async def _ask(url: str, token: str, method: str, body: Any = None) -> Any:
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body)
    request = HTTPRequest(url, method, headers, data, allow_nonstandard_methods=True, request_timeout=60)
    answer = await AsyncHTTPClient().fetch(request)
    return json.loads(answer.body) if answer.body else None


async def _run(url: str, token: str, kernel: str, path: str) -> list[str]:
    notebook = await _ask(f"{url}/api/contents/{path}", token, "GET")
    wanted = {"path": path, "type": "notebook", "name": path, "kernel": {"name": kernel}}
    session = await _ask(f"{url}/api/sessions", token, "POST", wanted)
    place = f"{url.replace('http', 'ws', 1)}/api/kernels/{session['kernel']['id']}/channels"
    socket = await websocket_connect(HTTPRequest(place, headers={"Authorization": f"token {token}"}))
    outputs = []
    for cell in notebook["content"]["cells"]:
        if cell["cell_type"] != "code":
            continue
        asked = uuid.uuid4().hex
        header = {"msg_id": asked, "msg_type": "execute_request", "session": "test", "username": "", "version": "5.3"}
        content = {"code": cell["source"], "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        await socket.write_message(json.dumps(message))
        outputs.append(await asyncio.wait_for(_answer(socket, asked), 90))
    await _ask(f"{url}/api/sessions/{session['id']}", token, "DELETE")
    return outputs


async def _type(url: str, token: str, command: str) -> list[str]:
    terminal = (await _ask(f"{url}/api/terminals", token, "POST", {}))["name"]
    place = f"{url.replace('http', 'ws', 1)}/terminals/websocket/{terminal}"
    socket: Any = await websocket_connect(HTTPRequest(place, headers={"Authorization": f"token {token}"}))
    await socket.write_message(json.dumps(["stdin", f"{command}; echo $((4444 * 2))\n"]))
    text = ""
    while "8888" not in text:
        kind, *said = json.loads(await asyncio.wait_for(socket.read_message(), 60))
        text += said[0] if kind == "stdout" else ""
    await _ask(f"{url}/api/terminals/{terminal}", token, "DELETE")
    return [text]


async def _answer(socket: Any, asked: str) -> str:
    text = ""
    while True:
        said = json.loads(await socket.read_message())
        if said["parent_header"].get("msg_id") != asked:
            continue
        kind, content = said["header"]["msg_type"], said["content"]
        if kind == "stream":
            text += content["text"]
        elif kind == "execute_result":
            text += content["data"]["text/plain"]
        elif kind == "error":
            text += f"{content['ename']}: {content['evalue']}"
        elif kind == "status" and content["execution_state"] == "idle":
            return text


URL, TOKEN, KERNEL, WHAT = sys.argv[1:5]
RUNNING = _run(URL, TOKEN, KERNEL, WHAT) if WHAT.endswith(".ipynb") else _type(URL, TOKEN, WHAT)
sys.stdout.write(json.dumps(asyncio.run(RUNNING)))
