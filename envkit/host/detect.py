"""Detection of the host: read, ask the driver or the cache, put together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envkit.host.answers import Answers, parse_answers
from envkit.host.assemble import assemble_host
from envkit.host.cache import cache_key, default_cache_dir, read_cache, write_cache
from envkit.host.overrides import Overrides, parse_overrides
from envkit.host.readings import Readings, find_nvidia_smi, read_machine
from envkit.host.tree import Tree
from envkit.models.host import Host

__all__ = ["Look", "detect"]

# NVML 9 and 12, cuInit 100: no driver, no library, no device. What ends these changes the key of the cache; any other
# error may be over in a minute (a fabric manager that starts, a GPU that is reset).
_LASTING = frozenset({9, 12, 100})


def detect(
    *,
    env: Mapping[str, str] | None = None,
    root: Path = Path("/"),
    timeout_s: float = 10.0,
    refresh: bool = False,
    cache_dir: Path | None = None,
) -> Host:
    """Find out what this machine can run. "No GPU" is a fact, never an error.

    The driver is asked in a child process, which may hang or crash without harm; what it said is kept for a day, by
    boot, driver, devices, libraries and variables. Files and variables are read each time.

    Args:
        env: Variables, instead of ``os.environ``.
        root: Where the system's files are.
        timeout_s: Limit for the child, in seconds; at the limit, what it had found out counts, and nothing is kept.
        refresh: Ask the driver even when the cache has an answer.
        cache_dir: Where answers are kept; ``platformdirs.user_cache_dir("envkit")`` if None.

    Raises:
        SettingsError: A CONDA_OVERRIDE_* variable (CEP 30, CEP 46) holds something that is no version.
    """
    look = Look.at(env=env, root=root, cache_dir=cache_dir)
    answers = None if refresh else look.remembered()
    return look.host(answers or look.ask(timeout_s))


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the machine, before the driver is asked.

    Attributes:
        env: Variables.
        tree: The system's files.
        overrides: CONDA_OVERRIDE_*.
        readings: What the files say.
        nvidia_smi: The command, where there is one.
        folder: Where the driver's answers are kept; None without a home.
        key: Under which key.
    """

    env: Mapping[str, str]
    tree: Tree
    overrides: Overrides
    readings: Readings
    nvidia_smi: str | None
    folder: Path | None
    key: str

    @classmethod
    def at(cls, *, env: Mapping[str, str] | None = None, root: Path = Path("/"), cache_dir: Path | None = None) -> Look:
        """Read files and variables, as for `detect`.

        Raises:
            SettingsError: As `detect`.
        """
        variables = os.environ if env is None else env
        tree = Tree(root)
        overrides = parse_overrides(variables)
        readings = read_machine(tree, variables)
        nvidia_smi = find_nvidia_smi(tree, variables)
        key = cache_key(readings, variables, root=tree.root, nvidia_smi=nvidia_smi)
        return cls(variables, tree, overrides, readings, nvidia_smi, cache_dir or default_cache_dir(variables), key)

    def remembered(self) -> Answers | None:
        """What the driver said before, if it would say the same now."""
        lines = read_cache(self.folder, self.key) if self.folder else None
        try:
            return parse_answers(lines) if lines else None
        except ValueError:  # damaged inside: asked anew
            return None

    def ask(self, timeout_s: float) -> Answers:
        """Ask the driver in a child process, and keep the answer if it will last."""
        from envkit.host.driver import ask_driver  # noqa: PLC0415 - subprocess costs the fast path its time

        lines = ask_driver(env=self.env, root=self.tree.root, timeout_s=timeout_s, nvidia_smi=self.nvidia_smi)
        answers = parse_answers(lines)
        if self.folder and _lasts(lines, answers):
            write_cache(self.folder, self.key, lines)
        return answers

    def host(self, answers: Answers) -> Host:
        """The host, from what was read and what the driver said."""
        return assemble_host(self.readings, answers, env=self.env, overrides=self.overrides)


def _lasts(lines: Sequence[Mapping[str, Any]], answers: Answers) -> bool:
    """Whether an answer holds until something in the key changes."""
    if not lines or answers.failures or answers.troubles:
        return False
    numbers = frozenset[int]().union(*(driver.numbers for driver in answers.drivers))
    return numbers <= _LASTING
