"""Read and plan every real file of packages, and print how each one ends.

    python tests/files_table.py FILES CHANNELS [WORD ...]

FILES holds the files, CHANNELS real channel indexes, which a loopback server serves under their own names; with words,
only files whose name holds one of them. A channel that files name and that is not there is served empty. Each file is
planned (`create --dry-run`) for an A100 with driver 550.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from channels import write_index
from harness import ENVKIT, kept_variables, serve

from envkit.api.sources import read_source
from envkit.errors import EnvkitError
from envkit.models.inputs import Recipe

_HOSTS = re.compile(
    rb"https?://(?:conda\.anaconda\.org|repo\.anaconda\.com|repo\.continuum\.io|prefix\.dev"
    rb"|mirrors\.[a-z.]+\.edu\.cn/anaconda(?:/cloud)?)/"
)
_TARGET = ("--driver", "550", "--gpu", "a100", "--glibc", "2.35")
_TIMEOUT_S = 300

OK, REFUSED, PROJECT, WRONG = "ok", "refused", "project file", "WRONG"
# What a refusal says, and the reason that is true for it; everything else is wrong until somebody has looked.
_TRUE = (
    (r"describes a project and lists no exact packages", PROJECT, "give its lock"),
    (r"no package '|no version for|has no digests, and the index|No candidates were found|is missing", REFUSED,
     "the index lacks a package"),
    (r"none of the channels|there is no build of", REFUSED, "the index lacks a package"),
    (r"there is no channel|could not find subdir", REFUSED, "the index lacks a channel"),
    (r"no environment for|is for (?:osx|win|linux)|it is for (?:osx|win)|as its platforms, not", REFUSED,
     "for another platform"),
    (r"would not run|builds of .* run|does not run", REFUSED, "does not run on the target"),
    (r"the name \S+ cannot be resolved|Git operation failed|dns error", REFUSED, "a host is not reached here"),
    (r"cannot be fulfilled|cannot be satisfied|nothing satisfies", REFUSED, "the index has no set of packages for it"),
    (r"conflict|cannot be installed|is excluded|not installable", REFUSED,
     "the index has no set of packages for it"),
    (r"cannot be read: No such file", REFUSED, "it includes a file that is not there"),
    (r"without encryption that hosts have switched off", REFUSED, "a repository over git://"),
    (r"from source|no wheel|needs a build|--allow-build", REFUSED, "needs a build"),
    (r"--allow-local|editable|local path", REFUSED, "a local path"),
)  # fmt: skip


class Row(NamedTuple):
    """How one file ended."""

    file: str
    kind: str
    outcome: str
    code: int
    why: str


def plan(file: Path, url: str, folder: Path) -> Row:
    """Plan one file with the command line, over the channels at `url`."""
    kind = file.name.split("__", 1)[0]
    original = file.name.rsplit("__", 1)[-1]
    home = folder / file.name
    home.mkdir()
    copy = home / original
    copy.write_bytes(_HOSTS.sub(f"{url}/".encode(), file.read_bytes()))
    condarc = home / ".condarc"
    condarc.write_text(f"default_channels: [{url}/pkgs/main]\n")
    env = {
        **kept_variables(),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "CONDA_CHANNEL_ALIAS": url,
        "CONDARC": str(condarc),
        "NO_COLOR": "1",
    }
    words = [*ENVKIT, "create", "-n", "x", "-f", str(copy), *_TARGET, "--dry-run", "--persist", str(home / "envs")]
    try:
        done = subprocess.run(
            words, env=env, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Row(file.name, kind, WRONG, 124, "no answer in time")
    out, err = done.stdout.decode(), done.stderr.decode()
    if done.returncode == 0:
        return Row(file.name, kind, OK, 0, (out.strip().splitlines() or [""])[-1])
    text = " ".join(line for line in err.splitlines() if line.strip()) or out
    message = text[text.find("error (") :] if "error (" in text else text[-400:]
    message = message.replace(url, "").replace(str(home), "")
    if done.returncode in {1, 2, 4, 5}:
        for pattern, outcome, reason in _TRUE:
            if re.search(pattern, message):
                return Row(file.name, kind, outcome, done.returncode, f"{reason}: {message[:600]}")
    return Row(file.name, kind, WRONG, done.returncode, message[:900])


def overlay(files: Path, channels: Path, folder: Path) -> Path:
    """Return a folder of the real channels, and of empty ones for those that files name and that are not there."""
    for path in (*channels.glob("*"), *channels.glob("pkgs/*")):
        if path.is_dir() and path.name != "pkgs":
            (folder / path.relative_to(channels)).parent.mkdir(parents=True, exist_ok=True)
            (folder / path.relative_to(channels)).symlink_to(path)
    for file in files.glob("env__*"):
        try:
            recipe = read_source(file)
        except EnvkitError:
            continue
        for channel in recipe.channels if isinstance(recipe, Recipe) else ():
            name = _HOSTS.sub(b"", channel.encode()).decode().strip("/")
            if "://" not in name and name not in {"defaults", "nodefaults"} and not (folder / name / "noarch").exists():
                write_index(folder / name, {"noarch": {}, "linux-64": {}})
    return folder


def table(files: Path, channels: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Yield a row for each file."""
    chosen = [p for p in sorted(files.glob("*__*")) if not words or any(word in p.name for word in words)]
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as index,
        serve(overlay(files, channels, Path(index))) as url,
        ThreadPoolExecutor(3) as pool,
    ):
        yield from pool.map(lambda file: plan(file, url, Path(folder)), chosen)


def main() -> int:
    """Print the table and its summary."""
    counts: Counter[tuple[str, str]] = Counter()
    wrong = 0
    for row in table(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]):
        sys.stdout.write(f"{row.outcome:12} {row.code:3} {row.file}\n    {row.why}\n")
        sys.stdout.flush()
        reason = row.why.split(":", 1)[0] if row.outcome == REFUSED else ""
        counts[row.kind, f"{row.outcome} {reason}".strip()] += 1
        wrong += row.outcome == WRONG
    sys.stdout.write("\n")
    for (kind, outcome), count in sorted(counts.items()):
        sys.stdout.write(f"{count:4} {kind:16} {outcome}\n")
    return min(wrong, 1)


if __name__ == "__main__":
    os.environ.pop("ENVKIT_ENGINE", None)
    sys.exit(main())
