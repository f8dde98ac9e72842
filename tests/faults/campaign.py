"""Kill envkit at random, in many ways, and look whether anything is lost.

    campaign.py FOLDER [--kills N] [--seed N]

Each round runs one verb, and sends signals to the parent, to a child, to the group or to the whole tree after a random
time. Then the volume has to show the old state or the new one, and the next command has to go on. The last line is a
JSON object with the figures.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from channels import Package
from harness import ENVKIT, Shell

SIGNALS: dict[str, tuple[int, ...]] = {
    "TERM": (signal.SIGTERM,),
    "HUP": (signal.SIGHUP,),
    "INT twice": (signal.SIGINT, signal.SIGINT),
    "STOP and CONT": (signal.SIGSTOP, signal.SIGCONT),
    "KILL": (signal.SIGKILL,),
}
TARGETS = ("parent", "child", "group", "tree")
_HANG_S = 180.0


def app(number: int) -> Package:
    content = {f"share/app/{n}.txt": f"{number} {n}".encode() for n in range(20)}
    return Package(
        "app",
        f"{number}.0",
        depends=["lib"],
        files={"bin/app": f"#!/bin/sh\necho app {number}\n".encode(), **content},
    )


EXTRA = Package("extra", depends=["lib"], files={"share/extra.txt": b"extra"})
LIB = Package("lib", files={"share/lib.txt": b"lib" * 100_000, "share/link": "lib.txt"})


class Campaign:
    """A volume with an environment, and what was seen so far."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.shell = Shell.below(folder)
        self.random = random.Random(seed)
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self.lock = folder / "lock.txt"
        self.shell.publish(app(1), app(2), LIB, EXTRA)
        self.channel = ("-c", str(self.shell.channel), "--override-channels")
        self.shell.ok("create", "app=1", "-n", "demo", *self.channel)
        self.shell.ok("create", "app=2", "-n", "demo", "--replace", *self.channel)
        self.verbs: dict[str, Callable[[], tuple[str, ...]]] = {
            "create": lambda: ("create", "app", "-n", "new", "--replace", *self.channel),
            "replace": lambda: ("create", self.either(), "-n", "demo", "--replace", *self.channel),
            "install": lambda: ("install", "-n", "demo", self.either()),
            "add": lambda: ("install", "-n", "demo", "extra"),
            "uninstall": lambda: ("uninstall", "-n", "demo", "extra"),
            "upgrade": lambda: ("upgrade", "-n", "demo"),
            "download": lambda: ("create", self.either(), "-n", "later", "--download-only", *self.channel),
            "lock": lambda: ("lock", self.either(), "-o", str(self.lock), "--format", "explicit", *self.channel),
            "rename": lambda: ("rename", *self.random.choice([("new", "renamed"), ("renamed", "new")])),
            "share": lambda: ("volume", "share", "--group", str(os.getegid())),
            "rollback": lambda: ("rollback", "demo"),
            "clone": lambda: ("clone", "demo", f"copy{self.random.randrange(10**6)}"),
            "remove": lambda: ("remove", "new"),
            "clean": lambda: ("clean", "--keep", "1", "--older-than", "0"),
            "doctor": lambda: ("doctor", "--fix", "--full"),
            "validate": lambda: ("validate", "demo"),
            "run": lambda: ("run", "demo", "--", "app"),
        }

    def either(self) -> str:
        return self.random.choice(["app=1", "app=2"])

    def round(self) -> None:
        verb = self.random.choice(list(self.verbs))
        name = self.random.choice(list(SIGNALS))
        target = self.random.choice(TARGETS)
        words = self.verbs[verb]()
        if verb == "clean":  # fetch again in some rounds
            words = (*words[:2], self.random.choice("01"), *words[3:])
        label = f"{' '.join(words)} with {name} to the {target}"
        process = subprocess.Popen(
            [*ENVKIT, *words],
            env=self.shell.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        time.sleep(self.random.uniform(0.05, 2.5))
        hit = self.send(process, name, target)
        try:
            told = process.communicate(timeout=_HANG_S)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            self.faults.append(f"{label}: hangs")
            return
        self.counts["rounds"] += 1
        self.counts["hit while it ran"] += hit
        self.counts[f"exit {process.returncode}"] += 1
        self.counts[f"{name}: hit"] += hit
        self.counts[f"{verb}: hit"] += hit
        if told.rstrip().endswith("KeyboardInterrupt") and "in main\n" not in told:
            self.counts["interrupted before the program began"] += 1
        elif "Traceback" in told:
            self.faults.append(f"{label}: traceback: {told[-600:]}")
        self.check(label)

    def send(self, process: subprocess.Popen[bytes], name: str, target: str) -> bool:
        if process.poll() is not None:
            return False
        below = _below(process.pid)
        numbers = {"parent": [process.pid], "child": below[:1] or [process.pid], "tree": [*below, process.pid]}
        for number in SIGNALS[name]:
            for pid in numbers.get(target, [-process.pid]):
                try:
                    os.killpg(-pid, number) if pid < 0 else os.kill(pid, number)
                except ProcessLookupError:
                    continue
            time.sleep(self.random.uniform(0.0, 0.2))
        return True

    def check(self, label: str) -> None:
        """What is there works, and the environment of before is among it."""
        listed = self.shell.run("list", "--json")
        if listed.code:
            self.faults.append(f"{label}: list ends with {listed.code}: {listed.err}")
            return
        known = {entry["name"]: entry["problem"] for entry in listed.json["environments"]}
        bad = {name: problem for name, problem in known.items() if problem}
        if bad or "demo" not in known:
            self.faults.append(f"{label}: {bad or 'demo is gone'}")
        said = self.shell.run("run", "demo", "--", "app")
        if said.out not in {"app 1\n", "app 2\n"}:
            self.faults.append(f"{label}: demo says {said.out!r} {said.err}")
        if self.lock.exists() and self.lock.read_text(encoding="utf-8").count(".conda#") != 2:
            self.faults.append(f"{label}: the lock is torn")
        for name in known:
            if name.startswith("copy"):
                self.shell.run("remove", name)

    def finish(self) -> None:
        """The next command goes on; nothing is left behind."""
        self.shell.ok("upgrade", "-n", "demo")
        self.shell.ok("volume", "share", "--group", str(os.getegid()))
        self.shell.ok("clean", "--keep", "0", "--older-than", "0")
        told = self.shell.run("doctor", "--full", "--json")
        if told.code or not told.json["healthy"]:
            self.faults.append(f"doctor: {told.out}")
        private = self.shell.volume / ".envkit"
        left = [path.name for place in ("trash", "leases", "pkgs/.incoming") for path in (private / place).iterdir()]
        if left:
            self.faults.append(f"left behind: {left}")


def _below(pid: int) -> list[int]:
    """The processes that one has started, and those that these have."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [number for child in map(int, children) for number in (child, *_below(child))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    campaign = Campaign(options.folder, options.seed)
    while campaign.counts["hit while it ran"] < options.kills and len(campaign.faults) < 20:
        campaign.round()
    campaign.finish()
    sys.stdout.write(json.dumps({**campaign.counts, "faults": campaign.faults}) + "\n")
    return bool(campaign.faults)


if __name__ == "__main__":
    sys.exit(main())
