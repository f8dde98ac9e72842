"""`find` asked again is answered from what it said only where the whole command would say the same."""

from __future__ import annotations

import http.server
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import Outcome, QuietHandler, Shell, run_program

_INSTALLED = "import sys; import envkit.cli.found as found; found._is_installed = lambda: True; "
_RECALL = _INSTALLED + "sys.exit(0 if found.repeat_answer(sys.argv[1:]) else 99)"
_WHOLE = (
    _INSTALLED + "found._holds = lambda note: False; sys.argv = ['envkit', *sys.argv[1:]]; "
    "from envkit.__main__ import main; main()"
)


class Asking:
    """A package that was looked for, in a channel of this machine."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.cwd = shell.home
        self.variables: dict[str, str] = {}
        self.words: tuple[str, ...] = ("app", "-c", str(shell.channel), "--override-channels")

    @property
    def env(self) -> dict[str, str]:
        return self.shell.env(**{"LC_ALL": "C.UTF-8", **self.variables})

    @property
    def cache(self) -> Path:
        return self.shell.home / ".cache" / "envkit"

    @property
    def note(self) -> Path:
        return next(self.cache.glob("found-*.json"))

    def quick(self) -> str | None:
        """The answer from what was said, if there is one."""
        done = run_program([sys.executable, "-c", _RECALL, *self.words], env=self.env, cwd=self.cwd)
        return None if done.code == 99 else done.out

    def whole(self) -> Outcome:
        return run_program([sys.executable, "-c", _WHOLE, "find", *self.words], env=self.env, cwd=self.cwd)

    def edit(self, **members: object) -> None:
        self.note.write_text(json.dumps({**json.loads(self.note.read_text()), **members}))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    made = Shell.below(tmp_path_factory.mktemp("found"))
    made.ok("detect")
    return made


@pytest.fixture
def asking(shell: Shell) -> Asking:
    asking = Asking(shell)
    (shell.home / ".condarc").unlink(missing_ok=True)
    for path in asking.cache.glob("found-*"):
        path.unlink()
    kept = shell.home / "kept.json"
    if kept.exists():
        (asking.cache / json.loads(kept.read_text())["name"]).with_suffix(".json").write_text(kept.read_text())
    if not kept.exists() or asking.quick() is None:  # the first test, or one after a change of the channel
        shell.publish(Package("app"), Package("lib"))
        whole = asking.whole()
        assert whole.code == 0
        assert asking.quick() == whole.out
        kept.write_text(asking.note.read_text())
    return asking


def _words(*words: str) -> Callable[[Asking], object]:
    return lambda asking: setattr(asking, "words", (*asking.words, *words))


def _variables(**variables: str) -> Callable[[Asking], object]:
    return lambda asking: asking.variables.update(variables)


def _file(path: str, text: str = "") -> Callable[[Asking], object]:
    def write(asking: Asking) -> None:
        file = asking.shell.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


CHANGES: dict[str, Callable[[Asking], object]] = {
    "another package": lambda a: setattr(a, "words", ("lib", *a.words[1:])),
    "another channel": _words("-c", "conda-forge"),
    "another machine": _words("--gpu", "h100", "--driver", "550"),
    "more rows": _words("--all"),
    "json": _words("--json"),
    "a date": _words("--exclude-newer", "7d"),
    "a file of machines": _words("--hosts", "pool.jsonl"),
    "verbosely": _words("-v"),
    "asked anew": _words("--refresh"),
    "condarc": _file(".condarc", "exclude_newer: 7d\n"),
    "own settings": _file(".config/envkit/config.yml", "engine: libmamba\n"),
    "an override": _variables(CONDA_OVERRIDE_CUDA="12.1"),
    "a narrow page": _variables(COLUMNS="40"),
    "hidden devices": _variables(CUDA_VISIBLE_DEVICES="-1"),
    "another folder": lambda a: setattr(a, "cwd", a.shell.channel),
    "another index": lambda a: a.shell.publish(Package("app", version="2.0")),
    "an index of the same size": lambda a: os.utime(a.shell.channel / "noarch" / "repodata.json"),
    "no index": lambda a: (a.shell.channel / "noarch" / "repodata.json").unlink(),
    "measured builds": _file(".cache/envkit/gpucode/x.json"),
    "a host out of reach": _file(".cache/envkit/unreachable/x"),
    "a note that is too old": lambda a: a.edit(until=1),
    "a note of a day ago": lambda a: a.edit(created=1),
    "a note of no text": lambda a: a.edit(text=None),
    "a torn note": lambda a: a.note.write_text("{"),
    "a note of somebody else": lambda a: a.edit(name="found-0"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_is_left_to_the_whole_command(asking: Asking, what: str) -> None:
    CHANGES[what](asking)
    assert asking.quick() is None
    for path in ("gpucode/x.json", "unreachable/x"):
        (asking.cache / path).unlink(missing_ok=True)
    (asking.shell.home / ".config" / "envkit" / "config.yml").unlink(missing_ok=True)


def test_refusals_are_said_by_the_whole_command(asking: Asking) -> None:
    asking.words = ("nothing", *asking.words[1:])
    assert asking.whole().code == 1
    assert asking.quick() is None


def test_an_index_that_changes_meanwhile_is_not_vouched_for(asking: Asking) -> None:
    asking.note.unlink()
    late = _INSTALLED + (
        "import os; show = found.Keeper.show\n"
        f"def later(*args): os.utime({str(asking.shell.channel / 'noarch' / 'repodata.json')!r}); return show(*args)\n"
        "found.Keeper.show = later; sys.argv = ['envkit', *sys.argv[1:]]\n"
        "from envkit.__main__ import main; main()"
    )
    done = run_program([sys.executable, "-c", late, "find", *asking.words], env=asking.env, cwd=asking.cwd)
    assert done.code == 0
    assert asking.quick() is None


def test_a_checkout_is_asked_each_time(asking: Asking) -> None:
    words = [sys.executable, "-c", _RECALL.replace("True", "False"), *asking.words]
    assert run_program(words, env=asking.env, cwd=asking.cwd).code == 99


class _Aging(QuietHandler):
    """Says how long what it sends may be used."""

    max_age = 600

    def end_headers(self) -> None:
        self.send_header("Cache-Control", f"max-age={self.max_age}")
        super().end_headers()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    write_channel(tmp_path, [Package("app")])

    def handle(*args: object) -> _Aging:
        return _Aging(*args, directory=str(tmp_path))  # type: ignore[arg-type]

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handle)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_is_asked_when_the_index_may_not_be_used_any_more(asking: Asking, url: str) -> None:
    asking.words = ("app", "-c", url, "--override-channels")
    first = asking.whole()  # reads the index with the native engine
    assert asking.quick() is None
    asking.whole()
    assert asking.quick() == first.out
    for notes in asking.cache.glob("index/*.info.json"):
        os.utime(notes, (1, 1))
    assert asking.quick() is None
    asking.whole()
    assert asking.quick() == first.out
