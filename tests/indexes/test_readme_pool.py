"""What the README shows of machines of several kinds is what the real indexes give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from harness import ROOT, Envkit
from pools import machine, write_pool

_V100 = ("470.256.02", "11.4", "Tesla V100-SXM2-16GB", "7.0")
_POOL = (
    machine("v1", *_V100),
    machine("v2", *_V100),
    machine("b1", "580.95.05", "13.0", "NVIDIA B200", "10.0"),
    machine("login"),
)
_COMMAND = "envkit create pytorch -n train --hosts pool.jsonl --dry-run"


def test_the_profiles_of_a_pool(envkit: Envkit, known_indexes: Mapping[str, str], tmp_path: Path) -> None:
    """``...`` stands for lines that are left out; `find` shows the same machines by the same builds."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"```console\n\$ {re.escape(_COMMAND)}\n(.*?)```", readme, re.DOTALL)
    write_pool(tmp_path / "pool.jsonl", _POOL)
    env = {**known_indexes, "COLUMNS": "120", "CONDA_OVERRIDE_CUDA": ""}
    planned = envkit(*_COMMAND.split()[1:], "--persist", "envs", env=env)
    assert planned.code == 0, planned.err
    shown = [line.rstrip() for line in planned.out.splitlines()]
    first, last = ([line.rstrip() for line in part.strip("\n").splitlines()] for part in block.split("...\n"))
    assert shown[: len(first)] == first
    assert shown[-len(last) :] == last
    found = envkit("find", "pytorch", "--hosts", "pool.jsonl", env=env)
    assert found.code == 0, found.err
    assert "\n".join(first) in "\n".join(line.rstrip() for line in found.out.splitlines())
    picks = re.findall(r"pytorch (\S+) \S+ for (?:\d machines \((.*)\)|(\S+))$", found.out, re.MULTILINE)
    assert [(version, several or one) for version, several, one in picks] == [
        *(("2.4.0", "v1, v2"), ("2.12.1", "b1"), ("2.12.0", "login")),
    ]
