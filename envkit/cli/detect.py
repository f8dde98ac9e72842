"""envkit detect."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from envkit.cli import options

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detect")(_detect)


def _detect(
    *,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the driver again; it is cached for a day.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show what this host can run, and where each fact comes from."""
    from envkit.cli.output import console, print_json, table
    from envkit.engines.registry import list_engines
    from envkit.host.detect import detect_host
    from envkit.host.wire import host_to_json
    from envkit.wire.results import SCHEMA_VERSION
    from envkit.words.values import size_words

    host = detect_host(refresh=refresh)
    if as_json:
        engines = [dataclasses.asdict(engine) for engine in list_engines()]
        print_json({"schema_version": SCHEMA_VERSION, "facts": host_to_json(host), "engines": engines})
        return
    view = table("fact", "value", "from")
    facts = {
        "subdir": host.subdir,
        "glibc": host.glibc,
        "microarch": host.microarch,
        "osx": host.osx,
        "driver_version": host.driver_version,
        "driver_cuda": host.driver_cuda,
        "container": host.container,
        "wsl": "yes" if host.wsl else None,
        "jetson": host.jetson,
        "mps": "yes" if host.mps else None,
    }
    for name, value in facts.items():
        if value is not None or name in {"driver_version", "driver_cuda"}:
            view.add_row(name, "none" if value is None else str(value), host.sources.get(name, ""))
    for number, gpu in enumerate(host.gpus):
        kind = "MIG instance" if gpu.mig else "GPU"
        text = f"{gpu.name or 'unknown'}, compute capability {gpu.compute_capability}, {size_words(gpu.memory_bytes)}"
        view.add_row(f"{kind} {number}", text, host.sources.get("gpus", ""))
    if not host.gpus:
        view.add_row("GPUs", "none", host.sources.get("gpus", ""))
    for path, version in host.toolkits.items():
        view.add_row("toolkit", f"CUDA {version}", path)
    for trace in host.nvidia_traces:
        view.add_row("trace", trace, "a sign of NVIDIA without a usable GPU")
    for engine in list_engines():
        word = engine.version or "version unknown"
        view.add_row(f"engine {engine.name}", word if engine.available else "not here", engine.where or "")
    out = console()
    out.print(view)
    for note in host.notes:
        out.print(f"[yellow]note[/yellow]  {note}")
