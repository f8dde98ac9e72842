"""Draw requests over channel indexes, solve each with every engine that is here, and count where they differ in kind.

Each solution is checked by an independent rule (`envkit.checks.validity`), so one engine alone is worth a run. Of each
kind of difference between the same engines the first is minimised; all are written with --json.

conda:classic and conda:libmamba are conda with that solver. The classic one takes a quarter of a minute for a request:
with --resume, which keeps each answer, it can be run beside the others and the run repeated for the summary of all.
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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import zstandard
from differing.compare import SERIOUS, Answer, compare, minimise, solve
from differing.draw import draw
from differing.journal import Journal

from envkit.builds.record import record_from_repodata
from envkit.engines.base import ChannelAccess, Engine
from envkit.engines.conda import CondaEngine, find_conda
from envkit.engines.registry import list_engines, make_engine
from envkit.errors import EnvkitError
from envkit.models.build import Record
from envkit.models.channel import parse_channel
from envkit.models.network import NetworkPolicy
from envkit.models.solve import SolveTask

_SETS = (("conda-forge",), ("pytorch", "nvidia", "conda-forge"), ("nvidia", "conda-forge"))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
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
    parser.add_argument(
        "--engine",
        action="append",
        metavar="NAME[:SOLVER]",
        help="only these, such as conda:classic; all that are here by default",
    )
    parser.add_argument("--platform", default="linux-64")
    parser.add_argument("--time-limit", type=float, default=120.0, metavar="SECONDS", help="for one solve")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every difference there")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep each answer there, and ask for none again")
    return parser.parse_args(argv)


def _engines(names: Sequence[str] | None) -> dict[str, Engine]:
    return {name: _engine(name) for name in names or [info.name for info in list_engines() if info.available]}


def _engine(name: str) -> Engine:
    kind, _, solver = name.partition(":")
    program = find_conda(os.environ)
    if kind != "conda" or program is None:
        return make_engine(kind)
    # Without a solution the classic solver looks for the shortest explanation, for minutes, which nobody reads here.
    env = {**os.environ, "CONDA_UNSATISFIABLE_HINTS": "false"}
    return CondaEngine(program, env={**env, "CONDA_SOLVER": solver} if solver else env)


def _task_json(task: SolveTask) -> dict[str, object]:
    return {
        "specs": task.specs,
        "constraints": task.constraints,
        "channels": [channel.rsplit("/", 1)[-1] for channel in task.channels],
        "channel_priority": task.channel_priority,
        "virtual_packages": [" ".join(package) for package in task.virtual_packages],
    }


def _answer_json(answer: Answer) -> dict[str, object]:
    return {
        "state": answer.state,
        "seconds": round(answer.seconds, 2),
        "violations": [f"{v.rule}: {v.subject}: {v.text}" for v in answer.violations],
        "packages": [f"{r.name} {r.version} {r.build}" for r in answer.records],
        "message": answer.text,
    }


class Run:
    """One run over the requests.

    Args:
        options: The command line.
        url: Where the channels are served.
        cache: Where engines keep what they read of them.
    """

    def __init__(self, options: argparse.Namespace, url: str, cache: Path) -> None:
        self._options = options
        self._cache = cache
        self._index = tuple(read_index(options.channels, url, (options.platform, "noarch")))
        self._sets = self._channel_sets(url)
        self._engines = _engines(options.engine)
        self._versions = {name: engine.capabilities().version for name, engine in self._engines.items()}
        about = {"seed": options.seed, "platform": options.platform, "records": len(self._index)}
        self._journal = Journal(options.resume, about, self._index)
        self._counts: Counter[str] = Counter()
        self._states: Counter[tuple[str, str]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._found: list[dict[str, object]] = []

    def _channel_sets(self, url: str) -> list[list[str]]:
        here = {record.channel for record in self._index}
        known = [urls for names in _SETS if here >= set(urls := [f"{url}/{name}" for name in names])]
        return known or [sorted(here)]

    def run(self) -> int:
        """Ask every engine for every request; 0 when every solution was valid."""
        for name, version in self._versions.items():
            print(f"{name} {version}")
        print(f"{len(self._index)} records, seed {self._options.seed}", flush=True)
        by_name: dict[str, list[Record]] = {}
        for record in self._index:
            by_name.setdefault(record.name, []).append(record)
        rng = random.Random(self._options.seed)
        for number in range(self._options.requests):
            drawn = draw(rng, by_name, self._sets, self._options.platform)
            self._count(number, dataclasses.replace(drawn, timeout_s=self._options.time_limit))
            if self._options.json:
                self._options.json.write_text(json.dumps(self._found, indent=1), encoding="utf-8")
        for (name, state), count in sorted(self._states.items()):
            print(f"{count:5}  {name} {state}")
        for name, total in sorted(self._seconds.items()):
            print(f"{total / 1000 / max(self._options.requests, 1):8.2f} s each  {name}")
        for what, count in sorted(self._counts.items()):
            print(f"{count:5}  {what}")
        return 1 if any(what.startswith("invalid") for what in self._counts) else 0

    def _count(self, number: int, task: SolveTask) -> None:
        outcomes: dict[str, Answer] = {}
        for name, version in self._versions.items():
            answer = self._journal.read(number, name, version, task)
            if answer is None:
                answer = self._ask(task, name)
                self._journal.write(number, name, version, answer)
            outcomes[name] = answer
            self._states[name, answer.state] += 1
            self._seconds[name] += int(answer.seconds * 1000)
        kinds = compare(task, outcomes)
        self._counts["same" if not kinds else "different"] += 1
        if not kinds:
            return
        difference: dict[str, object] = {"number": number, "kinds": kinds, **_answers(task, outcomes)}
        smallest = []
        for kind, pairs in kinds.items():
            for pair in pairs:
                self._counts[f"{kind} ({pair})"] += 1
                if self._counts[f"{kind} ({pair})"] == 1 or kind in SERIOUS:
                    smallest.append({"kind": kind, "engines": pair, **self._minimise(number, task, kind, pair)})
        self._found.append({**difference, "smallest": smallest})

    def _ask(self, task: SolveTask, name: str) -> Answer:
        channels = tuple(parse_channel(text) for text in task.channels)
        access = ChannelAccess(channels, NetworkPolicy(), self._cache)
        return solve(self._engines[name], task, access, self._index)

    def _minimise(self, number: int, task: SolveTask, kind: str, pair: str) -> dict[str, object]:
        """The smallest request over which these engines, which alone are asked, differ in this kind."""
        names = pair.split(" / ")
        smallest = minimise(task, lambda t: pair in compare(t, {n: self._ask(t, n) for n in names}).get(kind, ()))
        answers = _answers(smallest, {name: self._ask(smallest, name) for name in names})
        print(f"{number}: {kind} ({pair}): {json.dumps(answers['task'])}", flush=True)
        return answers


def _answers(task: SolveTask, outcomes: Mapping[str, Answer]) -> dict[str, object]:
    answers = {name: _answer_json(answer) for name, answer in outcomes.items()}
    return {"task": _task_json(task), "outcomes": answers}


def main(argv: Sequence[str]) -> int:
    """Run; 0 when every solution was valid."""
    options = _parse(argv)
    with tempfile.TemporaryDirectory(prefix="envkit-differential-") as cache, serve(options.channels) as url:
        return Run(options, url, Path(cache)).run()


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except EnvkitError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        code = error.exit_code
    sys.stdout.flush()
    os._exit(code)  # the native engine crashes now and then while the interpreter tears itself down
