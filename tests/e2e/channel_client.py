"""Solve and install from a channel with py-rattler, as a child process: `channel_client.py '{"channel": ...}'`.

A process of its own, which leaves by os._exit: py-rattler now and then crashes at interpreter exit after a solve.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from rattler import Gateway, MatchSpec, SourceConfig, VirtualPackage, install, solve
from rattler.channel import Channel
from rattler.platform import Subdir


async def answer(request: dict[str, Any]) -> list[dict[str, Any]]:
    gateway = Gateway(
        cache_dir=Path(request["cache"], "index"), default_config=SourceConfig(sharded_enabled=request["sharded"])
    )
    records = await solve(
        sources=[Channel(request["channel"])],
        specs=[MatchSpec(spec, strict=False) for spec in request["specs"]],
        gateway=gateway,
        platforms=[Subdir.current(), Subdir("noarch")],
        virtual_packages=VirtualPackage.detect(),
    )
    if request.get("prefix"):
        await install(
            records, target_prefix=request["prefix"], cache_dir=Path(request["cache"], "pkgs"), show_progress=False
        )
    return [
        {
            "name": record.name.normalized,
            "version": str(record.version),
            "build": str(record.build),
            "subdir": record.subdir,
            "size": record.size,
            "sha256": record.sha256.hex() if record.sha256 else None,
            "file_name": record.file_name,
            "depends": record.depends,
        }
        for record in records
    ]


sys.stdout.write(json.dumps(asyncio.run(answer(json.loads(sys.argv[1])))))
sys.stdout.flush()
os._exit(0)
