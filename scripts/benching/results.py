"""What a run measured, as values and as a JSON document."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benching.curves import Curve
from benching.growth import LINEAR, exponent, is_flat, last_exponent
from benching.measure import Series
from benching.peers import ENVKIT, Peers
from benching.rows import Goal, Row

_SCHEMA = 1
_MB = 1e6


@dataclass(slots=True)
class RowResult:
    """A row with the costs of each tool; `skipped` says why there are none."""

    row: Row
    series: Mapping[str, Series] = field(default_factory=dict)
    skipped: str | None = None

    def wall_s(self, tool: str) -> float | None:
        """Return a tool's median for one piece of work; for envkit, over that of the row's floor."""
        found = self.series.get(tool)
        if found is None or not found.samples:
            return None
        floor = self.series.get(self.row.over) if self.row.over and tool == ENVKIT else None
        less = floor.wall_s if floor is not None and floor.samples else 0.0
        return (found.wall_s - less) / self.row.per

    def ratio(self, tool: str) -> float | None:
        """Return envkit's time as a share of that of a tool."""
        ours, theirs = self.wall_s(ENVKIT), self.wall_s(tool)
        return None if ours is None or theirs is None else ours / max(theirs, 1e-9)

    def value(self, goal: Goal) -> float | None:
        """Return what is to be compared with a goal's limit."""
        if goal.ratio is not None:
            return self.ratio(goal.against)
        if goal.megabytes is not None:
            ours = self.series.get(ENVKIT)
            return ours.peak_bytes / _MB if ours is not None and ours.samples else None
        return self.wall_s(ENVKIT)


@dataclass(slots=True)
class CurveResult:
    """A curve with the costs of each tool at each size."""

    curve: Curve
    points: Mapping[int, Mapping[str, Series]] = field(default_factory=dict)
    skipped: str | None = None

    def costs(self, tool: str) -> list[float] | None:
        """Return a tool's least processor time at each size; None where it is not complete."""
        found = [points.get(tool) for points in self.points.values()]
        whole = [series.least_cpu_s for series in found if series is not None and series.samples]
        return whole if len(whole) == len(self.curve.sizes) else None

    def exponent(self, tool: str) -> float | None:
        """Return the exponent of growth between the two largest sizes."""
        costs = self.costs(tool)
        return None if costs is None else last_exponent(self.curve.sizes, costs)

    def fitted(self, tool: str) -> float | None:
        """Return the exponent of growth over all sizes, by least squares."""
        costs = self.costs(tool)
        return None if costs is None else exponent(self.curve.sizes, costs)

    @property
    def tools(self) -> list[str]:
        """The tools that were measured at every size."""
        names = dict.fromkeys(name for points in self.points.values() for name in points)
        return [name for name in names if self.costs(name) is not None]

    def fault(self) -> str | None:
        """Say in which way envkit grows faster than it may."""
        costs, slope = self.costs(ENVKIT), self.exponent(ENVKIT)
        if costs is None or slope is None:
            return None
        if slope > LINEAR:
            return f"grows with {self.curve.of} to the power of {slope:.2f}"
        if self.curve.flat and not is_flat(costs):
            return f"grows with {self.curve.of}: {costs[0]:.3f} s to {costs[-1]:.3f} s of processor time"
        return None


@dataclass(slots=True)
class Results:
    """All that one run measured, and where."""

    peers: Peers
    machine: Mapping[str, str]
    rows: Sequence[RowResult]
    curves: Sequence[CurveResult]

    def faults(self) -> list[str]:
        """List what did not work, of envkit."""
        groups = [(row.row.key, row.series) for row in self.rows]
        groups += [(f"{c.curve.key} at {size}", series) for c in self.curves for size, series in c.points.items()]
        failed = [(key, series[ENVKIT].error) for key, series in groups if ENVKIT in series]
        return [f"{key}: {error}" for key, error in failed if error is not None]

    def document(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "schema": _SCHEMA,
            "machine": dict(self.machine),
            "versions": dict(self.peers.versions),
            "missing": dict(self.peers.missing),
            "rows": [
                {
                    "key": row.row.key,
                    "work": row.row.work,
                    "over": row.row.over,
                    "per": row.row.per,
                    "skipped": row.skipped,
                    "goals": [{**asdict(goal), "value": row.value(goal)} for goal in row.row.goals],
                    "series": {tool: asdict(series) for tool, series in row.series.items()},
                }
                for row in self.rows
            ],
            "curves": [
                {
                    "key": curve.curve.key,
                    "work": curve.curve.work,
                    "of": curve.curve.of,
                    "skipped": curve.skipped,
                    "exponents": {tool: curve.exponent(tool) for tool in curve.tools},
                    "fitted_exponents": {tool: curve.fitted(tool) for tool in curve.tools},
                    "fault": curve.fault(),
                    "points": {
                        str(size): {tool: asdict(series) for tool, series in points.items()}
                        for size, points in curve.points.items()
                    },
                }
                for curve in self.curves
            ],
        }

    def write_json(self, path: Path) -> None:
        """Write the document."""
        path.write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")


def describe_machine(work: Path) -> dict[str, str]:
    """Return what the figures depend on: processor, cores, kernel, file system, load, Python and the day."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(work)], capture_output=True, text=True, check=False).stdout
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "file_system": kind.strip() or "?",
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
    }
