"""envkit detect."""

from __future__ import annotations

from typing import Annotated

from envkit.cli import options
from envkit.cli.declared import option
from envkit.values import asdict

_FACTS = (
    "subdir", "glibc", "microarch", "osx", "linux", "driver_version", "driver_cuda", "container", "wsl", "jetson",
    "mps",
)  # fmt: skip


def detect_command(
    *,
    refresh: Annotated[bool, option("--refresh", help="Do not use the driver's answers of the last day.")] = False,
    health: Annotated[
        bool, option("--health", help="Also ask each GPU for memory errors, and for what slows it down now.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show what this host can run, and the source of each fact."""
    from envkit.cli.output import console, mark, print_json, table
    from envkit.engines.registry import list_engines
    from envkit.host.detect import detect_host
    from envkit.host.health import detect_health
    from envkit.host.wire import host_to_json
    from envkit.wheels.uv import find_uv, uv_version
    from envkit.words.gpu_health import health_words
    from envkit.words.values import memory_words

    host = detect_host(refresh=refresh)
    if as_json:
        engines = [asdict(engine) for engine in list_engines()]
        uv = find_uv()
        wheels = {"version": uv_version(uv), "where": str(uv)} if uv else None
        asked = {"health": [gpu.to_json() for gpu in detect_health()]} if health else {}
        print_json({"facts": host_to_json(host), "engines": engines, "uv": wheels, **asked})
        return
    view = table("fact", "value", "from", whole=("fact",))
    for name in _FACTS:
        value = getattr(host, name)
        if value or name in {"driver_version", "driver_cuda"}:
            text = "yes" if value is True else str(value or "none")
            view.add_row(name, text, host.sources.get(name, ""))
    for number, gpu in enumerate(host.gpus):
        kind = "MIG instance" if gpu.mig else "GPU"
        text = f"{gpu.name or 'unknown'}, compute capability {gpu.compute_capability}, {memory_words(gpu.memory_bytes)}"
        view.add_row(f"{kind} {number}", text, host.sources.get("gpus", ""))
    if not host.gpus:
        view.add_row("GPUs", "none", host.sources.get("gpus", ""))
    for state in detect_health() if health else ():
        view.add_row(f"health {state.index}", health_words(state), "NVML, now")
    for path, version in host.toolkits.items():
        view.add_row("toolkit", f"CUDA {version}", path)
    for trace in host.nvidia_traces:
        view.add_row("trace", trace, "a sign of NVIDIA without a usable GPU")
    for engine in list_engines():
        word = engine.version or "version unknown"
        view.add_row(f"engine {engine.name}", word if engine.available else "not here", engine.where or "")
    uv = find_uv()
    view.add_row("uv", (uv_version(uv) or "does not start") if uv else "not here", str(uv or "pip sections need it"))
    out = console()
    out.print(view)
    for note in host.notes:
        out.print(mark("[yellow]note[/yellow]  {}", note))
