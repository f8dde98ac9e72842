#!/usr/bin/env python3
"""Make a conda channel of real packages out of PyPI wheels and a Python interpreter.

For machines that reach PyPI and no conda channel: tests, demonstrations, closed networks. The channel holds
`python` (a CPython installed on this machine, made relocatable), `pip`, and each REQUIREMENT with what it needs,
for this platform. What it already holds stays, so that a second run with another --python or other requirements
adds to it. Whatever needs NVIDIA's wheels is refused, unless --with-torch cuda or --cuda asks for it: such packages
say in `cuda-version`, `__cuda` and their build string what conda's say.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

try:
    from platformdirs import user_cache_path
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from wheelchannel.channel import Reporter, Work, make_channel
    from wheelchannel.errors import NO_SPACE, USAGE, ChannelError
    from wheelchannel.interpreter import detect_interpreter
    from wheelchannel.pip import parse_requirements
except ModuleNotFoundError as missing:
    sys.exit(f"error: {missing.name} is not installed\nhint: this takes envkit's dependencies and zstandard")

_TORCH: Final = {"cpu": ("torch==2.13.0", "numpy"), "cuda": ("torch==2.14.1", "numpy")}
_EXAMPLES: Final = """\
examples:
  wheel_channel.py channel numpy pygments
  wheel_channel.py channel --with-torch
  wheel_channel.py channel --with-torch --torch-index https://example.org/whl/cpu
  wheel_channel.py channel --with-torch cuda
  wheel_channel.py channel --cuda cupy-cuda12x nvidia-cuda-runtime-cu12
  wheel_channel.py channel 'ipykernel>=6' --python /usr/local/bin/python3.12

The channel's URL is printed on stdout: envkit, conda, mamba and pixi take it with -c.
Exit codes: 0 made; 1 no wheel fits; 2 usage, or a Python that cannot be packaged; 5 network; 6 a damaged wheel;
7 no space; 130 interrupted.
"""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; `--help` and errors of usage end the process."""
    parser = argparse.ArgumentParser(
        prog="wheel_channel.py",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="the channel's folder, made if it is missing")
    parser.add_argument(
        "requirements", metavar="REQUIREMENT", nargs="*", help="what to take from PyPI (PEP 508), such as 'numpy>=2'"
    )
    parser.add_argument(
        "--with-torch",
        nargs="?",
        const="cpu",
        metavar="cpu|cuda",
        help="add PyTorch and numpy: "
        + ", ".join(f"{words[0]} for {kind}" for kind, words in _TORCH.items())
        + ", the latter with NVIDIA's libraries, 6 GB installed (default: cpu)",
    )
    parser.add_argument("--cuda", action="store_true", help="package what needs NVIDIA's wheels, and those too")
    parser.add_argument(
        "--bytecode",
        action="store_true",
        help="put the bytecode of their modules into packages for one platform, as conda-build does; tests of what "
        "compiles go without",
    )
    parser.add_argument(
        "--torch-index", metavar="URL", help="where CPU wheels of PyTorch are, besides pip's configured indexes"
    )
    parser.add_argument(
        "--python",
        metavar="PATH",
        type=Path,
        default=Path(sys.executable),
        help="the Python to package; of a virtual environment, the one behind it (default: the one that runs this)",
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        default=user_cache_path("envkit") / "wheel-channel",
        help="where downloads and built packages are kept (default: %(default)s)",
    )
    # Intermixed: options may stand between OUT and the requirements.
    options = parser.parse_intermixed_args(arguments)
    if options.with_torch not in {None, *_TORCH}:  # `--with-torch numpy`: the word is a requirement
        options.requirements.insert(0, options.with_torch)
        options.with_torch = "cpu"
    return options


@contextmanager
def progress_on(console: Console) -> Iterator[Reporter]:
    """A reporter that shows a bar on a terminal, and a line for each step elsewhere."""
    if not console.is_terminal:
        yield lambda text, done, total: console.print(f"[{done}/{total}] {text}" if total else text, markup=False)
        return
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda text, done, total: progress.update(task, description=text, completed=done, total=total or None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the channel; return the exit code."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    console = Console(stderr=True, highlight=False)
    started = time.monotonic()
    try:
        texts = [*_TORCH.get(options.with_torch, ()), *options.requirements]
        work = Work(
            out=options.out.resolve(),
            requirements=parse_requirements(texts),
            interpreter=detect_interpreter(options.python),
            pip_options=("--extra-index-url", options.torch_index) if options.torch_index else (),
            cache=options.cache.resolve(),
            cuda=options.cuda or options.with_torch == "cuda",
            bytecode=options.bytecode,
        )
        with progress_on(console) as report:
            packages = make_channel(work, report)
    except ChannelError as error:
        return _fail(console, str(error), error.hint, error.exit_code)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        hint = "free some space, or name another OUT or --cache" if full else "check the path and its permissions"
        return _fail(
            console, f"{error.filename or options.out}: {error.strerror or error}", hint, NO_SPACE if full else USAGE
        )
    except KeyboardInterrupt:
        return _fail(console, "interrupted", "run it again: what was done is kept", 130)
    size_mb = sum(package.stat().st_size for package in packages) / 1e6
    seconds = time.monotonic() - started
    console.print(f"{len(packages)} packages, {size_mb:.0f} MB, in {seconds:.1f} s", markup=False)
    print(work.out.as_uri())
    return 0


def _fail(console: Console, message: str, hint: str | None, exit_code: int) -> int:
    console.print(f"error: {message}", markup=False, style="red", soft_wrap=True)
    if hint:
        console.print(f"hint: {hint}", markup=False, soft_wrap=True)
    return exit_code


if __name__ == "__main__":
    exit_code = main()
    # py-rattler now and then crashes when the interpreter takes it down (0.28).
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
