"""Measure envkit beside micromamba, conda, bare py-rattler, uv and `cp -al`: by turns, in one run, on this machine.

Each row of the table is a piece of work that every tool does, with channels on loopback HTTP and a home without
configuration. Peers are found on PATH, or where ENVKIT_BENCH_MICROMAMBA, ENVKIT_BENCH_CONDA, ENVKIT_BENCH_UV and
ENVKIT_BENCH_CP name them; what is not here is left out and named. Rows over real indexes need ENVKIT_TEST_CHANNELS.

Caches of packages and indexes are full, or empty where a row says cold; the page cache is warm in both. Median and
least time on the clock, least processor time, peak memory of the largest process (never below that of a bare Python),
modules imported, system calls (--calls).
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benching import plot
from benching.curves import CURVES, Curve
from benching.install import NotInstalledError, install_checkout
from benching.measure import Effort, RunFailedError, Say, Series, take_turns
from benching.peers import CONDA, CP, ENVKIT, MICROMAMBA, UV, find_peers
from benching.quick import LIMITS, check_limits
from benching.readme import write_figures
from benching.report import detail_table, growth_table, notes, seconds_words, speed_table
from benching.results import CurveResult, Results, RowResult, describe_machine
from benching.rows import ROWS, Row
from benching.stage import NotHereError, Stage, serving

_ROOT = Path(__file__).parent.parent
_EXAMPLES = """\
examples:
  scripts/bench                         everything, in about ten minutes
  scripts/bench --rows find,create-     rows whose names begin so; --list names all
  scripts/bench --growth                only the curves: cost by records, files, environments, processes
  scripts/bench --json speed.json --svg plots
  scripts/bench --write                 everything, and the README's section Speed with its plots
  scripts/bench --quick                 what CI runs: small data, limits as ratios to bare Python and bare py-rattler

Exit codes: 0 measured; 1 a command of envkit failed, a limit of --quick is passed, or a cost grows too fast;
2 usage; 130 interrupted.
"""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `--help` and errors of usage end the process."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--rows", metavar="KEY,...", default="", help="only rows and curves whose names begin so")
    parser.add_argument("--list", action="store_true", help="name all rows and curves, and stop")
    parser.add_argument("--growth", action="store_true", help="only the curves")
    parser.add_argument("--no-growth", action="store_true", help="only the rows")
    parser.add_argument("--quick", action="store_true", help="check the limits of CI instead")
    parser.add_argument(
        "--without", metavar="TOOL,...", default="", help="leave out tools that are here, such as conda"
    )
    parser.add_argument("--rounds", metavar="N", type=int, help="run each at most so often, for a first look")
    parser.add_argument("--calls", action="store_true", help="count system calls, too, with strace")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures")
    parser.add_argument("--svg", metavar="DIR", type=Path, help="write speed.svg and growth.svg")
    parser.add_argument("--write", action="store_true", help="write the README's section and its plots")
    parser.add_argument(
        "--work",
        metavar="DIR",
        type=Path,
        default=_ROOT / ".work" / "bench",
        help="where channels are made and kept (3 GB), and volumes for one run (default: .work/bench)",
    )
    options = parser.parse_args(arguments)
    options.keys = [key for key in options.rows.split(",") if key]
    keys = [row.key for row in ROWS] + [curve.key for curve in CURVES]
    known = [limit.key for limit in LIMITS] if options.quick else keys
    for key in options.keys:
        if not any(name.startswith(key) for name in known):
            parser.error(f"--rows: no row begins with {key}; there are {', '.join(known)}")
    if options.write and (options.keys or options.growth or options.no_growth or options.quick):
        parser.error("--write takes all rows and curves: leave --rows, --growth, --no-growth and --quick out")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds: at least 1")
    options.left_out = {name for name in options.without.split(",") if name}
    if unknown := options.left_out - {MICROMAMBA, CONDA, UV, CP}:
        parser.error(
            f"--without: no peer is called {', '.join(sorted(unknown))}; there are micromamba, conda, uv, cp -al"
        )
    if options.growth and options.no_growth:
        parser.error("--growth and --no-growth leave nothing")
    return options


def measure_row(stage: Stage, row: Row, say: Say, effort: Effort) -> RowResult:
    """Run a row's cases by turns."""
    try:
        cases = [case for case in row.cases(stage) if case.tool.partition(",")[0] in stage.peers]
        result = RowResult(row, {series.tool: series for series in take_turns(cases, effort, say)})
    except NotHereError as error:
        result = RowResult(row, skipped=str(error))
    except RunFailedError as error:  # of envkit, making a volume
        result = RowResult(row, {ENVKIT: Series(ENVKIT, error=str(error))})
    return result


def measure_curve(stage: Stage, curve: Curve, say: Say, effort: Effort) -> CurveResult:
    """Run a curve's cases at each size."""
    points: dict[int, dict[str, Series]] = {}
    size = curve.sizes[0]
    try:
        for size in curve.sizes:
            cases = [case for case in curve.cases(stage, size) if case.tool.partition(",")[0] in stage.peers]
            points[size] = {series.tool: series for series in take_turns(cases, effort, say)}
    except NotHereError as error:
        return CurveResult(curve, points, skipped=str(error))
    except RunFailedError as error:
        points[size] = {ENVKIT: Series(ENVKIT, error=str(error))}
    return CurveResult(curve, points)


def find_real_channels() -> Path | None:
    """Return the folder of real indexes that ENVKIT_TEST_CHANNELS names, or that lies beside the checkout."""
    named = os.environ.get("ENVKIT_TEST_CHANNELS")
    candidates = [Path(named)] if named else [parent / "shared" / "channels" for parent in _ROOT.parents[:2]]
    return next((path.resolve() for path in candidates if (path / "conda-forge").is_dir()), None)


def measure(options: argparse.Namespace, stage: Stage, say: Say) -> Results:
    """Run every row and curve that was asked for."""

    def wanted(key: str) -> bool:
        return not options.keys or any(key.startswith(word) for word in options.keys)

    def shortened(effort: Effort) -> Effort:
        most = options.rounds or effort.rounds
        return replace(effort, rounds=min(effort.rounds, most), least=min(effort.least, most))

    rows = [row for row in ROWS if wanted(row.key) and not options.growth]
    curves = [curve for curve in CURVES if wanted(curve.key) and not options.no_growth]
    found, grown = [], []
    for number, row in enumerate(rows, 1):
        begin = time.monotonic()
        effort = replace(shortened(row.effort), count_calls=options.calls)
        found.append(measure_row(stage, row, say, effort))
        costs = {tool: found[-1].wall_s(tool) for tool in found[-1].series}
        words = ", ".join(f"{tool} {seconds_words(cost)}" for tool, cost in costs.items() if cost is not None)
        say(f"[{number}/{len(rows)}] {row.key}: {found[-1].skipped or words} ({time.monotonic() - begin:.0f} s)")
    for number, curve in enumerate(curves, 1):
        begin = time.monotonic()
        grown.append(measure_curve(stage, curve, say, shortened(curve.effort)))
        slopes = ", ".join(f"{tool} {grown[-1].exponent(tool):.2f}" for tool in grown[-1].tools)
        say(f"[{number}/{len(curves)}] {curve.key}: {grown[-1].skipped or slopes} ({time.monotonic() - begin:.0f} s)")
    return Results(stage.peers, describe_machine(stage.work), found, grown)


def show(results: Results) -> None:
    """Print the tables."""
    print(", ".join(f"{name} {value}" for name, value in {**results.machine, **results.peers.versions}.items()))
    if results.rows:
        print(f"\n{speed_table(results, goals=True)}\n\n{detail_table(results)}")
    if results.curves:
        print(f"\n{growth_table(results)}")
    print("", *notes(results), sep="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit code."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    if options.list:
        names = [(row.key, row.work) for row in ROWS] + [(c.key, f"{c.work} by {c.of}") for c in CURVES]
        print(*(f"{key:22} {work}" for key, work in names), sep="\n")
        return 0
    begin = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - begin:6.1f} s  {words}", file=sys.stderr, flush=True)

    work = options.work.resolve()
    try:
        (work / "kept").mkdir(parents=True, exist_ok=True)
        lock = (work / "lock").open("w")
    except OSError as error:
        print(f"bench: {work}: {error.strerror}; name another folder with --work", file=sys.stderr)
        return 2
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"bench: another run uses {work}; name another folder with --work", file=sys.stderr)
            return 2
        shutil.rmtree(work / "run", ignore_errors=True)
        (work / "run").mkdir()
        try:
            own = [] if options.quick else [install_checkout(_ROOT, work / "kept" / "venv", say)]
            peers = find_peers(os.environ, *own).without(options.left_out)
        except (FileNotFoundError, NotInstalledError) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2
        if (load := os.getloadavg()[0]) > (os.cpu_count() or 1) / 2:
            say(f"the machine is busy (load {load:.1f}): compare processor times, not those on the clock")
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started, too
        try:
            with serving(work / "kept") as url:
                stage = Stage(work, url, peers, say, find_real_channels())
                work_of = _check_limits if options.quick else _measure_all
                faults = work_of(options, stage, say)
        except NotHereError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("bench: interrupted", file=sys.stderr)
            return 130
        finally:
            shutil.rmtree(work / "run", ignore_errors=True)
    for fault in faults:
        print(f"FAULT  {fault}", file=sys.stderr)
    return 1 if faults else 0


def _check_limits(options: argparse.Namespace, stage: Stage, say: Say) -> list[str]:
    return check_limits(stage, options.keys, say)


def _measure_all(options: argparse.Namespace, stage: Stage, say: Say) -> list[str]:
    results = measure(options, stage, say)
    show(results)
    if options.json:
        results.write_json(options.json)
    if options.svg:
        options.svg.mkdir(parents=True, exist_ok=True)
        (options.svg / "speed.svg").write_text(plot.bars(results), encoding="utf-8")
        (options.svg / "growth.svg").write_text(plot.curves(results), encoding="utf-8")
    if options.write:
        write_figures(results, _ROOT / "README.md")
    grown = [f"{curve.curve.key}: {fault}" for curve in results.curves if (fault := curve.fault())]
    return [*results.faults(), *grown]


if __name__ == "__main__":
    sys.exit(main())
