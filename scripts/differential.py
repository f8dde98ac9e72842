"""Draw requests over channel indexes, solve each with every engine that is here, and count where they differ in kind.

Each solution is checked by an independent rule (`envkit.checks.validity`), so one engine alone is worth a run. What
is serious (an invalid solution, a contradiction about whether there is one, an error) is minimised.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import http.server
import json
import os
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import zstandard
from differing.compare import SERIOUS, Outcome, compare, minimise, solve
from differing.draw import draw

from envkit.builds.record import record_from_repodata
from envkit.engines.base import Engine, EngineSettings
from envkit.engines.registry import list_engines, make_engine
from envkit.errors import EnvkitError
from envkit.models.build import Record
from envkit.models.channel import parse_channel
from envkit.models.network import NetworkPolicy
from envkit.models.solve import SolveTask

_SETS = (("conda-forge",), ("pytorch", "nvidia", "conda-forge"), ("nvidia", "conda-forge"))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The folder over loopback HTTP: a compressed index is found there by every engine, under ``file://`` by few."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def read_index(folder: Path, url: str, platforms: Sequence[str]) -> Iterator[Record]:
    """Every record below a folder of channels."""
    for channel in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        for subdir in platforms:
            plain = folder / channel / subdir / "repodata.json"
            packed = plain.with_suffix(".json.zst")
            if plain.is_file():
                data = plain.read_bytes()
            elif packed.is_file():
                data = zstandard.ZstdDecompressor().stream_reader(packed.read_bytes()).read()
            else:
                continue
            index = json.loads(data)
            for kind in ("packages", "packages.conda"):
                for fn, raw in index.get(kind, {}).items():
                    yield record_from_repodata(raw, fn, f"{url}/{channel}", subdir)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="differential", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("channels", type=Path, help="a folder with CHANNEL/SUBDIR/repodata.json or .json.zst")
    parser.add_argument("--requests", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other requests")
    parser.add_argument("--engine", action="append", metavar="NAME", help="only these; all that are here by default")
    parser.add_argument("--platform", default="linux-64")
    parser.add_argument("--time-limit", type=float, default=120.0, metavar="SECONDS", help="for one solve")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every difference there")
    return parser.parse_args(argv)


def _engines(names: Sequence[str] | None) -> dict[str, Engine]:
    return {name: make_engine(name) for name in names or [info.name for info in list_engines() if info.available]}


def _task_json(task: SolveTask) -> dict[str, object]:
    return {
        "specs": task.specs,
        "constraints": task.constraints,
        "channels": [channel.rsplit("/", 1)[-1] for channel in task.channels],
        "channel_priority": task.channel_priority,
        "virtual_packages": [" ".join(package) for package in task.virtual_packages],
    }


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    return {
        "state": outcome.state,
        "seconds": round(outcome.seconds, 2),
        "violations": [f"{v.rule}: {v.subject}: {v.text}" for v in outcome.violations],
        "packages": [f"{r.name} {r.version} {r.build}" for r in outcome.records],
        "message": outcome.text,
    }


def main(argv: Sequence[str]) -> int:
    """Run; 0 when every solution was valid."""
    options = _parse(argv)
    counts: Counter[str] = Counter()
    states: Counter[tuple[str, str]] = Counter()
    seconds: Counter[str] = Counter()
    found: list[dict[str, object]] = []
    rng = random.Random(options.seed)  # noqa: S311 - repeatable, not secret
    with tempfile.TemporaryDirectory(prefix="envkit-differential-") as cache, serve(options.channels) as url:
        index = tuple(read_index(options.channels, url, (options.platform, "noarch")))
        by_name: dict[str, list[Record]] = {}
        for record in index:
            by_name.setdefault(record.name, []).append(record)
        here = {record.channel for record in index}
        sets = [urls for names in _SETS if here >= set(urls := [f"{url}/{name}" for name in names])] or [sorted(here)]
        engines = _engines(options.engine)
        for name, engine in engines.items():
            print(f"{name} {engine.capabilities().version}")
        print(f"{len(index)} records, seed {options.seed}")

        def ask(task: SolveTask) -> dict[str, Outcome]:
            channels = tuple(parse_channel(text) for text in task.channels)
            settings = EngineSettings(channels, NetworkPolicy(), Path(cache))
            return {name: solve(engine, task, settings, index) for name, engine in engines.items()}

        for number in range(options.requests):
            drawn = draw(rng, by_name, sets, options.platform)
            task = dataclasses.replace(drawn, timeout_s=options.time_limit)
            outcomes = ask(task)
            for name, outcome in outcomes.items():
                states[name, outcome.state] += 1
                seconds[name] += int(outcome.seconds * 1000)
            kinds = compare(task, outcomes)
            counts.update({f"{kind} ({who})": 1 for kind, names in kinds.items() for who in names})
            counts["same" if not kinds else "different"] += 1
            serious = sorted(SERIOUS & set(kinds))
            if kinds:
                smallest = task
                if serious:
                    kind, names = serious[0], kinds[serious[0]]
                    smallest = minimise(task, lambda t, k=kind, n=names: compare(t, ask(t)).get(k) == n)  # type: ignore[misc]
                    outcomes = ask(smallest)
                    print(f"{number}: {kind} ({', '.join(names)}): {json.dumps(_task_json(smallest))}", flush=True)
                outcomes_json = {name: _outcome_json(outcome) for name, outcome in outcomes.items()}
                found.append(
                    {"number": number, "kinds": kinds, "task": _task_json(smallest), "outcomes": outcomes_json}
                )
            if options.json:
                options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    for (name, state), count in sorted(states.items()):
        print(f"{count:5}  {name} {state}")
    for name, total in sorted(seconds.items()):
        print(f"{total / 1000 / max(options.requests, 1):8.2f} s each  {name}")
    for what, count in sorted(counts.items()):
        print(f"{count:5}  {what}")
    return 1 if any(what.startswith("invalid") for what in counts) else 0


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except EnvkitError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        code = error.exit_code
    sys.stdout.flush()
    os._exit(code)  # the native engine crashes now and then while the interpreter tears itself down
